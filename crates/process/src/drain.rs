//! Stopping without losing work: one signal, given once, that every task can wait for.
//!
//! A task selects on [`Drain::started`] beside its work, takes no more, and lets what it has begun end.
//! How long that may take is the caller's to say, with [`Drain::bounded`].

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The token of a process, cheap to clone. All clones see the same signal.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    token: CancellationToken,
}

/// Work was dropped because it outlived the grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("still working {0:?} after the drain began")]
pub struct Overrun(pub Duration);

impl Drain {
    /// A token that nobody has signalled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every holder to stop. A second call changes nothing.
    pub fn start(&self) {
        self.token.cancel();
    }

    /// Whether the drain has begun.
    pub fn is_started(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the drain begins. Safe to cancel.
    pub async fn started(&self) {
        self.token.cancelled().await;
    }

    /// A token that follows this one and can also be signalled alone: one node of `bulkhead dev` stops,
    /// the others go on.
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token() }
    }

    /// Runs `work` to its end, however long that takes while no drain has begun; from then on it has
    /// `grace`, and is dropped after that.
    ///
    /// # Errors
    /// [`Overrun`] when the grace period ended first.
    pub async fn bounded<T>(&self, grace: Duration, work: impl Future<Output = T>) -> Result<T, Overrun> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = self.started() => {}
        }
        tokio::time::timeout(grace, work).await.map_err(|_| Overrun(grace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_is_not_cut_short() {
        let drain = Drain::new();
        let work = tokio::time::sleep(Duration::from_secs(3600));
        assert_eq!(drain.bounded(Duration::from_secs(1), work).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_begins_with_the_drain() {
        let drain = Drain::new();
        let grace = Duration::from_secs(5);
        let signal = drain.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            signal.start();
            signal.start();
        });
        let began = tokio::time::Instant::now();
        assert_eq!(drain.bounded(grace, pending::<()>()).await, Err(Overrun(grace)));
        assert_eq!(began.elapsed(), Duration::from_secs(65));
    }

    #[tokio::test]
    async fn a_child_stops_alone_and_follows_its_parent() {
        let country = Drain::new();
        let (england, wales) = (country.child(), country.child());
        england.start();
        assert!(england.is_started() && !wales.is_started() && !country.is_started());
        country.start();
        wales.started().await;
    }
}
