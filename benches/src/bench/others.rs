//! What do the others notice? Windows of one run, by turns: something is done to one tenant, or the like happens that
//! costs a cell nothing.
//!
//! - a cut: the tenant is cut off while it sends, or it merely falls silent;
//! - a storm: the tenant is cut off and connects as fast as it can, at the cell or at a port that drops everybody.
//!
//! Both arms take the same from the machine that everything runs on, so what is left is what the cell does.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bulkhead_model::Direction;
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::v1::ingest_client::IngestClient;
use clap::ValueEnum;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::keys::server_name;
use crate::live::operator::Made;
use crate::live::receiver::Receiving;
use crate::live::sender::{Load, Sending};
use crate::live::{Live, NATION, Odd, Plan};
use crate::process::cpu_seconds;
use crate::sender::{document, referral};
use crate::spread::Spread;
use crate::store::Store;

const TENANT: &str = "england/cut-off";
const SINK: &str = "england/sink";
/// Pairs of others: who sends, and who takes.
const PAIRS: usize = 3;
/// A sidecar tries again about so often.
const AGAIN: Duration = Duration::from_millis(500);
/// The tenant works so long before each window.
const BEFORE: Duration = Duration::from_secs(1);
/// After each window, until the next.
const SETTLE: Duration = Duration::from_millis(700);

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// The tenant is cut off; otherwise it falls silent.
    Cut,
    /// Somebody who is cut off connects without end; otherwise at a port that drops everybody.
    Storm,
}

/// What a measurement is told.
pub(crate) struct Others {
    pub(crate) binary: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) nodes: usize,
    pub(crate) event: Event,
    /// How many windows of each kind.
    pub(crate) windows: u32,
    pub(crate) seconds: u64,
    /// Attempts to connect a second.
    pub(crate) attempts: u32,
}

/// What the others met in one window.
struct Window {
    took: Vec<Duration>,
    all: Duration,
    errors: usize,
    reconnects: u64,
    redeliveries: usize,
    cpu: f64,
}

struct World {
    live: Live,
    others: Vec<Sending>,
    taking: Vec<Receiving>,
    _sink: Receiving,
}

/// Runs the windows and prints what they came to.
pub(crate) async fn run(plan: &Others) -> Result<()> {
    let world = World::start(plan).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (mut done, mut not, mut ended, begin) = (Vec::new(), Vec::new(), Ok(()), Instant::now());
    let storm = match plan.event {
        Event::Cut => None,
        Event::Storm => Some(world.live.operators[0].cut(TENANT, Direction::Both, 0).await?),
    };
    for number in 0..plan.windows * 2 {
        // 0 1 1 0 0 1 1 0 ...: neither kind is always the later.
        let is_done = matches!(number % 4, 0 | 3);
        let window = match plan.event {
            Event::Cut => world.cut_or_silence(plan, is_done).await,
            Event::Storm => world.storm(plan, is_done).await,
        };
        match window {
            Ok(window) if is_done => done.push(window),
            Ok(window) => not.push(window),
            Err(error) => {
                // What there is by then is told all the same.
                ended = Err(error);
                break;
            }
        }
        if number % 20 == 19 {
            println!(
                "{} of {} windows, {:.0} s",
                number + 1,
                plan.windows * 2,
                begin.elapsed().as_secs_f64()
            );
        }
        tokio::time::sleep(SETTLE).await;
    }
    print(plan, &done, &not);
    if let Some(made) = storm {
        world.take_back(&made).await?;
    }
    world.live.stop().await?;
    ended
}

impl World {
    async fn start(plan: &Others) -> Result<Self> {
        let pairs: Vec<_> = (0..PAIRS)
            .map(|pair| (format!("england/sends-{pair}"), format!("england/takes-{pair}")))
            .collect();
        let named = [TENANT, SINK].map(str::to_owned).into_iter();
        let tenants: Vec<_> =
            named.chain(pairs.iter().flat_map(|(from, to)| [from.clone(), to.clone()])).collect();
        let live = Live::start(&Plan {
            binary: &plan.binary,
            dir: &plan.dir,
            store: &plan.store,
            nodes: plan.nodes,
            tenants: &tenants,
            odd: Odd::default(),
        })
        .await?;
        let (mut others, mut taking) = (Vec::new(), Vec::new());
        for (from, to) in &pairs {
            taking.push(Receiving::start(&live, to, None)?);
            others.push(Sending::start(&live, from, 1, &load(to))?);
        }
        let _sink = Receiving::start(&live, SINK, None)?;
        Ok(Self { live, others, taking, _sink })
    }

    async fn cut_or_silence(&self, plan: &Others, is_cut: bool) -> Result<Window> {
        let sending = Sending::start(&self.live, TENANT, 2, &load(SINK))?;
        tokio::time::sleep(BEFORE).await;
        let window = self.begin()?;
        if !is_cut {
            drop(sending);
            return self.end(plan, window).await;
        }
        let made = self.live.operators[0].cut(TENANT, Direction::Both, 0).await?;
        let window = self.end(plan, window).await?;
        drop(sending);
        self.take_back(&made).await?;
        Ok(window)
    }

    async fn storm(&self, plan: &Others, is_at_cell: bool) -> Result<Window> {
        let elsewhere = TcpListener::bind("127.0.0.1:0").await?;
        let address = match is_at_cell {
            true => self.live.nodes[0].address.clone(),
            false => elsewhere.local_addr()?.to_string(),
        };
        let dropping = tokio::spawn(async move {
            while let Ok((tcp, _)) = elsewhere.accept().await {
                let _ = tcp.set_zero_linger();
            }
        });
        let mut knocking = self.knock(plan, &address).await?;
        tokio::time::sleep(BEFORE).await;
        let window = self.begin()?;
        let window = self.end(plan, window).await?;
        knocking.kill().await?;
        dropping.abort();
        Ok(window)
    }

    async fn knock(&self, plan: &Others, address: &str) -> Result<Child> {
        let dir = self.live.place().join("knock");
        std::fs::create_dir_all(&dir)?;
        let keys = self.live.credentials(TENANT)?;
        std::fs::write(dir.join("ca.pem"), keys.ca_pem)?;
        std::fs::write(dir.join("certificate.pem"), keys.certificate_pem)?;
        std::fs::write(dir.join("key.pem"), keys.key_pem)?;
        let mut command = Command::new("nice");
        command.arg(std::env::current_exe()?).arg("knock").arg("--dir").arg(dir);
        command.args(["--address", address, "--attempts", &plan.attempts.to_string()]);
        Ok(command.stdin(Stdio::null()).kill_on_drop(true).spawn()?)
    }

    async fn take_back(&self, made: &Made) -> Result<()> {
        for operator in &self.live.operators {
            operator.withdraw(made, TENANT, 0).await?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(Instant, f64)> {
        self.others.iter().for_each(|other| drop(other.take()));
        self.taking.iter().for_each(|other| drop(other.take()));
        Ok((Instant::now(), self.cpu()?))
    }

    async fn end(&self, plan: &Others, (begin, cpu): (Instant, f64)) -> Result<Window> {
        tokio::time::sleep(Duration::from_secs(plan.seconds).saturating_sub(begin.elapsed())).await;
        let all = begin.elapsed();
        let sent: Vec<_> = self.others.iter().map(Sending::take).collect();
        let taken: Vec<_> = self.taking.iter().map(Receiving::take).collect();
        let answers = sent.iter().flat_map(|seen| &seen.answers);
        Ok(Window {
            took: answers.clone().map(|answer| answer.took).collect(),
            all,
            errors: answers.filter(|answer| !answer.is_open).count(),
            reconnects: sent.iter().map(|seen| seen.ended).sum::<u64>()
                + taken.iter().map(|seen| seen.ended).sum::<u64>(),
            redeliveries: taken
                .iter()
                .flat_map(|seen| &seen.taken)
                .filter(|one| one.possible_duplicate)
                .count(),
            cpu: self.cpu()? - cpu,
        })
    }

    fn cpu(&self) -> Result<f64> {
        let mut sum = 0.0;
        for node in &self.live.nodes {
            sum += cpu_seconds(node.pid()?)?;
        }
        Ok(sum)
    }
}

fn load(to: &str) -> Load {
    Load { to: to.to_owned(), document: document(2_000), pause: None, again: AGAIN }
}

impl Window {
    #[allow(clippy::cast_precision_loss, reason = "there are few of them")]
    fn rate(&self) -> f64 {
        self.took.len() as f64 / self.all.as_secs_f64()
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are few windows")]
fn print(plan: &Others, done: &[Window], not: &[Window]) {
    let (with, without) = match plan.event {
        Event::Cut => ("cut off", "silent"),
        Event::Storm => ("storm at the cell", "storm elsewhere"),
    };
    println!(
        "{} and {} windows of {} s, {} node(s), {}",
        done.len(),
        not.len(),
        plan.seconds,
        plan.nodes,
        if plan.store.kafka.is_some() { "Kafka" } else { "embedded" }
    );
    let spread = |windows: &[Window]| {
        let took = windows.iter().flat_map(|window| window.took.iter().copied()).collect();
        Spread::new(took, windows.iter().map(|window| window.all).sum())
    };
    for (name, windows) in [(with, done), (without, not)] {
        let all = spread(windows);
        println!(
            "others, {name:<20} {:>8.1}/s  p50 {:.2} ms  p99 {:.2} ms  nodes' CPU {:.2} cores  {} errors, {} reconnects, {} redeliveries",
            all.rate(),
            all.at(0.5),
            all.at(0.99),
            windows.iter().map(|window| window.cpu).sum::<f64>()
                / windows.iter().map(|window| window.all.as_secs_f64()).sum::<f64>(),
            windows.iter().map(|window| window.errors).sum::<usize>(),
            windows.iter().map(|window| window.reconnects).sum::<u64>(),
            windows.iter().map(|window| window.redeliveries).sum::<usize>(),
        );
    }
    let ratios: Vec<f64> = done.iter().zip(not).map(|(with, without)| with.rate() / without.rate()).collect();
    let tails: Vec<f64> = done
        .iter()
        .zip(not)
        .map(|(with, without)| {
            let tail = |window: &Window| Spread::new(window.took.clone(), window.all).at(0.99);
            tail(with) / tail(without)
        })
        .collect();
    for (what, ratios, target) in
        [("throughput ratio", ratios, "0.99-1.01"), ("p99 ratio, window by window", tails, "<= 1.05")]
    {
        let (mean, half) = confidence(&ratios);
        println!("{what:<30} {mean:.3} +- {half:.3} (95 %)   target {target}");
    }
    println!("p99 ratio, all windows        {:.3}", spread(done).at(0.99) / spread(not).at(0.99));
    if plan.event == Event::Storm {
        let cores = |windows: &[Window]| {
            windows.iter().map(|window| window.cpu).sum::<f64>()
                / windows.iter().map(|window| window.all.as_secs_f64()).sum::<f64>()
        };
        let each = (cores(done) - cores(not)) * 1e6 / f64::from(plan.attempts);
        println!("CPU of the nodes for one refusal, at {} attempts a second: {each:.0} us", plan.attempts);
    }
}

/// Mean, and half of its 95 % interval.
#[allow(clippy::cast_precision_loss, reason = "there are few windows")]
fn confidence(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(2) as f64;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, 1.96 * (squares / (count - 1.0)).sqrt() / count.sqrt())
}

/// The storm, in a process of its own: so many attempts a second, whatever comes of them.
pub(crate) async fn knock(dir: &std::path::Path, address: &str, attempts: u32) -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).context("no keys");
    let credentials = Credentials {
        ca_pem: read("ca.pem")?,
        certificate_pem: read("certificate.pem")?,
        key_pem: read("key.pem")?,
    };
    let dialer = Dialer::new(&credentials)?;
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let nothing = document(1);
    loop {
        tick.tick().await;
        for _ in 0..attempts.div_ceil(500) {
            let mut client = IngestClient::new(dialer.channel(address, &server_name(NATION))?);
            let request = referral(SINK, &nothing);
            tokio::spawn(async move { client.submit(request).await.is_ok() });
        }
    }
}
