//! A demo world of its own, and plain clients that share nothing with the sidecars but the wire.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) const DOS: &str = "https://fhir.nhs.uk/Id/dos-service-id";
/// Longer than anything that should happen takes.
const SOON: Duration = Duration::from_secs(20);

/// `bulkhead dev`, running; it ends with this.
pub(crate) struct World {
    directory: TempDir,
    dev: Value,
    _process: Child,
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = bulkhead()
            .args(["--quiet", "dev", "--data-dir"])
            .arg(directory.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = async { while lines.next_line().await.unwrap().expect("it said ready") != "ready" {} };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("the demo world is ready in time");
        let dev = std::fs::read(directory.path().join("data/dev.json")).unwrap();
        let dev: Value = serde_json::from_slice(&dev).unwrap();
        let world = Self { directory, dev, _process: process };
        for cell in world.dev["cells"].as_array().unwrap() {
            let nation = cell["nation"].as_str().unwrap();
            let only = Value::Object(
                world
                    .dev
                    .as_object()
                    .unwrap()
                    .clone()
                    .into_iter()
                    .chain([("cells".into(), json!([cell]))])
                    .collect(),
            );
            std::fs::write(world.context(nation), only.to_string()).unwrap();
        }
        world
    }

    /// A file that knows one nation's cell only.
    fn context(&self, nation: &str) -> PathBuf {
        self.directory.path().join(format!("data/dev-{nation}.json"))
    }

    fn tenant(&self, id: &str) -> &Value {
        let tenants = self.dev["tenants"].as_array().unwrap();
        tenants.iter().find(|tenant| tenant["id"] == id).unwrap_or_else(|| panic!("no tenant {id}"))
    }

    /// The value of the tenant's service in the directory of services.
    pub(crate) fn service(&self, id: &str) -> &str {
        let identifiers = self.tenant(id)["services"][0]["identifiers"].as_array().unwrap();
        identifiers.iter().find(|one| one["system"] == DOS).unwrap()["value"].as_str().unwrap()
    }

    fn listens(&self, id: &str) -> &str {
        self.tenant(id)["sidecar"]["listens"][0]["address"].as_str().unwrap()
    }

    /// Sends a BaRS message to the sidecar of `from`, as its clinical system would.
    pub(crate) async fn process_message(
        &self,
        (from, to): (&str, &str),
        (request, correlation): (&str, &str),
        syntax: &str,
        body: Vec<u8>,
    ) -> Answer {
        let base64 = |resource: Value| BASE64_STANDARD.encode(resource.to_string());
        let version = if from.starts_with("wales/") { "1.2.0" } else { "1.4.0" };
        let media_type = format!("application/fhir+{syntax}");
        let organization = json!({"resourceType": "Organization", "name": "Sender"});
        let device =
            json!({"resourceType": "Device", "deviceName": [{"name": "Sender", "type": "model-name"}]});
        let headers = [
            ("Accept", format!("{media_type}; version={version}")),
            ("Content-Type", media_type),
            ("X-Request-Id", request.to_owned()),
            ("X-Correlation-Id", correlation.to_owned()),
            ("NHSD-Target-Identifier", base64(json!({"system": DOS, "value": self.service(to)}))),
            ("NHSD-End-User-Organisation", base64(organization)),
            ("NHSD-Requesting-Software", base64(device)),
            ("use-context", "a1t10|referral|servicerequest-request|new".to_owned()),
        ];
        http(self.listens(from), "POST", "/FHIR/R4/$process-message", &headers, body).await
    }

    /// Sends an HL7 v2 message to the sidecar of `from` in an MLLP frame; the answer, with a line a segment.
    pub(crate) async fn mllp(&self, from: &str, message: &[u8]) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.listens(from)).await.unwrap();
            stream.write_all(&[b"\x0b", message, b"\x1c\r"].concat()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\x1c\r") {
                assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the connection was closed");
            }
            String::from_utf8(answer).unwrap().replace('\r', "\n")
        };
        tokio::time::timeout(SOON, exchange).await.expect("an answer in time")
    }

    /// Asks a page of the tenant's simulator.
    pub(crate) async fn simulator(&self, id: &str, method: &str, path: &str, body: &str) -> Value {
        let address = self.tenant(id)["simulator"]["http"].as_str().unwrap();
        let headers = [("Content-Type", "application/json".to_owned())];
        let answer = http(address, method, path, &headers, body.to_owned()).await;
        serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{} {}", answer.status, answer.text))
    }

    /// What the tenant's simulator has taken, without the first `since`.
    pub(crate) async fn received(&self, id: &str, since: usize) -> Vec<Value> {
        let list = self.simulator(id, "GET", &format!("/received?since={since}"), "").await;
        list.as_array().unwrap().clone()
    }

    /// Every simulator refuses updates and cancellations of what it never received, as real receivers do.
    pub(crate) async fn strict(&self) {
        for tenant in self.dev["tenants"].as_array().unwrap() {
            let id = tenant["id"].as_str().unwrap();
            let behaviour = self.simulator(id, "PUT", "/behaviour", r#"{"strict": true}"#).await;
            assert_eq!(behaviour["strict"], true, "{id}");
        }
    }

    /// What `bulkhead trace` knows of a message, over all nations or from one nation's cell alone.
    pub(crate) async fn trace(&self, nation: Option<&str>, tenant: &str, message_id: &str) -> Option<Value> {
        self.ask(nation, &["trace", message_id, "--tenant", tenant]).await
    }

    /// The referral with that payload, as `bulkhead list` shows it.
    pub(crate) async fn listed(&self, digest: &str) -> Option<Value> {
        let list = self.ask(None, &["list", "--limit", "1000"]).await?;
        list["referrals"].as_array()?.iter().find(|referral| referral["digest"] == digest).cloned()
    }

    /// Nothing where the command says that there is no such thing.
    async fn ask(&self, nation: Option<&str>, command: &[&str]) -> Option<Value> {
        let context = match nation {
            Some(nation) => self.context(nation),
            None => self.directory.path().join("data/dev.json"),
        };
        let output = bulkhead().args(["--output", "json", "--context"]).arg(context).args(command).output();
        let output = tokio::time::timeout(SOON, output).await.expect("the command ends in time").unwrap();
        match output.status.code() {
            Some(0) => Some(serde_json::from_slice(&output.stdout).unwrap()),
            Some(4) => None,
            _ => panic!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bulkhead() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.kill_on_drop(true).env("RUST_LOG", "off");
    command
}

async fn http(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: impl Into<Bytes>,
) -> Answer {
    let exchange = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("Host", address);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status.as_u16(), text: String::from_utf8(body.to_vec()).unwrap() }
    };
    tokio::time::timeout(SOON, exchange).await.expect("an answer in time")
}
