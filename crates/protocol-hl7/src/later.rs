//! The application acknowledgement of enhanced mode: a message of its own, on our own connection, once it is known
//! what became of the referral (HL7 v2.5 section 2.9.3).
//!
//! The negative one of what was rejected or is being given back is not sent from here: the broker gives notice of it,
//! and `tell_refusal` says it once and answers for it. Here are the good ones, and what no notice comes of: what was
//! taken back, and what a person confirmed as returned before the system could be told.
//!
//! What is still owed is a durable note; it is best effort all the same: after [`GIVE_UP`], or when more than
//! [`MOST`] are owed, the oldest is dropped and logged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulkhead_adapter::KitHandle;
use bulkhead_format_hl7::ack::{Reply, ack};
use bulkhead_format_hl7::{AckCode, Condition, Message, Mode, Original};
use bulkhead_model::{MessageId, State, TenantId};
use bulkhead_process::Drain;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::Config;
use crate::answer::{code, shortened, stamp};
use crate::refusal::Blame;
use crate::say::say;

/// The most that are owed at a time.
const MOST: usize = 1000;
/// How often the broker is asked; a referral that waits for long is asked about less often.
const ASK: Duration = Duration::from_secs(2);
const ASK_LONGEST: i64 = 60;
/// How long one is owed.
const GIVE_UP: i64 = 7 * 24 * 3600;

const NAMESPACE: &str = "hl7-later";
const KEY: &str = "owed";

/// One that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owed {
    message_id: String,
    /// The MSH of the message: what an ACK is made from.
    header: String,
    /// MSH-16.
    wanted: String,
    /// Seconds since 1970.
    since: i64,
    #[serde(skip)]
    asked: i64,
}

/// What is owed to the local system. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Later {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    tenant: TenantId,
    kit: KitHandle,
    owed: Mutex<Vec<Owed>>,
    more: Notify,
}

impl Later {
    /// Takes up what an earlier run left.
    pub(crate) async fn open(
        config: Arc<Config>,
        tenant: TenantId,
        kit: KitHandle,
    ) -> Result<Self, bulkhead_adapter::Error> {
        let noted = kit.notes().get(NAMESPACE, KEY).await?;
        let owed = noted.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let shared = Shared { config, tenant, kit, owed: Mutex::new(owed), more: Notify::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Remembers that `message` is owed an application acknowledgement, if it asks for one.
    pub(crate) async fn expect(&self, message_id: &MessageId, message: &Message, mode: Mode) {
        let Mode::Enhanced { application, .. } = mode else { return };
        if application == Condition::Never {
            return;
        }
        let owed = Owed {
            message_id: message_id.to_string(),
            header: String::from_utf8_lossy(message.header().raw()).into_owned(),
            wanted: application.code().to_owned(),
            since: Timestamp::now().as_second(),
            asked: 0,
        };
        let dropped = {
            let mut all = self.owed();
            if all.iter().any(|one| one.message_id == owed.message_id) {
                return;
            }
            all.push(owed);
            (all.len() > MOST).then(|| all.remove(0))
        };
        if let Some(dropped) = dropped {
            self.given_up(&dropped, "too many are owed");
        }
        self.write().await;
        self.shared.more.notify_one();
    }

    /// The local system has heard what became of it in another way: nothing is owed any more.
    pub(crate) async fn settled(&self, message_id: &MessageId) {
        let owed = {
            let mut all = self.owed();
            let before = all.len();
            all.retain(|one| one.message_id != message_id.as_str());
            all.len() < before
        };
        if owed {
            self.write().await;
        }
    }

    /// Gives what is owed as it becomes known, until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        loop {
            // All branches are safe to cancel.
            tokio::select! {
                () = drain.started() => return,
                () = self.shared.more.notified() => {}
                () = tokio::time::sleep(ASK), if !self.owed().is_empty() => {}
            }
            let now = Timestamp::now().as_second();
            let due: Vec<Owed> = self.owed().iter().filter(|one| is_due(one, now)).cloned().collect();
            for owed in due {
                if drain.is_started() {
                    return;
                }
                if self.settle(&owed, now).await {
                    self.owed().retain(|one| one.message_id != owed.message_id);
                    self.write().await;
                }
            }
        }
    }

    /// Whether nothing is owed any more.
    async fn settle(&self, owed: &Owed, now: i64) -> bool {
        if let Some(one) = self.owed().iter_mut().find(|one| one.message_id == owed.message_id) {
            one.asked = now;
        }
        if now - owed.since > GIVE_UP {
            self.given_up(owed, "nothing has become of the referral");
            return true;
        }
        let Ok(found) = self.shared.kit.state_of(&owed.message_id).await else { return false };
        let own = |status: &&bulkhead_adapter::Status| {
            status.tenant == self.shared.tenant && status.message_id.as_str() == owed.message_id
        };
        let Some(status) = found.iter().find(own) else { return false };
        let Some(accepted) = outcome(status.state) else { return false };
        if !wants(&owed.wanted, accepted) {
            return true;
        }
        if is_noticed(status.state) {
            return false;
        }
        let code_of = |accepted: bool| match accepted {
            true => AckCode::ApplicationAccept,
            false => code(&self.shared.config.answers, Blame::Refused, false),
        };
        let text = match &status.reason {
            Some(reason) if !accepted => shortened(&format!("{}: {}", status.state.as_str(), reason.code)),
            _ => status.state.as_str().to_owned(),
        };
        let Some(original) = Original::salvage(owed.header.as_bytes()) else { return true };
        let reply = Reply::new(code_of(accepted)).text(text);
        let Ok(message) = ack(&original, &reply, &stamp()) else { return true };
        match say(&self.shared.config.send, &message).await {
            Ok(()) => {
                let message_id = &owed.message_id;
                info!(tenant = %self.shared.tenant, message_id, accepted, "application acknowledgement sent");
                true
            }
            Err(cause) => {
                warn!(tenant = %self.shared.tenant, cause, "an application acknowledgement could not be sent");
                false
            }
        }
    }

    fn given_up(&self, owed: &Owed, why: &str) {
        let message_id = &owed.message_id;
        warn!(tenant = %self.shared.tenant, message_id, why, "no application acknowledgement will be sent");
    }

    async fn write(&self) {
        let json = serde_json::to_vec(&*self.owed());
        let Ok(json) = json else { return };
        if let Err(failed) = self.shared.kit.notes().put(NAMESPACE, KEY, json).await {
            error!(tenant = %self.shared.tenant, error = %failed, "what is owed cannot be noted");
        }
    }

    fn owed(&self) -> MutexGuard<'_, Vec<Owed>> {
        // Entries are added and removed whole, so a panic elsewhere leaves it good to use.
        self.shared.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a minute once a minute at most.
fn is_due(owed: &Owed, now: i64) -> bool {
    now - owed.asked >= ((now - owed.since) / 4).clamp(1, ASK_LONGEST)
}

fn wants(code: &str, accepted: bool) -> bool {
    match code {
        "ER" => !accepted,
        "SU" => accepted,
        _ => true,
    }
}

/// Whether the receiving system has stored it; `None` while that is open.
fn outcome(state: State) -> Option<bool> {
    match state {
        State::Acknowledged => Some(true),
        State::Rejected | State::Returned | State::ReturnPending | State::Cancelled => Some(false),
        State::Accepted
        | State::Routed
        | State::Carried
        | State::Offered
        | State::Delivered
        | State::Held
        | State::Parked
        | State::Quarantined
        | State::Diverted
        | State::Unknown => None,
    }
}

/// Whether the broker gives notice of it, so that `tell_refusal` tells it.
fn is_noticed(state: State) -> bool {
    matches!(state, State::Rejected | State::ReturnPending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_long_is_asked_about_less_often() {
        let owed = |since, asked| Owed {
            message_id: String::new(),
            header: String::new(),
            wanted: String::new(),
            since,
            asked,
        };
        assert!(is_due(&owed(1000, 0), 1000) && is_due(&owed(1000, 1000), 1001));
        assert!(!is_due(&owed(1000, 1090), 1100) && is_due(&owed(1000, 1070), 1100));
        assert!(!is_due(&owed(0, 99_950), 100_000) && is_due(&owed(0, 99_940), 100_000));
    }

    #[test]
    fn only_what_is_asked_for() {
        assert!(wants("AL", true) && wants("AL", false));
        assert!(wants("ER", false) && !wants("ER", true));
        assert!(wants("SU", true) && !wants("SU", false));
        assert_eq!(outcome(State::Delivered), None);
    }
}
