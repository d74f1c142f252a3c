//! `bulkhead ledger copy`, ended by force, and what a node makes of what it finds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bulkhead_testkit::campaign::http;
use rusqlite::Connection;
use serde_json::Value;
use tokio::process::Command;

use crate::serve::settings;
use crate::support::{binary, country, eventually};

/// Runs `bulkhead ledger copy`: its exit code, what it said, and what went wrong.
pub(crate) async fn copy(from: &Path, to: &Path) -> (Option<i32>, Value, String) {
    let output = copying(from, to).output().await.unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn copying(from: &Path, to: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["ledger", "copy"]).arg(from).arg(to).args(["--output", "json"]).kill_on_drop(true);
    command
}

/// A ledger that takes seconds to copy.
fn large(path: &Path) {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
                INSERT INTO event (partition, offset, stands, bytes)
                SELECT 31, 1000000 + i, 0, zeroblob(1000) FROM n";
    Connection::open(path).unwrap().execute(rows, []).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_ended_by_force_is_nothing_that_a_node_opens() {
    let country = country().await;
    let of_england = country.start.data_dir.join("cells/england/ledger.sqlite");
    let place = country.place.path();
    let (code, said, error) = copy(&of_england, &place.join("snapshot")).await;
    assert!(
        code == Some(0) && said["nation"] == "england" && said["events"].as_u64() > Some(0),
        "{said} {error}"
    );
    assert_eq!(copy(&place.join("nothing"), &place.join("to")).await.0, Some(4));

    let (config, text) = settings(&country, "[log]\nkind = \"embedded\"\n");
    std::fs::write(&config, &text).unwrap();
    let data = config.with_file_name("data");
    std::fs::create_dir(&data).unwrap();
    let (ledger, partial) = (data.join("ledger.sqlite"), data.join("ledger.sqlite.partial"));
    copy(&of_england, &place.join("large")).await;
    large(&place.join("large"));
    let mut killed = copying(&place.join("large"), &ledger).spawn().unwrap();
    eventually("the copy is half made", async || {
        std::fs::metadata(&partial).ok().filter(|found| found.len() > 1 << 20)
    })
    .await;
    killed.kill().await.unwrap();
    assert!(partial.exists() && !ledger.exists());

    // The node makes a ledger of its own.
    let serve = || {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(&config).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().unwrap()
    };
    let http = text.lines().find_map(|line| line.strip_prefix("http = ")).unwrap();
    let http = http.trim_matches('"').parse().unwrap();
    let mut node = serve();
    eventually("the node is ready", async || {
        http::get(http, "/readyz").await.ok().filter(|page| page.status == 200)
    })
    .await;
    node.kill().await.unwrap();
    assert!(ledger.exists());

    // Nor is anything copied over what is there, or over what may still be copied.
    let (code, _, error) = copy(&of_england, &ledger).await;
    assert!(code == Some(1) && error.contains("is not overwritten") && error.contains("BH0108"), "{error}");
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(data.join(format!("ledger.sqlite{end}"))).unwrap();
    }
    let (code, _, error) = copy(&of_england, &ledger).await;
    assert!(code == Some(1) && error.contains("ledger.sqlite.partial is an unfinished copy"), "{error}");
    std::fs::remove_file(&partial).unwrap();
    assert_eq!(copy(&of_england, &ledger).await.0, Some(0));

    // It is of England, and of another log than this node's.
    let refused =
        tokio::time::timeout(Duration::from_secs(60), serve().wait_with_output()).await.unwrap().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && error.contains("another prefix") && error.contains("BH0108"),
        "{error}"
    );
    assert!(ledger.exists() && !data.join("ledger.sqlite.aside").exists());
}
