//! Admission: one field wrong at a time in tables, everything at once in properties.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::directory::tests::{service, supplier, takes_over, tenant as tenant_of};
use crate::samples::{any_reason, any_state, cases, envelope, tenant};
use crate::{Priority, Quota, Service, ServiceAddress};

/// What a tenant of the test directory may send, in bytes.
const MAY_SEND: usize = 100;
/// What the service `england/small` takes, in bytes.
const SMALL: usize = 40;

fn directory() -> Directory {
    let tenants = ["england/a", "england/b", "wales/c"].map(|id| {
        let quota = Quota { payload_bytes: MAY_SEND, ..Quota::default() };
        crate::Tenant { quota, ..tenant_of(id) }
    });
    let mut small = service("england/small", "england/b", "2");
    small.max_bytes = Some(SMALL);
    let mut closed = service("england/closed", "england/b", "3");
    closed.grants = Some(vec![]);
    let mut for_wales = service("england/for-wales", "england/b", "4");
    for_wales.grants = Some(vec![tenant("wales/c")]);
    let services = vec![
        service("england/open", "england/b", "1"),
        small,
        closed,
        for_wales,
        service("england/own", "england/a", "5"),
    ];
    Directory::new(vec![supplier()], tenants.to_vec(), services, vec![]).unwrap()
}

fn address(text: &str) -> ServiceAddress {
    ServiceAddress::parse("", text).unwrap()
}

fn arrival(from: &str, to: &str, bytes: usize) -> Arrival {
    Arrival {
        tenant: tenant(from),
        envelope: envelope("m-1", 1, address(to), Priority::Routine),
        payload: Payload::new(vec![b'x'; bytes].into()),
        digest: Digest::new([1; 32]),
    }
}

fn provenance(arrival: &Arrival) -> Provenance {
    Provenance {
        id: arrival.id(),
        origin: arrival.tenant.clone(),
        destination: None,
        accepted_at: None,
        admitted_at: Timestamp::UNIX_EPOCH,
        spooled_at: None,
        epochs: vec![],
    }
}

fn ask(arrival: &Arrival, known: Option<Known>) -> Result<Admitted, NotAdmitted> {
    admit(arrival.clone(), &provenance(arrival), known, &directory(), &Cuts::default())
}

fn code_of(answer: Result<Admitted, NotAdmitted>) -> Option<Code> {
    match answer {
        Ok(_) | Err(NotAdmitted::Known(_)) => None,
        Err(NotAdmitted::Refused { reason, .. } | NotAdmitted::Cut { reason, .. }) => reason.known(),
        Err(NotAdmitted::TooSoon) => Some(Code::NodeUnsure),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A cut of that tenant at position 10 and second 100, restored at position 15 and second 200 if it is.
fn cut(tenant: &str, direction: crate::Direction, restored: bool) -> Cuts {
    use crate::{CutFact, CutId, FactId, OperatorId, Stamp, Step, Word};
    let id = CutId::parse("england/1").unwrap();
    let [duty, lead] = ["england/duty", "england/lead"].map(|by| OperatorId::parse(by).unwrap());
    let made = crate::Cut {
        id: id.clone(),
        by: duty.clone(),
        scope: tenant.parse().unwrap(),
        tenants: vec![],
        direction,
        since: at(100),
        drain_clean: false,
        reason: String::new(),
    };
    let steps = [
        (&duty, Step::Proposed { certificates: vec![] }),
        (&lead, Step::Approved),
        (&duty, Step::Canary { with: vec![] }),
        (&duty, Step::Limited { per_minute: 1 }),
        (&duty, Step::Full),
    ];
    let back = steps.into_iter().map(|(by, step)| (by.clone(), Word::Step(step), at(200)));
    let said = std::iter::once((duty.clone(), Word::Made(Box::new(made)), at(100)));
    let said = said.chain(back.filter(|_| restored));
    let mut cuts = Cuts::default();
    cuts.hear_all((0_u8..).zip(said).map(|(n, (by, word, at))| {
        let fact = CutFact { fact: FactId([n; 32]), cut: id.clone(), by, word };
        (fact, Stamp::here(10 + u64::from(n), at))
    }));
    cuts
}

#[test]
fn a_cut_refuses_and_a_restore_lets_in_but_not_what_lay_in_the_spool() {
    let check = |cuts: &Cuts, admitted: i64, spooled: Option<i64>, expected: Option<Code>| {
        let mut arrival = arrival("england/a", "england/open", 1);
        arrival.envelope.spooled_at = spooled.map(at);
        let provenance = Provenance {
            admitted_at: at(admitted),
            spooled_at: spooled.map(at),
            epochs: vec![(crate::Nation::England, 99)],
            ..provenance(&arrival)
        };
        assert_eq!(code_of(admit(arrival, &provenance, None, &directory(), cuts)), expected, "{admitted}");
    };
    let in_force = cut("england/a", crate::Direction::From, false);
    check(&in_force, 50, None, Some(Code::TenantCut));
    check(&in_force, 150, None, Some(Code::TenantCut));
    let restored = cut("england/a", crate::Direction::From, true);
    check(&restored, 201, None, Some(Code::NodeUnsure));
    check(&restored, 203, None, None);
    // Let in, and quarantined by whoever asks next.
    check(&restored, 300, Some(150), None);
    check(&cut("england/b", crate::Direction::Both, false), 150, None, None);
}

#[test]
fn what_cannot_wait_is_refused_for_a_cut_service_while_the_caller_is_on_the_line() {
    let cuts = cut("england/b", crate::Direction::To, false);
    let check = |priority: Priority, kind: Kind, expected: Option<Code>| {
        let mut arrival = arrival("england/a", "england/open", 1);
        (arrival.envelope.priority, arrival.envelope.kind) = (priority, kind);
        let host = directory().resolve(&arrival.envelope.to).unwrap().host.clone();
        let provenance = Provenance { destination: Some(host), ..provenance(&arrival) };
        assert_eq!(code_of(admit(arrival, &provenance, None, &directory(), &cuts)), expected, "{priority:?}");
    };
    check(Priority::Emergency, Kind::Request, Some(Code::DestinationCut));
    check(Priority::Urgent, Kind::Request, Some(Code::DestinationCut));
    check(Priority::Routine, Kind::Request, None);
    check(Priority::Urgent, Kind::Cancel, None);
}

#[test]
fn it_is_let_in_when_its_fallback_takes_it_now_and_only_then() {
    let cuts = cut("england/b", crate::Direction::To, false);
    let check = |word: Option<crate::TakesOver>, admitted: &str, expected: Option<Code>| {
        let fallback = service("england/f", "england/a", "8");
        let services = vec![
            Service { fallback: Some(fallback.id.clone()), ..service("england/open", "england/b", "1") },
            Service { takes_over: word.into_iter().collect(), ..fallback },
        ];
        let tenants = ["england/a", "england/b"].map(tenant_of).to_vec();
        let directory = Directory::new(vec![supplier()], tenants, services, vec![]).unwrap();
        let mut arrival = arrival("england/a", "england/open", 1);
        arrival.envelope.priority = Priority::Urgent;
        let provenance = Provenance {
            destination: Some(tenant("england/b")),
            admitted_at: admitted.parse().unwrap(),
            ..provenance(&arrival)
        };
        assert_eq!(code_of(admit(arrival, &provenance, None, &directory, &cuts)), expected, "{admitted}");
    };
    let (by_day, by_night) = ("2026-01-05T12:00:00Z", "2026-01-05T20:00:00Z");
    check(None, by_night, Some(Code::DestinationCut));
    check(Some(takes_over("england/open")), by_day, None);
    let hours = Some(vec![crate::Span::parse("mon-fri 18:30-08:00").unwrap()]);
    let word = crate::TakesOver { hours, ..takes_over("england/open") };
    check(Some(word.clone()), by_day, Some(Code::DestinationCut));
    check(Some(word.clone()), by_night, None);
    let routine = crate::TakesOver { priorities: Some(vec![Priority::Routine]), ..word };
    check(Some(routine), by_night, Some(Code::DestinationCut));
}

#[test]
fn one_thing_wrong_is_refused_with_its_code_and_field() {
    let check = |arrival: Arrival, code: Code, at: Option<&str>| match ask(&arrival, None) {
        Err(NotAdmitted::Refused { reason, field }) => assert_eq!((reason.known(), field), (Some(code), at)),
        other => panic!("{other:?}"),
    };
    assert!(ask(&arrival("england/a", "england/open", MAY_SEND), None).is_ok());
    assert!(ask(&arrival("england/a", "england/small", SMALL), None).is_ok());
    assert!(ask(&arrival("wales/c", "england/for-wales", 1), None).is_ok());
    check(arrival("wales/nobody", "england/open", 1), Code::TenantUnknown, None);
    check(arrival("england/a", "england/open", 0), Code::InvalidEnvelope, Some("payload"));
    check(arrival("england/a", "england/open", MAY_SEND + 1), Code::PayloadTooLarge, Some("payload"));
    check(arrival("england/a", "england/small", SMALL + 1), Code::PayloadTooLarge, Some("payload"));
    check(arrival("england/a", "england/none", 1), Code::ServiceUnknown, Some("to"));
    check(arrival("england/a", "england/closed", 1), Code::NotGranted, Some("to"));
    check(arrival("england/a", "england/for-wales", 1), Code::NotGranted, Some("to"));
    let mut answer_elsewhere = arrival("england/a", "england/open", 1);
    answer_elsewhere.envelope.reply_to = Some(address("england/open"));
    check(answer_elsewhere.clone(), Code::InvalidEnvelope, Some("reply_to"));
    answer_elsewhere.envelope.reply_to = Some(address("england/own"));
    assert!(ask(&answer_elsewhere, None).is_ok());
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    let from = select(vec!["england/a", "england/b", "wales/c", "wales/nobody"]);
    let to = select(vec![
        "england/open",
        "england/small",
        "england/closed",
        "england/for-wales",
        "england/own",
        "england/none",
    ]);
    let reply_to = prop::option::of(select(vec!["england/own", "england/open", "england/none"]));
    (from, to, 0..2 * MAY_SEND, reply_to, 1..5_u32, 0..2_u8).prop_map(
        |(from, to, bytes, reply_to, attempt, digest)| {
            let mut arrival = arrival(from, to, bytes);
            arrival.envelope.reply_to = reply_to.map(address);
            arrival.envelope.attempt = attempt;
            arrival.digest = Digest::new([digest; 32]);
            arrival
        },
    )
}

fn any_known() -> impl Strategy<Value = Known> {
    (0..2_u8, any_state(), prop::option::of(any_reason()), prop::option::of(0..5_u32)).prop_map(
        |(digest, state, reason, begins_anew_after)| Known {
            digest: Digest::new([digest; 32]),
            state,
            reason,
            begins_anew_after,
        },
    )
}

/// Everything that is wrong with a new arrival, apart from its sender.
fn faults(arrival: &Arrival) -> Vec<Code> {
    let directory = directory();
    let bytes = arrival.payload.len();
    let mut faults = Vec::new();
    let mut fault = |is: bool, code| faults.extend(is.then_some(code));
    fault(bytes == 0, Code::InvalidEnvelope);
    fault(bytes > MAY_SEND, Code::PayloadTooLarge);
    let service = directory.resolve(&arrival.envelope.to);
    fault(service.is_none(), Code::ServiceUnknown);
    if let Some(service) = service {
        fault(!service.takes_from(&arrival.tenant), Code::NotGranted);
        fault(service.max_bytes.is_some_and(|max| bytes > max), Code::PayloadTooLarge);
    }
    if let Some(reply_to) = &arrival.envelope.reply_to {
        let host = directory.resolve(reply_to).map(|service| &service.host);
        fault(host != Some(&arrival.tenant), Code::InvalidEnvelope);
    }
    faults
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_is_new_passes_exactly_when_nothing_is_wrong(arrival in any_arrival()) {
        let faults = faults(&arrival);
        let answer = ask(&arrival, None);
        if arrival.tenant == tenant("wales/nobody") {
            prop_assert_eq!(code_of(answer), Some(Code::TenantUnknown));
        } else if faults.is_empty() {
            let admitted = answer.unwrap();
            prop_assert_eq!(admitted.id(), ReferralId::derive(&arrival.tenant, &arrival.envelope.message_id));
            prop_assert_eq!(&admitted.arrival().payload, &arrival.payload);
        } else {
            let code = code_of(answer);
            prop_assert!(code.is_some_and(|code| faults.contains(&code)), "{:?} of {:?}", code, faults);
        }
    }

    #[test]
    fn what_is_known_is_appended_again_only_as_a_new_attempt(
        arrival in any_arrival(),
        known in any_known(),
    ) {
        let answer = ask(&arrival, Some(known.clone()));
        let new_attempt = known.begins_anew_after.is_some_and(|after| after < arrival.envelope.attempt);
        if arrival.tenant == tenant("wales/nobody") {
            prop_assert_eq!(code_of(answer), Some(Code::TenantUnknown));
        } else if known.digest != arrival.digest {
            prop_assert_eq!(code_of(answer), Some(Code::ConflictingDuplicate));
        } else if new_attempt {
            prop_assert_eq!(answer.is_ok(), faults(&arrival).is_empty());
        } else {
            prop_assert_eq!(answer.unwrap_err(), NotAdmitted::Known(known));
        }
    }
}
