//! Cells of several nodes on a real Kafka: nodes and brokers killed, paused and stopped while all systems send.
//!
//! ```text
//! senders ──▶ simulators, sidecars and the first node of each cell: one process, `bulkhead dev --log kafka`, kept alive
//!                 │
//!                 └─▶ further nodes of each cell, each a process of its own, `bulkhead serve`; and brokers
//!                         └── SIGKILL, SIGSTOP … SIGCONT, SIGTERM, and started again, at moments drawn from the seed
//! ```
//!
//! Sidecars know the first node of their cell only, so that every redirect is followed. No sidecar dies here: whatever
//! a system receives twice is a fault.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::process::{Child, Command};

use super::senders::Senders;
use super::world::{Cell, DevJson, Node as Address, Start, World};
use super::{Report, http, judge};
use crate::history::History;

/// How long a node may take to be ready again, in a debug build on a busy machine.
const READY: Duration = Duration::from_secs(90);

/// What a failure campaign is told.
#[derive(Debug, Clone)]
pub struct FailureCampaign {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// The brokers, with commas between.
    pub bootstrap: String,
    /// Where `deploy/kafka/up` is, and its folder, when brokers are to fail too.
    pub brokers: Option<Brokers>,
    /// How many failures.
    pub failures: u32,
    /// Decides who sends what, and what fails when.
    pub seed: u64,
    /// Where the world keeps its files.
    pub data_dir: PathBuf,
    /// Senders at work at a time.
    pub senders: u32,
    /// Nodes of each cell beside the first.
    pub nodes: usize,
}

/// Brokers that may be made to fail.
#[derive(Debug, Clone)]
pub struct Brokers {
    /// The script that starts them, and starts them again.
    pub up: PathBuf,
    /// Its `--dir`.
    pub dir: PathBuf,
    /// How many there are.
    pub count: usize,
}

/// What was made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// SIGKILL of a node.
    NodeKilled,
    /// SIGSTOP of a node, longer than its lease and sometimes longer than its session, then SIGCONT.
    NodePaused,
    /// SIGTERM of a node.
    NodeStopped,
    /// SIGKILL of a node, and its ledger deleted.
    LedgerLost,
    /// SIGKILL of a broker.
    BrokerKilled,
    /// SIGSTOP of a broker, then SIGCONT.
    BrokerPaused,
    /// SIGKILL of two brokers: none may acknowledge.
    TwoBrokersKilled,
    /// SIGKILL of all of them.
    AllBrokersKilled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NodeKilled => "node killed",
            Failure::NodePaused => "node paused",
            Failure::NodeStopped => "node stopped",
            Failure::LedgerLost => "ledger lost",
            Failure::BrokerKilled => "broker killed",
            Failure::BrokerPaused => "broker paused",
            Failure::TwoBrokersKilled => "two brokers killed",
            Failure::AllBrokersKilled => "all brokers killed",
        })
    }
}

/// The end of a failure campaign.
#[derive(Debug)]
pub struct Survived {
    /// Failures by kind.
    pub failures: BTreeMap<Failure, u32>,
    /// What the history says.
    pub report: Report,
}

impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<_> = self.failures.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(f, "failures: {}", failures.join(", "))?;
        self.report.fmt(f)
    }
}

impl FailureCampaign {
    /// Runs it and judges it.
    ///
    /// # Errors
    /// When the world cannot be started or asked, or a node does not come back.
    pub async fn run(&self) -> Result<Survived> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut start = Start::new(self.binary.clone(), self.data_dir.clone());
        let prefix = format!("campaign-{}-{}", self.seed, std::process::id());
        let kafka = ["--log", "kafka", "--kafka", &self.bootstrap, "--kafka-prefix", &prefix];
        start.extra = kafka.map(str::to_owned).into();
        let world = World::start(&start).await.context("the first start")?;
        let mut nodes = self.nodes(&world.dev, &prefix)?;
        for node in &mut nodes {
            node.start(&self.binary).await?;
        }
        let senders = Senders::start(&world.dev, self.seed, self.senders);
        let mut failures = BTreeMap::new();
        for number in 0..self.failures {
            tokio::time::sleep(random.random_range(Duration::from_millis(300)..Duration::from_secs(4))).await;
            let failure = self.draw(&mut random);
            let chosen = random.random_range(0..nodes.len());
            let chosen = &mut nodes[chosen];
            self.fail(failure, chosen, &mut random)
                .await
                .with_context(|| format!("failure {number}, {failure}, at {}", chosen.name))?;
            *failures.entry(failure).or_default() += 1;
        }
        let notebook = senders.finish().await;
        let (history, wrong) = judge(&History::new(), &notebook, &world.dev).await?;
        let mut report = Report::new(self.seed);
        report.judged(&history, wrong, &notebook);
        for node in nodes {
            node.stop().await?;
        }
        world.stop().await?;
        Ok(Survived { failures, report })
    }

    fn draw(&self, random: &mut StdRng) -> Failure {
        let node = [
            Failure::NodeKilled,
            Failure::NodeKilled,
            Failure::NodePaused,
            Failure::NodePaused,
            Failure::NodeStopped,
            Failure::LedgerLost,
        ];
        let broker = [
            Failure::BrokerKilled,
            Failure::BrokerKilled,
            Failure::BrokerPaused,
            Failure::TwoBrokersKilled,
            Failure::AllBrokersKilled,
        ];
        let of = if self.brokers.is_some() && random.random_bool(0.35) { &broker[..] } else { &node[..] };
        of[random.random_range(0..of.len())]
    }

    async fn fail(&self, failure: Failure, node: &mut Node, random: &mut StdRng) -> Result<()> {
        let dead = random.random_range(Duration::from_millis(100)..Duration::from_secs(9));
        match failure {
            Failure::NodeKilled | Failure::LedgerLost => {
                node.kill().await?;
                if failure == Failure::LedgerLost {
                    node.lose_ledger()?;
                }
                tokio::time::sleep(dead).await;
                node.start(&self.binary).await
            }
            Failure::NodePaused => {
                node.signal("STOP").await?;
                tokio::time::sleep(random.random_range(Duration::from_secs(1)..Duration::from_secs(12)))
                    .await;
                node.signal("CONT").await?;
                node.ready().await
            }
            Failure::NodeStopped => {
                node.signal("TERM").await?;
                node.ended().await?;
                node.start(&self.binary).await
            }
            Failure::BrokerKilled => self.brokers(&[random.random_range(0..self.broker_count())], dead).await,
            Failure::TwoBrokersKilled => {
                let one = random.random_range(0..self.broker_count());
                self.brokers(&[one, (one + 1) % self.broker_count()], dead).await
            }
            Failure::AllBrokersKilled => {
                self.brokers(&(0..self.broker_count()).collect::<Vec<_>>(), dead).await
            }
            Failure::BrokerPaused => {
                let broker = random.random_range(0..self.broker_count());
                self.signal_broker(broker, "STOP").await?;
                tokio::time::sleep(dead).await;
                self.signal_broker(broker, "CONT").await
            }
        }
    }

    fn broker_count(&self) -> usize {
        self.brokers.as_ref().map_or(1, |brokers| brokers.count)
    }

    /// Kills these, waits, and starts them again.
    async fn brokers(&self, which: &[usize], dead: Duration) -> Result<()> {
        for broker in which {
            self.signal_broker(*broker, "KILL").await?;
        }
        tokio::time::sleep(dead).await;
        let brokers = self.brokers.as_ref().context("no brokers may fail")?;
        let up = Command::new(&brokers.up)
            .arg(brokers.count.to_string())
            .arg("--dir")
            .arg(&brokers.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await?;
        ensure!(up.success(), "the brokers do not come back");
        Ok(())
    }

    async fn signal_broker(&self, broker: usize, signal: &str) -> Result<()> {
        let brokers = self.brokers.as_ref().context("no brokers may fail")?;
        let pid = fs::read_to_string(brokers.dir.join((broker + 1).to_string()).join("pid"))?;
        send(signal, pid.trim()).await
    }

    /// The further nodes of every cell, with the keys of the demo world; none is started.
    fn nodes(&self, dev: &DevJson, prefix: &str) -> Result<Vec<Node>> {
        let mut cells = dev.cells.clone();
        for cell in &mut cells {
            for _ in 0..self.nodes {
                let name = format!("{}-{}", cell.nation, cell.nodes.len() + 1);
                cell.nodes.push(Address { name, grpc: free()?, http: free()? });
            }
        }
        let mut nodes = Vec::new();
        for cell in &cells {
            for address in cell.nodes.iter().skip(1) {
                nodes.push(self.node(dev, prefix, &cells, cell, address)?);
            }
        }
        Ok(nodes)
    }

    fn node(
        &self,
        dev: &DevJson,
        prefix: &str,
        cells: &[Cell],
        cell: &Cell,
        address: &Address,
    ) -> Result<Node> {
        let dir = self.data_dir.join("nodes").join(&address.name);
        fs::create_dir_all(&dir)?;
        let pki = |name: String| dev.data_dir.join("pki").join(name).display().to_string();
        let nation = &cell.nation;
        let mut text = format!(
            "nation = {nation:?}\nname = {:?}\ndata_dir = {:?}\ngrpc = \"{}\"\nhttp = \"{}\"\n\
             [tls]\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n\
             [log]\nkind = \"kafka\"\nbootstrap = [{:?}]\nprefix = \"{prefix}.{nation}\"\n",
            address.name,
            dir.display().to_string(),
            address.grpc,
            address.http,
            pki("ca.pem".into()),
            pki(format!("cell-{nation}.pem")),
            pki(format!("cell-{nation}.key")),
            self.bootstrap,
        );
        if self.bootstrap.split(',').count() < 3 {
            text.push_str("replicas = 1\nmin_in_sync = 1\n");
        }
        for far in cells.iter().filter(|far| far.nation != *nation) {
            let addresses: Vec<_> = far.nodes.iter().map(|node| node.grpc.to_string()).collect();
            text.push_str(&format!(
                "[border.{}]\naddresses = {addresses:?}\nserver_name = \"{}.bulkhead.internal\"\n",
                far.nation, far.nation
            ));
        }
        let settings = dir.join("node.toml");
        fs::write(&settings, text)?;
        Ok(Node { name: address.name.clone(), http: address.http, dir, settings, child: None })
    }
}

/// A node that is a process of its own.
struct Node {
    name: String,
    http: SocketAddr,
    dir: PathBuf,
    settings: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// Starts it and waits until it is ready.
    async fn start(&mut self, binary: &Path) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log.jsonl"))?;
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&self.settings)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        self.ready().await
    }

    /// Waits until it serves and may act.
    async fn ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < READY {
            if http::get(self.http, "/readyz").await.is_ok_and(|page| page.status == 200) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("{} ended by itself: {status}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} is not ready in time", self.name)
    }

    async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        Ok(child.kill().await?)
    }

    fn lose_ledger(&self) -> Result<()> {
        for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id).context("it does not run")?;
        send(signal, &pid.to_string()).await
    }

    /// Waits until it has ended well.
    async fn ended(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        let ended = tokio::time::timeout(Duration::from_secs(15), child.wait()).await;
        let status = ended.with_context(|| format!("{} does not stop in time", self.name))??;
        ensure!(status.success(), "{} did not stop well: {status}", self.name);
        Ok(())
    }

    async fn stop(mut self) -> Result<()> {
        self.signal("TERM").await?;
        self.ended().await
    }
}

async fn send(signal: &str, pid: &str) -> Result<()> {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid).status().await?;
    ensure!(sent.success(), "SIG{signal} cannot be sent to {pid}");
    Ok(())
}

/// A port that nobody uses now, outside the range that systems give out.
fn free() -> Result<SocketAddr> {
    let mut random = rand::rng();
    for _ in 0..200 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, random.random_range(10_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port")
}
