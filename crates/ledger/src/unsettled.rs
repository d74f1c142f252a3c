//! What each sender's referrals weigh that are not settled: asked at the doors for every one that comes, so that it is
//! kept in memory. It is made from the tallies of the file, and follows them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bulkhead_model::{State, TenantId};

/// What is kept of a referral beside its payload, by estimate, so that many small ones weigh something too.
const BESIDE: u64 = 1024;

/// What a referral with a payload of so many bytes weighs.
pub fn weight(payload_bytes: u64) -> u64 {
    payload_bytes.saturating_add(BESIDE)
}

/// Whether what is counted under that name of a state weighs something. A name that nobody knows does.
pub(crate) fn is_unsettled(state: &str) -> bool {
    State::parse(state).is_none_or(|state| !state.is_settled())
}

/// By sender; as many as the directory has ever had.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Mutex<HashMap<String, i64>>);

impl Unsettled {
    /// Adds what a batch has changed, once it is committed.
    pub(crate) fn add(&self, changes: impl IntoIterator<Item = (String, i64)>) {
        let mut bytes = self.bytes_by_origin();
        for (origin, change) in changes {
            *bytes.entry(origin).or_default() += change;
        }
    }

    /// Of one sender.
    pub(crate) fn bytes(&self, origin: &TenantId) -> u64 {
        let bytes = self.bytes_by_origin().get(origin.as_str()).copied();
        bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
    }

    fn bytes_by_origin(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        // Nothing here panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
