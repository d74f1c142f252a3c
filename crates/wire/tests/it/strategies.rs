//! Values of the model as wide as the wire must carry them.

use bulkhead_model::{
    CaseId, Claim, Code, CutId, Digest, Envelope, Event, Kind, MessageId, Nation, Numbered, Payload, Place,
    Priority, Reason, ReferralId, SHARDS, ServiceAddress, State, TenantId,
};
use bulkhead_wire::record::{Carried, In, Out, Report, Withdrawal};
use bulkhead_wire::{Accepted, Author, EventRecord, Facts, ReadEvent};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A configuration for many cheap cases; a failure prints its input and leaves no file.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text without control characters, as ids are.
fn printable(max: usize) -> impl Strategy<Value = String> {
    vec("\\PC", 1..=max / 4)
        .prop_map(|parts| parts.concat())
        .prop_filter("no control characters", |text| !text.chars().any(char::is_control))
}

/// Any text: what people and systems answer with.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ -~]{0,20}", ".{0,12}"]
}

pub(crate) fn timestamp() -> BoxedStrategy<Timestamp> {
    let (min, max) = (Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
    prop_oneof![
        6 => (0..4_000_000_000_i128, 0..1_000_000_000_i128).prop_map(|(s, ns)| s * 1_000_000_000 + ns),
        2 => min..=max,
        1 => -2_000_000_000..2_000_000_000_i128,
        1 => select(vec![min, min + 1, max - 1, max]),
    ]
    .prop_map(|nanos| Timestamp::from_nanosecond(nanos).unwrap())
    .boxed()
}

fn nation() -> impl Strategy<Value = Nation> {
    select(Nation::ALL.to_vec())
}

fn tenant() -> impl Strategy<Value = TenantId> {
    (nation(), "[a-z0-9-]{1,63}")
        .prop_map(|(nation, name)| TenantId::parse(&format!("{nation}/{name}")).unwrap())
}

fn message_id() -> impl Strategy<Value = MessageId> {
    printable(40).prop_map(|text| MessageId::parse(&text).unwrap())
}

fn address() -> impl Strategy<Value = ServiceAddress> {
    (prop_oneof![Just(String::new()), printable(60)], printable(60))
        .prop_map(|(system, value)| ServiceAddress::parse(&system, &value).unwrap())
}

fn id() -> impl Strategy<Value = ReferralId> {
    any::<[u8; 16]>().prop_map(|bytes| ReferralId::from_slice(&bytes).unwrap())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::new)
}

fn claim() -> BoxedStrategy<Claim> {
    (0..SHARDS, any::<u64>(), text()).prop_map(|(shard, number, node)| Claim { shard, number, node }).boxed()
}

fn place() -> BoxedStrategy<Place> {
    (text(), any::<u32>(), any::<u64>())
        .prop_map(|(topic, partition, offset)| Place { topic, partition, offset })
        .boxed()
}

/// Reasons of ours, and of a newer release.
fn reason() -> BoxedStrategy<Reason> {
    let code = prop_oneof![select(Code::ALL.to_vec()).prop_map(|code| code.to_string()), text()];
    (code, text()).prop_map(|(code, text)| Reason { code, text }).boxed()
}

fn epochs() -> impl Strategy<Value = Vec<(Nation, u64)>> {
    vec((nation(), any::<u64>()), 0..4)
}

fn traceparent() -> impl Strategy<Value = String> {
    "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
}

pub(crate) fn envelope() -> BoxedStrategy<Envelope> {
    let kind = select(vec![Kind::Request, Kind::Update, Kind::Cancel, Kind::Response]);
    let priority = select(vec![Priority::Emergency, Priority::Urgent, Priority::Routine]);
    let ids = (message_id(), 1..=u32::MAX, address(), option::of(address()), option::of(message_id()));
    let case = option::of(printable(40).prop_map(|text| CaseId::parse(&text).unwrap()));
    let rest = (
        option::of(timestamp()),
        printable(60),
        option::of(traceparent()),
        vec("[ -~]{0,64}", 0..=16),
        option::of(timestamp()),
    );
    (ids, kind, case, priority, rest)
        .prop_map(|((message_id, attempt, to, reply_to, in_response_to), kind, case_id, priority, rest)| {
            let (deadline, content_type, traceparent, flags, spooled_at) = rest;
            Envelope {
                message_id,
                attempt,
                to,
                reply_to,
                kind,
                case_id,
                priority,
                deadline,
                content_type,
                in_response_to,
                traceparent,
                flags,
                spooled_at,
            }
        })
        .boxed()
}

fn cut_id() -> BoxedStrategy<CutId> {
    tenant().prop_map(|tenant| CutId::parse(tenant.as_str()).unwrap()).boxed()
}

pub(crate) fn accepted() -> BoxedStrategy<Accepted> {
    let bytes = (vec(any::<u8>(), 0..200), digest());
    let admission = (timestamp(), text(), epochs(), option::of(timestamp()));
    (id(), tenant(), envelope(), bytes, admission)
        .prop_map(|(id, tenant, envelope, (payload, digest), (admitted_at, node, epochs, accepted_at))| {
            Accepted {
                id,
                tenant,
                envelope,
                payload: Payload::new(payload.into()),
                digest,
                admitted_at,
                node,
                epochs,
                accepted_at,
            }
        })
        .boxed()
}

fn state() -> impl Strategy<Value = State> {
    select(State::ALL.to_vec())
}

pub(crate) fn report() -> BoxedStrategy<Report> {
    let rest = (any::<u64>(), timestamp(), vec(text(), 0..4));
    (id(), nation(), state(), option::of(reason()), option::of(tenant()), rest)
        .prop_map(|(id, nation, state, reason, destination, (sequence, at, omissions))| Report {
            id,
            nation,
            state,
            reason,
            destination,
            sequence,
            at,
            omissions,
        })
        .boxed()
}

pub(crate) fn inward() -> impl Strategy<Value = In> {
    prop_oneof![
        accepted().prop_map(In::Accepted),
        (accepted(), claim(), nation()).prop_map(|(accepted, claim, from)| In::Carried(Carried {
            accepted,
            claim,
            from
        })),
        (id(), tenant(), message_id(), any::<u32>()).prop_map(|(id, tenant, message_id, up_to)| {
            In::Withdrawal(Withdrawal { id, tenant, message_id, up_to })
        }),
        report().prop_map(In::Report),
    ]
}

pub(crate) fn outward() -> impl Strategy<Value = Out> {
    (accepted(), claim()).prop_map(|(accepted, claim)| Out { accepted, claim })
}

/// Every kind of event.
fn event() -> BoxedStrategy<Event> {
    let routes = prop_oneof![
        (tenant(), place()).prop_map(|(to, bytes)| Event::Routed { to, bytes }),
        (nation(), tenant(), place()).prop_map(|(nation, to, bytes)| Event::ToBorder { nation, to, bytes }),
        nation().prop_map(|nation| Event::Carrying { nation }),
        nation().prop_map(|nation| Event::Carried { nation }),
        (nation(), option::of(cut_id()), reason()).prop_map(|(nation, cut, reason)| Event::BorderRefused {
            nation,
            cut,
            reason
        }),
        (tenant(), text(), place(), reason()).prop_map(|(to, service, bytes, reason)| Event::Diverted {
            to,
            service,
            bytes,
            reason
        }),
        report().prop_map(|report| Event::Reported {
            state: report.state,
            reason: report.reason,
            destination: report.destination,
            sequence: report.sequence,
            at: report.at,
            omissions: report.omissions,
        }),
    ];
    let hand_over = prop_oneof![
        any::<u32>().prop_map(|attempt| Event::Offered { attempt }),
        (any::<u32>(), text()).prop_map(|(attempt, inbox)| Event::Delivered { attempt, inbox }),
        (any::<u32>(), text(), any::<bool>()).prop_map(|(attempt, cause, spends_budget)| Event::Retry {
            attempt,
            cause,
            spends_budget
        }),
        (text(), vec(text(), 0..4)).prop_map(|(answer, omissions)| Event::Acknowledged { answer, omissions }),
        reason().prop_map(|reason| Event::Rejected { reason }),
    ];
    let aside = prop_oneof![
        reason().prop_map(|reason| Event::Parked { reason }),
        (option::of(tenant()), cut_id(), reason()).prop_map(|(to, cut, reason)| Event::Held {
            to,
            cut,
            reason
        }),
        (option::of(tenant()), cut_id(), reason()).prop_map(|(to, cut, reason)| Event::Quarantined {
            to,
            cut,
            reason
        }),
        text().prop_map(|by| Event::Resumed { by }),
        (cut_id(), reason()).prop_map(|(cut, reason)| Event::Unknown { cut, reason }),
        (cut_id(), reason()).prop_map(|(cut, reason)| Event::Recalled { cut, reason }),
        (cut_id(), text()).prop_map(|(cut, answer)| Event::NotRecalled { cut, answer }),
        Just(Event::Overdue),
        (option::of(tenant()), reason()).prop_map(|(to, reason)| Event::ReturnPending { to, reason }),
        text().prop_map(|by| Event::Returned { by }),
        reason().prop_map(|reason| Event::Cancelled { reason }),
        any::<u32>().prop_map(|up_to| Event::Withdrawn { up_to }),
        any::<u64>().prop_map(|version| Event::Told { version }),
        (any::<u64>(), text()).prop_map(|(version, answer)| Event::SenderTold { version, answer }),
    ];
    prop_oneof![7 => routes.boxed(), 5 => hand_over.boxed(), 8 => aside.boxed()].boxed()
}

fn facts() -> BoxedStrategy<Facts> {
    let sizes = (digest(), any::<u64>());
    let times = (timestamp(), timestamp(), epochs());
    (tenant(), envelope(), sizes, times, option::of(id()), option::of(nation()))
        .prop_map(|(tenant, envelope, (digest, payload_bytes), times, predecessor, from_nation)| {
            let (accepted_at, admitted_at, epochs) = times;
            Facts {
                tenant,
                envelope,
                digest,
                payload_bytes,
                accepted_at,
                admitted_at,
                epochs,
                predecessor,
                from_nation,
            }
        })
        .boxed()
}

pub(crate) fn read_event() -> impl Strategy<Value = ReadEvent> {
    let numbered = (any::<u32>(), event()).prop_map(|(custody, event)| Numbered { custody, event });
    let record = prop_oneof![
        1 => Just(EventRecord::Claimed),
        8 => (id(), numbered, option::weighted(0.3, facts()), option::of(place())).prop_map(
            |(id, numbered, facts, source)| EventRecord::Decision {
                id,
                numbered,
                facts: facts.map(Box::new),
                source,
            }
        ),
        1 => (place(), option::of(id()), text())
            .prop_map(|(source, id, code)| EventRecord::Settled { source, id, code }),
    ];
    (claim(), timestamp(), record)
        .prop_map(|(claim, at, record)| ReadEvent { author: Author { claim, at }, record })
}
