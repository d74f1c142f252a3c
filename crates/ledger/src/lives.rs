//! The folds that were used lately, shared by the one who writes the file and those who query it.
//!
//! They are put in after the batch that made them is committed and before it is made known: whoever was told of an
//! event finds what it did here, without a query. A fold may be newer than what a query sees at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::{Lane, ReferralId};

use crate::Row;
use crate::fold::Life;
use crate::recent::Recent;

/// How many are kept; twice as many at most. One takes about 2 KB.
const LIVES: usize = 8192;

/// A bounded memory of folds.
#[derive(Debug)]
pub(crate) struct Lives(Mutex<Recent<ReferralId, Kept>>);

/// A fold, and the lane that its case gives the referral.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) life: Arc<Life>,
    pub(crate) lane: Option<Lane>,
}

impl Kept {
    /// As the ledger answers; `None` until the facts are known.
    pub(crate) fn row(&self, id: &ReferralId) -> Option<Row> {
        let life = &self.life;
        let known = life.known.as_ref()?;
        Some(Row {
            id: *id,
            facts: known.facts.clone(),
            referral: life.referral.clone(),
            source: known.source.clone(),
            updated_at: life.since,
            effective_lane: self.lane.unwrap_or_else(|| known.facts.envelope.lane()),
        })
    }
}

impl Lives {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Recent::new(LIVES)))
    }

    /// The fold of that referral, if it is remembered.
    pub(crate) fn get(&self, id: &ReferralId) -> Option<Kept> {
        self.lock().get(id).cloned()
    }

    /// Puts in what a batch has made, and notes the lanes of others that it changed.
    pub(crate) fn put(&self, made: HashMap<ReferralId, Kept>, lanes: &[(ReferralId, Lane)]) {
        let mut lives = self.lock();
        made.into_iter().for_each(|(id, kept)| lives.put(id, kept));
        lanes.iter().for_each(|(id, lane)| lives.change(id, |kept| kept.lane = Some(*lane)));
    }

    fn lock(&self) -> MutexGuard<'_, Recent<ReferralId, Kept>> {
        // Nothing here panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
