//! A simulator that is killed while it receives and sends: a process of its own, ended by SIGKILL.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bulkhead_format_bars::Syntax;
use bulkhead_simulator::{Config, Simulator};
use serde_json::{Value, json};

use crate::support::*;

const JOURNAL: &str = "SIMULATOR_TEST_JOURNAL";

/// The process that is killed: this very test, told where to keep what it receives.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(journal) = std::env::var_os(JOURNAL) else { return };
    let config = Config { journal: Some(journal.clone().into()), ..config("england/ooh-riverside", bars()) };
    let handle = Simulator::start(config).await.unwrap();
    let ports = json!([handle.listen().to_string(), handle.http().to_string()]).to_string();
    let (next, ready) =
        (Path::new(&journal).with_extension("next"), Path::new(&journal).with_extension("ports"));
    std::fs::write(&next, ports).unwrap();
    std::fs::rename(next, ready).unwrap();
    std::future::pending().await
}

async fn start(journal: &Path) -> (Child, SocketAddr, SocketAddr) {
    let ports = journal.with_extension("ports");
    let _ = std::fs::remove_file(&ports);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_that_is_killed"])
        .env(JOURNAL, journal)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut tries = 0;
    let text = loop {
        match std::fs::read_to_string(&ports) {
            Ok(text) => break text,
            Err(_) if tries < 500 => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("the process did not start: {error}"),
        }
        tries += 1;
    };
    let [listen, http]: [SocketAddr; 2] = serde_json::from_str(&text).unwrap();
    (child, listen, http)
}

#[tokio::test]
async fn what_was_answered_for_survives() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let mut answered: Vec<String> = Vec::new();
    for round in 0..4_u64 {
        let (mut child, listen, pages) = start(&journal).await;
        let list = get(pages, "/received").await.json();
        let kept: Vec<&Value> =
            list.as_array().unwrap().iter().filter(|item| item["repeat"] == false).collect();
        for id in &answered {
            assert_eq!(kept.iter().filter(|item| item["message_id"] == id.as_str()).count(), 1, "{id}");
        }
        // Whatever was sent before, answered for or not, is sent again, and new ones beside it.
        let sending: Vec<_> = (0..(round + 1) * 20)
            .map(|seed| {
                tokio::spawn(async move {
                    let (headers, body) = referral(seed, Syntax::Json);
                    let answer = try_http(listen, "POST", "/$process-message", &headers, body).await.ok()?;
                    assert!(matches!(answer.status, 200 | 409), "{}", answer.text());
                    Some(headers[0].1.clone())
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(15 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        for sent in sending {
            answered.extend(sent.await.unwrap());
        }
        answered.sort();
        answered.dedup();
    }
    let (mut child, _, pages) = start(&journal).await;
    let list = get(pages, "/received").await.json();
    for item in list.as_array().unwrap() {
        let bytes = get(pages, &format!("/received/{}", item["sequence"])).await.body;
        assert_eq!(item["length"], bytes.len());
        assert_eq!(item["changed"], false);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
