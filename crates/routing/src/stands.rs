//! A compartment that stands still: its `in` holds less than was read from it, or something that only a newer release
//! can read. Nobody here decides past that; the other compartments go on.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::{Ledger, Stop};
use bulkhead_log::{Error as LogError, Log, Topic};
use bulkhead_process::Drain;
use tracing::debug;

use crate::Error;
use crate::owner::Shared;

/// How often a topic must look too short until it is.
const LOOKS: u32 = 3;
/// How often it is looked whether a topic that was too short has what it had.
const LOOK: Duration = Duration::from_secs(1);

/// Notes that an `in` topic stands still, if that is what is wrong with it. What nobody has put anything into may be
/// missing.
pub(crate) fn note(ledger: &Ledger, topic: &Topic, error: &Error) {
    let known = ledger.in_goes_on_at(topic.as_str());
    let found = match error {
        Error::Log(LogError::PastEnd { partition, end, .. }) if partition.topic == *topic => Some(*end),
        Error::Log(LogError::UnknownPartition { partition }) if partition.topic == *topic => None,
        Error::Log(LogError::UnknownTopic { topic: missing }) if missing == topic => None,
        _ => return,
    };
    if known > 0 {
        ledger.in_stops(topic.as_str(), Stop::Short { known, found });
    }
}

/// Asks what lies in an `in` topic that should hold something, and notes it when that is less.
pub(crate) async fn look(ledger: Ledger, log: Arc<dyn Log>, topic: Topic) -> Result<(), Error> {
    let known = ledger.in_goes_on_at(topic.as_str());
    if known == 0 {
        return Ok(());
    }
    let mut looks = 1;
    loop {
        let found = match log.bounds(&topic.partition(0)).await {
            Ok(bounds) => Some(bounds.end),
            Err(LogError::UnknownTopic { .. } | LogError::UnknownPartition { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if found.is_some_and(|end| end >= known) {
            ledger.in_goes_on(topic.as_str());
            return Ok(());
        }
        if looks == LOOKS {
            ledger.in_stops(topic.as_str(), Stop::Short { known, found });
            return Ok(());
        }
        // What was appended a moment ago may not show yet.
        looks += 1;
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets those go on that have what they had, until the drain begins.
pub(crate) async fn watch(shared: Shared, drain: Drain) {
    let parts = &shared.parts;
    loop {
        tokio::select! {
            () = drain.started() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for (partition, why) in parts.ledger.stops() {
            let topic = partition.strip_suffix("/0").and_then(|name| Topic::new(name).ok());
            let (Stop::Short { .. }, Some(topic)) = (why, topic) else { continue };
            let looked = look(parts.ledger.clone(), parts.log.clone(), topic.clone());
            if let Err(error) = looked.await {
                debug!(%topic, %error, "whether a topic has what it had is not known");
            }
        }
    }
}
