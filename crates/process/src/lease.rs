//! The lease: whether this node has lately proved that it hears authority and is heard.
//!
//! A node that does not know what is cut may not act. Its pulse is appended to the control log and read back;
//! the lease holds when the newest one that came back was *sent*, by a clock that goes on while the machine
//! sleeps, and whoever is about to do what cannot be undone asks it first. Who renews it is `control`'s to say.

use std::fmt;
use std::ops::Sub;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// How old the newest returned pulse may be, unless a setting says otherwise.
pub const DEFAULT_LIMIT: Duration = Duration::from_millis(800);
/// The longest that it may be: whoever cuts is told that a node which does not answer stops after this.
pub const LONGEST_LIMIT: Duration = Duration::from_secs(1);

/// A reading of the clock that only rises and counts the time in which the machine was suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Now.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }
}

impl Sub<Duration> for BootTime {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier))
    }
}

/// The right to act. Cheap to clone; clones are the same lease.
#[derive(Debug, Clone)]
pub struct Lease {
    /// None: held for ever.
    limit: Option<Duration>,
    proven: Arc<watch::Sender<Option<BootTime>>>,
}

/// The lease is not held: this node may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// How long ago the newest pulse that came back was sent; none has come back yet.
    pub age: Option<Duration>,
    /// How long ago it may be.
    pub limit: Duration,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.age {
            Some(age) => write!(
                f,
                "its newest pulse that came back is {} ms old, over the limit of {} ms",
                age.as_millis(),
                self.limit.as_millis()
            ),
            None => f.write_str("none of its pulses has come back yet"),
        }
    }
}

impl std::error::Error for Stale {}

impl Lease {
    /// One that is not held until it is renewed, and then for `limit` after what renewed it was sent.
    pub fn new(limit: Duration) -> Self {
        Self { limit: Some(limit), proven: Arc::default() }
    }

    /// One that is always held, for tests of parts that stand alone.
    pub fn always() -> Self {
        Self { limit: None, proven: Arc::default() }
    }

    /// What was sent then has come back. An older proof than the newest changes nothing.
    pub fn renew(&self, sent: BootTime) {
        self.proven.send_if_modified(|newest| {
            let newer = newest.is_none_or(|newest| newest < sent);
            if newer {
                *newest = Some(sent);
            }
            newer
        });
    }

    /// Forgets every proof, for tests of what happens then.
    pub fn lapse(&self) {
        self.proven.send_replace(None);
    }

    /// How old the newest proof is.
    pub fn age(&self) -> Option<Duration> {
        let sent = (*self.proven.borrow())?;
        Some(BootTime::now().0.saturating_sub(sent.0))
    }

    /// Asked immediately before each step that cannot be undone.
    ///
    /// # Errors
    /// When this node may not act.
    pub fn check(&self) -> Result<(), Stale> {
        let Some(limit) = self.limit else { return Ok(()) };
        match self.age() {
            Some(age) if age <= limit => Ok(()),
            age => Err(Stale { age, limit }),
        }
    }

    /// Waits until it is held. Safe to cancel.
    pub async fn held(&self) {
        let mut proven = self.proven.subscribe();
        while self.check().is_err() {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = proven.changed().await;
        }
    }

    /// Waits until it is not held. Safe to cancel.
    pub async fn lost(&self) -> Stale {
        let Some(limit) = self.limit else { return std::future::pending().await };
        let mut proven = self.proven.subscribe();
        loop {
            match self.check() {
                Err(stale) => return stale,
                Ok(()) => {
                    let left = limit.saturating_sub(self.age().unwrap_or_default());
                    tokio::select! {
                        () = tokio::time::sleep(left + Duration::from_millis(1)) => {}
                        _ = proven.wait_for(Option::is_none) => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn it_is_held_from_a_proof_on_until_the_proof_is_too_old() {
        let lease = Lease::new(LIMIT);
        assert_eq!(lease.check(), Err(Stale { age: None, limit: LIMIT }));
        lease.renew(BootTime::now());
        assert_eq!(lease.check(), Ok(()));

        let late = Lease::new(LIMIT);
        late.renew(BootTime::now() - LIMIT - Duration::from_millis(1));
        assert!(late.check().is_err_and(|stale| stale.age.is_some_and(|age| age > LIMIT)));
    }

    #[test]
    fn a_proof_that_comes_late_takes_nothing_away() {
        let lease = Lease::new(LIMIT);
        lease.renew(BootTime::now());
        lease.renew(BootTime::now() - LIMIT - LIMIT);
        assert_eq!(lease.check(), Ok(()));
    }

    #[test]
    fn clones_are_the_same_lease() {
        let lease = Lease::new(LIMIT);
        lease.clone().renew(BootTime::now());
        assert_eq!(lease.check(), Ok(()));
        assert_eq!(Lease::always().check(), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_for_it_hears_when_it_comes_and_when_it_goes() {
        let lease = Lease::new(Duration::from_millis(30));
        let waiting = tokio::spawn({
            let lease = lease.clone();
            async move { lease.held().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        lease.renew(BootTime::now());
        waiting.await.unwrap();
        assert!(lease.lost().await.age.is_some());
    }

    /// A time namespace sets the clock that counts sleep ahead of the one that does not, as a suspended machine would.
    #[test]
    fn r3_the_time_in_which_the_machine_slept_counts() {
        const INSIDE: &str = "BULKHEAD_TEST_AFTER_A_SLEEP";
        const SLEPT: u64 = 100_000;
        if std::env::var_os(INSIDE).is_some() {
            let lease = Lease::new(Duration::from_secs(SLEPT / 2));
            lease.renew(BootTime(Duration::from_secs(clock_gettime(ClockId::Monotonic).tv_sec as u64)));
            assert!(lease.check().is_err(), "it is held although the machine slept longer than that");
            return;
        }
        let name = "lease::tests::r3_the_time_in_which_the_machine_slept_counts";
        let namespace = ["--user", "--map-root-user", "--time", "--boottime"];
        let inside = |command: &mut std::process::Command| command.env(INSIDE, "1").output();
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(namespace).arg(SLEPT.to_string()).arg("true");
        let allowed = inside(&mut unshare).is_ok_and(|output| output.status.success());
        if !allowed {
            // No such namespace here: then nothing can be said.
            return;
        }
        let mut again = std::process::Command::new("unshare");
        again.args(namespace).arg(SLEPT.to_string());
        again.arg(std::env::current_exe().unwrap()).args(["--exact", name]);
        let output = inside(&mut again).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
