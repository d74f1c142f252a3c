//! Whether the log has all that this node has read of it: a condition of `/readyz`. Without it the ledger says what is
//! perhaps no more, so the node does not serve, and its routing decides nothing.

use std::time::Duration;

use bulkhead_ledger::Ledger;
use bulkhead_process::{Condition, Drain};
use tokio::time::sleep;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Looks until the drain begins.
pub(super) async fn watch(ledger: Ledger, condition: Condition, drain: Drain) {
    let look = async {
        loop {
            match ledger.lost() {
                None => condition.met(),
                Some(why) => condition
                    .unmet(format!("the events are not what this node has read of them: {why} (BH0220)")),
            }
            sleep(EVERY).await;
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
    use bulkhead_testkit::losing::Losing;
    use bulkhead_wire::topics;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_node_whose_events_are_gone_is_not_ready_until_they_are_back() {
        let place = tempfile::tempdir().unwrap();
        let log = Embedded::open(EmbeddedConfig::new(place.path().join("log"))).unwrap();
        let losing = Losing::new(log);
        let log: Arc<dyn Log> = losing.clone();
        let config = bulkhead_ledger::Config { path: place.path().join("ledger"), nation: Nation::Wales };
        let (ledger, follower) = Ledger::open(config, log.clone()).await.unwrap();
        let (health, drain) = (Health::new(), Drain::new());
        let stop = drain.clone();
        tokio::spawn(follower.run(async move { stop.started().await }));
        let events = Topic::new(&topics::events(Nation::Wales)).unwrap().partition(3);
        log.append(&events, Record { key: "k".into(), value: "not an event".into() }).await.unwrap();
        ledger.caught_up().await.unwrap();
        tokio::spawn(watch(ledger, health.condition("events", "starting"), drain.clone()));
        health.ready().await;
        losing.lose("events.wales");
        let told = async {
            while health.is_ready() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), told).await.expect("it is told");
        assert_eq!(health.unmet()[0].name, "events");
        losing.find("events.wales");
        timeout(Duration::from_secs(20), health.ready()).await.expect("it is ready again");
        drain.start();
    }
}
