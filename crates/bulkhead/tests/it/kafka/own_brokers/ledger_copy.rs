//! A second node on a copy of the first one's ledger: it reads on from there, and both come to say the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bulkhead_testkit::brokers::Brokers;
use bulkhead_testkit::campaign::node::{Kafka, further};
use bulkhead_testkit::campaign::{DevJson, Start, World, http};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::ledger_copy::copy;
use crate::support::{binary, eventually};

/// Everything that a ledger says; `None` while it cannot be read.
fn says(path: &Path) -> Option<Vec<String>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let mut all = Vec::new();
    for table in ["event", "position", "claim", "settled", "referral", "tally"] {
        let which = if table == "tally" { "WHERE count > 0" } else { "" };
        let mut query = connection.prepare(&format!("SELECT * FROM {table} {which}")).ok()?;
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|i| row.get::<_, Cell>(i)).collect::<Result<Vec<_>, _>>()
        };
        for row in query.query_map([], row).ok()? {
            all.push(format!("{table} {:?}", row.ok()?));
        }
    }
    all.sort();
    Some(all)
}

/// Has England's systems send to one another until it is told to stop; how many were accepted.
async fn send(dev: DevJson, stop: Arc<AtomicBool>) -> usize {
    let (from, to) = ("england/nhs111-north", "england/ooh-riverside");
    let sender = dev.tenant(from).unwrap().simulator.http;
    let mut accepted = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = uuid::Uuid::new_v4().to_string();
        let request = json!({ "to": dev.tenant(to).unwrap().address(), "bytes": 6000, "message_id": id });
        let sent = http::post(sender, "/send", &request).await;
        let sent: Option<Value> = sent.ok().and_then(|page| page.json().ok());
        accepted += usize::from(sent.is_some_and(|sent| sent["outcome"] == "accepted"));
    }
    accepted
}

/// A field of the line of a node's log that says this.
fn field(log: &Path, words: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(log).unwrap();
    let line = text.lines().find(|line| line.contains(words))?;
    let line: Value = serde_json::from_str(line).unwrap();
    [&line[name], &line["fields"][name]].into_iter().find_map(Value::as_u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_from_a_copy_of_a_ledger_at_work() {
    let place = tempfile::tempdir().unwrap();
    let brokers = tokio::task::spawn_blocking(|| Brokers::start(3, &[])).await.unwrap();
    let mut start = Start::new(binary(), place.path().join("world"));
    let prefix = format!("copy-{}", std::process::id());
    start.extra = ["--log", "kafka", "--kafka", brokers.bootstrap(), "--kafka-prefix", &prefix]
        .map(str::to_owned)
        .into();
    let world = World::start(&start).await.unwrap();
    let first = start.data_dir.join("cells/england/ledger.sqlite");
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(send(world.dev.clone(), stop.clone()));
    let referrals = |ledger: &Path| {
        let connection = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.query_row("SELECT count(*) FROM referral", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    let first_has = async |count: u64| {
        eventually("more referrals", async || (referrals(&first) >= count).then_some(())).await
    };
    first_has(20).await;

    let kafka = Kafka { bootstrap: brokers.bootstrap(), prefix: &prefix };
    let nodes = further(&world.dev, kafka, &place.path().join("nodes"), 1).unwrap();
    let mut node = nodes.into_iter().find(|node| node.name == "england-2").unwrap();
    let second = place.path().join("nodes/england-2/ledger.sqlite");
    let (code, copied, error) = copy(&first, &second).await;
    assert_eq!(code, Some(0), "{error}");
    let events = copied["events"].as_u64().unwrap();
    assert!(events > 60, "{copied}");
    first_has(copied["referrals"].as_u64().unwrap() + 10).await;
    node.start(&binary()).await.unwrap();
    let log = node.log_file().to_owned();
    assert_eq!(field(&log, "the ledger is a copy", "read"), Some(events));
    assert_eq!(field(&log, "the ledger reads the events on", "read"), Some(events));

    // With two nodes at work.
    first_has(referrals(&first) + 10).await;
    stop.store(true, Ordering::Relaxed);
    let accepted = sending.await.unwrap();
    eventually("both ledgers say the same", async || {
        let (one, other) = (says(&first)?, says(&second)?);
        (one == other && referrals(&first) == accepted as u64).then_some(())
    })
    .await;
    // What it was given it did not read again; answers to the last referrals may still come.
    eventually("it has read just what the copy did not hold", async || {
        let whole = tempfile::tempdir().unwrap();
        let (_, whole, error) = copy(&second, &whole.path().join("ledger.sqlite")).await;
        let whole = whole["events"].as_u64().unwrap_or_else(|| panic!("{error}"));
        let metrics = http::get(node.http, "/metrics").await.unwrap().text();
        let read = metrics
            .lines()
            .find_map(|line| line.strip_prefix("bulkhead_ledger_events_total{nation=\"england\"} "));
        (read?.parse::<u64>().ok()? == whole - events).then_some(())
    })
    .await;
    node.stop().await.unwrap();
    world.stop().await.unwrap();
}
