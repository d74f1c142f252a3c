//! Something to watch: referrals between the demo tenants, a mix of the kinds and sizes of real ones.

use std::time::Duration;

use bulkhead_process::Drain;
use bulkhead_simulator::{Outcome, Traffic};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::tenants::Tenants;

/// Errands under way at a time; over it, the traffic is slower than asked.
const UNDER_WAY: usize = 256;

/// Sends `rate` referrals a second until the drain starts; what is under way is waited for.
pub(super) fn start(rate: f64, seed: u64, tenants: &Tenants, drain: Drain) -> JoinHandle<()> {
    let simulators = tenants.simulators();
    let traffic = Traffic::new(seed, tenants.parties());
    tokio::spawn(async move {
        if rate <= 0.0 {
            return;
        }
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        for errand in traffic {
            tokio::select! {
                () = drain.started() => break,
                _ = tick.tick() => {}
            }
            while under_way.len() >= UNDER_WAY {
                under_way.join_next().await;
            }
            let Some(simulator) = simulators.get(errand.from).cloned() else { continue };
            under_way.spawn(async move {
                match simulator.send(&errand.send).await {
                    Ok(sent) if sent.outcome == Outcome::Accepted => {}
                    Ok(sent) => debug!(outcome = ?sent.outcome, "not accepted"),
                    Err(error) => debug!(%error, "not sent"),
                }
            });
        }
        tokio::time::timeout(Duration::from_secs(5), async {
            while under_way.join_next().await.is_some() {}
        })
        .await
        .ok();
    })
}
