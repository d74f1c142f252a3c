//! Further nodes of the cells of a demo world on Kafka: each a process of its own, started, killed, paused, stopped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use tokio::process::{Child, Command};

use super::http;
use super::world::{Cell, DevJson, Node as Address};

/// How long a node may take to be ready again, in a debug build on a busy machine.
const READY: Duration = Duration::from_secs(90);

/// Where the cells' logs are.
#[derive(Debug, Clone, Copy)]
pub struct Kafka<'a> {
    /// The brokers, with commas between; three at least.
    pub bootstrap: &'a str,
    /// What the names of all topics of the world begin with.
    pub prefix: &'a str,
}

/// So many further nodes of every cell, with the keys of the demo world and their files in `place`; none is started.
///
/// # Errors
/// When there is no free port, or the files cannot be written.
pub fn further(dev: &DevJson, kafka: Kafka<'_>, place: &Path, count: usize) -> Result<Vec<Node>> {
    let mut cells = dev.cells.clone();
    for cell in &mut cells {
        for _ in 0..count {
            let name = format!("{}-{}", cell.nation, cell.nodes.len() + 1);
            cell.nodes.push(Address { name, grpc: free()?, http: free()? });
        }
    }
    let mut nodes = Vec::new();
    for cell in &cells {
        for address in cell.nodes.iter().skip(1) {
            nodes.push(node(dev, kafka, place, &cells, cell, address)?);
        }
    }
    Ok(nodes)
}

fn node(
    dev: &DevJson,
    kafka: Kafka<'_>,
    place: &Path,
    cells: &[Cell],
    cell: &Cell,
    address: &Address,
) -> Result<Node> {
    let dir = place.join(&address.name);
    fs::create_dir_all(&dir)?;
    let pki = |name: String| dev.data_dir.join("pki").join(name).display().to_string();
    let nation = &cell.nation;
    let mut text = format!(
        "nation = {nation:?}\nname = {:?}\ndata_dir = {:?}\ngrpc = \"{}\"\nhttp = \"{}\"\n\
             [tls]\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n\
             [log]\nkind = \"kafka\"\nbootstrap = [{:?}]\nprefix = \"{}.{nation}\"\n",
        address.name,
        dir.display().to_string(),
        address.grpc,
        address.http,
        pki("ca.pem".into()),
        pki(format!("cell-{nation}.pem")),
        pki(format!("cell-{nation}.key")),
        kafka.bootstrap,
        kafka.prefix,
    );
    for far in cells.iter().filter(|far| far.nation != *nation) {
        let addresses: Vec<_> = far.nodes.iter().map(|node| node.grpc.to_string()).collect();
        text.push_str(&format!(
            "[border.{}]\naddresses = {addresses:?}\nserver_name = \"{}.bulkhead.internal\"\n",
            far.nation, far.nation
        ));
    }
    let settings = dir.join("node.toml");
    fs::write(&settings, text)?;
    Ok(Node {
        name: address.name.clone(),
        nation: nation.clone(),
        grpc: address.grpc,
        http: address.http,
        dir,
        settings,
        variables: Vec::new(),
        child: None,
    })
}

/// A node that is a process of its own.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whose cell it is of.
    pub nation: String,
    /// Where tenants and operators reach it.
    pub grpc: SocketAddr,
    /// Where it answers for its health.
    pub http: SocketAddr,
    /// Its files: settings, ledger, audit, log.
    pub dir: PathBuf,
    settings: PathBuf,
    /// What it is started with in its environment, beside ours.
    pub variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Node {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn start(&mut self, binary: &Path) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log.jsonl"))?;
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&self.settings)
            .env("RUST_LOG", "info")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        self.ready().await
    }

    /// Waits until it serves and may act.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < READY {
            if http::get(self.http, "/readyz").await.is_ok_and(|page| page.status == 200) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("{} ended by itself: {status}: {}", self.name, self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} is not ready in time", self.name)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        Ok(child.kill().await?)
    }

    /// Deletes the ledger of one that does not run.
    ///
    /// # Errors
    /// When it does not do so.
    pub fn lose_ledger(&self) -> Result<()> {
        for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// What it wrote to its log, start after start.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("log.jsonl"))?)
    }

    /// The error that it ended with last, if it said one.
    fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        log.lines().rfind(|line| line.starts_with("error: ")).unwrap_or("it did not say why").to_owned()
    }

    /// Sends it a signal, by its name without SIG.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id).context("it does not run")?;
        send(signal, &pid.to_string()).await
    }

    /// Waits until it has ended well.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn ended(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        let ended = tokio::time::timeout(Duration::from_secs(15), child.wait()).await;
        let status = ended.with_context(|| format!("{} does not stop in time", self.name))??;
        ensure!(status.success(), "{} did not stop well: {status}: {}", self.name, self.last_words());
        Ok(())
    }

    /// SIGTERM, and waits until it has ended well.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn stop(mut self) -> Result<()> {
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
