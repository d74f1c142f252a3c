//! How long does a continuity pack take? 10,000 documents of 57 KB for a system that is down and then cut off, packed by
//! the command that a person types.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bulkhead_testkit::campaign::{World, http};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{backlog, say};

const FROM: &str = "england/nhs111-north";
const TO: &str = "england/ooh-riverside";
const OPERATOR: &str = "england-duty";
const COUNT: usize = 10_000;
/// What is under way comes to rest.
const SETTLE: Duration = Duration::from_secs(10);

pub(super) async fn ask(world: &World, binary: &Path, place: &Path) -> Result<()> {
    let receiver = world.dev.tenant(TO)?;
    http::put(receiver.simulator.http, "/behaviour", &json!({ "answer": "down" })).await?;
    backlog::submit(world, FROM, TO, COUNT).await?;
    tokio::time::sleep(SETTLE).await;
    let cut = ["cut", TO, "--reason", "a bench", "--since", "now", "--yes"];
    command(world, binary, &cut).await?;
    tokio::time::sleep(SETTLE).await;
    let file = place.join("pack.html");
    let out = file.display().to_string();
    let begin = Instant::now();
    let told = command(world, binary, &["pack", TO, "--reason", "a bench", "--out", &out, "--yes"]).await?;
    let took = begin.elapsed();
    let page = std::fs::read_to_string(&file)?;
    let of = |key: &str| told[key].as_u64().unwrap_or_default();
    ensure!(of("referrals") == COUNT as u64, "the pack has {} of {COUNT}: {told}", of("referrals"));
    say(
        "a pack of 10,000 of 57 KB: from the command to the file",
        format!("{:.1} s", took.as_secs_f64()),
        "target <= 60 s, complete",
    );
    say("the same: without a readable patient", of("unreadable").to_string(), "0");
    say("the same: size of the file", format!("{:.1} MB", megabytes(page.len())), "");
    Ok(())
}

/// A command's JSON, once it ended well.
async fn command(world: &World, binary: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(binary)
        .arg("--context")
        .arg(world.dev.data_dir.join("dev.json"))
        .args(arguments)
        .args(["--as", OPERATOR, "--output", "json", "--timeout", "60s"])
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).context("no JSON")
}

#[allow(clippy::cast_precision_loss, reason = "a file's size in MB has few digits")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
