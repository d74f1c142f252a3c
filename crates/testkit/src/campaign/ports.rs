//! Ports that nobody uses, side by side, for a world that must find them again after it was killed.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use rand::Rng;

/// How many a world takes, with some to spare.
const COUNT: u16 = 64;
/// Below the range from which systems give out ports by themselves.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// The first of so many free ones.
///
/// # Errors
/// When none are found.
pub fn free_base(random: &mut impl Rng) -> Result<u16> {
    // Two campaigns with one seed on one machine begin to look at different places.
    let own = u16::try_from(std::process::id() % 9_973).unwrap_or_default();
    for _ in 0..200 {
        let span = RANGE.end - RANGE.start - COUNT;
        let base = RANGE.start + (random.random_range(0..span) + own) % span;
        let held: Result<Vec<_>, _> =
            (base..base + COUNT).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if held.is_ok() {
            return Ok(base);
        }
    }
    bail!("no {COUNT} free ports side by side")
}
