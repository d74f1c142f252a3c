//! Wires the parts of a sidecar together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::ServiceAddress;
use bulkhead_process::{Drain, Health};
use bulkhead_wire::status::Problem;

use crate::{Answer, Config, Error, LocalSystem, Notes, RefusedLater, Resolved, Status, Submission};

/// A sidecar without its adapter.
#[derive(Debug)]
pub struct Kit;

impl Kit {
    /// Opens the files of `config.data_dir` and starts every part. They stop when `drain` begins.
    ///
    /// # Errors
    /// When a file, a key or a port cannot be used.
    pub async fn start(
        _config: Config,
        _system: Arc<dyn LocalSystem>,
        _drain: Drain,
    ) -> Result<KitHandle, Error> {
        Err(Error::config("kit", "is being built"))
    }
}

/// What an adapter calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KitHandle {
    notes: Notes,
    health: Health,
}

impl KitHandle {
    /// Writes the spool, asks the broker, and answers within the configured patience.
    pub async fn submit(&self, submission: Submission) -> Answer {
        self.submit_within(submission, Duration::ZERO).await
    }

    /// The same with a patience of its own.
    pub async fn submit_within(&self, _submission: Submission, _patience: Duration) -> Answer {
        Answer::OnSpool
    }

    /// Who takes what is sent to that address, to check a translation before it is submitted. Remembered for a
    /// short while.
    ///
    /// # Errors
    /// The broker's refusal, or that it cannot be asked.
    pub async fn resolve(&self, _address: &ServiceAddress) -> Result<Arc<Resolved>, Problem> {
        Err(Problem { code: None, grpc: 14, message: String::new(), field: None, retry_after: None })
    }

    /// Where referrals are, by referral id, message id or case id. Several when that is not unique.
    ///
    /// # Errors
    /// The broker's refusal (unknown: its fault is not found), or that it cannot be asked.
    pub async fn state_of(&self, _id: &str) -> Result<Vec<Status>, Problem> {
        Ok(Vec::new())
    }

    /// The adapter's durable notes.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The conditions of `/readyz`, for those that the adapter adds.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub fn http(&self) -> Option<SocketAddr> {
        None
    }

    /// What was acknowledged on the spool's strength and then refused, newest first, at most a hundred.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refused_later(&self) -> Result<Vec<RefusedLater>, Error> {
        Ok(Vec::new())
    }

    /// Waits until every part has stopped after a drain.
    pub async fn stopped(&self) {}
}
