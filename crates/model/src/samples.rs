//! What the tests of this crate draw from: a few tenants, every event, every state.

use proptest::prelude::*;
use proptest::sample::select;

use crate::event::Place;
use crate::{
    CaseId, Code, CutId, Envelope, Event, Kind, Lifecycle, MessageId, Nation, Priority, Reason,
    ServiceAddress, State, TenantId, There,
};

/// A proptest configuration for many cheap cases; a failure prints its input and leaves no file.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

pub(crate) fn any_tenant() -> impl Strategy<Value = TenantId> + Clone {
    select(vec!["england/a", "england/b", "wales/c", "scotland/d", "northern-ireland/e"]).prop_map(tenant)
}

pub(crate) fn any_nation() -> impl Strategy<Value = Nation> + Clone {
    select(Nation::ALL.to_vec())
}

pub(crate) fn any_state() -> impl Strategy<Value = State> + Clone {
    select(State::ALL.to_vec())
}

pub(crate) fn any_priority() -> impl Strategy<Value = Priority> {
    select(vec![Priority::Emergency, Priority::Urgent, Priority::Routine])
}

pub(crate) fn any_place() -> impl Strategy<Value = Place> + Clone {
    (0..3_u32, 0..9_u64).prop_map(|(partition, offset)| Place {
        topic: "out.wales.c".into(),
        partition,
        offset,
    })
}

pub(crate) fn any_reason() -> impl Strategy<Value = Reason> + Clone {
    select(Code::ALL.to_vec()).prop_map(|code| Reason::new(code, "because"))
}

pub(crate) fn any_cut_id() -> impl Strategy<Value = CutId> + Clone {
    select(vec!["wales/1", "england/1"]).prop_map(|text| CutId::parse(text).unwrap())
}

/// An envelope whose ids are as given and whose rest is the plainest there is.
pub(crate) fn envelope(message_id: &str, attempt: u32, to: ServiceAddress, priority: Priority) -> Envelope {
    Envelope {
        message_id: MessageId::parse(message_id).unwrap(),
        attempt,
        to,
        reply_to: None,
        kind: Kind::Request,
        case_id: CaseId::parse("case").ok(),
        priority,
        deadline: None,
        content_type: "application/fhir+json".into(),
        in_response_to: None,
        traceparent: None,
        flags: vec![],
        spooled_at: None,
    }
}

/// Every kind of event, with numbers small enough to meet one another.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let handed = (any_tenant(), any_place());
    prop_oneof![
        handed.clone().prop_map(|(to, bytes)| Event::Routed { to, bytes }),
        (any_nation(), handed.clone()).prop_map(|(nation, (to, bytes))| Event::ToBorder {
            nation,
            to,
            bytes
        }),
        any_nation().prop_map(|nation| Event::Carrying { nation }),
        any_nation().prop_map(|nation| Event::Carried { nation }),
        (any_nation(), proptest::option::of(any_cut_id()), any_reason())
            .prop_map(|(nation, cut, reason)| Event::BorderRefused { nation, cut, reason }),
        (1..5_u32).prop_map(|attempt| Event::Offered { attempt }),
        (1..5_u32).prop_map(|attempt| Event::Delivered { attempt, inbox: "inbox".into() }),
        (1..5_u32, any::<bool>()).prop_map(|(attempt, spends_budget)| Event::Retry {
            attempt,
            cause: "busy".into(),
            spends_budget,
        }),
        any::<bool>().prop_map(|left_out| Event::Acknowledged {
            answer: "AA".into(),
            omissions: if left_out { vec!["NTE".into()] } else { vec![] },
        }),
        any_reason().prop_map(|reason| Event::Rejected { reason }),
        any_reason().prop_map(|reason| Event::Parked { reason }),
        any_aside_event(),
        Just(Event::Overdue),
        (prop::option::of(any_tenant()), any_reason())
            .prop_map(|(to, reason)| Event::ReturnPending { to, reason }),
        Just(Event::Returned { by: "a person".into() }),
        (handed, any_reason()).prop_map(|((to, bytes), reason)| Event::Diverted {
            to,
            service: "wales/fallback".into(),
            bytes,
            reason,
        }),
        any_reason().prop_map(|reason| Event::Cancelled { reason }),
        (1..5_u32).prop_map(|up_to| Event::Withdrawn { up_to }),
        (1..9_u64).prop_map(|version| Event::Told { version }),
        (1..9_u64).prop_map(|version| Event::SenderTold { version, answer: "AA".into() }),
        (any_state(), prop::option::of(any_reason()), prop::option::of(any_tenant()), 1..5_u64).prop_map(
            |(state, reason, destination, sequence)| Event::Reported {
                state,
                reason,
                destination,
                sequence,
                at: jiff::Timestamp::UNIX_EPOCH,
                omissions: vec![],
            }
        ),
    ]
}

fn any_aside_event() -> impl Strategy<Value = Event> {
    let aside = (prop::option::of(any_tenant()), any_cut_id(), any_reason());
    let with_cut = (any_cut_id(), any_reason());
    prop_oneof![
        aside.clone().prop_map(|(to, cut, reason)| Event::Held { to, cut, reason }),
        aside.prop_map(|(to, cut, reason)| Event::Quarantined { to, cut, reason }),
        Just(Event::Resumed { by: "the restore".into() }),
        with_cut.clone().prop_map(|(cut, reason)| Event::Unknown { cut, reason }),
        with_cut.prop_map(|(cut, reason)| Event::Recalled { cut, reason }),
        any_cut_id().prop_map(|cut| Event::NotRecalled { cut, answer: "handed over".into() }),
    ]
}

/// Every state, however it was reached, those that are set aside for a cut too.
pub(crate) fn any_lifecycle() -> impl Strategy<Value = Lifecycle> {
    (any_plain_lifecycle(), any_aside_event())
        .prop_map(|(plain, event)| plain.clone().apply(&event).unwrap_or(plain))
}

/// Every state that has nothing to do with a cut.
fn any_plain_lifecycle() -> impl Strategy<Value = Lifecycle> {
    let handed = (any_tenant(), any_place(), 1..4_u32);
    let there = (any_state(), prop::option::of(any_reason()), 1..4_u64)
        .prop_map(|(state, reason, sequence)| There { state, reason, destination: None, sequence });
    prop_oneof![
        Just(Lifecycle::Accepted),
        handed.clone().prop_map(|(to, bytes, _)| Lifecycle::Routed { to, bytes }),
        (any_nation(), handed.clone(), any::<bool>()).prop_map(|(nation, (to, bytes, _), carrying)| {
            Lifecycle::AtBorder { nation, to, bytes, carrying }
        }),
        (any_nation(), prop::option::of(there)).prop_map(|(by, there)| Lifecycle::Carried { by, there }),
        handed.clone().prop_map(|(to, bytes, attempt)| Lifecycle::Offered {
            to,
            bytes,
            attempt,
            diversion: None,
            taken_by: None,
        }),
        handed.clone().prop_map(|(to, bytes, attempt)| Lifecycle::Delivered {
            to,
            bytes,
            attempt,
            inbox: "inbox".into(),
            diversion: None,
        }),
        any_tenant().prop_map(|to| Lifecycle::Acknowledged { to, answer: "AA".into() }),
        (any_tenant(), any_reason()).prop_map(|(to, reason)| Lifecycle::Rejected { to: Some(to), reason }),
        (prop::option::of(any_tenant()), prop::option::of(any_place()), any_reason())
            .prop_map(|(to, bytes, reason)| Lifecycle::Parked { to, bytes, reason }),
        (prop::option::of(any_tenant()), any_reason())
            .prop_map(|(to, reason)| Lifecycle::ReturnPending { to, reason }),
        prop::option::of(any_tenant()).prop_map(|to| Lifecycle::Returned { to, by: "a person".into() }),
        (handed, any_reason()).prop_map(|((to, bytes, _), reason)| Lifecycle::Diverted {
            to,
            service: "wales/fallback".into(),
            bytes,
            reason,
        }),
        any_reason().prop_map(|reason| Lifecycle::Cancelled { reason }),
    ]
}
