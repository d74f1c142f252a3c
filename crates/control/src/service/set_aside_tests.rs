//! What is set aside, however much it is: in pages, by its reason, by the codes of a page of paper.

use std::time::Duration;

use bulkhead_ledger::Config as LedgerConfig;
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record};
use bulkhead_model::{
    Claim, Digest, Envelope, Event, Kind, MessageId, Numbered, Priority, Pulses, Reason, ServiceAddress,
    shard_of,
};
use bulkhead_wire::{Author, EventRecord, Facts, ReadEvent, topics};
use jiff::SignedDuration;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

use super::*;
use crate::samples::{Ca, NATION, directory, tenant};
use crate::service::{Service, ServiceParts};
use crate::{Audit, Follower, Neighbours, publish_directory};

/// More than a page.
const MANY: usize = MOST + 3;
/// Which of them is due last, and has a reason of its own.
const LAST: usize = 7;

fn message(n: usize) -> MessageId {
    MessageId::parse(&format!("m-{n}")).unwrap()
}

fn id(n: usize) -> ReferralId {
    ReferralId::derive(&tenant(), &message(n))
}

/// The event that parks one.
fn parked(n: usize, at: Timestamp) -> ReadEvent {
    let code = if n == LAST { Code::BudgetSpent } else { Code::ServiceUnknown };
    let envelope = Envelope {
        message_id: message(n),
        attempt: 1,
        to: ServiceAddress::parse("", "wales/nobody").unwrap(),
        reply_to: None,
        kind: Kind::Request,
        case_id: None,
        priority: Priority::Routine,
        deadline: (n != LAST).then(|| at + SignedDuration::from_hours(1)),
        content_type: "application/fhir+json".into(),
        in_response_to: None,
        traceparent: None,
        flags: vec![],
        spooled_at: None,
    };
    let facts = Facts {
        tenant: tenant(),
        envelope,
        digest: Digest::new([7; 32]),
        payload_bytes: 10,
        accepted_at: at,
        admitted_at: at,
        epochs: vec![],
        predecessor: None,
        from_nation: None,
    };
    ReadEvent {
        author: author(at),
        record: EventRecord::Decision {
            id: id(n),
            numbered: Numbered { custody: 0, event: Event::Parked { reason: Reason::new(code, "") } },
            source: Some(Place { topic: topics::inward(&tenant()), partition: 0, offset: n as u64 }),
            facts: Some(Box::new(facts)),
        },
    }
}

fn author(at: Timestamp) -> Author {
    let shard = shard_of(&tenant());
    Author { claim: Claim { shard, number: 1, node: "wales-1".into() }, at }
}

/// A node of a cell in which so many are parked.
async fn cell() -> (Service, TempDir, oneshot::Sender<()>) {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(EmbeddedConfig::new(dir.path().join("log"))).unwrap());
    publish_directory(&log, NATION, "directory.toml", &directory()).await.unwrap();
    let config = LedgerConfig { path: dir.path().join("ledger.sqlite"), nation: NATION };
    let (ledger, follower) = Ledger::open(config, log.clone()).await.unwrap();
    let (drain, drained) = oneshot::channel::<()>();
    tokio::spawn(follower.run(async {
        drained.await.ok();
    }));
    let partition = Topic::new(&topics::events(NATION)).unwrap().partition(shard_of(&tenant()));
    let at = Timestamp::now();
    let claimed = ReadEvent { author: author(at), record: EventRecord::Claimed };
    let events = std::iter::once(claimed).chain((0..MANY).map(|n| parked(n, at)));
    let appended: Vec<_> = events
        .map(|event| log.append(&partition, Record { key: Bytes::new(), value: event.encode() }))
        .collect();
    let mut last = None;
    for one in appended {
        last = Some(partition.at(one.await.unwrap().offset));
    }
    let folded = tokio::time::timeout(Duration::from_secs(60), ledger.verdict(&last.unwrap())).await;
    assert_eq!(folded.unwrap().unwrap(), bulkhead_model::Verdict::Counts);

    let (_, following) = Follower::new(log.clone(), NATION);
    let dialer = bulkhead_transport::Dialer::new(&Ca::new().cell(NATION)).unwrap();
    let pulses = watch::channel(Arc::new(Pulses::default())).1;
    let parts = ServiceParts {
        log,
        ledger,
        book: following.book.clone(),
        pulses: following.pulses.clone(),
        node: "wales-1".into(),
        nation: NATION,
        data_dir: dir.path().to_owned(),
        audit: Audit::open(dir.path(), "wales-1").unwrap(),
        neighbours: Neighbours::new(dialer, NATION, "wales-1".into(), pulses),
    };
    let (service, _) = Service::new(parts).await.unwrap();
    (service, dir, drain)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_found_by_page_by_reason_and_by_code_however_much_it_is() {
    let (service, _dir, _drain) = cell().await;
    let list = async |request: ListSetAsideRequest| service.shared.list_set_aside(request).await;
    let ids = |answer: &ListSetAsideResponse| -> Vec<String> {
        answer.referrals.iter().map(|one| one.referral_id.clone()).collect()
    };

    let all = ListSetAsideRequest { tenant: tenant().to_string(), limit: MOST as u32, ..Default::default() };
    let first = list(all.clone()).await.unwrap();
    assert_eq!((first.referrals.len(), first.total), (MOST, MANY as u64));
    assert!(!ids(&first).contains(&id(LAST).to_string()), "it is due last");
    let page_token = first.next_page_token.clone();
    let second = list(ListSetAsideRequest { page_token, ..all.clone() }).await.unwrap();
    assert_eq!((second.referrals.len(), second.next_page_token.as_str()), (MANY - MOST, ""));
    let mut found = [ids(&first), ids(&second)].concat();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), MANY);

    let of_reason = ListSetAsideRequest { reason: "BUDGET_SPENT".into(), ..all.clone() };
    assert_eq!(ids(&list(of_reason.clone()).await.unwrap()), [id(LAST).to_string()]);
    // A page that has none of it is not the end.
    let narrow = ListSetAsideRequest { limit: 1_000, ..of_reason };
    assert_eq!(ids(&list(narrow).await.unwrap()), [id(LAST).to_string()]);

    let coded = |codes: &[String]| ListSetAsideRequest { ids: codes.to_vec(), ..Default::default() };
    let code = code_of(&id(LAST));
    let whole = id(3).to_string();
    let named = list(coded(&[code, whole.clone(), "0000000000".into()])).await.unwrap();
    assert_eq!(ids(&named), [id(LAST).to_string(), whole]);
    for bad in ["6F1F", "not a code", ""] {
        let refusal = list(coded(&[bad.into()])).await.unwrap_err();
        assert_eq!(refusal.code, Code::InvalidEnvelope, "{bad}");
    }
    let bad = list(ListSetAsideRequest { page_token: "elsewhere".into(), ..all }).await.unwrap_err();
    assert_eq!(bad.code, Code::InvalidEnvelope);
}
