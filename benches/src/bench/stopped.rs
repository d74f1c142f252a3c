//! Does a cut hold at a node that cannot hear of it? A node is stopped, or taken from its brokers, across the cut of a
//! tenant that sends and receives there, and goes on afterwards.
//!
//! What counts is time in which the node ran: how long after the command something of the tenant was still accepted,
//! or a hand-over to or from it was complete, the time in which its process was stopped taken off.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bulkhead_model::Direction;
use clap::ValueEnum;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::live::operator::Made;
use crate::live::receiver::{Receiving, Taken};
use crate::live::sender::{AGAIN, Load, Sending};
use crate::live::{Live, Plan};
use crate::sender::document;
use crate::spread::Spread;
use crate::store::Store;

const TENANT: &str = "england/cut-off";
const SINK: &str = "england/sink";
const STEADY: &str = "england/steady";
/// Two streams for each node.
const STREAMS: usize = 2;
const PAUSE: Duration = Duration::from_millis(10);
/// It sends so long before anything happens.
const BEFORE: Duration = Duration::from_millis(300);
/// So long it is watched after the node goes on.
const AFTER: Duration = Duration::from_millis(1500);

/// How a node is kept from hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// SIGSTOP, and SIGCONT later.
    Stop,
    /// Nothing passes between it and its brokers; tenants reach it.
    Apart,
    /// Not at all: for a node whose clock is off, or receivers that read slowly.
    Not,
}

/// What a measurement is told.
pub(crate) struct Stopped {
    pub(crate) binary: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) nodes: usize,
    pub(crate) runs: u32,
    pub(crate) how: How,
    pub(crate) preload: Option<PathBuf>,
    /// Receivers wait so long between two frames.
    pub(crate) slowly: Option<Duration>,
}

/// When the node did not run, or did not hear.
struct Away {
    which: usize,
    from: Timestamp,
    until: Timestamp,
    how: How,
}

#[derive(Default)]
struct Found {
    accepted: Vec<Duration>,
    to_it: Vec<Duration>,
    from_it: Vec<Duration>,
    suspect: usize,
    silent: usize,
    /// Before and after: answers accepted, hand-overs to it, hand-overs of what it sent.
    met: [usize; 3],
}

/// Runs it so often and prints the longest times.
pub(crate) async fn run(plan: &Stopped) -> Result<()> {
    ensure!(plan.nodes > 1, "one node that hears nothing is a cell that is down; take --nodes 3");
    let tenants = [TENANT, SINK, STEADY].map(str::to_owned);
    let live = Live::start(&Plan {
        binary: &plan.binary,
        dir: &plan.dir,
        store: &plan.store,
        nodes: plan.nodes,
        tenants: &tenants,
        apart: plan.how == How::Apart,
        preload: plan.preload.as_deref(),
    })
    .await?;
    let (sink, receiving) =
        (Receiving::start(&live, SINK, plan.slowly)?, Receiving::start(&live, TENANT, plan.slowly)?);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (begin, mut chance, mut found) = (Instant::now(), StdRng::seed_from_u64(2), Found::default());
    for number in 0..plan.runs {
        once(plan, &live, &mut chance, (&sink, &receiving), &mut found).await?;
        if number % 20 == 19 {
            println!("{} of {} runs, {:.0} s", number + 1, plan.runs, begin.elapsed().as_secs_f64());
        }
    }
    found.print(plan, begin.elapsed());
    live.stop().await
}

async fn once(
    plan: &Stopped,
    live: &Live,
    chance: &mut StdRng,
    (sink, receiving): (&Receiving, &Receiving),
    found: &mut Found,
) -> Result<()> {
    let out = Load { to: SINK.into(), document: document(2_000), pause: None, again: AGAIN };
    let into = Load { to: TENANT.into(), document: document(2_000), pause: Some(PAUSE), again: AGAIN };
    let sending = Sending::start(live, TENANT, STREAMS * live.nodes.len(), &out)?;
    let steady = Sending::start(live, STEADY, 1, &into)?;
    tokio::time::sleep(BEFORE).await;
    let before = [sending.take().open(), receiving.take().taken.len(), sink.take().taken.len()];
    found.met.iter_mut().zip(before).for_each(|(all, more)| *all += more);
    // The command goes to another node, and the one apart is the last.
    let which = match plan.how {
        How::Apart | How::Not => live.nodes.len() - 1,
        How::Stop => chance.random_range(1..live.nodes.len()),
    };
    let node = &live.nodes[which];
    let from = Timestamp::now();
    match plan.how {
        How::Stop => node.signal("STOP").await?,
        How::Apart => node.reaches_its_brokers(false)?,
        How::Not => {}
    }
    let gap = chance.random_range(Duration::ZERO..Duration::from_millis(400));
    let away = chance.random_range(Duration::from_millis(100)..Duration::from_millis(2500));
    let cut = async {
        tokio::time::sleep(gap).await;
        live.operators[0].cut(TENANT, Direction::Both, 0).await
    };
    let go_on = async {
        tokio::time::sleep(gap + away).await;
        match plan.how {
            How::Stop => node.signal("CONT").await?,
            How::Apart => node.reaches_its_brokers(true)?,
            How::Not => {}
        }
        let until = Timestamp::now();
        tokio::time::sleep(AFTER).await;
        anyhow::Ok(until)
    };
    let (made, until) = tokio::join!(cut, go_on);
    let (made, away) = (made?, Away { which, from, until: until?, how: plan.how });
    found.add(&made, &away, &sending, sink, receiving);
    drop((sending, steady));
    for operator in &live.operators {
        operator.withdraw(&made, TENANT, 0).await?;
    }
    // What it held goes on before the next run.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

impl Away {
    /// How long that node had run since the command.
    fn running(&self, node: usize, taken_at: Timestamp, at: Timestamp) -> Duration {
        let all = Duration::try_from(at.duration_since(taken_at)).unwrap_or_default();
        if self.how != How::Stop || node != self.which {
            return all;
        }
        let stopped = self.until.min(at).duration_since(self.from.max(taken_at));
        all.saturating_sub(Duration::try_from(stopped).unwrap_or_default())
    }
}

impl Found {
    fn add(&mut self, made: &Made, away: &Away, sending: &Sending, sink: &Receiving, receiving: &Receiving) {
        let run = |node, at| away.running(node, made.taken_at, at);
        let answers = sending.take().answers;
        let open = answers.iter().filter(|one| one.is_open).map(|one| run(one.node, one.at));
        self.met[0] += open.clone().count();
        self.accepted.push(open.max().unwrap_or_default());
        let complete = |one: &Taken| run(one.node, one.at);
        let to_it = receiving.take().taken;
        self.met[1] += to_it.len();
        self.to_it.push(to_it.iter().map(complete).max().unwrap_or_default());
        let from_it: Vec<_> = sink.take().taken.into_iter().filter(|one| one.from == TENANT).collect();
        self.met[2] += from_it.len();
        self.from_it.push(from_it.iter().map(complete).max().unwrap_or_default());
        self.suspect += from_it.iter().filter(|one| one.accepted_at >= made.taken_at).count();
        self.silent += made.in_force.iter().filter(|(_, after)| after.is_none()).count();
    }

    fn print(self, plan: &Stopped, all: Duration) {
        println!(
            "{} cuts, {:?}, {} nodes, {} replicas; {} times a node had not answered when the command ended",
            plan.runs, plan.how, plan.nodes, plan.store.replicas, self.silent
        );
        println!("{:<52}{:>9}{:>9}{:>9}", "ms of running from the command taken", "p50", "p99", "most");
        for (what, times) in [
            ("to the last answer accepted, at the tenant", self.accepted),
            ("to the last hand-over complete to it", self.to_it),
            ("to the last hand-over complete of what it sent", self.from_it),
        ] {
            let spread = Spread::new(times, all);
            println!("{what:<52}{:>9.1}{:>9.1}{:>9.1}", spread.at(0.5), spread.at(0.99), spread.at(1.0));
        }
        println!("suspect referrals handed over: {}", self.suspect);
        let [accepted, to_it, from_it] = self.met;
        println!("in all {accepted} answers accepted, {to_it} hand-overs to it, {from_it} of what it sent");
        println!("targets: most <= 1000; 0 suspect");
    }
}
