//! What the kernel says of a process.

use std::fs;

use anyhow::{Context, Result};

/// Linux counts processor time in hundredths of a second.
const TICKS: f64 = 100.0;

/// Processor time used so far, in seconds.
#[allow(clippy::cast_precision_loss, reason = "years of processor time have few digits")]
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th behind it.
    let rest = text.rsplit(')').next().context("no stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks =
        |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<u64>().ok()).context("no times");
    Ok((ticks(11)? + ticks(12)?) as f64 / TICKS)
}

/// Resident memory in MB.
pub(crate) fn resident_mb(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb * 1024.0 / 1e6)
}
