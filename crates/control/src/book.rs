//! What a node knows of authority, shared by the follower that reads the log and the service that answers
//! operators. Who changes it publishes what follows, under one lock, so that nobody sees an older state later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{CutId, Cuts, Directory, FactId, Moment, Nation, Order, Pulse};
use bulkhead_wire::fact::SignedFact;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::authority::{Authority, Copy, Effect, Judged, Refused};
use crate::fact::Seen;

/// The authority of a cell as one node knows it. Cheap to clone; clones are the same book.
#[derive(Debug, Clone)]
pub struct Book {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    authority: Mutex<Authority>,
    directory: watch::Sender<Arc<Directory>>,
    cuts: watch::Sender<Arc<Cuts>>,
    orders: watch::Sender<Arc<Vec<Order>>>,
    /// When each node's pulse first showed that it knew a cut, by the log's time.
    enforced: Mutex<HashMap<CutId, BTreeMap<String, Timestamp>>>,
}

impl Book {
    pub(crate) fn new(nation: Nation) -> Self {
        let shared = Shared {
            authority: Mutex::new(Authority::new(nation)),
            directory: watch::Sender::new(Arc::default()),
            cuts: watch::Sender::new(Arc::default()),
            orders: watch::Sender::new(Arc::default()),
            enforced: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks what is known. The lock is held meanwhile, so the question must be a short one.
    pub fn ask<T>(&self, question: impl FnOnce(&Authority) -> T) -> T {
        question(&self.lock())
    }

    /// The cuts, as they change.
    pub fn cuts(&self) -> watch::Receiver<Arc<Cuts>> {
        self.shared.cuts.subscribe()
    }

    /// The directory, as it changes.
    pub fn directory(&self) -> watch::Receiver<Arc<Directory>> {
        self.shared.directory.subscribe()
    }

    /// What was ordered for referrals that are set aside, as it grows.
    pub fn orders(&self) -> watch::Receiver<Arc<Vec<Order>>> {
        self.shared.orders.subscribe()
    }

    /// A node's pulse was read, at that time of the log.
    pub(crate) fn pulsed(&self, pulse: &Pulse, at: Timestamp) {
        let cuts = self.shared.cuts.borrow().clone();
        let mut enforced = self.shared.enforced.lock().unwrap_or_else(PoisonError::into_inner);
        for course in cuts.active() {
            let Some(made) = course.made() else { continue };
            let nodes = enforced.entry(course.id().clone()).or_default();
            // What was read before the cut says nothing about it.
            if pulse.position >= made.here.position && !nodes.contains_key(&pulse.node) {
                nodes.insert(pulse.node.clone(), at.max(made.here.at));
            }
        }
    }

    /// When each node was first heard to enforce a cut, as far as this node has heard.
    pub fn enforced(&self, cut: &CutId) -> BTreeMap<String, Timestamp> {
        let enforced = self.shared.enforced.lock().unwrap_or_else(PoisonError::into_inner);
        enforced.get(cut).cloned().unwrap_or_default()
    }

    pub(crate) fn hear(&self, copy: &Copy) -> Judged {
        self.change(|authority| authority.hear(copy))
    }

    pub(crate) fn hear_anomaly(&self, seen: &Seen, here: Moment) -> Option<Effect> {
        self.change(|authority| authority.hear_anomaly(seen, here))
    }

    pub(crate) fn hear_unsigned(&self, directory: Directory, text: &str) -> Result<(), Refused> {
        self.change(|authority| authority.hear_unsigned(directory, text))
    }

    pub(crate) fn close_early(&self, fact: &SignedFact, at: Timestamp) -> Result<CutId, Refused> {
        self.change(|authority| authority.close_early(fact, at))
    }

    pub(crate) fn close_again(&self, fact: &SignedFact, at: Timestamp) -> Result<CutId, Refused> {
        self.change(|authority| authority.close_again(fact, at))
    }

    pub(crate) fn end_early(&self, fact: &FactId) -> CutId {
        self.change(|authority| authority.end_early(fact))
    }

    /// Everything up to there is known.
    pub(crate) fn at(&self, position: u64) {
        self.change(|authority| authority.at(position));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Authority) -> T) -> T {
        let mut authority = self.lock();
        let answer = change(&mut authority);
        publish(&self.shared.directory, authority.directory());
        publish(&self.shared.orders, authority.orders());
        self.shared.cuts.send_replace(Arc::new(authority.cuts().clone()));
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Authority> {
        // A panic while it was held left whole values: each is replaced in one step.
        self.shared.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody is woken by what is as it was.
fn publish<T>(channel: &watch::Sender<Arc<T>>, newest: &Arc<T>) {
    channel.send_if_modified(|known| {
        let is_new = !Arc::ptr_eq(known, newest);
        if is_new {
            known.clone_from(newest);
        }
        is_new
    });
}
