//! Tells the local system that what it took for sent was refused.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::Spool;
use crate::presence::Presence;
use crate::{LocalSystem, Outcome, backoff};

/// How often a local system that answers badly is told.
const TRIES: u32 = 10;
/// What `told` says: yes, or that it cannot be.
pub(super) const TOLD: i64 = 1;
const CANNOT: i64 = 2;

impl Spool {
    /// Tells each refusal, oldest first, until the local system has it or says that it never will.
    pub(crate) async fn run_refusals(self: Arc<Self>, system: Arc<dyn LocalSystem>, presence: Presence) {
        let work = async {
            let mut tries = 0;
            loop {
                let Ok(Some((number, refused))) = self.marks.untold().await else {
                    self.refused.notified().await;
                    continue;
                };
                presence.up().await;
                let message_id = refused.envelope.message_id.clone();
                let (told, answer) = match system.tell_refusal(&refused).await {
                    Outcome::Delivered(receipt) => {
                        info!(tenant = %self.tenant, %message_id, "the local system was told of a refusal");
                        (TOLD, receipt.answer)
                    }
                    Outcome::Refused(reason) => {
                        error!(tenant = %self.tenant, %message_id, %reason, "a person must be told of a refusal");
                        (CANNOT, reason.to_string())
                    }
                    Outcome::Down { cause } => {
                        presence.went_down(cause);
                        continue;
                    }
                    Outcome::Retry { cause, .. } if tries + 1 >= TRIES => {
                        error!(tenant = %self.tenant, %message_id, cause, "a person must be told of a refusal");
                        (CANNOT, cause)
                    }
                    Outcome::Retry { after, cause } => {
                        warn!(tenant = %self.tenant, %message_id, cause, "a refusal could not be told");
                        let pause = backoff::pause(Duration::from_secs(1), Duration::from_secs(60), tries);
                        tokio::time::sleep(pause.max(after)).await;
                        tries += 1;
                        continue;
                    }
                };
                tries = 0;
                let answered = self.marks.answered(number, told, answer).await;
                if let Ok(Some(taken)) = &answered {
                    // Without a session nobody listens; the broker asks again.
                    let _ = self.taken.send(taken.clone());
                }
                self.note("a refusal", answered.map(drop));
            }
        };
        // Safe to cancel: a refusal that was told and not marked is told again at the next start.
        tokio::select! {
            () = self.drain.started() => {}
            () = work => {}
        }
    }
}
