//! Kafka brokers of a test's own, to be stopped, killed and started again; `deploy/kafka/up` starts them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use tempfile::TempDir;

use crate::disk::Disk;

/// Brokers in a folder of their own. When the last handle is dropped, they are killed and their data is gone.
#[derive(Clone)]
pub struct Brokers {
    running: Arc<Running>,
}

struct Running {
    count: u8,
    options: Vec<String>,
    directory: TempDir,
    bootstrap: String,
    /// The disk of one of them.
    disk: Option<(u8, Disk)>,
}

impl Brokers {
    /// Starts so many, with these options of `deploy/kafka/up` besides.
    pub fn start(count: u8, options: &[&str]) -> Self {
        Self::started(Running::new(count, options))
    }

    /// Starts so many, the data of one of them on a disk of its own.
    ///
    /// # Errors
    /// Why no disk can be mounted here; then none is started.
    pub fn start_with_disk(count: u8, broker: u8) -> Result<Self, String> {
        let mut running = Running::new(count, &[]);
        let data = running.directory.path().join(format!("{broker}/data"));
        running.disk = Some((broker, Disk::mount(&data)?));
        Ok(Self::started(running))
    }

    fn started(mut running: Running) -> Self {
        running.bootstrap = running.up();
        Self { running: Arc::new(running) }
    }

    /// The broker with a disk of its own, and the disk.
    pub fn disk(&self) -> Option<(u8, &Disk)> {
        self.running.disk.as_ref().map(|(broker, disk)| (*broker, disk))
    }

    /// What a broker has said since it was started.
    pub fn said(&self, broker: u8) -> String {
        let log = self.running.directory.path().join(format!("{broker}/log"));
        String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
    }

    /// Whether it runs, or is only stopped by a signal.
    pub fn is_alive(&self, broker: u8) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid(broker))).unwrap_or_default();
        // A broker that ended, and that nobody has waited for, is a Z.
        state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    /// Their addresses, with commas between.
    pub fn bootstrap(&self) -> &str {
        &self.running.bootstrap
    }

    /// The folder that `up` was given.
    pub fn directory(&self) -> &Path {
        self.running.directory.path()
    }

    /// Starts those again that do not run, and waits until they serve.
    pub fn up(&self) -> String {
        self.running.up()
    }

    /// `kill -9`.
    pub fn kill(&self, broker: u8) {
        self.signal(broker, "KILL");
    }

    /// `SIGSTOP`: it answers nothing, and its connections stay.
    pub fn freeze(&self, broker: u8) {
        self.signal(broker, "STOP");
    }

    /// `SIGCONT`: it goes on where it was.
    pub fn thaw(&self, broker: u8) {
        self.signal(broker, "CONT");
    }

    fn signal(&self, broker: u8, signal: &str) {
        said(Command::new("kill").arg(format!("-{signal}")).arg(self.pid(broker)).output());
    }

    fn pid(&self, broker: u8) -> String {
        let pid = std::fs::read_to_string(self.running.directory.path().join(format!("{broker}/pid")));
        pid.expect("a broker that was started has a pid file").trim().to_owned()
    }

    /// Which broker leads the first partition of a topic, if any does.
    pub fn leader(&self, topic: &str) -> Option<u8> {
        let said = self.tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", topic]);
        let first = said.lines().find(|line| line.contains("Partition: 0"))?;
        let leader = first.split("Leader: ").nth(1)?;
        leader.split_whitespace().next()?.parse().ok()
    }

    /// Runs one of Kafka's own tools, and answers what it said.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let address = ["--bootstrap-server", self.bootstrap()];
        said(Command::new(script("tool")).arg(class).args(address).args(arguments).output())
    }
}

impl Running {
    fn new(count: u8, options: &[&str]) -> Self {
        Self {
            count,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            directory: tempfile::tempdir().expect("a temporary folder can be made"),
            bootstrap: String::new(),
            disk: None,
        }
    }

    fn up(&self) -> String {
        let up = Command::new(script("up"))
            .arg(self.count.to_string())
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.options)
            .output();
        said(up)
    }
}

impl Drop for Running {
    #[allow(clippy::print_stderr, reason = "a destructor of a test has no other way to say it")]
    fn drop(&mut self) {
        // What is mounted in the folder could not be removed with it.
        drop(self.disk.take());
        let down =
            Command::new(script("down")).arg("--wipe").arg("--dir").arg(self.directory.path()).output();
        if let Err(error) = down {
            eprintln!("brokers in {} may still run: {error}", self.directory.path().display());
        }
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kafka").join(name)
}

fn said(output: std::io::Result<Output>) -> String {
    let output = output.expect("the scripts of deploy/kafka can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
