//! Tells the broker what its senders were told no about, and again until it has heard.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::Fault;
use bulkhead_wire::status::{Problem, fault_of};
use bulkhead_wire::v1;
use tracing::{debug, error, warn};

use super::Spool;
use crate::backoff;
use crate::broker::is_absence;

const WITHIN: Duration = Duration::from_secs(10);

impl Spool {
    /// Repeats each withdrawal until it is answered; they survive a restart.
    pub(crate) async fn run_withdrawals(self: Arc<Self>) {
        // Safe to cancel: what is not marked as answered is withdrawn again at the next start.
        tokio::select! {
            () = self.drain.started() => {}
            () = self.withdraw_all() => {}
        }
    }

    async fn withdraw_all(&self) {
        let mut failures = 0;
        loop {
            let left = self.marks.withdrawals().await.unwrap_or_default();
            let any = !left.is_empty();
            let mut failed = false;
            for (message_id, up_to) in left {
                if let Err(problem) = self.withdraw(&message_id, up_to).await {
                    debug!(tenant = %self.tenant, problem = problem.message, "a withdrawal waits");
                    failed = true;
                    if is_absence(&problem) {
                        break;
                    }
                }
            }
            failures = if failed { failures + 1 } else { 0 };
            // Both branches are safe to cancel.
            tokio::select! {
                () = self.struck.notified() => {}
                () = tokio::time::sleep(backoff::broker(failures)), if any => {}
            }
        }
    }

    /// Withdraws what is still to be withdrawn of this message id.
    pub(super) async fn withdraw_first(&self, message_id: &str) -> Result<(), Problem> {
        match self.marks.withdrawal_of(message_id).await {
            Ok(Some(up_to)) => self.withdraw(message_id, up_to).await,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    async fn withdraw(&self, message_id: &str, up_to: u32) -> Result<(), Problem> {
        let request = v1::WithdrawRequest { message_id: message_id.to_owned(), up_to_attempt: up_to };
        match self.broker.withdraw(request, WITHIN).await {
            Ok(response) if response.sent_after_all => {
                metrics::counter!("bulkhead_sidecar_sent_after_all_total", "tenant" => self.tenant.to_string())
                    .increment(1);
                error!(
                    tenant = %self.tenant, message_id, referral = response.referral_id,
                    "sent after all: the local system was told no, but the referral had been handed over"
                );
            }
            Ok(_) => {}
            Err(problem) if is_settled(&problem) => {
                warn!(tenant = %self.tenant, message_id, problem = problem.message, "a withdrawal was refused");
            }
            Err(problem) => return Err(problem),
        }
        self.note("a withdrawal", self.marks.withdrawn(message_id, up_to).await);
        self.count_withdrawals().await;
        Ok(())
    }
}

/// The broker will never say anything else: it does not know the message id, or cannot read it. A cut or a
/// credential that is refused ends one day, and the withdrawal is still wanted then.
fn is_settled(problem: &Problem) -> bool {
    match problem.code.map(fault_of) {
        Some(Fault::Caller | Fault::NotFound | Fault::Conflict) => true,
        Some(Fault::Denied | Fault::Overloaded | Fault::Unavailable | Fault::Internal) => false,
        None => problem.grpc == tonic::Code::NotFound as i32,
    }
}
