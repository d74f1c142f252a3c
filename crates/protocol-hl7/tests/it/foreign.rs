//! Local systems that others have written: the packages `hl7` and `hl7apy` of Python, on which the Integration Hub
//! of NHS Wales is built. Skipped unless `BULKHEAD_PEERS_PYTHON` names an interpreter that has both.

use std::process::Stdio;

use bulkhead_model::Kind;
use bulkhead_wire::v1::outcome::Result as Outcome;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::world::{SOON, Sidecar, World, offer, referral};

const ADDRESS: &str = "RYE2^https://fhir.nhs.uk/Id/dos-service-id";

fn python() -> Option<String> {
    let python = std::env::var("BULKHEAD_PEERS_PYTHON").ok();
    if python.is_none() {
        println!("skipped: BULKHEAD_PEERS_PYTHON is not set");
    }
    python
}

fn script(python: &str, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/");
    command.arg(format!("{path}{name}")).args(arguments).kill_on_drop(true);
    command
}

/// What a sending peer says of its answer.
async fn sent(python: &str, name: &str, sidecar: &Sidecar, extra: &[&str], input: &str) -> String {
    let port = sidecar.address().port().to_string();
    let arguments: Vec<&str> = ["send", &port].into_iter().chain(extra.iter().copied()).collect();
    let mut command = script(python, name, &arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(SOON, child.wait_with_output()).await.expect("it ends").unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A peer that listens.
struct Served {
    lines: Lines<BufReader<ChildStdout>>,
    port: String,
    _child: Child,
}

impl Served {
    async fn start(python: &str, name: &str) -> Self {
        let mut child = script(python, name, &["serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(SOON, lines.next_line()).await.expect("it starts").unwrap().unwrap();
        let port = first.strip_prefix("port ").unwrap().to_owned();
        Self { lines, port, _child: child }
    }

    async fn line(&mut self) -> String {
        tokio::time::timeout(SOON, self.lines.next_line()).await.expect("it says something").unwrap().unwrap()
    }
}

/// Hands messages over to a peer; what it said of each.
async fn handed(python: &str, name: &str, messages: &[String]) -> Vec<String> {
    let mut served = Served::start(python, name).await;
    let mut world = World::new().await;
    world.hl7.send.address = format!("127.0.0.1:{}", served.port);
    // One of them closes after each message, the other does not.
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let mut said = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let mut offer = offer(message.as_str(), Kind::Request, &format!("D{number}"));
        if let Some(envelope) = &mut offer.envelope {
            envelope.case_id = format!("case {number}");
        }
        let Outcome::Acknowledged(stored) = stream.deliver_and_hear(&offer).await else {
            panic!("{name} did not store")
        };
        assert_eq!(stored.answer, "AA");
        said.push(served.line().await);
    }
    sidecar.stop().await;
    said
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_client_of_hl7_sends_a_referral() {
    let Some(python) = python() else { return };
    let world = World::new().await;
    let sidecar = world.start().await;
    assert_eq!(sent(&python, "hl7_peer.py", &sidecar, &[], &referral("M1")).await, "AA M1 ACK^I12^ACK");
    assert_eq!(world.broker.memory.taken()[0].payload, referral("M1").as_bytes());
    let enhanced = referral("M2").replacen("|P|2.4", "|P|2.4|||AL|NE", 1);
    assert_eq!(sent(&python, "hl7_peer.py", &sidecar, &[], &enhanced).await, "CA M2 ACK^I12^ACK");
    let refused = referral("M3").replacen("|P|2.4", "|P|2.9", 1);
    assert_eq!(sent(&python, "hl7_peer.py", &sidecar, &[], &refused).await, "AR M3 ACK^I12^ACK");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_server_of_hl7_is_given_referrals() {
    let Some(python) = python() else { return };
    let messages = [referral("M1"), referral("M2").replacen("NTE|1|", "ZZZ|1|kept\rNTE|1|", 1)];
    let said = handed(&python, "hl7_peer.py", &messages).await;
    let expected: Vec<_> = ["M1", "M2"]
        .iter()
        .zip(&messages)
        .map(|(id, message)| format!("got {id} {}", sha256(message)))
        .collect();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn hl7apy_builds_a_referral_and_finds_the_answer_valid() {
    let Some(python) = python() else { return };
    let world = World::new().await;
    let sidecar = world.start().await;
    assert_eq!(sent(&python, "hl7apy_peer.py", &sidecar, &[ADDRESS], "").await, "AA APY1 ACK^I12^ACK");
    assert_eq!(world.broker.memory.taken().len(), 1);
    let refused = sent(&python, "hl7apy_peer.py", &sidecar, &["GONE^urn:x"], "").await;
    assert_eq!(refused, "AR APY1 ACK^I12^ACK");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_server_of_hl7apy_finds_referrals_valid() {
    let Some(python) = python() else { return };
    let said = handed(&python, "hl7apy_peer.py", &[referral("M1"), referral("M2")]).await;
    assert_eq!(said, ["valid M1", "valid M2"]);
}
