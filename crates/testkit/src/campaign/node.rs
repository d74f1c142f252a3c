//! Further nodes of the cells of a demo world on Kafka: each a process of its own, started, killed, paused, stopped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use rand::Rng;
use tokio::process::Command;

use super::process::Process;
use super::world::{Cell, DevJson, Node as Address};

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
        process: Process::new(&address.name, address.http, &dir),
        nation: nation.clone(),
        grpc: address.grpc,
        http: address.http,
        dir,
        settings,
        variables: Vec::new(),
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
    process: Process,
}

impl Node {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn start(&mut self, binary: &Path) -> Result<()> {
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&self.settings);
        command.env("RUST_LOG", "info").envs(self.variables.iter().cloned());
        self.process.start(&mut command).await
    }

    /// Waits until it serves and may act.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn ready(&mut self) -> Result<()> {
        self.process.ready().await
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.map(drop)
    }

    /// SIGSTOP, and SIGCONT after that time; waits until it is ready again.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn pause(&mut self, during: Duration) -> Result<()> {
        self.process.pause(during).await
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

    /// Where it writes its log, start after start.
    pub fn log_file(&self) -> &Path {
        self.process.log_file()
    }

    /// What it wrote to its log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn log(&self) -> Result<String> {
        self.process.log()
    }

    /// Sends it a signal, by its name without SIG.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        self.process.signal(signal).await
    }

    /// Waits until it has ended well.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn ended(&mut self) -> Result<()> {
        self.process.ended().await
    }

    /// SIGTERM, and waits until it has ended well.
    ///
    /// # Errors
    /// When it does not do so.
    pub async fn stop(mut self) -> Result<()> {
        self.process.stop().await
    }
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
