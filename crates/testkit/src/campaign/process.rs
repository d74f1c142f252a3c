//! One process of a campaign: started with a log, asked whether it is ready, killed, stopped and woken by signals.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use tokio::process::{Child, Command};

use super::http;

/// How long one may take to be ready again, in a debug build on a busy machine.
const READY: Duration = Duration::from_secs(90);
/// How long one may take to end.
const END: Duration = Duration::from_secs(15);

/// Logs of several runs in one place are told apart by this; those of one run are one, start after start.
static RUN: LazyLock<String> = LazyLock::new(|| {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S");
    format!("{now}-{}", std::process::id())
});

/// The name of a log of this run, such as `log.20261129T120000-77.jsonl`.
pub(super) fn log_of_this_run(path: &Path, extension: &str) -> PathBuf {
    path.with_extension(format!("{}.{extension}", *RUN))
}

/// A process that answers `/readyz`. Dropped, it is killed.
pub(super) struct Process {
    name: String,
    http: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Not started yet; what it says goes to a file in `place`.
    pub(super) fn new(name: &str, http: SocketAddr, place: &Path) -> Self {
        let log = log_of_this_run(&place.join("log"), "jsonl");
        Self { name: name.to_owned(), http, log, child: None }
    }

    /// Where it writes its log.
    pub(super) fn log_file(&self) -> &Path {
        &self.log
    }

    /// What it wrote to its log, start after start.
    pub(super) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Starts it and waits until it is ready.
    pub(super) async fn start(&mut self, command: &mut Command) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.child = Some(command.spawn().with_context(|| format!("{} cannot be started", self.name))?);
        self.ready().await
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&mut self) -> Result<()> {
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

    /// `kill -9`; the time by which it was dead.
    pub(super) async fn kill(&mut self) -> Result<Timestamp> {
        let mut child = self.child.take().with_context(|| format!("{} does not run", self.name))?;
        child.kill().await?;
        Ok(Timestamp::now())
    }

    /// Sends it a signal, by its name without SIG.
    pub(super) async fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id);
        let pid = pid.with_context(|| format!("{} does not run", self.name))?;
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().await?;
        ensure!(sent.success(), "SIG{signal} cannot be sent to {}", self.name);
        Ok(())
    }

    /// SIGSTOP, and SIGCONT after that time; waits until it is ready again.
    pub(super) async fn pause(&mut self, during: Duration) -> Result<()> {
        self.signal("STOP").await?;
        tokio::time::sleep(during).await;
        self.signal("CONT").await?;
        self.ready().await
    }

    /// Waits until it has ended well.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let mut child = self.child.take().with_context(|| format!("{} does not run", self.name))?;
        let ended = tokio::time::timeout(END, child.wait()).await;
        let status = ended.with_context(|| format!("{} does not stop in time", self.name))??;
        ensure!(status.success(), "{} did not stop well: {status}: {}", self.name, self.last_words());
        Ok(())
    }

    /// SIGTERM, and waits until it has ended well.
    pub(super) async fn stop(&mut self) -> Result<()> {
        self.signal("TERM").await?;
        self.ended().await
    }

    /// The error that it ended with last, if it said one.
    fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        log.lines().rfind(|line| line.starts_with("error: ")).unwrap_or("it did not say why").to_owned()
    }
}
