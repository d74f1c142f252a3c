//! The ledger on an embedded log: a small cell whose owners write events.

mod cases;
mod claims;
mod copy;
mod find;
mod life;
mod newer;
mod order;
mod rate;
mod rebuild;
mod sources;
mod unsettled;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Embedded, EmbeddedConfig, Log, Partition, Pointer, Record, Topic};
use bulkhead_model::{
    CaseId, Claim, Code, Digest, Envelope, Event, Kind, MessageId, Nation, Numbered, Place, Priority, Reason,
    ReferralId, SHARDS, ServiceAddress, TenantId, Verdict, shard_of,
};
use bulkhead_wire::{Author, EventRecord, Facts, ReadEvent, topics};
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Config, Error, Ledger};

/// Nothing here takes as long as this.
const LONG: Duration = Duration::from_secs(20);

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn origin() -> TenantId {
    tenant("wales/wast-111")
}

fn receiver() -> TenantId {
    tenant("wales/ooh-cardiff")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn reason(code: Code) -> Reason {
    Reason::new(code, "")
}

/// A request of `wales/wast-111`, by its message id.
fn facts(message: &str) -> Facts {
    Facts {
        tenant: origin(),
        envelope: Envelope {
            message_id: MessageId::parse(message).unwrap(),
            attempt: 1,
            to: ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", "42").unwrap(),
            reply_to: None,
            kind: Kind::Request,
            case_id: None,
            priority: Priority::Routine,
            deadline: None,
            content_type: "application/fhir+json".into(),
            in_response_to: None,
            traceparent: None,
            flags: vec![],
            spooled_at: None,
        },
        digest: Digest::new([7; 32]),
        payload_bytes: 57_000,
        accepted_at: at(0),
        admitted_at: at(0),
        epochs: vec![(Nation::Wales, 3)],
        predecessor: None,
        from_nation: None,
    }
}

/// One of a case, behind another.
fn in_case(message: &str, case: &str, before: Option<&str>) -> Facts {
    let mut facts = facts(message);
    facts.envelope.case_id = Some(CaseId::parse(case).unwrap());
    facts.predecessor = before.map(id);
    facts
}

fn id(message: &str) -> ReferralId {
    ReferralId::derive(&origin(), &MessageId::parse(message).unwrap())
}

fn out(to: &TenantId, partition: u32, offset: u64) -> Place {
    Place { topic: topics::outward(to), partition, offset }
}

fn routed(offset: u64) -> Event {
    Event::Routed { to: receiver(), bytes: out(&receiver(), 2, offset) }
}

fn offered(attempt: u32) -> Event {
    Event::Offered { attempt }
}

fn delivered(attempt: u32) -> Event {
    Event::Delivered { attempt, inbox: "inbox-1".into() }
}

fn acknowledged() -> Event {
    Event::Acknowledged { answer: "AA".into(), omissions: vec![] }
}

/// Who writes: the owner of a shard.
fn author(shard: u32, number: u64, node: &str, second: i64) -> Author {
    Author { claim: Claim { shard, number, node: node.into() }, at: at(second) }
}

fn events(shard: u32) -> Partition {
    Topic::new(&topics::events(Nation::Wales)).unwrap().partition(shard)
}

/// A decision as bytes, by the first owner of the shard of that tenant.
fn decision(owner: &TenantId, message: &str, custody: u32, event: Event, facts: Option<Facts>) -> ReadEvent {
    ReadEvent {
        author: author(shard_of(owner), 1, "wales-1", 10 + i64::from(custody)),
        record: EventRecord::Decision {
            id: id(message),
            numbered: Numbered { custody, event },
            source: facts.as_ref().map(|facts| Place {
                topic: topics::inward(&facts.tenant),
                partition: 0,
                offset: 0,
            }),
            facts: facts.map(Box::new),
        },
    }
}

/// A log, and a ledger that follows it.
struct Cell {
    log: Embedded,
    ledger: Ledger,
    follower: JoinHandle<Result<(), Error>>,
    _drain: oneshot::Sender<()>,
    directory: TempDir,
}

impl Cell {
    /// With every shard claimed by `wales-1`.
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Embedded::open(EmbeddedConfig::new(directory.path().join("log"))).unwrap();
        let (ledger, follower, drain) = follow(&log, &directory).await;
        let cell = Self { log, ledger, follower, _drain: drain, directory };
        for shard in 0..SHARDS {
            let claimed = ReadEvent { author: author(shard, 1, "wales-1", 0), record: EventRecord::Claimed };
            cell.append(shard, &claimed).await;
        }
        cell
    }

    /// The same log, with the ledger opened again.
    async fn restart(self) -> Self {
        let Self { log, ledger, follower, directory, .. } = self;
        follower.abort();
        follower.await.unwrap_err();
        drop(ledger);
        let (ledger, follower, drain) = follow(&log, &directory).await;
        Self { log, ledger, follower, _drain: drain, directory }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger.db")
    }

    async fn append(&self, shard: u32, event: &ReadEvent) -> Pointer {
        let partition = events(shard);
        let record = Record { key: bytes::Bytes::new(), value: event.encode() };
        let appended = self.log.append(&partition, record).await.unwrap();
        partition.at(appended.offset)
    }

    /// Appends a decision of that tenant's owner and waits for what became of it.
    async fn decide(
        &self,
        owner: &TenantId,
        message: &str,
        custody: u32,
        event: Event,
        facts: Option<Facts>,
    ) -> Verdict {
        let at = self.append(shard_of(owner), &decision(owner, message, custody, event, facts)).await;
        soon(self.ledger.verdict(&at)).await.unwrap()
    }

    /// Routes a new referral to `wales/ooh-cardiff`.
    async fn route(&self, facts: Facts, offset: u64) -> ReferralId {
        let message = facts.envelope.message_id.to_string();
        let partition = facts.envelope.lane().partition();
        let event = Event::Routed { to: receiver(), bytes: out(&receiver(), partition, offset) };
        assert_eq!(self.decide(&origin(), &message, 0, event, Some(facts)).await, Verdict::Counts);
        id(&message)
    }

    /// Hands a routed referral over, to the end.
    async fn finish(&self, message: &str) {
        for event in [offered(1), delivered(1), acknowledged()] {
            assert_eq!(self.decide(&receiver(), message, 1, event, None).await, Verdict::Counts);
        }
    }
}

async fn follow(
    log: &Embedded,
    directory: &TempDir,
) -> (Ledger, JoinHandle<Result<(), Error>>, oneshot::Sender<()>) {
    let config = Config { path: directory.path().join("ledger.db"), nation: Nation::Wales };
    let (ledger, follower) = Ledger::open(config, Arc::new(log.clone())).await.unwrap();
    let (drain, drained) = oneshot::channel::<()>();
    let follower = tokio::spawn(follower.run(async {
        drained.await.ok();
    }));
    (ledger, follower, drain)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}

/// Everything that a file says, in an order of its own.
fn dump(path: &std::path::Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let tables = ["event", "position", "claim", "settled", "referral", "tally"];
    tables.iter().flat_map(|table| dump_table(&connection, table)).collect()
}

fn dump_table(connection: &Connection, table: &str) -> Vec<String> {
    let which = if table == "tally" { "WHERE count > 0" } else { "" };
    let mut query = connection.prepare(&format!("SELECT * FROM {table} {which}")).unwrap();
    let names: Vec<String> = query.column_names().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        let columns =
            names.iter().enumerate().map(|(i, name)| format!("{name}={:?}", row.get::<_, Value>(i).unwrap()));
        Ok(format!("{table}: {}", columns.collect::<Vec<_>>().join(" ")))
    };
    let mut rows: Vec<String> = query.query_map([], row).unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}
