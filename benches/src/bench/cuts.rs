//! How fast is a cut in force? Tenants that send without pause are cut off again and again, and taken back.
//!
//! Times run from the moment at which a node took the signed command, by that node's clock, which is this machine's:
//! to the last answer *accepted* that the tenant got from any node, to the last record of it in the log, to the last
//! hand-over that was begun to it and the last that was complete, and to the pulse of the last node that proves it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use bulkhead_model::Direction;
use bulkhead_wire::time_from_wire;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::live::operator::Made;
use crate::live::receiver::Receiving;
use crate::live::sender::{AGAIN, Load, Sending};
use crate::live::{Live, Odd, Plan};
use crate::sender::document;
use crate::spread::Spread;
use crate::store::Store;

/// Tenants that are cut off in turn.
const CUT_OFF: usize = 8;
const SINK: &str = "england/sink";
const STEADY: &str = "england/steady";
/// Between two referrals for each tenant that is going to be cut off.
const PAUSE: Duration = Duration::from_millis(5);
/// At least so long a tenant sends before it is cut off.
const BEFORE: Duration = Duration::from_millis(120);
/// So long after a cut it is watched.
const AFTER: Duration = Duration::from_millis(150);

/// What a measurement is told.
pub(crate) struct Cuts {
    pub(crate) binary: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) nodes: usize,
    pub(crate) count: usize,
    /// The most streams of one tenant.
    pub(crate) streams: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct Times {
    accepted: Vec<Duration>,
    recorded: Vec<Duration>,
    begun: Vec<Duration>,
    complete: Vec<Duration>,
    proved: Vec<Duration>,
    silent: usize,
    /// Before and after: answers accepted, hand-overs to it.
    met: [usize; 2],
}

/// Measures it and prints the spread.
pub(crate) async fn run(plan: &Cuts) -> Result<()> {
    let tenants: Vec<_> = (0..CUT_OFF).map(|number| format!("england/cut-off-{number}")).collect();
    let all: Vec<_> = tenants.iter().cloned().chain([SINK, STEADY].map(str::to_owned)).collect();
    let live = Live::start(&Plan {
        binary: &plan.binary,
        dir: &plan.dir,
        store: &plan.store,
        nodes: plan.nodes,
        tenants: &all,
        odd: Odd::default(),
    })
    .await?;
    let _sink = Receiving::start(&live, SINK, None)?;
    let taking: Vec<_> =
        tenants.iter().map(|tenant| Receiving::start(&live, tenant, None)).collect::<Result<_>>()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (begin, mut chance, mut times) = (Instant::now(), StdRng::seed_from_u64(1), Times::default());
    for number in 0..plan.count {
        let streams = 1 + number % plan.streams;
        let place = number % tenants.len();
        let (tenant, receiving) = (&tenants[place], &taking[place]);
        let out = Load { to: SINK.into(), document: document(plan.bytes), pause: None, again: AGAIN };
        let into =
            Load { to: tenant.clone(), document: document(plan.bytes), pause: Some(PAUSE), again: AGAIN };
        let (sending, steady) =
            (Sending::start(&live, tenant, streams, &out)?, Sending::start(&live, STEADY, 1, &into)?);
        tokio::time::sleep(BEFORE + chance.random_range(Duration::ZERO..BEFORE)).await;
        times.met[1] += receiving.take().taken.len();
        let made = live.operators[0].cut(tenant, Direction::Both, number).await?;
        tokio::time::sleep(AFTER).await;
        let account = live.operators[0].account(&made.id, number).await?;
        let last = account.last_accepted.and_then(time_from_wire);
        times.add(&made, &sending, receiving, last);
        drop((sending, steady));
        for operator in &live.operators {
            operator.withdraw(&made, tenant, number).await?;
        }
    }
    times.print(plan, begin.elapsed());
    live.stop().await
}

impl Times {
    fn add(&mut self, made: &Made, sending: &Sending, receiving: &Receiving, recorded: Option<Timestamp>) {
        let after = |at: Option<Timestamp>| {
            at.and_then(|at| Duration::try_from(at.duration_since(made.taken_at)).ok()).unwrap_or_default()
        };
        let answers = sending.take().answers;
        let taken = receiving.take();
        self.met[0] += answers.iter().filter(|one| one.is_open).count();
        self.met[1] += taken.taken.len();
        self.accepted.push(after(answers.iter().filter(|one| one.is_open).map(|one| one.at).max()));
        self.recorded.push(after(recorded));
        self.begun.push(after(taken.last_offer));
        self.complete.push(after(taken.taken.iter().map(|one| one.at).max()));
        let nodes = made.in_force.iter();
        let answered: Vec<_> = nodes.filter_map(|(_, after)| *after).collect();
        self.silent += made.in_force.len() - answered.len();
        self.proved.extend(answered.into_iter().max());
    }

    fn print(self, plan: &Cuts, all: Duration) {
        let (log, nodes) = (if plan.store.kafka.is_some() { "Kafka" } else { "embedded" }, plan.nodes);
        println!(
            "{} cuts in {:.0} s, 1-{} streams, {} bytes, {nodes} node(s), {log} log, {} replica(s); {} nodes silent",
            plan.count,
            all.as_secs_f64(),
            plan.streams,
            plan.bytes,
            plan.store.replicas,
            self.silent,
        );
        println!("{:<52}{:>9}{:>9}{:>9}", "ms from the command taken", "p50", "p99", "most");
        for (what, times) in [
            ("to the last answer accepted, at the tenant", self.accepted),
            ("to the last record of it, by the log's time", self.recorded),
            ("to the last hand-over begun to it, at the tenant", self.begun),
            ("to the last hand-over complete, at the tenant", self.complete),
            ("to the pulse of the last node", self.proved),
        ] {
            let spread = Spread::new(times, all);
            println!("{what:<52}{:>9.1}{:>9.1}{:>9.1}", spread.at(0.5), spread.at(0.99), spread.at(1.0));
        }
        println!("in all {} answers accepted, {} hand-overs to them", self.met[0], self.met[1]);
        println!("targets: one node, embedded: p99 <= 5; three on Kafka: p50 <= 15, p99 <= 60; never > 1000");
    }
}
