//! A world in a directory of its own, the commands against it, and waiting for what must come.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulkhead_testkit::campaign::{DevJson, Start, World, http};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// Longer than anything that should happen takes, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Longer than a command waits before it says what did not come.
const COMMAND: Duration = Duration::from_secs(150);

/// A world that runs, and its files.
pub(crate) struct Country {
    pub(crate) world: World,
    pub(crate) start: Start,
    pub(crate) place: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_bulkhead").into()
}

/// A number that the environment gives.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Seconds since 1970: a seed.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) async fn country() -> Country {
    logging("info").await
}

/// With that `RUST_LOG`.
pub(crate) async fn logging(log: &str) -> Country {
    started(log, &[]).await
}

/// With that `RUST_LOG` and these variables.
pub(crate) async fn started(log: &str, variables: &[(&str, &str)]) -> Country {
    let place = tempfile::tempdir().unwrap();
    let mut start = Start::new(binary(), place.path().join("world"));
    start.log = log.into();
    start.variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let world = World::start(&start).await.unwrap();
    Country { world, start, place }
}

impl Country {
    pub(crate) fn dev(&self) -> &DevJson {
        &self.world.dev
    }

    /// Stops it with SIGTERM and starts it again with these arguments.
    pub(crate) async fn restarted(self, arguments: &[&str]) -> Self {
        let Self { world, mut start, place } = self;
        assert!(world.stop().await.unwrap().success());
        start.extra = arguments.iter().map(ToString::to_string).collect();
        let world = World::start(&start).await.unwrap();
        Self { world, start, place }
    }

    pub(crate) async fn bulkhead(&self, arguments: &[&str]) -> Said {
        bulkhead(&self.start.data_dir, arguments).await
    }

    /// The command's JSON, once it ended well.
    pub(crate) async fn asked(&self, arguments: &[&str]) -> Value {
        let said = self.bulkhead(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.stdout, said.stderr);
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// A command that counts with the second operator's word: the first is told to wait, by its exit code too.
    pub(crate) async fn commanded_by_two(&self, arguments: &[&str], operators: [&str; 2]) {
        let words = |who| [arguments, &["--yes", "--output", "json", "--as", who]].concat();
        let first = self.bulkhead(&words(operators[0])).await;
        let said: Value = serde_json::from_str(&first.stdout).unwrap();
        assert_eq!((first.code, &said["pending"]), (3, &json!(true)), "{}{}", first.stdout, first.stderr);
        let second = self.bulkhead(&words(operators[1])).await;
        let said: Value = serde_json::from_str(&second.stdout).unwrap();
        assert_eq!((second.code, &said["pending"]), (0, &json!(false)), "{}{}", second.stdout, second.stderr);
    }

    /// Has a tenant's system send a referral, and again until it is accepted.
    pub(crate) async fn send(&self, from: &str, to: &str) -> Value {
        let sender = self.dev().tenant(from).unwrap().simulator.http;
        let request = json!({ "to": self.dev().tenant(to).unwrap().address(), "bytes": 6000, "message_id": id_for(from) });
        eventually(&format!("{to} takes a referral from {from}"), async || {
            let sent: Value = http::post(sender, "/send", &request).await.ok()?.json().ok()?;
            assert_ne!(sent["outcome"], "refused", "{from} to {to}: {sent}");
            matches!(sent["outcome"].as_str(), Some("accepted" | "duplicate")).then_some(sent)
        })
        .await
    }

    /// What a tenant's system has received.
    pub(crate) async fn received(&self, tenant: &str) -> Vec<Value> {
        let at = self.dev().tenant(tenant).unwrap().simulator.http;
        http::get(at, "/received").await.unwrap().json().unwrap()
    }

    /// Waits until a tenant's system has received so many.
    pub(crate) async fn until_received(&self, tenant: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{tenant} receives {count}"), async || {
            let received = self.received(tenant).await;
            (received.len() >= count).then_some(received)
        })
        .await
    }

    /// The bytes of a message that a tenant's system received.
    pub(crate) async fn bytes(&self, tenant: &str, sequence: usize) -> Vec<u8> {
        let at = self.dev().tenant(tenant).unwrap().simulator.http;
        http::get(at, &format!("/received/{sequence}")).await.unwrap().body.to_vec()
    }
}

pub(crate) async fn bulkhead(data_dir: &Path, arguments: &[&str]) -> Said {
    let command = Command::new(binary())
        .arg("--context")
        .arg(data_dir.join("dev.json"))
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND, command).await.expect("the command ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// As that tenant's format has them: a UUID, or at most 20 plain characters.
fn id_for(tenant: &str) -> String {
    let id = uuid::Uuid::new_v4();
    let speaks_bars = tenant.starts_with("england/") || tenant == "wales/wast-111";
    if speaks_bars { id.to_string() } else { id.simple().to_string()[..20].to_owned() }
}
