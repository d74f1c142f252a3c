//! When the broker was last heard from in a way that lets the spool speak for it.

use std::time::Duration;

use bulkhead_transport::NOTICED_AFTER;
use tokio::time::Instant;

/// What is known of the broker's being there.
///
/// An answer to a call is contact. An open stream is contact for as long as no call fails; when it ends, all that
/// is sure is that it was there before the keepalive began to wait.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    last: Option<Instant>,
    stream_heard: Option<Instant>,
    failing_since: Option<Instant>,
}

impl Contact {
    /// The broker answered a call.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.last = Some(now);
        self.failing_since = None;
    }

    /// A call found nobody, or a broker that cannot answer.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failing_since.get_or_insert(now);
    }

    /// The stream opened, or something came on it.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.stream_heard = Some(now);
    }

    /// The stream ended.
    pub(crate) fn hung_up(&mut self, now: Instant) {
        if let Some(heard) = self.stream_heard.take() {
            let sure = now.checked_sub(NOTICED_AFTER).map_or(heard, |sure| sure.max(heard));
            let sure = self.failing_since.map_or(sure, |failing| failing.min(sure));
            self.last = self.last.max(Some(sure));
        }
    }

    /// How long ago the last good contact was; `None`: there was none since the start.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        let stream = self.stream_heard.map(|_| self.failing_since.unwrap_or(now));
        self.last.max(stream).map(|last| now.saturating_duration_since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_ages() {
        let (mut contact, start) = (Contact::default(), Instant::now());
        assert_eq!(contact.age(start), None);
        contact.answered(start);
        contact.failed(start + SECOND);
        assert_eq!(contact.age(start + 61 * SECOND), Some(61 * SECOND));
    }

    #[test]
    fn an_open_stream_is_contact_until_calls_fail() {
        let (mut contact, start) = (Contact::default(), Instant::now());
        contact.heard(start);
        assert_eq!(contact.age(start + 500 * SECOND), Some(Duration::ZERO));
        contact.failed(start + 500 * SECOND);
        assert_eq!(contact.age(start + 530 * SECOND), Some(30 * SECOND));
        contact.answered(start + 531 * SECOND);
        assert_eq!(contact.age(start + 540 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn a_stream_that_ended_was_there_before_its_keepalive_waited() {
        let (mut contact, start) = (Contact::default(), Instant::now());
        contact.heard(start);
        contact.hung_up(start + 100 * SECOND);
        assert_eq!(contact.age(start + 100 * SECOND), Some(NOTICED_AFTER));
        contact.heard(start + 200 * SECOND);
        contact.hung_up(start + 201 * SECOND);
        assert_eq!(contact.age(start + 201 * SECOND), Some(SECOND));
    }
}
