//! The proof that a cut is in force on the other nodes of a cell: their pulses, and while the log is away, what they
//! answered to the push and when the lease of each other one has run out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bulkhead_model::{Moment, Pulses};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::cut_response::News;
use bulkhead_wire::v1::{CutInForce, CutResponse};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant as Until;
use tonic::Status;

use super::Shared;
use crate::neighbours::Pushed;

/// How long a node's pulse is waited for.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);
/// A node whose pulse does not come back stops by itself after this: `LONGEST_LIMIT` of its lease.
const LEASE: Duration = Duration::from_secs(1);

/// The other nodes with what each said last.
pub(super) type Others = BTreeMap<String, (u128, u64)>;

/// Who commanded, if still there.
pub(super) struct Listener(pub(super) mpsc::Sender<Result<CutResponse, Status>>);

impl Listener {
    pub(super) async fn tell(&self, news: News) {
        drop(self.0.send(Ok(CutResponse { news: Some(news) })).await);
    }

    pub(super) async fn fail(&self, refusal: Refusal) {
        drop(self.0.send(Err(refusal.into())).await);
    }

    async fn answered(&self, node: String, begun: Instant) {
        let after_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let at = Some(time_to_wire(Timestamp::now()));
        self.tell(News::InForce(CutInForce { node, at, after_us, answered: true })).await;
    }

    async fn silent(&self, node: String, stops_at: Option<Timestamp>) {
        let at = stops_at.map(time_to_wire);
        self.tell(News::InForce(CutInForce { node, at, after_us: 0, answered: false })).await;
    }
}

impl Shared {
    /// Tells of each other node of the cell when its pulse shows that it knows the cut; of one whose pulse does not
    /// come, when its lease has run out.
    pub(super) async fn acknowledged(&self, made: Moment, begun: Instant, listener: &Listener) {
        let mut pulses = self.parts.pulses.clone();
        let mut waiting: BTreeSet<String> = self.others(&pulses.borrow_and_update()).into_keys().collect();
        let end = Until::now() + ACKNOWLEDGED;
        while !waiting.is_empty() {
            let known: Vec<String> = pulses
                .borrow_and_update()
                .all()
                .filter(|member| {
                    waiting.contains(&member.pulse.node) && member.pulse.position >= made.position
                })
                .map(|member| member.pulse.node.clone())
                .collect();
            for node in known {
                waiting.remove(&node);
                listener.answered(node, begun).await;
            }
            let mut is_over =
                async || !matches!(tokio::time::timeout_at(end, pulses.changed()).await, Ok(Ok(())));
            if !waiting.is_empty() && is_over().await {
                break;
            }
        }
        for node in waiting {
            listener.silent(node, Some(after_lease(made.at))).await;
        }
    }

    /// What was last heard of each other node, for what is told when the log is away.
    pub(super) fn heard_of_others(&self) -> Others {
        self.others(&self.parts.pulses.borrow())
    }

    /// The log does not have the cut. `before` was heard when it was taken. A node that answered the push has it all the same; another one has stopped when
    /// its lease has run out, if it hears the log as little as this one does. One whose pulses still come goes on until
    /// the log brings it the cut, and nobody can say when.
    pub(super) async fn without_log(
        &self,
        before: Others,
        pushed: Pushed,
        taken_at: Timestamp,
        begun: Instant,
        listener: &Listener,
    ) {
        let mut waiting = before;
        for node in pushed.answered().await {
            if waiting.remove(&node).is_some() {
                listener.answered(node, begun).await;
            }
        }
        tokio::time::sleep(LEASE.saturating_sub(begun.elapsed())).await;
        let now = self.heard_of_others();
        for (node, number) in waiting {
            let is_heard = now.get(&node).is_some_and(|newest| *newest != number);
            listener.silent(node, (!is_heard).then(|| after_lease(taken_at))).await;
        }
    }

    /// The other nodes that are alive as far as this one has heard, with what each said last.
    fn others(&self, pulses: &Pulses) -> Others {
        let others = pulses.alive().filter(|member| member.pulse.node != self.parts.node);
        others.map(|member| (member.pulse.node.clone(), (member.pulse.run, member.pulse.number))).collect()
    }
}

fn after_lease(at: Timestamp) -> Timestamp {
    let lease = SignedDuration::try_from(LEASE).unwrap_or(SignedDuration::MAX);
    at.saturating_add(lease).unwrap_or(at)
}
