//! What lies in `proto/fixtures`: a value of the model for each file, written out in full.

use bulkhead_model::{
    CaseId, Claim, Code, CutId, Digest, Direction, Envelope, Event, Kind, MessageId, Nation, Numbered,
    OperatorId, Payload, Place, Priority, Pulse, Reason, ReferralId, Scope, ServiceAddress, State, TenantId,
};
use bulkhead_wire::fact::{Command, Header, HeaderScope, Statement};
use bulkhead_wire::record::{Carried, In, Out, Report, Withdrawal};
use bulkhead_wire::v1::{
    AnomalyFact, AuditHead, ControlRecord, DirectoryFact, HomePlace, SignedCopy, control_record,
};
use bulkhead_wire::{
    Accepted, Author, EventRecord, Facts, ReadEvent, Unreadable, pulse_to_wire, time_to_wire,
};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use ring::signature::Ed25519KeyPair;

/// A record of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    In(In),
    Out(Out),
    Event(ReadEvent),
    Control(ControlRecord),
}

impl Record {
    /// As today's writer writes it.
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Record::In(record) => record.encode(),
            Record::Out(record) => record.encode(),
            Record::Event(record) => record.encode(),
            Record::Control(record) => record.encode_to_vec().into(),
        }
    }

    /// Reads bytes as a record of the same kind.
    pub(crate) fn read_alike(&self, bytes: Bytes) -> Result<Record, Unreadable> {
        match self {
            Record::In(_) => In::decode(bytes).map(Record::In),
            Record::Out(_) => Out::decode(bytes).map(Record::Out),
            Record::Event(_) => ReadEvent::decode(bytes).map(Record::Event),
            Record::Control(_) => {
                ControlRecord::decode(bytes).map(Record::Control).map_err(|_| Unreadable::Malformed)
            }
        }
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn address(system: &str, value: &str) -> ServiceAddress {
    ServiceAddress::parse(system, value).unwrap()
}

fn message(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

fn cut() -> CutId {
    CutId::parse("wales/wast-111-1").unwrap()
}

fn why() -> Reason {
    reason(Code::TenantCut, "the sender is cut off by wales/wast-111-1")
}

fn reason(code: Code, text: &str) -> Reason {
    Reason::new(code, text)
}

/// SHA-256 of `PAYLOAD`.
const DIGEST: [u8; 32] = [
    0x39, 0x7c, 0x79, 0xe6, 0xce, 0x47, 0x91, 0x94, 0xf7, 0x5f, 0x39, 0x05, 0x84, 0xdb, 0x99, 0x27, 0x1b,
    0xf1, 0x44, 0x40, 0xc2, 0x4c, 0xb1, 0x12, 0x00, 0xdb, 0x86, 0x94, 0xf4, 0xe9, 0xf2, 0x54,
];
const PAYLOAD: &[u8] = b"{\"resourceType\":\"Bundle\"}";

/// Every field is set.
fn envelope() -> Envelope {
    Envelope {
        message_id: message("3f1c2e6a-9a51-4b1e-8d35-0c9a7be1f001"),
        attempt: 2,
        to: address("https://fhir.nhs.uk/Id/dos-service-id", "2000011147"),
        reply_to: Some(address("", "england/nhs111-north-triage")),
        kind: Kind::Response,
        case_id: CaseId::parse("5d0f6f0e-case").ok(),
        priority: Priority::Emergency,
        deadline: Some(at("2026-03-01T12:30:00Z")),
        content_type: "application/fhir+json".into(),
        in_response_to: Some(message("MSH|WAST|7A4|0001|20260301")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        flags: vec!["nhs-number-check-digit".into()],
        spooled_at: None,
    }
}

/// Only what must be there is set.
fn spooled() -> Accepted {
    let envelope = Envelope { spooled_at: Some(at("2022-08-04T05:10:00.000001Z")), ..plain_envelope() };
    Accepted { envelope, ..plain_accepted() }
}

fn plain_envelope() -> Envelope {
    Envelope {
        message_id: message("m-1"),
        attempt: 1,
        to: address("", "wales/wast-111-triage"),
        reply_to: None,
        kind: Kind::Request,
        case_id: None,
        priority: Priority::Urgent,
        deadline: None,
        content_type: "x-application/hl7-v2+er7".into(),
        in_response_to: None,
        traceparent: None,
        flags: vec![],
        spooled_at: None,
    }
}

fn id() -> ReferralId {
    ReferralId::parse("eabd1438-5601-51bd-a2cc-bec6579a50cb").unwrap()
}

fn accepted() -> Accepted {
    Accepted {
        id: id(),
        tenant: tenant("england/nhs111-north"),
        envelope: envelope(),
        payload: Payload::new(PAYLOAD.into()),
        digest: Digest::new(DIGEST),
        admitted_at: at("2026-03-01T12:00:00.123456789Z"),
        node: "england-1".into(),
        epochs: vec![(Nation::England, 17), (Nation::Wales, 4)],
        accepted_at: Some(at("2026-03-01T12:00:00.25Z")),
    }
}

fn plain_accepted() -> Accepted {
    Accepted {
        envelope: plain_envelope(),
        payload: Payload::default(),
        digest: Digest::new([0; 32]),
        admitted_at: at("1969-12-31T23:59:59.5Z"),
        node: String::new(),
        epochs: vec![],
        accepted_at: None,
        ..accepted()
    }
}

fn claim() -> Claim {
    Claim { shard: 31, number: 12, node: "england-2".into() }
}

fn report() -> Report {
    Report {
        id: id(),
        nation: Nation::NorthernIreland,
        state: State::Rejected,
        reason: Some(reason(Code::NotTranslatable, "an allergy has no place")),
        destination: Some(tenant("northern-ireland/gp-ooh")),
        sequence: 7,
        at: at("2026-03-01T12:00:03Z"),
        omissions: vec!["NTE".into(), "OBX-5".into()],
    }
}

fn place(topic: &str, partition: u32, offset: u64) -> Place {
    Place { topic: topic.into(), partition, offset }
}

fn facts() -> Facts {
    Facts {
        tenant: tenant("england/nhs111-north"),
        envelope: envelope(),
        digest: Digest::new(DIGEST),
        payload_bytes: PAYLOAD.len() as u64,
        accepted_at: at("2026-03-01T12:00:00.25Z"),
        admitted_at: at("2026-03-01T12:00:00.123456789Z"),
        epochs: vec![(Nation::England, 17), (Nation::Wales, 4)],
        predecessor: ReferralId::parse("170fded2-2505-51d3-a346-86cf10eebbe9").ok(),
        from_nation: Some(Nation::England),
    }
}

fn plain_facts() -> Facts {
    Facts { envelope: plain_envelope(), epochs: vec![], predecessor: None, from_nation: None, ..facts() }
}

fn record(record: EventRecord) -> Record {
    let author = Author { claim: claim(), at: at("2026-03-01T12:00:01.5Z") };
    Record::Event(ReadEvent { author, record })
}

fn decision(custody: u32, event: Event, facts: Option<Facts>, source: Option<Place>) -> Record {
    let numbered = Numbered { custody, event };
    record(EventRecord::Decision { id: id(), numbered, facts: facts.map(Box::new), source })
}

fn later(event: Event) -> Record {
    decision(1, event, None, None)
}

/// Every golden file. The first word of a name is the kind of record, the rest the field of its oneof; what
/// follows two hyphens is a second file of the same kind.
pub(crate) fn all() -> Vec<(&'static str, Record)> {
    [records(), decisions_of_the_origin(), decisions_of_the_destination(), control()].concat()
}

fn records() -> Vec<(&'static str, Record)> {
    let source = place("in.england.nhs111-north", 0, 41);
    vec![
        ("in-accepted", Record::In(In::Accepted(accepted()))),
        ("in-accepted--spooled", Record::In(In::Accepted(spooled()))),
        ("in-accepted--plain", Record::In(In::Accepted(plain_accepted()))),
        (
            "in-carried",
            Record::In(In::Carried(Carried { accepted: accepted(), claim: claim(), from: Nation::England })),
        ),
        (
            "in-withdrawal",
            Record::In(In::Withdrawal(Withdrawal {
                id: id(),
                tenant: tenant("england/nhs111-north"),
                message_id: message("3f1c2e6a-9a51-4b1e-8d35-0c9a7be1f001"),
                up_to: 3,
            })),
        ),
        ("in-report", Record::In(In::Report(report()))),
        (
            "in-report--plain",
            Record::In(In::Report(Report {
                state: State::Accepted,
                reason: None,
                destination: None,
                omissions: vec![],
                ..report()
            })),
        ),
        ("out", Record::Out(Out { accepted: accepted(), claim: claim() })),
        ("event-claimed", record(EventRecord::Claimed)),
        (
            "event-settled",
            record(EventRecord::Settled { source: source.clone(), id: Some(id()), code: "DUPLICATE".into() }),
        ),
        (
            "event-settled--of-none",
            record(EventRecord::Settled { source, id: None, code: "UNKNOWN_REFERRAL".into() }),
        ),
    ]
}

fn decisions_of_the_origin() -> Vec<(&'static str, Record)> {
    let source = || Some(place("in.england.nhs111-north", 0, 41));
    let nation = Nation::Scotland;
    let routed = Event::Routed {
        to: tenant("england/ooh-riverside"),
        bytes: place("out.england.ooh-riverside", 2, 9),
    };
    let to_border = Event::ToBorder {
        nation,
        to: tenant("scotland/nhs24"),
        bytes: place("border.scotland", 93, u64::MAX),
    };
    let reported = Event::Reported {
        state: State::Acknowledged,
        reason: Some(reason(Code::DeadlinePassed, "late")),
        destination: Some(tenant("scotland/nhs24")),
        sequence: 5,
        at: at("2026-03-01T12:00:04Z"),
        omissions: vec!["NTE".into()],
    };
    let plain_report = Event::Reported {
        state: State::Carried,
        reason: None,
        destination: None,
        sequence: 1,
        at: at("2026-03-01T12:00:04Z"),
        omissions: vec![],
    };
    let refused =
        Event::BorderRefused { nation, cut: None, reason: reason(Code::BorderRefused, "not granted there") };
    vec![
        ("event-routed", decision(0, routed.clone(), Some(facts()), source())),
        ("event-routed--plain", decision(0, routed, Some(plain_facts()), None)),
        ("event-to-border", decision(0, to_border, Some(facts()), source())),
        ("event-carrying", decision(0, Event::Carrying { nation }, None, None)),
        ("event-carried", decision(0, Event::Carried { nation }, None, None)),
        ("event-border-refused", decision(0, refused, None, None)),
        ("event-reported", decision(1, reported, None, source())),
        ("event-reported--plain", decision(1, plain_report, None, source())),
        ("event-withdrawn", decision(0, Event::Withdrawn { up_to: 3 }, None, source())),
        ("event-told", decision(0, Event::Told { version: 4 }, None, None)),
        (
            "event-sender-told",
            decision(0, Event::SenderTold { version: 3, answer: "202".into() }, None, None),
        ),
    ]
}

fn decisions_of_the_destination() -> Vec<(&'static str, Record)> {
    let retry = Event::Retry { attempt: 1, cause: "AE".into(), spends_budget: true };
    let acknowledged = Event::Acknowledged { answer: "AA".into(), omissions: vec!["NTE".into()] };
    let diverted = Event::Diverted {
        to: tenant("england/ooh-fallback"),
        service: "england/ooh-fallback-1".into(),
        bytes: place("out.england.ooh-fallback", 0, 3),
        reason: reason(Code::DeadlinePassed, ""),
    };
    vec![
        ("event-offered", later(Event::Offered { attempt: 1 })),
        ("event-delivered", later(Event::Delivered { attempt: 1, inbox: "9f0c".into() })),
        ("event-retry", later(retry)),
        ("event-acknowledged", later(acknowledged)),
        ("event-rejected", later(Event::Rejected { reason: reason(Code::ReceiverRefused, "AR") })),
        ("event-parked", later(Event::Parked { reason: reason(Code::BudgetSpent, "tried 4 times") })),
        ("event-held", later(Event::Held { to: Some(tenant("wales/wast-111")), cut: cut(), reason: why() })),
        ("event-quarantined", later(Event::Quarantined { to: None, cut: cut(), reason: why() })),
        ("event-resumed", later(Event::Resumed { by: "the restore of wales/wast-111-1".into() })),
        ("event-unknown", later(Event::Unknown { cut: cut(), reason: why() })),
        ("event-recalled", later(Event::Recalled { cut: cut(), reason: why() })),
        ("event-not-recalled", later(Event::NotRecalled { cut: cut(), answer: "acknowledged AA".into() })),
        ("event-overdue", later(Event::Overdue)),
        (
            "event-return-pending",
            later(Event::ReturnPending { to: None, reason: reason(Code::DeadlinePassed, "") }),
        ),
        (
            "event-return-pending--for",
            later(Event::ReturnPending {
                to: Some(tenant("wales/wast-111")),
                reason: reason(Code::DestinationCut, ""),
            }),
        ),
        ("event-returned", later(Event::Returned { by: "england/nhs111-north".into() })),
        ("event-diverted", later(diverted)),
        (
            "event-cancelled",
            later(Event::Cancelled { reason: reason(Code::Withdrawn, "its sender was told no") }),
        ),
    ]
}

fn control() -> Vec<(&'static str, Record)> {
    let fact = DirectoryFact {
        toml: "[[suppliers]]\nid = \"meridian\"\n".into(),
        digest: DIRECTORY_DIGEST.to_vec().into(),
    };
    let record = ControlRecord {
        at: Some(time_to_wire(at("2026-03-01T11:00:00Z"))),
        fact: Some(control_record::Fact::Directory(fact)),
    };
    let pulse = Pulse {
        node: "england-2".into(),
        address: "10.1.2.3:7443".into(),
        run: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        number: 4_711,
        position: 1_000,
        cuts: [0xc5; 16],
        claims: [(3, 7), (31, 1)].into(),
        at: at("2026-03-01T11:00:00Z"),
        audit: None,
    };
    let pulse_of = |pulse: &Pulse| ControlRecord {
        at: Some(time_to_wire(at("2026-03-01T11:00:00Z"))),
        fact: Some(control_record::Fact::Pulse(pulse_to_wire(pulse))),
    };
    let head = bulkhead_model::AuditHead { count: 12, hash: DIGEST, own: 9 };
    let with_audit = Pulse { audit: Some(head), ..pulse.clone() };
    let signed = ControlRecord {
        at: Some(time_to_wire(at("2026-03-01T09:30:00.000125Z"))),
        fact: Some(control_record::Fact::Signed(signed_cut())),
    };
    let anomaly = AnomalyFact {
        node: "england-2".into(),
        cut_id: "england/0123456789ab".into(),
        what: "300 new referrals in a minute, and 20 are allowed".into(),
        home: None,
    };
    let home = HomePlace {
        nation: "england".into(),
        position: 44,
        at: Some(time_to_wire(at("2026-03-01T11:59:59.800Z"))),
    };
    let carried = AnomalyFact { home: Some(home), ..anomaly.clone() };
    let anomaly_of = |anomaly: AnomalyFact| ControlRecord {
        at: Some(time_to_wire(at("2026-03-01T12:00:00Z"))),
        fact: Some(control_record::Fact::Anomaly(anomaly)),
    };
    vec![
        ("control-anomaly", Record::Control(anomaly_of(anomaly))),
        ("control-anomaly--carried", Record::Control(anomaly_of(carried))),
        ("control-directory", Record::Control(record)),
        ("control-pulse", Record::Control(pulse_of(&pulse))),
        ("control-pulse--audit", Record::Control(pulse_of(&with_audit))),
        ("control-signed", Record::Control(signed)),
    ]
}

/// SHA-256 of the directory's text.
const DIRECTORY_DIGEST: [u8; 32] = [
    0x3a, 0x2a, 0x1b, 0xc0, 0x1f, 0x07, 0xd0, 0x75, 0x5d, 0x3d, 0xef, 0x78, 0x4d, 0x2c, 0x9f, 0x17, 0xca,
    0xb7, 0x24, 0x27, 0x4e, 0xac, 0xbc, 0xe2, 0xfd, 0x2b, 0x2d, 0xa1, 0xe9, 0x5b, 0xf7, 0x7f,
];

/// Signed with a key that anybody may know; Ed25519 signs the same bytes alike each time.
fn signed_cut() -> SignedCopy {
    let command = Command::Cut {
        direction: Direction::Both,
        since: at("2026-03-01T08:00:00Z"),
        drain_clean: true,
        reason: "credentials were seen for sale".into(),
        plan: DIGEST,
        tenants: vec![tenant("wales/wast-111")],
    };
    let header = Header {
        kind: command.kind(),
        nation: Nation::Wales,
        scope: HeaderScope::Of(Scope::Tenant(tenant("wales/wast-111"))),
        signed_at: at("2026-03-01T09:29:59.500Z"),
        expires_at: at("2026-03-01T09:31:59.500Z"),
        seen: 41,
        nonce: *b"sixteen bytes it",
        operator: OperatorId::parse("wales/wales-duty").unwrap(),
    };
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    SignedCopy {
        fact: Some(Statement { header, command }.sign(&key).to_wire()),
        node: "wales-1".into(),
        taken_at: Some(time_to_wire(at("2026-03-01T09:29:59.750Z"))),
        home: Some(HomePlace {
            nation: "wales".into(),
            position: 44,
            at: Some(time_to_wire(at("2026-03-01T09:29:59.800Z"))),
        }),
        audit: Some(AuditHead { count: 12, digest: Bytes::from_static(&DIGEST), own: 0 }),
    }
}
