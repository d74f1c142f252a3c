//! Does a cut hold at a node that cannot hear of it? A node is stopped, or taken from its brokers or from one of them,
//! across the cut of a tenant that sends and receives there, and goes on afterwards.
//!
//! A node hears of a cut from the log and directly from the node that took it. With `--unpushed` nothing is heard
//! directly, so that the lease alone holds the bound.
//!
//! What counts is time in which the node ran: how long after the command something of the tenant was still accepted,
//! or a hand-over to or from it was complete, the time in which its process was stopped taken off.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bulkhead_model::Direction;
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::live::apart::Reach;
use crate::live::operator::Made;
use crate::live::receiver::{Receiving, Taken};
use crate::live::sender::{AGAIN, Load, Sending};
use crate::live::{Live, Odd, Plan};
use crate::sender::document;
use crate::spread::Spread;
use crate::store::Store;

/// Those of which one is cut off and one takes what it sends: whom the node decides for that will not hear.
const POOL: usize = 12;
const STEADY: &str = "england/steady";
/// Two streams for each node.
const STREAMS: usize = 2;
const PAUSE: Duration = Duration::from_millis(10);
/// It sends so long before anything happens.
const BEFORE: Duration = Duration::from_millis(300);
/// So long the nodes settle who decides for whom.
const SETTLE: Duration = Duration::from_secs(6);
/// So long it is watched after the node goes on.
const AFTER: Duration = Duration::from_millis(1500);

/// How a node is kept from hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// SIGSTOP, and SIGCONT later.
    Stop,
    /// Nothing passes between it and its brokers; tenants reach it.
    Apart,
    /// Nothing passes between it and the broker that leads the control log; it reaches the others, and goes on
    /// appending there as long as it may act.
    Deaf,
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
    /// The last node's wall clock is off by so much.
    pub(crate) clock: Option<SignedDuration>,
    /// What nodes tell one another directly reaches nobody.
    pub(crate) unpushed: bool,
    /// Receivers wait so long after each document.
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
    /// At the node in question after it heard nothing: answers accepted, hand-overs.
    met_there: [usize; 2],
}

/// Who does what.
struct Cast {
    tenant: String,
    sink: String,
    /// The broker that leads the control log.
    control: String,
}

/// Runs it so often and prints the longest times.
pub(crate) async fn run(plan: &Stopped) -> Result<()> {
    ensure!(plan.nodes > 1, "one node that hears nothing is a cell that is down; take --nodes 3");
    let pool: Vec<_> = (0..POOL).map(|number| format!("england/one-of-{number}")).collect();
    let tenants: Vec<_> = pool.iter().cloned().chain([STEADY.to_owned()]).collect();
    let is_apart = matches!(plan.how, How::Apart | How::Deaf);
    let live = Live::start(&Plan {
        binary: &plan.binary,
        dir: &plan.dir,
        store: &plan.store,
        nodes: plan.nodes,
        tenants: &tenants,
        odd: Odd { apart: is_apart, clock: plan.clock, unpushed: plan.unpushed },
    })
    .await?;
    let cast = Cast::choose(plan, &live, &pool).await?;
    let sink = Receiving::start(&live, &cast.sink, plan.slowly)?;
    let receiving = Receiving::start(&live, &cast.tenant, plan.slowly)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (begin, mut chance, mut found) = (Instant::now(), StdRng::seed_from_u64(2), Found::default());
    let mut ended = Ok(());
    for number in 0..plan.runs {
        ended = once(plan, &live, &cast, &mut chance, (&sink, &receiving), &mut found).await;
        if ended.is_err() {
            // What there is by then is told all the same.
            break;
        }
        if number % 20 == 19 {
            println!("{} of {} runs, {:.0} s", number + 1, plan.runs, begin.elapsed().as_secs_f64());
        }
    }
    found.print(plan, begin.elapsed());
    if let Some(times) = live.turned_away() {
        println!("nobody was told directly: {times} connections for that were dropped");
    }
    live.stop().await?;
    ended
}

async fn once(
    plan: &Stopped,
    live: &Live,
    cast: &Cast,
    chance: &mut StdRng,
    (sink, receiving): (&Receiving, &Receiving),
    found: &mut Found,
) -> Result<()> {
    let tenant = cast.tenant.as_str();
    let out = Load { to: cast.sink.clone(), document: document(2_000), pause: None, again: AGAIN };
    let into = Load { to: tenant.to_owned(), document: document(2_000), pause: Some(PAUSE), again: AGAIN };
    let sending = Sending::start(live, tenant, STREAMS * live.nodes.len(), &out)?;
    let steady = Sending::start(live, STEADY, 1, &into)?;
    tokio::time::sleep(BEFORE).await;
    let before = [sending.take().open(), receiving.take().taken.len(), sink.take().taken.len()];
    found.met.iter_mut().zip(before).for_each(|(all, more)| *all += more);
    // The command goes to another node, and the one apart is the last.
    let which = match plan.how {
        How::Apart | How::Deaf | How::Not => live.nodes.len() - 1,
        How::Stop => chance.random_range(1..live.nodes.len()),
    };
    let node = &live.nodes[which];
    let from = Timestamp::now();
    match plan.how {
        How::Stop => node.signal("STOP").await?,
        How::Apart => node.reaches(Reach::None)?,
        How::Deaf => node.reaches(Reach::AllBut(cast.control.clone()))?,
        How::Not => {}
    }
    let gap = chance.random_range(Duration::ZERO..Duration::from_millis(400));
    let away = chance.random_range(Duration::from_millis(100)..Duration::from_millis(2500));
    let cut = async {
        tokio::time::sleep(gap).await;
        live.operators[0].cut(tenant, Direction::Both, 0).await
    };
    let go_on = async {
        tokio::time::sleep(gap + away).await;
        match plan.how {
            How::Stop => node.signal("CONT").await?,
            How::Apart | How::Deaf => node.reaches(Reach::All)?,
            How::Not => {}
        }
        let until = Timestamp::now();
        tokio::time::sleep(AFTER).await;
        anyhow::Ok(until)
    };
    let (made, until) = tokio::join!(cut, go_on);
    let (made, away) = (made?, Away { which, from, until: until?, how: plan.how });
    found.add(tenant, &made, &away, &sending, (sink, receiving));
    drop((sending, steady));
    for operator in &live.operators {
        operator.withdraw(&made, tenant, 0).await?;
    }
    // What it held goes on before the next run.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

impl Cast {
    /// Takes two for whom the last node decides and whose topics the broker of the control log does not lead, as far
    /// as there are such, so that a node that hears nothing has something to go on with.
    async fn choose(plan: &Stopped, live: &Live, pool: &[String]) -> Result<Self> {
        let bootstrap = plan.store.kafka.as_deref().context("several nodes need --kafka")?;
        let receiving: Vec<_> =
            pool.iter().map(|tenant| Receiving::start(live, tenant, None)).collect::<Result<_>>()?;
        tokio::time::sleep(SETTLE).await;
        let (mut ranked, mut control) = (Vec::new(), String::new());
        for (tenant, stream) in pool.iter().zip(&receiving) {
            let leaders = live.leaders(bootstrap, tenant).await?;
            let is_there = stream.take().node == Some(live.nodes.len() - 1);
            let is_elsewhere = |leader: &String| *leader != leaders.control;
            ranked.push((
                is_there,
                is_elsewhere(&leaders.events),
                is_elsewhere(&leaders.inward),
                tenant.clone(),
            ));
            control = leaders.control;
        }
        ranked.sort_unstable();
        let mut best = ranked.into_iter().rev();
        let (Some(first), Some(second)) = (best.next(), best.next()) else {
            anyhow::bail!("there are too few tenants");
        };
        for (role, (is_there, events, inward, name)) in [("cut off", &first), ("takes", &second)] {
            println!(
                "{name} ({role}): the last node decides for it: {is_there}; what others than the broker of the \
                 control log lead: events {events}, in {inward}"
            );
        }
        Ok(Self { tenant: first.3, sink: second.3, control })
    }
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
    fn add(
        &mut self,
        tenant: &str,
        made: &Made,
        away: &Away,
        sending: &Sending,
        (sink, receiving): (&Receiving, &Receiving),
    ) {
        let run = |node, at| away.running(node, made.taken_at, at);
        let answers = sending.take().answers;
        let open = answers.iter().filter(|one| one.is_open).map(|one| run(one.node, one.at));
        self.met[0] += open.clone().count();
        self.accepted.push(open.max().unwrap_or_default());
        let complete = |one: &Taken| run(one.node, one.at);
        let to_it = receiving.take().taken;
        self.met[1] += to_it.len();
        self.to_it.push(to_it.iter().map(complete).max().unwrap_or_default());
        let from_it: Vec<_> = sink.take().taken.into_iter().filter(|one| one.from == tenant).collect();
        self.met[2] += from_it.len();
        self.from_it.push(from_it.iter().map(complete).max().unwrap_or_default());
        let is_there = |node: usize, at: Timestamp| node == away.which && at > away.from;
        self.met_there[0] += answers.iter().filter(|one| one.is_open && is_there(one.node, one.at)).count();
        let handed = to_it.iter().chain(&from_it).filter(|one| is_there(one.node, one.at));
        self.met_there[1] += handed.count();
        self.suspect += from_it.iter().filter(|one| one.accepted_at >= made.taken_at).count();
        self.silent += made.in_force.iter().filter(|(_, after)| after.is_none()).count();
    }

    fn print(self, plan: &Stopped, all: Duration) {
        println!(
            "{} cuts, {:?}, {} nodes, {} replicas; {} times a node had not answered when the command ended",
            self.accepted.len(),
            plan.how,
            plan.nodes,
            plan.store.replicas,
            self.silent
        );
        println!(
            "push: {}; the last node's clock is off by {} s; for each document that is read: {} ms",
            if plan.unpushed { "off" } else { "on" },
            plan.clock.unwrap_or_default().as_secs(),
            plan.slowly.unwrap_or_default().as_millis()
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
        let [accepted, handed] = self.met_there;
        println!("of these at the node in question, after it was kept from hearing: {accepted} and {handed}");
        println!("targets: most <= 1000; 0 suspect");
    }
}
