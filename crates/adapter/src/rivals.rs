//! Whether another process uses this tenant's certificate to receive: then each ends the other's stream for ever, and
//! both look well by turns.

use std::collections::VecDeque;
use std::time::Duration;

use bulkhead_process::Condition;
use tokio::time::Instant;
use tracing::error;

/// So many times within the window is no restart and no second network path any more.
const TOO_OFTEN: usize = 3;
const WINDOW: Duration = Duration::from_mins(5);

/// How often another stream took the place of this sidecar's, and what is told of that.
pub(crate) struct Rivals {
    displaced: VecDeque<Instant>,
    condition: Condition,
    tenant: String,
}

impl Rivals {
    /// Nobody has been met yet.
    pub(crate) fn new(condition: Condition, tenant: String) -> Self {
        condition.met();
        Self { displaced: VecDeque::new(), condition, tenant }
    }

    /// Another stream of this tenant took the place of ours.
    pub(crate) fn displaced(&mut self, now: Instant) {
        self.displaced.push_back(now);
        self.look(now);
        if self.displaced.len() == TOO_OFTEN {
            error!(
                tenant = self.tenant,
                "another sidecar with this tenant's certificate takes the place of this one"
            );
        }
    }

    /// What lies far enough back is forgotten.
    pub(crate) fn look(&mut self, now: Instant) {
        while self.displaced.front().is_some_and(|at| now.saturating_duration_since(*at) > WINDOW)
            || self.displaced.len() > 100
        {
            self.displaced.pop_front();
        }
        match self.displaced.len() {
            count if count >= TOO_OFTEN => self.condition.unmet(format!(
                "another sidecar uses the certificate of {}: it took the place of this one {count} times in {} min; \
                 stop one of them",
                self.tenant,
                WINDOW.as_secs() / 60
            )),
            _ => self.condition.met(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_process::Health;

    use super::*;

    #[test]
    fn one_restart_is_no_rival_and_a_rival_is_told_until_it_is_gone() {
        let health = Health::new();
        let mut rivals = Rivals::new(health.condition("alone", "starting"), "wales/a".into());
        let start = Instant::now();
        rivals.displaced(start);
        rivals.displaced(start);
        assert!(health.is_ready());
        rivals.displaced(start + Duration::from_secs(9));
        assert!(health.unmet()[0].reason.contains("3 times"), "{:?}", health.unmet());
        rivals.look(start + WINDOW + Duration::from_secs(1));
        assert!(health.is_ready());
    }
}
