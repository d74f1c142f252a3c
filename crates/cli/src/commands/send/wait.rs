//! Follows what was accepted until it is as far as was asked, or cannot come so far any more.

use std::time::Duration;

use bulkhead_model::State;
use bulkhead_wire::{state_from_wire, v1};
use futures::StreamExt;
use tokio::time::Instant;

use super::Wait;
use super::report::Reporter;
use crate::cell::{Cell, Trouble};

/// How many are followed at a time.
const AT_A_TIME: usize = 16;
const PAUSE: Duration = Duration::from_millis(300);

/// How a followed referral ended.
pub(super) enum Followed {
    /// As far as was asked.
    There(v1::Referral),
    /// In a state from which it does not come so far by itself.
    Stuck(v1::Referral),
    /// Somewhere on its way when the time was over.
    Late(Option<v1::Referral>),
    /// The cell refuses to tell.
    Refused(Trouble),
}

/// Whom to ask, and for what.
pub(super) struct Desk<'a> {
    /// The sender's own cell.
    pub(super) cell: &'a Cell,
    /// How far.
    pub(super) wanted: Wait,
    /// How long for each.
    pub(super) patience: Duration,
}

impl Desk<'_> {
    /// Follows all that was accepted and reports each.
    pub(super) async fn follow(&self, reporter: &mut Reporter<'_>) {
        let waiting = reporter.accepted();
        let one = |(index, id): (usize, String)| async move { (index, self.one(&id).await) };
        let mut followed = futures::stream::iter(waiting.into_iter().map(one)).buffer_unordered(AT_A_TIME);
        while let Some((index, followed)) = followed.next().await {
            reporter.followed(index, followed);
        }
    }

    async fn one(&self, id: &str) -> Followed {
        let end = Instant::now() + self.patience;
        let mut last = None;
        for node in 0.. {
            match tokio::time::timeout_at(end, self.watch(node, id, &mut last)).await {
                Ok(Ok(followed)) => return followed,
                // What was accepted a moment ago, another node may not have read yet.
                Ok(Err(trouble)) if !trouble.may_pass() && !trouble.is_not_found() => {
                    return Followed::Refused(trouble);
                }
                Ok(Err(_)) if Instant::now() + PAUSE < end => tokio::time::sleep(PAUSE).await,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Followed::Late(last)
    }

    /// One connection: until the referral is there or stuck, or the trouble that ended it.
    async fn watch(
        &self,
        node: usize,
        id: &str,
        last: &mut Option<v1::Referral>,
    ) -> Result<Followed, Trouble> {
        let no_node = || Trouble::Silent { cause: "the context names no node".into() };
        let mut client = self.cell.referrals(node).ok_or_else(no_node)?;
        let request = v1::WatchReferralRequest { referral_id: id.to_owned() };
        let watching = client.watch_referral(request).await.map_err(|status| Trouble::of(&status))?;
        let mut states = watching.into_inner();
        while let Some(now) = states.message().await.map_err(|status| Trouble::of(&status))? {
            let Some(referral) = now.referral else { continue };
            *last = Some(referral.clone());
            match state_from_wire(referral.state) {
                Some(state) if self.is_there(state) => return Ok(Followed::There(referral)),
                Some(state) if is_stuck(state) => return Ok(Followed::Stuck(referral)),
                Some(_) | None => {}
            }
        }
        Err(Trouble::Silent { cause: "the stream ended".into() })
    }

    fn is_there(&self, state: State) -> bool {
        match self.wanted {
            Wait::Accepted => true,
            Wait::Delivered => matches!(state, State::Delivered | State::Acknowledged),
            Wait::Acknowledged => state == State::Acknowledged,
        }
    }
}

/// It does not go on by itself.
fn is_stuck(state: State) -> bool {
    match state {
        State::Rejected
        | State::Parked
        | State::Quarantined
        | State::ReturnPending
        | State::Returned
        | State::Cancelled
        | State::Unknown => true,
        State::Accepted
        | State::Routed
        | State::Carried
        | State::Offered
        | State::Delivered
        | State::Acknowledged
        | State::Held
        | State::Diverted => false,
    }
}
