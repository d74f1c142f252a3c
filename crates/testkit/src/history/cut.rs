//! What a history must say of cuts: nothing is accepted from a tenant that is off, nothing is handed over to it, and
//! what is suspect goes no further until a release names it.
//!
//! ```text
//! CutStory   one a cut: what it closes, and its turns, each closed (by when, nation by nation) or open (from when, for whom)
//! Life       one a referral: when it was accepted and spooled, and when each hand-over of it began
//! ```
//!
//! All times are of one machine. Between the moment at which a cut was made and the one by which a nation was known to
//! enforce it, anything may happen there; how short that is, is measured elsewhere.

use std::collections::BTreeMap;

use bulkhead_model::State;
use jiff::{SignedDuration, Timestamp};

use super::{Answer, History, Submit, Wrong};

/// Nothing is accepted later than this after a cut was in force, whatever was under way.
const BOUND: SignedDuration = SignedDuration::from_secs(1);
/// The clocks' skew that the gate counts towards quarantine, and as much again.
const SKEW: SignedDuration = SignedDuration::from_secs(4);

/// One cut, as those who made and lifted it saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutStory {
    /// Its name.
    pub id: String,
    /// Who was cut off.
    pub tenant: String,
    /// It closed what the tenant sent.
    pub from: bool,
    /// It closed what was sent to the tenant.
    pub to: bool,
    /// What was sent before was still delivered.
    pub drain_clean: bool,
    /// From when on what the tenant sent is suspect: what the cut names, or when it was made.
    pub since: Timestamp,
    /// What became of it, in order.
    pub turns: Vec<Turn>,
    /// Which of its referrals were released, and when that was commanded.
    pub released: BTreeMap<String, Timestamp>,
}

/// One turn of a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Closed, when it was made or the way back was aborted.
    Closed {
        /// When it was commanded.
        at: Timestamp,
        /// By when each nation enforced it.
        by: BTreeMap<String, Timestamp>,
    },
    /// Open.
    Open {
        /// The log's time.
        at: Timestamp,
        /// For these alone; none: for all.
        with: Option<Vec<String>>,
    },
    /// It was a mistake, and never meant anything.
    Withdrawn {
        /// The log's time.
        at: Timestamp,
    },
}

/// One referral, as the ledgers have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// Its id.
    pub referral_id: String,
    /// The broker's append time of its first acceptance.
    pub accepted_at: Timestamp,
    /// When the sender's sidecar had it.
    pub spooled_at: Option<Timestamp>,
    /// In which nation, and when, a hand-over began.
    pub offered: Vec<(String, Timestamp)>,
    /// What its sender is told when it asks.
    pub told: Option<State>,
}

/// What came of an attempt to come in with a credential of before a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldCredential {
    /// Whose.
    pub tenant: String,
    /// Which.
    pub fingerprint: String,
    /// It was let in.
    pub let_in: bool,
    /// What was said.
    pub words: String,
}

/// How it stands at one moment, in one nation.
enum Standing<'a> {
    /// Not made, or not yet known to be enforced, or taken back.
    Nothing,
    /// Closed for sure.
    Closed,
    Open(Option<&'a [String]>),
}

impl CutStory {
    fn standing(&self, nation: &str, at: Timestamp) -> Standing<'_> {
        let mut standing = Standing::Nothing;
        for turn in &self.turns {
            match turn {
                Turn::Closed { at: made, by } if *made <= at => {
                    let enforced = by.get(nation).is_some_and(|by| *by < at);
                    standing = if enforced { Standing::Closed } else { Standing::Nothing };
                }
                Turn::Open { at: opened, with } if *opened <= at => {
                    standing = Standing::Open(with.as_deref());
                }
                Turn::Withdrawn { at: taken_back } if *taken_back <= at => standing = Standing::Nothing,
                Turn::Closed { .. } | Turn::Open { .. } | Turn::Withdrawn { .. } => {}
            }
        }
        standing
    }

    /// When the way back was opened for what is accepted later, as it stood at that moment.
    fn opening(&self, at: Timestamp) -> Option<Timestamp> {
        let mut opening = None;
        for turn in &self.turns {
            match turn {
                Turn::Closed { at: made, .. } if *made <= at => opening = None,
                Turn::Open { at: opened, .. } if *opened <= at => opening = opening.or(Some(*opened)),
                Turn::Closed { .. } | Turn::Open { .. } | Turn::Withdrawn { .. } => {}
            }
        }
        opening
    }

    fn is_over(&self) -> bool {
        matches!(self.turns.last(), Some(Turn::Withdrawn { .. } | Turn::Open { with: None, .. }))
    }

    fn is_withdrawn(&self) -> bool {
        matches!(self.turns.last(), Some(Turn::Withdrawn { .. }))
    }

    /// Whether what was accepted then is suspect, as it stood at `at`. Without skew: what this calls suspect, everybody
    /// must.
    fn suspects(&self, life: &Life, at: Timestamp) -> bool {
        let oldest = life.spooled_at.map_or(life.accepted_at, |spooled| spooled.min(life.accepted_at));
        self.from && life.accepted_at >= self.since && self.opening(at).is_none_or(|opening| oldest < opening)
    }

    /// Whether anything about it could be suspect, with all skew.
    fn may_suspect(&self, life: &Life) -> bool {
        let oldest = life.spooled_at.map_or(life.accepted_at, |spooled| spooled.min(life.accepted_at));
        let opening = self.opening(Timestamp::MAX);
        self.from
            && !self.is_withdrawn()
            && life.accepted_at + SKEW >= self.since
            && opening.is_none_or(|opening| oldest <= opening + SKEW)
    }

    fn is_released(&self, life: &Life, at: Timestamp) -> bool {
        self.released.get(&life.referral_id).is_some_and(|released| *released <= at)
    }
}

/// Everything that is wrong about cuts.
pub(super) fn all(history: &History, wrong: &mut Vec<Wrong>) {
    for submit in &history.submits {
        told(submit, wrong);
        for cut in &history.cuts {
            if let Some(life) = &submit.life {
                if cut.tenant == submit.from {
                    from(cut, submit, life, wrong);
                }
                if cut.tenant == submit.to {
                    to(cut, submit, life, wrong);
                }
            }
        }
        at_the_end(history, submit, wrong);
    }
    for tried in history.credentials.iter().filter(|tried| tried.let_in) {
        let (tenant, fingerprint) = (tried.tenant.clone(), tried.fingerprint.clone());
        wrong.push(Wrong::OldCredentialLetIn { tenant, fingerprint, words: tried.words.clone() });
    }
}

/// What is told to the sender is the state.
fn told(submit: &Submit, wrong: &mut Vec<Wrong>) {
    let Some((life, entry)) = submit.life.as_ref().zip(submit.ledgers.first()) else { return };
    if let Some(told) = life.told
        && told != entry.state
    {
        let message_id = submit.message_id.clone();
        wrong.push(Wrong::ToldOtherwise { message_id, told, state: entry.state });
    }
}

/// What a cut tenant sent.
fn from(cut: &CutStory, submit: &Submit, life: &Life, wrong: &mut Vec<Wrong>) {
    let (message_id, id) = (|| submit.message_id.clone(), || cut.id.clone());
    if !cut.from {
        return;
    }
    let home = nation(&submit.from);
    let before = life.accepted_at.saturating_sub(BOUND).unwrap_or(Timestamp::MIN);
    if matches!(cut.standing(home, before), Standing::Closed)
        && matches!(cut.standing(home, life.accepted_at), Standing::Closed)
    {
        wrong.push(Wrong::AcceptedWhileCut { message_id: message_id(), cut: id(), at: life.accepted_at });
    }
    for (nation, at) in &life.offered {
        if cut.is_released(life, *at) {
            continue;
        }
        let stands = cut.standing(nation, *at);
        let elsewhere = match &stands {
            Standing::Nothing => continue,
            Standing::Closed => !cut.drain_clean,
            Standing::Open(with) => with.is_some_and(|with| !with.contains(&submit.to)) && !cut.drain_clean,
        };
        if cut.suspects(life, *at) || elsewhere {
            wrong.push(Wrong::SuspectHandedOver { message_id: message_id(), cut: id(), at: *at });
        }
    }
}

/// What was sent to a cut tenant.
fn to(cut: &CutStory, submit: &Submit, life: &Life, wrong: &mut Vec<Wrong>) {
    if !cut.to {
        return;
    }
    for (nation, at) in &life.offered {
        let shut = match cut.standing(nation, *at) {
            Standing::Nothing => false,
            Standing::Closed => true,
            Standing::Open(with) => with.is_some_and(|with| !with.contains(&submit.from)),
        };
        if shut {
            let (message_id, cut) = (submit.message_id.clone(), cut.id.clone());
            wrong.push(Wrong::OfferedToCut { message_id, cut, at: *at });
        }
    }
}

/// When every cut is over, nothing is held for one; in quarantine, or of unknown outcome, is only what may be suspect
/// and was not released.
fn at_the_end(history: &History, submit: &Submit, wrong: &mut Vec<Wrong>) {
    let Some((life, state)) = submit.life.as_ref().zip(submit.state()) else { return };
    let message_id = || submit.message_id.clone();
    let cuts = || {
        let concern = |cut: &&CutStory| cut.tenant == submit.from || cut.tenant == submit.to;
        history.cuts.iter().filter(concern)
    };
    if submit.answer != Answer::Accepted || cuts().any(|cut| !cut.is_over()) || cuts().next().is_none() {
        return;
    }
    match state {
        State::Held => wrong.push(Wrong::StuckAfterCut { message_id: message_id(), state }),
        State::Quarantined | State::Unknown => {
            let mut sent = cuts().filter(|cut| cut.tenant == submit.from);
            if !sent.any(|cut| cut.may_suspect(life) && !cut.released.contains_key(&life.referral_id)) {
                wrong.push(match state {
                    State::Quarantined => Wrong::NeedlesslyQuarantined { message_id: message_id() },
                    _ => Wrong::StuckAfterCut { message_id: message_id(), state },
                });
            }
        }
        _ => {}
    }
}

fn nation(tenant: &str) -> &str {
    tenant.split('/').next().unwrap_or_default()
}
