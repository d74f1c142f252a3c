//! What one tenant may use at a time. Each tenant has limits of its own, so none can use up another's.
//!
//! A single call over a limit is refused, with the time after which it makes sense to repeat it. A stream is
//! slowed down instead: it is read no further until there is room, which HTTP/2 passes on to the sender.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Code, Quota};
use bulkhead_wire::status::Refusal;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Config;

/// When it makes sense to repeat a call that found no room: by then some of what is in flight is durable.
const ROOM: Duration = Duration::from_millis(200);
/// When it makes sense to open another stream or connection.
pub(crate) const PLACE: Duration = Duration::from_secs(5);

/// Bytes in flight, or a place of a stream, given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// The limits of one tenant.
pub(crate) struct Limits {
    calls: DefaultDirectRateLimiter,
    clock: DefaultClock,
    unread: Arc<Semaphore>,
    unread_bytes: u32,
    streams: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(quota: &Quota, config: &Config) -> Self {
        let calls = NonZeroU32::new(quota.calls_per_second).unwrap_or(NonZeroU32::MIN);
        let unread_bytes = u32::try_from(quota.unread_bytes.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            calls: RateLimiter::direct(governor::Quota::per_second(calls)),
            clock: DefaultClock::default(),
            unread: semaphore(unread_bytes as usize),
            unread_bytes,
            streams: semaphore(config.streams_per_tenant),
            watches: semaphore(config.watches),
        }
    }

    /// One call more, or after how long.
    pub(crate) fn call(&self) -> Result<(), Refusal> {
        self.try_call().map_err(|wait| {
            Refusal::new(Code::QuotaExceeded, "more calls a second than the tenant's quota").retry_after(wait)
        })
    }

    /// One call more of a stream, when its time has come.
    pub(crate) async fn call_in_turn(&self) {
        while let Err(wait) = self.try_call() {
            tokio::time::sleep(wait).await;
        }
    }

    fn try_call(&self) -> Result<(), Duration> {
        let wait = |not_until: governor::NotUntil<_>| not_until.wait_time_from(self.clock.now());
        self.calls.check().map_err(|not_until| wait(not_until).max(Duration::from_millis(1)))
    }

    /// Room for so many bytes until they are durable.
    pub(crate) fn take(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.unread.clone().try_acquire_many_owned(self.permits(bytes)).map_err(|_| {
            let text = "more bytes in flight than the tenant's quota";
            Refusal::new(Code::QuotaExceeded, text).retry_after(ROOM)
        })
    }

    /// Room for so many bytes of a stream, when there is some.
    pub(crate) async fn take_in_turn(&self, bytes: usize) -> Permit {
        let room = self.unread.clone().acquire_many_owned(self.permits(bytes)).await;
        room.expect("nobody closes this semaphore")
    }

    /// A document larger than all room takes all of it, and is refused for its size by whoever looks at it.
    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.unread_bytes)
    }

    /// A place for a submit stream.
    pub(crate) fn stream(&self) -> Result<Permit, Refusal> {
        place(&self.streams, "submit streams")
    }

    /// A place for a watch.
    pub(crate) fn watch(&self) -> Result<Permit, Refusal> {
        place(&self.watches, "watches")
    }
}

/// A place among as many as are left.
pub(crate) fn place(places: &Arc<Semaphore>, what: &str) -> Result<Permit, Refusal> {
    places.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(Code::QuotaExceeded, format!("no more {what} at a time are allowed")).retry_after(PLACE)
    })
}

/// So many places, as far as the runtime can count.
pub(crate) fn semaphore(places: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(calls_per_second: u32, unread_bytes: usize) -> Limits {
        let quota = Quota { calls_per_second, unread_bytes, ..Quota::default() };
        Limits::new(&quota, &Config { streams_per_tenant: 1, ..Config::default() })
    }

    #[test]
    fn calls_over_the_rate_are_told_when_to_come_back() {
        let limits = limits(2, 100);
        assert_eq!((limits.call(), limits.call()), (Ok(()), Ok(())));
        let refusal = limits.call().unwrap_err();
        assert_eq!(refusal.code, Code::QuotaExceeded);
        let after = refusal.retry_after.unwrap();
        assert!(after > Duration::ZERO && after <= Duration::from_millis(500), "{after:?}");
    }

    #[tokio::test]
    async fn bytes_in_flight_are_bounded_and_given_back() {
        let limits = limits(1, 100);
        let first = limits.take(60).unwrap();
        assert_eq!(limits.take(60).unwrap_err().code, Code::QuotaExceeded);
        let waiting = limits.take_in_turn(60);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut waiting).await.is_err());
        drop(first);
        drop(waiting.await);
        drop(limits.take(5_000).unwrap());
    }

    #[tokio::test]
    async fn a_stream_waits_for_its_turn() {
        let limits = limits(100, 1);
        while limits.call().is_ok() {}
        tokio::time::timeout(Duration::from_secs(5), limits.call_in_turn()).await.unwrap();
    }

    #[test]
    fn streams_are_counted() {
        let limits = limits(1, 1);
        let place = limits.stream().unwrap();
        assert_eq!(limits.stream().unwrap_err().code, Code::QuotaExceeded);
        drop(place);
        assert!(limits.stream().is_ok());
    }
}
