//! What was accepted here a moment ago, until the ledger shows it.
//!
//! The ledger is always a little behind the log. In between, a repeat must be recognised, two simultaneous
//! submits of one id must append once, and the sender who asks must be answered. Nothing depends on an entry:
//! where one is missing (another node accepted it, or it was forgotten), the origin's owner still sees a
//! repeat for what it is, and who asks waits for the ledger.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_ledger::{Row, weight};
use bulkhead_model::{Digest, Envelope, ReferralId, State, TenantId};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::admit::may_end_taken_back;

/// A referral that was accepted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) id: ReferralId,
    pub(crate) tenant: TenantId,
    pub(crate) envelope: Envelope,
    pub(crate) digest: Digest,
    pub(crate) payload_bytes: u64,
    pub(crate) state: State,
    pub(crate) accepted_at: Timestamp,
}

impl Fresh {
    /// Whether the ledger shows it, and not only an earlier attempt that was taken back. Of one that went on all the
    /// same, and is not free to be taken back any more, a later attempt is a repeat: the ledger will never show that.
    pub(crate) fn is_shown_by(&self, row: &Row) -> bool {
        shows(row, self.envelope.attempt)
    }
}

/// Whether the ledger shows that attempt, or will never show it.
pub(crate) fn shows(row: &Row, attempt: u32) -> bool {
    let shown = row.facts.envelope.attempt;
    let may_begin_anew =
        may_end_taken_back(&row.referral.lifecycle) || row.referral.begins_anew_after(shown).is_some();
    shown >= attempt || !may_begin_anew
}

/// The entries of one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recent {
    slots: Arc<Mutex<Slots>>,
    capacity: usize,
}

#[derive(Default)]
struct Slots {
    by_id: HashMap<ReferralId, Slot>,
    /// Accepted ones, oldest first; some may have left already.
    order: VecDeque<ReferralId>,
    /// What those of each tenant weigh.
    bytes: HashMap<TenantId, u64>,
}

#[derive(Default)]
struct Slot {
    /// Closes when the submit that has its turn is answered.
    turn: Option<watch::Receiver<()>>,
    fresh: Option<Arc<Fresh>>,
}

/// A submit's turn for one id. Others with the same id wait until it is dropped.
pub(crate) struct Turn {
    recent: Recent,
    id: ReferralId,
    _others: watch::Sender<()>,
}

/// Another submit with this id has its turn.
pub(crate) struct Behind(watch::Receiver<()>);

impl Behind {
    /// Waits until the other is answered, whichever way. Safe to cancel.
    pub(crate) async fn wait(mut self) {
        // It only ever closes.
        let _ = self.0.changed().await;
    }
}

impl Recent {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { slots: Arc::default(), capacity }
    }

    /// Takes the turn for an id, or says behind whom to wait.
    pub(crate) fn begin(&self, id: ReferralId) -> Result<Turn, Behind> {
        let mut slots = self.slots();
        let slot = slots.by_id.entry(id).or_default();
        if let Some(turn) = &slot.turn {
            return Err(Behind(turn.clone()));
        }
        let (others, turn) = watch::channel(());
        slot.turn = Some(turn);
        Ok(Turn { recent: self.clone(), id, _others: others })
    }

    /// What was accepted here and not forgotten yet.
    pub(crate) fn get(&self, id: &ReferralId) -> Option<Arc<Fresh>> {
        self.slots().by_id.get(id)?.fresh.clone()
    }

    /// What was accepted of a tenant here and is not forgotten yet weighs so much.
    pub(crate) fn bytes_of(&self, tenant: &TenantId) -> u64 {
        self.slots().bytes.get(tenant).copied().unwrap_or(0)
    }

    /// Forgets what the ledger shows.
    pub(crate) fn forget(&self, id: &ReferralId) {
        self.slots().forget(id);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing in here panics between two changes that belong together.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// What was accepted earlier and is not forgotten yet.
    pub(crate) fn earlier(&self) -> Option<Arc<Fresh>> {
        self.recent.get(&self.id)
    }

    /// It is durable. The oldest are forgotten when there are too many.
    pub(crate) fn accepted(self, fresh: Fresh) {
        let mut slots = self.recent.slots();
        slots.drop_fresh(&self.id);
        *slots.bytes.entry(fresh.tenant.clone()).or_default() += weight(fresh.payload_bytes);
        slots.by_id.entry(self.id).or_default().fresh = Some(Arc::new(fresh));
        slots.order.push_back(self.id);
        while slots.order.len() > self.recent.capacity {
            slots.forget_oldest();
        }
        while slots.order.front().is_some_and(|id| !slots.by_id.contains_key(id)) {
            slots.order.pop_front();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let MapEntry::Occupied(mut slot) = self.recent.slots().by_id.entry(self.id) {
            slot.get_mut().turn = None;
            if slot.get().fresh.is_none() {
                slot.remove();
            }
        }
    }
}

impl Slots {
    fn forget_oldest(&mut self) {
        if let Some(id) = self.order.pop_front() {
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &ReferralId) {
        self.drop_fresh(id);
        if let MapEntry::Occupied(slot) = self.by_id.entry(*id)
            && slot.get().turn.is_none()
        {
            slot.remove();
        }
    }

    fn drop_fresh(&mut self, id: &ReferralId) {
        let Some(fresh) = self.by_id.get_mut(id).and_then(|slot| slot.fresh.take()) else { return };
        if let MapEntry::Occupied(mut bytes) = self.bytes.entry(fresh.tenant.clone()) {
            *bytes.get_mut() -= weight(fresh.payload_bytes);
            if *bytes.get() == 0 {
                bytes.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_model::{Kind, MessageId, Priority, ServiceAddress};

    fn fresh(name: &str) -> Fresh {
        let tenant = TenantId::parse("england/a").unwrap();
        let message_id = MessageId::parse(name).unwrap();
        Fresh {
            id: ReferralId::derive(&tenant, &message_id),
            envelope: Envelope {
                message_id,
                attempt: 1,
                to: ServiceAddress::parse("", "england/s").unwrap(),
                reply_to: None,
                kind: Kind::Request,
                case_id: None,
                priority: Priority::Urgent,
                deadline: None,
                content_type: "text/plain".into(),
                in_response_to: None,
                traceparent: None,
                flags: vec![],
                spooled_at: None,
            },
            tenant,
            digest: Digest::new([1; 32]),
            payload_bytes: 3,
            state: State::Accepted,
            accepted_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn accept(recent: &Recent, name: &str) -> ReferralId {
        let fresh = fresh(name);
        let id = fresh.id;
        recent.begin(id).ok().unwrap().accepted(fresh);
        id
    }

    #[tokio::test]
    async fn the_second_of_one_id_waits_for_the_first() {
        let recent = Recent::new(10);
        let fresh = fresh("m");
        let turn = recent.begin(fresh.id).ok().unwrap();
        let behind = recent.begin(fresh.id).err().unwrap();
        let waiting = tokio::spawn(behind.wait());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && recent.get(&fresh.id).is_none());
        turn.accepted(fresh.clone());
        waiting.await.unwrap();
        assert_eq!(recent.begin(fresh.id).ok().unwrap().earlier().as_deref(), Some(&fresh));
    }

    #[tokio::test]
    async fn a_turn_that_comes_to_nothing_leaves_nothing() {
        let recent = Recent::new(10);
        let id = fresh("m").id;
        let turn = recent.begin(id).ok().unwrap();
        let behind = recent.begin(id).err().unwrap();
        drop(turn);
        behind.wait().await;
        assert!(recent.slots().by_id.is_empty());
    }

    #[test]
    fn the_oldest_leave_when_there_are_too_many() {
        let recent = Recent::new(2);
        let [a, b, c] = ["a", "b", "c"].map(|name| accept(&recent, name));
        assert_eq!([a, b, c].map(|id| recent.get(&id).is_some()), [false, true, true]);
        assert_eq!(recent.slots().order.len(), 2);
    }

    #[test]
    fn what_the_ledger_shows_leaves_and_takes_its_place_along() {
        let recent = Recent::new(100);
        let ids: Vec<_> = (0..50).map(|n| accept(&recent, &n.to_string())).collect();
        ids.iter().for_each(|id| recent.forget(id));
        accept(&recent, "last");
        let slots = recent.slots();
        assert_eq!((slots.by_id.len(), slots.order.len()), (1, 1));
        assert_eq!(slots.bytes.values().collect::<Vec<_>>(), [&weight(3)]);
    }

    #[test]
    fn a_turn_that_is_refused_keeps_what_was_accepted_before() {
        let recent = Recent::new(2);
        let id = accept(&recent, "a");
        let turn = recent.begin(id).ok().unwrap();
        recent.forget(&fresh("b").id);
        drop(turn);
        assert!(recent.get(&id).is_some());
    }
}
