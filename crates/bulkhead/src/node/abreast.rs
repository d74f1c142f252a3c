//! Whether this node's ledger keeps up with the log: a condition of `/readyz`.
//!
//! A ledger that is behind answers with what was, and takes for new what is known already. So a node whose ledger has
//! not come as far as the log was half a minute ago says so and serves no more until it has.

use std::time::Duration;

use bulkhead_ledger::Ledger;
use bulkhead_process::{Condition, Drain};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// How long it may take to come to where the log's end was.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Looks until the drain begins.
pub(super) async fn watch(ledger: Ledger, condition: Condition, limit: Duration, drain: Drain) {
    let look = async {
        condition.met();
        loop {
            sleep(EVERY.min(limit)).await;
            // A log that does not answer, or a follower that has ended, is told by others.
            if timeout(limit, ledger.caught_up()).await.is_ok() {
                continue;
            }
            warn!(
                ?limit,
                "the ledger has fallen behind the log: this node does not serve until it has caught up"
            );
            condition.unmet(format!(
                "it has been behind the log for {} s and more; what is asked of it would be answered with what was",
                limit.as_secs()
            ));
            while ledger.caught_up().await.is_err() {
                sleep(EVERY.min(limit)).await;
            }
            info!("the ledger has caught up with the log");
            condition.met();
        }
    };
    tokio::select! {
        () = drain.started() => {}
        () = look => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Topic};
    use bulkhead_model::Nation;
    use bulkhead_process::Health;
    use bulkhead_wire::topics;

    use super::*;

    #[tokio::test]
    async fn a_ledger_that_does_not_read_on_is_told_and_one_that_does_is_well_again() {
        let place = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> =
            Arc::new(Embedded::open(EmbeddedConfig::new(place.path().join("log"))).unwrap());
        let config = bulkhead_ledger::Config { path: place.path().join("ledger"), nation: Nation::Wales };
        let (ledger, follower) = Ledger::open(config, log.clone()).await.unwrap();
        let events = Topic::new(&topics::events(Nation::Wales)).unwrap().partition(3);
        log.append(&events, Record { key: "k".into(), value: "not an event".into() }).await.unwrap();
        let health = Health::new();
        let condition = health.condition("ledger", "starting");
        let drain = Drain::new();
        tokio::spawn(watch(ledger, condition, Duration::from_millis(200), drain.clone()));
        health.ready().await;
        let told = async {
            while health.is_ready() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), told).await.expect("a ledger that nobody feeds is told");
        assert_eq!(health.unmet()[0].name, "ledger");
        let stop = drain.clone();
        tokio::spawn(follower.run(async move { stop.started().await }));
        timeout(Duration::from_secs(20), health.ready()).await.expect("it is ready again");
        drain.start();
    }
}
