//! One node of a cell: `bulkhead serve`, started, stopped by signals and asked whether it is ready.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bulkhead_testkit::campaign::{ClockOff, http};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::apart::{self, Reach, Switch};
use super::{NATION, Plan};

/// How long it may take to be ready on a busy machine.
const READY: Duration = Duration::from_secs(90);
/// How long it may take to end.
const END: Duration = Duration::from_secs(20);

/// A node.
pub(crate) struct Node {
    pub(crate) name: String,
    /// Where it is reached.
    pub(crate) address: String,
    http: SocketAddr,
    settings: PathBuf,
    /// What it is started with besides.
    variables: Vec<(String, String)>,
    /// It has a network of its own.
    apart: Option<Apart>,
    child: Option<Child>,
}

struct Apart {
    dir: PathBuf,
    brokers: Vec<String>,
    switch: Switch,
}

impl Node {
    pub(super) async fn lay_out(
        plan: &Plan<'_>,
        place: &Path,
        number: usize,
        advertise: Option<&str>,
    ) -> Result<Self> {
        let is_last = number == plan.nodes;
        let name = format!("{NATION}-{number}");
        let dir = place.join(&name);
        fs::create_dir_all(&dir)?;
        let (grpc, http) = (free().await?, free().await?);
        let file = |name: &str| place.join(name).display().to_string();
        let mut text = format!(
            "nation = \"{NATION}\"\nname = {name:?}\ndata_dir = {:?}\ngrpc = \"{grpc}\"\nhttp = \"{http}\"\n",
            dir.display().to_string()
        );
        if let Some(address) = advertise {
            text.push_str(&format!("advertise = {address:?}\n"));
        }
        if number == 1 {
            text.push_str(&format!("directory = {:?}\n", file("directory.toml")));
        }
        text.push_str(&format!(
            "[tls]\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n[log]\n",
            file("ca.pem"),
            file("cell.pem"),
            file("cell.key")
        ));
        match &plan.store.kafka {
            None => {
                ensure!(plan.nodes == 1, "an embedded log has one process; several nodes need --kafka");
                text.push_str("kind = \"embedded\"\n");
            }
            Some(bootstrap) => {
                let prefix = prefix(place)?;
                let brokers: Vec<_> = bootstrap.split(',').collect();
                text.push_str(&format!(
                    "kind = \"kafka\"\nbootstrap = {brokers:?}\nprefix = \"{prefix}\"\nreplicas = {}\nmin_in_sync = {}\n",
                    plan.store.replicas,
                    plan.store.in_sync()
                ));
            }
        }
        let settings = dir.join("node.toml");
        fs::write(&settings, text)?;
        let variables = match plan.odd.clock {
            Some(off) if is_last => {
                let clock =
                    ClockOff::compile(&dir).map_err(|why| anyhow!("a clock cannot be moved: {why}"))?;
                clock.variables(off)
            }
            _ => Vec::new(),
        };
        let apart = match &plan.store.kafka {
            Some(brokers) if plan.odd.apart && is_last => Some(Apart {
                dir: dir.join("ways"),
                brokers: brokers.split(',').map(str::to_owned).collect(),
                switch: Switch::new(),
            }),
            _ => None,
        };
        Ok(Self { name, address: grpc.to_string(), http, settings, variables, apart, child: None })
    }

    /// Starts it and waits until it is ready.
    pub(super) async fn start(&mut self, binary: &Path) -> Result<()> {
        let log = fs::File::create(self.settings.with_file_name("log.jsonl"))?;
        let mut command = self.command(binary).await?;
        let child = command
            .env("RUST_LOG", "warn")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        self.child = Some(child);
        self.ready().await
    }

    async fn command(&self, binary: &Path) -> Result<Command> {
        let serve = [
            binary.display().to_string(),
            "serve".into(),
            "--config".into(),
            self.settings.display().to_string(),
        ];
        Ok(match &self.apart {
            None => {
                let mut command = Command::new(binary);
                command.args(&serve[1..]);
                command
            }
            Some(Apart { dir, brokers, switch }) => {
                let ins = [self.address.clone(), self.http.to_string()];
                apart::outer(dir, &ins, brokers, switch).await?;
                apart::command(dir, &ins, brokers, &serve)?
            }
        })
    }

    /// From now on it reaches these brokers and no others.
    pub(crate) fn reaches(&self, reach: Reach) -> Result<()> {
        self.apart.as_ref().context("it has no network of its own")?.switch.set(reach);
        Ok(())
    }

    /// Waits until it serves and may act.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < READY {
            if http::get(self.http, "/readyz").await.is_ok_and(|page| page.status == 200) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                let log = fs::read_to_string(self.settings.with_file_name("log.jsonl"))?;
                bail!("{} ended by itself: {status}: {log}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{} is not ready in time", self.name)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.as_ref().and_then(Child::id).context("it does not run")
    }

    /// Sends it a signal by its name.
    pub(crate) async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.pid()?.to_string();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid).status().await?;
        ensure!(sent.success(), "SIG{signal} cannot be sent to {}", self.name);
        Ok(())
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        self.signal("TERM").await?;
        if let Some(mut child) = self.child.take()
            && tokio::time::timeout(END, child.wait()).await.is_err()
        {
            child.kill().await?;
        }
        Ok(())
    }
}

/// What this cell's topics begin with.
pub(super) fn prefix(place: &Path) -> Result<String> {
    let name = place.file_name().context("a place has a name")?.to_string_lossy().replace('.', "");
    Ok(format!("bench-{name}"))
}

/// A port that nobody uses now.
async fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}
