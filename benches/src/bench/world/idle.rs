//! What does it cost when nothing happens?

use std::time::Duration;

use anyhow::Result;
use bulkhead_testkit::campaign::World;

use super::say;
use crate::process::{cpu_seconds, resident_mb};

const SETTLE: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(30);

pub(super) async fn ask(world: &World) -> Result<()> {
    let pid = world.dev.pid;
    tokio::time::sleep(SETTLE).await;
    let before = cpu_seconds(pid)?;
    tokio::time::sleep(WATCHED).await;
    let share = (cpu_seconds(pid)? - before) / WATCHED.as_secs_f64() * 100.0;
    say("idle over 30 s: share of a core", format!("{share:.2} %"), "target < 3 %");
    say("idle: resident memory", format!("{:.0} MB", resident_mb(pid)?), "target < 200 MB");
    Ok(())
}
