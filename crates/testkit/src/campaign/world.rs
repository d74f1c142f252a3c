//! `bulkhead dev` as a process: started, killed, stopped, and where everything in it is.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::process::log_of_this_run;

/// How long a start may take, in a debug build on a busy machine.
const START: Duration = Duration::from_secs(90);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(15);

/// How it is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// The `bulkhead` binary.
    pub binary: PathBuf,
    /// `--data-dir`.
    pub data_dir: PathBuf,
    /// `--port-base`; without it, free ports.
    pub port_base: Option<u16>,
    /// More arguments.
    pub extra: Vec<String>,
    /// `RUST_LOG`.
    pub log: String,
    /// More environment variables.
    pub variables: Vec<(String, String)>,
}

/// A running world. Dropped, it is killed.
#[derive(Debug)]
pub struct World {
    /// Where everything is.
    pub dev: DevJson,
    /// What it printed before it was ready, line by line.
    pub said: Vec<String>,
    child: Child,
}

/// `dev.json`, as far as it is needed here.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct DevJson {
    pub pid: u32,
    pub cells: Vec<Cell>,
    pub tenants: Vec<Tenant>,
    pub operators: Vec<Operator>,
    pub ca: PathBuf,
    /// Where it was read: the other paths are below it.
    #[serde(skip)]
    pub data_dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Cell {
    pub nation: String,
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Node {
    pub name: String,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Tenant {
    pub id: String,
    pub services: Vec<Service>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub sidecar: Sidecar,
    pub simulator: Page,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Service {
    pub id: String,
    pub identifiers: Vec<Identifier>,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Identifier {
    pub system: String,
    pub value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Sidecar {
    pub http: SocketAddr,
    pub listens: Vec<Face>,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Face {
    pub protocol: String,
    pub address: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Page {
    pub http: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs, reason = "the keys are those of dev.json")]
pub struct Operator {
    pub name: String,
    pub nation: String,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Start {
    /// That binary in that directory, on free ports.
    pub fn new(binary: PathBuf, data_dir: PathBuf) -> Self {
        Self {
            binary,
            data_dir,
            port_base: None,
            extra: Vec::new(),
            log: "info".into(),
            variables: Vec::new(),
        }
    }

    /// Where the process writes its log, start after start of this run: beside the data directory.
    pub fn log_file(&self) -> PathBuf {
        log_of_this_run(&self.data_dir, "log")
    }

    /// Starts the process and returns at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self) -> Result<Child> {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(&self.binary);
        command.arg("dev").arg("--data-dir").arg(&self.data_dir).args(&self.extra);
        if let Some(base) = self.port_base {
            command.arg("--port-base").arg(base.to_string());
        }
        command
            .env("RUST_LOG", &self.log)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        command.spawn().with_context(|| format!("{} cannot be started", self.binary.display()))
    }
}

impl World {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends before, or is not ready in time.
    pub async fn start(start: &Start) -> Result<Self> {
        let child = start.spawn()?;
        Self::ready(child, &start.data_dir).await.with_context(|| tail(&start.log_file()))
    }

    /// Waits until a started process is ready.
    ///
    /// # Errors
    /// When it ends before, or is not ready in time.
    pub async fn ready(mut child: Child, data_dir: &Path) -> Result<Self> {
        let stdout = child.stdout.take().context("its output is not ours")?;
        let mut lines = BufReader::new(stdout).lines();
        let said = async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await? {
                if line == "ready" {
                    return Ok(said);
                }
                said.push(line);
            }
            bail!("it ended before it was ready")
        };
        let said = tokio::time::timeout(START, said).await.context("it is not ready in time")??;
        // Nobody reads on, and nothing that it writes may block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { dev: DevJson::read(data_dir)?, said, child })
    }

    /// SIGKILL. Returns the time by which it was dead.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<Timestamp> {
        self.child.kill().await?;
        Ok(Timestamp::now())
    }

    /// Waits until it ends by itself; `None` when it does not in that time.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn ended(&mut self, within: Duration) -> Result<Option<Timestamp>> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(ended) => ended.map(|_| Some(Timestamp::now())).context("it cannot be waited for"),
            Err(_) => Ok(None),
        }
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        let pid = self.child.id().context("it has ended already")?;
        let sent = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
        if !sent.success() {
            bail!("SIGTERM cannot be sent");
        }
        tokio::time::timeout(STOP, self.child.wait())
            .await
            .context("it does not stop in time")?
            .map_err(Into::into)
    }
}

impl DevJson {
    /// Reads `dev.json` of that data directory.
    ///
    /// # Errors
    /// When it is not there or not whole.
    pub fn read(data_dir: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(data_dir.join("dev.json")).context("dev.json cannot be read")?;
        let read: Self = serde_json::from_str(&text).context("dev.json is not as expected")?;
        Ok(Self { data_dir: data_dir.to_owned(), ..read })
    }

    /// A tenant by its id.
    ///
    /// # Errors
    /// When there is none.
    pub fn tenant(&self, id: &str) -> Result<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id).with_context(|| format!("no tenant {id}"))
    }
}

impl Tenant {
    /// Its nation.
    pub fn nation(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    /// What its system speaks.
    pub fn speaks(&self) -> &str {
        self.sidecar.listens.first().map_or("", |face| &face.protocol)
    }

    /// How a referral to it is addressed in `POST /send`.
    pub fn address(&self) -> serde_json::Value {
        let identifier = self.services.first().and_then(|service| service.identifiers.first());
        identifier.map_or(
            serde_json::Value::Null,
            |identifier| serde_json::json!({ "system": identifier.system, "value": identifier.value }),
        )
    }
}

/// The end of a log, for an error.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    format!("its log ends: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}
