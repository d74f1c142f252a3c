//! What a person has ordered for referrals that are set aside, done by who decides for each of them.
//!
//! An order is a fact of the control log, so every node knows it; the custodian writes the event. It is about what was
//! set aside when it was given: what was set aside again after that waits for another word, also when a node that
//! starts hears all orders once more. Where an order does not fit any more (the referral went on, or was given back
//! already), nothing happens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::Row;
use bulkhead_model::{Event, Lifecycle, Order, Ordered, Reason, ReferralId};
use bulkhead_process::Drain;
use jiff::SignedDuration;
use tracing::warn;

use crate::fallback::taking_over;
use crate::journal::Decided;
use crate::owner::Shared;
use crate::router::custodian;
use crate::sweep::Sweep;
use crate::{Error, deadlines};

/// How often what could not be done yet is looked at again.
const ROUND: Duration = Duration::from_secs(5);
/// How far the clocks of a node and of the log may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Acts until the drain starts.
pub(crate) async fn run(shared: Shared, drain: Drain) {
    let mut orders = shared.parts.orders.clone();
    let mut acts = Acts { sweep: Sweep::new(shared.clone()), shared, done: HashSet::new() };
    loop {
        let known = orders.borrow_and_update().clone();
        if let Err(error) = acts.round(&known).await {
            warn!(%error, "an order was not carried out and is tried again");
        }
        tokio::select! {
            () = drain.started() => return,
            // A watch that is closed brings nothing new; what is left is still looked at.
            Ok(()) = orders.changed() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

struct Acts {
    shared: Shared,
    sweep: Sweep,
    /// Orders, by their place, that were seen to here for these referrals.
    done: HashSet<(u64, ReferralId)>,
}

impl Acts {
    async fn round(&mut self, orders: &Arc<Vec<Order>>) -> Result<(), Error> {
        for order in orders.iter() {
            for referral in &order.referrals {
                let key = (order.moment.position, *referral);
                if !self.done.contains(&key) && self.act(order, referral).await? {
                    self.done.insert(key);
                }
            }
        }
        Ok(())
    }

    /// True when nothing is left to be done here for this referral.
    async fn act(&self, order: &Order, referral: &ReferralId) -> Result<bool, Error> {
        let Some(row) = self.shared.parts.ledger.get(referral)? else { return Ok(false) };
        let Some(claim) = self.shared.journal.held(custodian(&row)) else { return Ok(false) };
        if row.updated_at > order.moment.at + SKEW {
            return Ok(true);
        }
        let event = match &order.ordered {
            Ordered::Release => {
                if is_parked_or_held(&row) {
                    self.sweep.go_on(&self.shared.cuts(), &row, &with_note(order, order.by.as_str())).await?;
                }
                None
            }
            Ordered::Divert => self.divert(&row, order).await?,
            Ordered::Return if is_parked_or_held(&row) => {
                Some(Event::ReturnPending { to: None, reason: said(&row, order, "given back by") })
            }
            Ordered::Handled => {
                Some(Event::Returned { by: with_note(order, &format!("{}, who handled it", order.by)) })
            }
            Ordered::Rejected(cut) if row.referral.lifecycle.cut() == Some(cut) => {
                Some(Event::Rejected { reason: said(&row, order, "never to go on, by") })
            }
            Ordered::Return | Ordered::Rejected(_) => None,
        };
        if let Some(event) = event {
            let decided = Decided::new(row.id, row.referral.custody, event);
            // A void one does not fit the state that the referral has come to.
            self.shared.journal.write(&claim, decided).read_back().await?;
        }
        // What was written behind another node's claim is void: it is left to whoever decides then.
        Ok(self.shared.journal.decides(&claim))
    }

    async fn divert(&self, row: &Row, order: &Order) -> Result<Option<Event>, Error> {
        let (directory, cuts) = (self.shared.directory(), self.shared.cuts());
        if !matches!(row.referral.lifecycle, Lifecycle::Held { .. }) {
            return Ok(None);
        }
        match taking_over(&self.shared, row, &directory, &cuts) {
            Some(other) => deadlines::divert(&self.shared, row, other, said(row, order, "diverted by")).await,
            None => Ok(None),
        }
    }
}

fn is_parked_or_held(row: &Row) -> bool {
    matches!(row.referral.lifecycle, Lifecycle::Held { .. } | Lifecycle::Parked { .. })
}

/// Why it was set aside, and who decided what.
fn said(row: &Row, order: &Order, what: &str) -> Reason {
    let before = row.referral.lifecycle.reason();
    Reason {
        code: before.map_or_else(String::new, |reason| reason.code.clone()),
        text: before.map_or_else(String::new, |reason| format!("{}; ", reason.text))
            + &with_note(order, &format!("{what} {}", order.by)),
    }
}

/// What was decided, with the words of whoever decided it.
fn with_note(order: &Order, decided: &str) -> String {
    match order.note.trim() {
        "" => decided.to_owned(),
        note => format!("{decided}: {note}"),
    }
}
