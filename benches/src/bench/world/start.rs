//! How long until it is ready?

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use bulkhead_testkit::campaign::{Start, World};

use super::say;

/// Starts it and says how long that took, and with how much.
#[allow(clippy::cast_precision_loss, reason = "a file's size in MB has few digits")]
pub(super) async fn timed(start: &Start, what: &str) -> Result<World> {
    let mb = if start.data_dir.exists() { bytes(&start.data_dir)? as f64 / 1e6 } else { 0.0 };
    let begin = Instant::now();
    let world = World::start(start).await?;
    let took = begin.elapsed().as_secs_f64();
    say(
        &format!("{what} ({mb:.0} MB): time to ready"),
        format!("{took:.2} s"),
        "target < 3 s with about 1 GB",
    );
    Ok(world)
}

fn bytes(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
