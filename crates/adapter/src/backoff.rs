//! Growing pauses with jitter, so that many sidecars do not come back in step.

use std::time::Duration;

/// How long to pause before try `tries + 1`: it doubles from `first` up to `longest`, and each pause is between
/// half of that and the whole of it.
pub(crate) fn pause(first: Duration, longest: Duration, tries: u32) -> Duration {
    let whole = first.saturating_mul(1_u32.checked_shl(tries.min(30)).unwrap_or(u32::MAX)).min(longest);
    whole.mul_f64(rand::random_range(0.5..=1.0))
}

/// The pauses towards the broker.
pub(crate) fn broker(tries: u32) -> Duration {
    pause(Duration::from_millis(100), Duration::from_secs(5), tries)
}

/// The pause that the broker asks for, and up to half as long again.
pub(crate) fn asked(after: Duration) -> Duration {
    after.mul_f64(rand::random_range(1.0..=1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_up_to_its_bound() {
        for (tries, whole) in [(0, 100), (1, 200), (5, 3200), (6, 5000), (200, 5000)] {
            let (whole, pause) = (Duration::from_millis(whole), broker(tries));
            assert!(pause <= whole && pause >= whole / 2, "{tries}: {pause:?}");
        }
    }
}
