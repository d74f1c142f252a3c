//! What came of one measurement: how long each took, and all together.

use std::time::Duration;

/// The times of one measurement.
#[derive(Debug)]
pub(crate) struct Spread {
    took: Vec<Duration>,
    all: Duration,
}

impl Spread {
    pub(crate) fn new(mut took: Vec<Duration>, all: Duration) -> Self {
        took.sort_unstable();
        Self { took, all }
    }

    /// Each a second.
    #[allow(clippy::cast_precision_loss, reason = "there are fewer than 2^52 of them")]
    pub(crate) fn rate(&self) -> f64 {
        self.took.len() as f64 / self.all.as_secs_f64()
    }

    /// In milliseconds: `part` of all took no longer.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn at(&self, part: f64) -> f64 {
        let place = ((self.took.len().saturating_sub(1)) as f64 * part).round() as usize;
        self.took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    }
}
