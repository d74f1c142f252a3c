//! How long does a tenant's traffic stand still when a node or a broker fails? Three brokers, England with two nodes
//! besides that of `bulkhead dev`, and a referral every 50 ms each way between two of its tenants.
//!
//! A pause is the longest time without a reception at either system from a second before the failure until the node or
//! broker is started again, and from then on until half a minute after the failure; "undisturbed" is the same without a
//! failure. The node that fails is one that decides for a tenant of the pair. A bare producer appends to the same brokers
//! meanwhile: what it waits when a broker fails is the brokers' own pause.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_model::{TenantId, shard_of};
use bulkhead_testkit::brokers::Brokers;
use bulkhead_testkit::campaign::node::{self, Kafka, Node};
use bulkhead_testkit::campaign::{DevJson, Start, World, http};
use clap::ValueEnum;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::bare::Bare;
use crate::figures::Figures;

const BROKERS: u8 = 3;
const PAIR: [&str; 2] = ["england/nhs111-north", "england/ooh-riverside"];
/// How often each of the pair sends.
const EVERY: Duration = Duration::from_millis(50);
/// How long is looked after a failure.
const LOOK: Duration = Duration::from_secs(30);
/// How long a paused node stands.
const STAND: Duration = Duration::from_secs(30);
/// How long all have to settle before the next.
const SETTLE: Duration = Duration::from_secs(8);

/// What is made to fail, in this order; then what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Nothing.
    Undisturbed,
    /// A node, kill -9.
    Kill,
    /// A node, SIGTERM.
    Term,
    /// A node, SIGSTOP for half a minute.
    Stop,
    /// A broker, kill -9.
    Broker,
}

const ROWS: [(&str, &str); 9] = [
    ("undisturbed, longest pause, ms", ""),
    ("node, kill -9, ms", "target: <= 10,000"),
    ("it comes back, ms", ""),
    ("node, SIGTERM, ms", "target: <= 1,000"),
    ("it comes back in order, ms", ""),
    ("node, SIGSTOP for 30 s, ms", ""),
    ("broker, kill -9, ms", "target: <= the next line"),
    ("the same for a bare producer, ms", ""),
    ("it comes back into the cluster, ms", ""),
];
const REFUSED: (&str, &str) = ("senders told no by a failure (all rounds)", "target: 0");

/// Asks so many times.
pub(crate) async fn run(binary: PathBuf, kinds: &[Kind], rounds: u32) -> Result<()> {
    let brokers = tokio::task::spawn_blocking(|| Brokers::start(BROKERS, &[])).await?;
    let place = tempfile::tempdir()?;
    let mut start = Start::new(binary.clone(), place.path().join("world"));
    start.log = "warn".into();
    let kafka = ["--log", "kafka", "--kafka", brokers.bootstrap(), "--kafka-prefix", "pauses"];
    start.extra = kafka.map(str::to_owned).into();
    let world = World::start(&start).await?;
    let kafka = Kafka { bootstrap: brokers.bootstrap(), prefix: "pauses" };
    let mut nodes = node::further(&world.dev, kafka, &place.path().join("nodes"), 2)?;
    nodes.retain(|node| node.name.starts_with("england"));
    for node in &mut nodes {
        node.start(&binary).await?;
    }
    let mut sendings = Sendings::begin(&world.dev)?;
    let bare = Bare::start(brokers.bootstrap(), EVERY).await?;
    sleep(SETTLE).await;
    let mut figures = Figures::default();
    for round in 0..rounds {
        for kind in kinds.iter().copied() {
            let node = deciding(&mut nodes, &binary).await?;
            let begin = Timestamp::now();
            let back = fail(kind, node, &brokers, round, &binary).await?;
            let passed = Timestamp::now().duration_since(begin).unsigned_abs();
            sleep(LOOK.saturating_sub(passed)).await;
            let (before, end) = (begin - Duration::from_secs(1), Timestamp::now());
            let (failed, returned) = kind.rows();
            let mut spans = vec![(failed, before, back.unwrap_or(end))];
            spans.extend(returned.zip(back).map(|(row, back)| (row, back, end)));
            for (row, from, to) in spans {
                let pause = longest(received(&world.dev).await?, from, to);
                println!("round {round}: {}, {row}: {pause:.0}", node.name);
                figures.add(row, 2, pause);
            }
            if kind == Kind::Broker {
                let pause = longest(bare.acknowledged(), before, back.unwrap_or(end));
                println!("round {round}: {}: {pause:.0}", ROWS[7].0);
                figures.add(ROWS[7].0, 2, pause);
            }
            sleep(SETTLE).await;
        }
    }
    figures.add(REFUSED.0, 2, f64::from(sendings.end().await));
    println!("{}", figures.table(&[&ROWS[..], &[REFUSED]].concat(), &[2]));
    for node in nodes {
        node.stop().await?;
    }
    world.stop().await?;
    Ok(())
}

impl Kind {
    /// The rows of its failure and of the return.
    fn rows(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Undisturbed => (ROWS[0].0, None),
            Self::Kill => (ROWS[1].0, Some(ROWS[2].0)),
            Self::Term => (ROWS[3].0, Some(ROWS[4].0)),
            Self::Stop => (ROWS[5].0, None),
            Self::Broker => (ROWS[6].0, Some(ROWS[8].0)),
        }
    }
}

/// A node that decides for one of the pair. When neither does, one is started again, which moves shards.
async fn deciding<'n>(nodes: &'n mut [Node], binary: &Path) -> Result<&'n mut Node> {
    for _ in 0..10 {
        let ledger = nodes[0].dir.join("ledger.sqlite");
        let ledger = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        for tenant in PAIR {
            let shard = shard_of(&TenantId::parse(tenant)?);
            let query = "SELECT node FROM claim WHERE shard = ?1";
            let owner: String = ledger.query_row(query, [shard], |row| row.get(0))?;
            if let Some(owner) = nodes.iter().position(|node| node.name == owner) {
                return Ok(&mut nodes[owner]);
            }
        }
        nodes[0].signal("TERM").await?;
        nodes[0].ended().await?;
        nodes[0].start(binary).await?;
        sleep(SETTLE).await;
    }
    anyhow::bail!("neither of the pair is ever decided for by a node that can be stopped")
}

/// Makes it fail; when it was started again.
async fn fail(
    kind: Kind,
    node: &mut Node,
    brokers: &Brokers,
    round: u32,
    binary: &Path,
) -> Result<Option<Timestamp>> {
    match kind {
        Kind::Undisturbed => return Ok(None),
        Kind::Kill => node.kill().await?,
        Kind::Term => {
            node.signal("TERM").await?;
            node.ended().await?;
        }
        Kind::Stop => {
            node.signal("STOP").await?;
            sleep(STAND).await;
            node.signal("CONT").await?;
            node.ready().await?;
            return Ok(None);
        }
        Kind::Broker => brokers.kill(u8::try_from(round % u32::from(BROKERS))? + 1),
    }
    sleep(LOOK / 2).await;
    let back = Timestamp::now();
    if kind == Kind::Broker {
        let brokers = brokers.clone();
        tokio::task::spawn_blocking(move || drop(brokers.up())).await?;
    } else {
        node.start(binary).await?;
    }
    Ok(Some(back))
}

/// Both systems send on, whatever happens.
struct Sendings {
    tasks: JoinSet<Result<()>>,
    refused: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl Sendings {
    fn begin(dev: &DevJson) -> Result<Self> {
        let mut sendings = Self { tasks: JoinSet::new(), refused: std::sync::Arc::default() };
        for (from, to) in [(PAIR[0], PAIR[1]), (PAIR[1], PAIR[0])] {
            let (at, to) = (dev.tenant(from)?.simulator.http, dev.tenant(to)?.address());
            let refused = sendings.refused.clone();
            sendings.tasks.spawn(async move {
                let mut tick = interval(EVERY);
                tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
                loop {
                    tick.tick().await;
                    let (refused, to) = (refused.clone(), to.clone());
                    // Its answer may take as long as it takes: the next does not wait for it.
                    tokio::spawn(async move {
                        let sent = http::post(at, "/send", &json!({ "to": to, "bytes": 2_000 })).await;
                        let sent = sent.and_then(|page| page.json::<Value>());
                        if sent.is_ok_and(|sent| sent["outcome"] == "refused") {
                            refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    });
                }
            });
        }
        Ok(sendings)
    }

    /// How many were refused for good.
    async fn end(&mut self) -> u32 {
        self.tasks.shutdown().await;
        self.refused.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// When each of the pair received something.
async fn received(dev: &DevJson) -> Result<Vec<Vec<Timestamp>>> {
    let mut all = Vec::new();
    for tenant in PAIR {
        let received: Vec<Value> =
            http::get(dev.tenant(tenant)?.simulator.http, "/received").await?.json()?;
        let time = |one: &Value| Ok(one["time"].as_str().context("a reception has no time")?.parse()?);
        all.push(received.iter().map(time).collect::<Result<_>>()?);
    }
    Ok(all)
}

/// The longest time in which something did not happen at one of several places, in milliseconds.
fn longest(places: Vec<Vec<Timestamp>>, from: Timestamp, to: Timestamp) -> f64 {
    let mut longest: f64 = 0.0;
    for mut times in places {
        times.retain(|time| (from..=to).contains(time));
        times.extend([from, to]);
        times.sort();
        for two in times.windows(2) {
            longest = longest.max(two[1].duration_since(two[0]).as_secs_f64() * 1000.0);
        }
    }
    longest
}
