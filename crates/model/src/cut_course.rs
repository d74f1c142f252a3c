//! What became of one cut: its facts, in the order of the log of the nation that made it.
//!
//! The fold takes facts in any order and any number of copies, and gives the same: the lowest place of a fact
//! counts, and places decide what came first, never a clock and never the order of reading.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{Cut, CutFact, CutId, FactId, Moment, OperatorId, ReferralId, Stamp, Step, TenantId, Word};

/// A mistaken cut can be withdrawn so long after it was made, by the log's times.
pub const WITHDRAWABLE: SignedDuration = SignedDuration::from_mins(60);

/// How far a cut is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Only facts about it are known, not the cut itself: nothing is closed by it.
    Unmade,
    /// Closed.
    InForce,
    /// Closed; a way back is proposed.
    Proposed,
    /// Closed; a second person has agreed.
    Approved,
    /// Open towards a few.
    Canary,
    /// Open, at a bounded rate.
    Limited,
    /// Ended by its restore.
    Restored,
    /// It was a mistake: it never meant anything.
    Withdrawn,
}

impl Stage {
    /// As it is written in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Unmade => "unmade",
            Stage::InForce => "in-force",
            Stage::Proposed => "proposed",
            Stage::Approved => "approved",
            Stage::Canary => "canary",
            Stage::Limited => "limited",
            Stage::Restored => "restored",
            Stage::Withdrawn => "withdrawn",
        }
    }

    /// It covers its scope.
    pub fn is_active(self) -> bool {
        match self {
            Stage::InForce | Stage::Proposed | Stage::Approved | Stage::Canary | Stage::Limited => true,
            Stage::Unmade | Stage::Restored | Stage::Withdrawn => false,
        }
    }

    /// It is closed to everybody.
    pub fn is_closed(self) -> bool {
        matches!(self, Stage::InForce | Stage::Proposed | Stage::Approved)
    }
}

/// A step that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where it lies.
    pub stamp: Stamp,
    /// Who took it.
    pub by: OperatorId,
    /// Which.
    pub step: Step,
}

/// From here on the tenant is back: what is accepted later is not suspect any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Of the step that opened it.
    pub moment: Moment,
    /// The certificates that it came back with.
    pub certificates: Vec<String>,
}

/// What reading a fact did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something new is known.
    News,
    /// A copy that changes nothing.
    Repeat,
    /// A cut is its maker's: another nation's operator can say nothing about it.
    NotTheMakers,
}

/// One cut with all that was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutCourse {
    id: CutId,
    words: BTreeMap<FactId, Said>,
    releases: Arc<HashMap<ReferralId, Moment>>,
    early: Option<(Cut, Timestamp)>,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    stamp: Stamp,
    by: OperatorId,
    word: Word,
}

/// What the words come to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    cut: Option<Cut>,
    made: Option<Stamp>,
    confirmed: Option<(OperatorId, Stamp)>,
    withdrawn: Option<Stamp>,
    stage: Stage,
    steps: Vec<Taken>,
    opening: Option<Opening>,
}

impl CutCourse {
    /// Nothing is known but its name.
    pub(crate) fn new(id: CutId) -> Self {
        let outcome = Outcome::of(&BTreeMap::new(), None);
        Self { id, words: BTreeMap::new(), releases: Arc::default(), early: None, outcome }
    }

    /// Its name; the nation is its maker.
    pub fn id(&self) -> &CutId {
        &self.id
    }

    /// As it was made; none while only facts about it are known.
    pub fn cut(&self) -> Option<&Cut> {
        self.outcome.cut.as_ref()
    }

    /// Where it lies; none while it is in force early and not read back.
    pub fn made(&self) -> Option<Stamp> {
        self.outcome.made
    }

    /// When this node took it, when that was before the log had it.
    pub fn early(&self) -> Option<Timestamp> {
        self.early.as_ref().map(|(_, at)| *at)
    }

    /// Who confirmed it, and where that lies.
    pub fn confirmed(&self) -> Option<&(OperatorId, Stamp)> {
        self.outcome.confirmed.as_ref()
    }

    /// Where the second word lies that took it back.
    pub fn withdrawn(&self) -> Option<Stamp> {
        self.outcome.withdrawn
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.outcome.stage
    }

    /// Every step that counts, in order, aborted ones too.
    pub fn steps(&self) -> &[Taken] {
        &self.outcome.steps
    }

    /// From where on the tenant is back, when it is.
    pub fn opening(&self) -> Option<&Opening> {
        self.outcome.opening.as_ref()
    }

    /// The referrals that were looked at and may go on.
    pub fn releases(&self) -> &Arc<HashMap<ReferralId, Moment>> {
        &self.releases
    }

    /// With whom the tenant exchanges referrals, at the canary stage.
    pub fn canary_with(&self) -> &[TenantId] {
        match self.outcome.steps.last().map(|taken| &taken.step) {
            Some(Step::Canary { with }) if self.stage() == Stage::Canary => with,
            _ => &[],
        }
    }

    /// Referrals a minute, each way, at the limited stage.
    pub fn per_minute(&self) -> Option<u32> {
        match self.outcome.steps.last().map(|taken| &taken.step) {
            Some(Step::Limited { per_minute }) if self.stage() == Stage::Limited => Some(*per_minute),
            _ => None,
        }
    }

    /// Reads one verified fact about it.
    pub(crate) fn hear(&mut self, fact: CutFact, stamp: Stamp) -> Heard {
        if fact.by.nation() != self.id.nation() || fact.cut != self.id {
            return Heard::NotTheMakers;
        }
        if let Word::Released(referral) = fact.word {
            let judged = stamp.judged();
            if self.releases.get(&referral).is_some_and(|known| *known <= judged) {
                return Heard::Repeat;
            }
            Arc::make_mut(&mut self.releases).insert(referral, judged);
            return Heard::News;
        }
        let known = self.words.get(&fact.fact).map(|said| said.stamp.judged());
        if known.is_some_and(|known| known <= stamp.judged()) {
            return Heard::Repeat;
        }
        self.words.insert(fact.fact, Said { stamp, by: fact.by, word: fact.word });
        self.outcome = Outcome::of(&self.words, self.early.as_ref());
        Heard::News
    }

    /// It is in force from the command itself or a peer's push, before the log has it. Only ever closes.
    pub(crate) fn close_early(&mut self, cut: Cut, at: Timestamp) -> Heard {
        if cut.by.nation() != self.id.nation() || cut.id != self.id {
            return Heard::NotTheMakers;
        }
        if self.outcome.cut.is_some() {
            return Heard::Repeat;
        }
        self.early = Some((cut, at));
        self.outcome = Outcome::of(&self.words, self.early.as_ref());
        Heard::News
    }

    /// What was closed early is so no more. What the log has of it stays.
    pub(crate) fn end_early(&mut self) -> Heard {
        if self.early.take().is_none() {
            return Heard::Repeat;
        }
        self.outcome = Outcome::of(&self.words, None);
        Heard::News
    }
}

impl Outcome {
    fn of(words: &BTreeMap<FactId, Said>, early: Option<&(Cut, Timestamp)>) -> Self {
        let mut in_order: Vec<&Said> = words.values().collect();
        in_order.sort_by_key(|said| said.stamp.judged());
        let mut outcome = Self {
            cut: None,
            made: None,
            confirmed: None,
            withdrawn: None,
            stage: Stage::Unmade,
            steps: Vec::new(),
            opening: None,
        };
        let made = in_order.iter().find_map(|said| match &said.word {
            Word::Made(cut) => Some((cut.as_ref(), said.stamp)),
            _ => None,
        });
        if let Some((cut, stamp)) = made {
            (outcome.cut, outcome.made) = (Some(cut.clone()), Some(stamp));
        } else if let Some((cut, _)) = early {
            outcome.cut = Some(cut.clone());
        }
        if outcome.cut.is_none() {
            return outcome;
        }
        outcome.stage = Stage::InForce;
        let mut mistaken: Vec<&OperatorId> = Vec::new();
        for said in in_order {
            outcome.take(said, &mut mistaken);
        }
        outcome
    }

    fn take<'a>(&mut self, said: &'a Said, mistaken: &mut Vec<&'a OperatorId>) {
        let maker = self.cut.as_ref().map(|cut| &cut.by);
        match &said.word {
            Word::Confirmed if self.confirmed.is_none() && maker != Some(&said.by) => {
                self.confirmed = Some((said.by.clone(), said.stamp));
            }
            Word::Withdrawn if self.is_withdrawable(said) => {
                if !mistaken.contains(&&said.by) {
                    mistaken.push(&said.by);
                }
                if mistaken.len() == 2 {
                    (self.withdrawn, self.stage, self.opening) = (Some(said.stamp), Stage::Withdrawn, None);
                }
            }
            Word::Step(step) => self.step(said, step),
            Word::Confirmed | Word::Withdrawn | Word::Made(_) | Word::Released(_) => {}
        }
    }

    fn is_withdrawable(&self, said: &Said) -> bool {
        let in_time = self.made.is_some_and(|made| {
            let (made, said) = (made.judged(), said.stamp.judged());
            made.position < said.position && said.at.duration_since(made.at) <= WITHDRAWABLE
        });
        in_time && self.stage.is_active()
    }

    fn step(&mut self, said: &Said, step: &Step) {
        let proposal = self.steps.iter().rev().find_map(|taken| match &taken.step {
            Step::Proposed { certificates } => Some((&taken.by, certificates)),
            _ => None,
        });
        let next = match (self.stage, step) {
            (Stage::InForce | Stage::Proposed | Stage::Approved, Step::Proposed { .. }) => Stage::Proposed,
            (Stage::Proposed, Step::Approved) if proposal.is_some_and(|(by, _)| *by != said.by) => {
                Stage::Approved
            }
            (Stage::Approved | Stage::Canary, Step::Canary { .. }) => Stage::Canary,
            (Stage::Canary | Stage::Limited, Step::Limited { .. }) => Stage::Limited,
            (Stage::Limited, Step::Full) => Stage::Restored,
            (Stage::Proposed | Stage::Approved | Stage::Canary | Stage::Limited, Step::Aborted) => {
                Stage::InForce
            }
            _ => return,
        };
        if self.stage == Stage::Approved && next == Stage::Canary {
            let certificates = proposal.map(|(_, certificates)| certificates.clone()).unwrap_or_default();
            self.opening = Some(Opening { moment: said.stamp.judged(), certificates });
        }
        if next == Stage::InForce {
            self.opening = None;
        }
        self.stage = next;
        self.steps.push(Taken { stamp: said.stamp, by: said.by.clone(), step: step.clone() });
    }
}
