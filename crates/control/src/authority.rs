//! What the facts of a control log come to: who may do what, what was said, and what counts.
//!
//! Everything is judged by the place and the append time of a record, never by a clock, so every node and every
//! replay comes to the same. A fact that is refused has no effect; one that a release cannot read, but whose
//! signature holds, closes the scope that its header names.

mod anomaly;
mod judge;
mod refused;
mod timeline;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bulkhead_model::{
    Cut, CutFact, CutId, Cuts, Direction, Directory, FactId, Moment, Nation, OperatorId, Order, ReferralId,
    Scope, Stamp, Word,
};
use bulkhead_wire::fact::{self, Action, Command, Header, HeaderScope, SignedFact};
use jiff::{SignedDuration, Timestamp};

use crate::fact::Seen;

pub use refused::Refused;
pub use timeline::{Proposal, Timeline, TimelineEntry};

/// The longest that a signed fact may wait for its append.
pub const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How far ahead of the log a signer's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// One copy of a signed fact, as it lies in the log.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The fact.
    pub fact: SignedFact,
    /// Where this copy lies.
    pub here: Moment,
    /// When a node took a closing in force before it lay there.
    pub taken_at: Option<Timestamp>,
    /// Where it lies in the log of the nation that made it, when that is another one.
    pub home: Option<(Nation, Moment)>,
    /// The node that appended it.
    pub node: String,
}

/// What a fact that counts did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A cut is in force.
    Closed(CutId),
    /// A cut waits for a second person, because its maker has spent the hour's budget.
    Pending(CutId),
    /// A second person stands by a cut.
    Confirmed(CutId),
    /// The first word to take a cut back; it waits for a second one.
    WithdrawalBegun(CutId),
    /// The cut was a mistake and means nothing any more.
    Withdrawn(CutId),
    /// A step of the way back.
    Step(CutId, &'static str),
    /// The first word for these referrals; they wait for a second one.
    ReleaseBegun(CutId, Vec<ReferralId>),
    /// These referrals go on.
    Released(CutId, Vec<ReferralId>),
    /// These referrals never go on.
    Rejected(CutId, Vec<ReferralId>),
    /// What is to become of referrals that are set aside.
    Ordered(Action, Vec<ReferralId>),
    /// The directory is in force.
    Directory,
    /// Contents may be read.
    Opened,
    /// A fact that this release cannot read: its scope is closed.
    ClosedUnread(CutId),
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Closed(cut) => write!(f, "{cut} is in force"),
            Effect::Pending(cut) => write!(f, "{cut} waits for a second person: the hour's budget is spent"),
            Effect::Confirmed(cut) => write!(f, "{cut} is confirmed"),
            Effect::WithdrawalBegun(cut) => write!(f, "{cut} is withdrawn when a second person says so too"),
            Effect::Withdrawn(cut) => write!(f, "{cut} is withdrawn and means nothing any more"),
            Effect::Step(cut, step) => write!(f, "the restore of {cut} is {step}"),
            Effect::ReleaseBegun(_, referrals) => {
                write!(f, "{} go on when a second person says so too", of(referrals))
            }
            Effect::Released(_, referrals) => write!(f, "{} go on", of(referrals)),
            Effect::Rejected(_, referrals) => write!(f, "{} never go on", of(referrals)),
            Effect::Ordered(action, referrals) => write!(f, "{}: {}", of(referrals), action.as_str()),
            Effect::Directory => f.write_str("the directory is in force"),
            Effect::Opened => f.write_str("contents may be read"),
            Effect::ClosedUnread(cut) => {
                write!(f, "this release cannot read it, so its scope is closed as {cut}")
            }
        }
    }
}

fn of(referrals: &[ReferralId]) -> String {
    match referrals.len() {
        1 => "1 referral".into(),
        many => format!("{many} referrals"),
    }
}

/// What reading a copy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It counts, and this is the first copy of it that does.
    Counts(Effect),
    /// A copy of one that counts.
    Repeat,
    /// It has no effect.
    Refused(Refused),
}

/// All that follows from a control log up to a place of it.
#[derive(Debug, Clone)]
pub struct Authority {
    nation: Nation,
    directory: Arc<Directory>,
    /// As its editor wrote it.
    directory_text: Arc<str>,
    /// A directory was signed: from then on only signed ones count.
    is_signed: bool,
    cuts: Cuts,
    outcomes: HashMap<FactId, Outcome>,
    nonces: HashSet<(OperatorId, fact::Nonce)>,
    spent: HashMap<OperatorId, Vec<Timestamp>>,
    /// What this node closed before the log had it: it is spent when it is taken.
    early: HashMap<FactId, (OperatorId, Timestamp)>,
    pending: HashMap<CutId, Pending>,
    /// The first word for a release.
    release_words: HashMap<(CutId, ReferralId), OperatorId>,
    /// The copy of each cut that counts.
    made: HashMap<CutId, Copy>,
    orders: Arc<Vec<Order>>,
    /// What other nations must know: what counts about this nation's own tenants, in order.
    carriable: Vec<(Carriable, Moment)>,
    timelines: HashMap<CutId, Timeline>,
}

/// What is carried to other nations.
#[derive(Debug, Clone)]
pub(crate) enum Carriable {
    /// What an operator signed.
    Signed(SignedFact),
    /// A restore that was broken off without a person.
    Abort(Seen),
}

/// A cut that closes nothing before a second person has confirmed it.
#[derive(Debug, Clone)]
struct Pending {
    cut: Cut,
    copy: Copy,
    /// Who said first that it was a mistake, when it is closed somewhere.
    mistaken: Option<OperatorId>,
}

/// What the log has come to about a closing that a node keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing: it is appended again.
    Unheard,
    /// It waits for a second person; who closed it early keeps it closed.
    Waiting,
    /// It counts, and covers its scope.
    InForce,
    /// It covers nothing any more.
    Over,
    /// The newest copy of it has no effect. An older one that was refused may have been anybody's.
    Refused(Refused, u64),
}

/// What became of a fact, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of the copy that this is about.
    pub moment: Moment,
    /// It counts with this effect, or it was refused.
    pub effect: Result<Effect, Refused>,
}

impl Authority {
    /// Nothing is known.
    pub fn new(nation: Nation) -> Self {
        Self {
            nation,
            directory: Arc::default(),
            directory_text: Arc::default(),
            is_signed: false,
            cuts: Cuts::default(),
            outcomes: HashMap::new(),
            nonces: HashSet::new(),
            spent: HashMap::new(),
            early: HashMap::new(),
            pending: HashMap::new(),
            release_words: HashMap::new(),
            made: HashMap::new(),
            orders: Arc::default(),
            carriable: Vec::new(),
            timelines: HashMap::new(),
        }
    }

    /// Whose control log it is.
    pub fn nation(&self) -> Nation {
        self.nation
    }

    /// Who is who.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The same, as its editor wrote it.
    pub fn directory_text(&self) -> &Arc<str> {
        &self.directory_text
    }

    /// The cuts.
    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// Cuts that wait for a second person before they close anything.
    pub fn pending(&self) -> impl Iterator<Item = &Cut> {
        self.pending.values().map(|pending| &pending.cut)
    }

    /// What became of a fact; none: no copy of it was read.
    pub fn outcome(&self, fact: &FactId) -> Option<&Outcome> {
        self.outcomes.get(fact)
    }

    /// The copy of it that counts lies there.
    pub(crate) fn counts_at(&self, fact: &FactId, position: u64) -> bool {
        let counts = |outcome: &Outcome| outcome.moment.position == position && outcome.effect.is_ok();
        self.outcomes.get(fact).is_some_and(counts)
    }

    /// What was said about a cut.
    pub fn timeline(&self, cut: &CutId) -> Option<&Timeline> {
        self.timelines.get(cut)
    }

    /// What is to become of referrals that are set aside, in order.
    pub fn orders(&self) -> &Arc<Vec<Order>> {
        &self.orders
    }

    /// What other nations must know, behind the first `carried` of it, at most so many.
    pub(crate) fn carriable(&self, carried: usize, most: usize) -> Vec<(Carriable, Moment)> {
        self.carriable.iter().skip(carried).take(most).cloned().collect()
    }

    /// The log is known up to there.
    pub fn at(&mut self, position: u64) {
        self.cuts.position = position;
    }

    /// A directory that nobody signed. It may come first; a later one may change nothing about operators, and none
    /// counts once one was signed: whoever can append to the log must not make themselves an operator.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn hear_unsigned(&mut self, directory: Directory, text: &str) -> Result<(), Refused> {
        let is_first =
            self.directory.operators().next().is_none() && self.directory.tenants().next().is_none();
        if self.is_signed || !(is_first || self.directory.operators().eq(directory.operators())) {
            return Err(Refused::DirectoryUnsigned);
        }
        self.check_cut_tenants(&directory)?;
        self.follow(directory, text);
        Ok(())
    }

    /// The directory of that text, as it could follow the one in force. `place` is only named in errors.
    ///
    /// # Errors
    /// Why it cannot: it is not whole, or it would remove a tenant that is cut off.
    pub fn next_directory(&self, place: &str, text: &str) -> Result<Directory, Refused> {
        let next =
            crate::parse_directory(place, text).map_err(|error| Refused::Directory(error.to_string()))?;
        self.check_cut_tenants(&next)?;
        Ok(next)
    }

    /// What became of a closing, as a node that keeps it asks.
    pub(crate) fn fate(&self, fact: &FactId) -> Fate {
        let Some(outcome) = self.outcomes.get(fact) else { return Fate::Unheard };
        let cut = match &outcome.effect {
            Ok(effect) => effect.cut(),
            Err(refused) => return Fate::Refused(refused.clone(), outcome.moment.position),
        };
        let is_active =
            |cut: &CutId| self.cuts.course(cut).is_some_and(|c| c.made().is_some() && c.stage().is_active());
        match cut {
            Some(cut) if self.pending.contains_key(cut) => Fate::Waiting,
            Some(cut) if is_active(cut) => Fate::InForce,
            Some(_) | None => Fate::Over,
        }
    }

    /// The copies of the cuts that cover something, as they lie in the log.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Copy> {
        self.cuts.active().filter_map(|course| self.made.get(course.id()))
    }

    /// A cut that waits for a second person is closed on this node, which took it before the log judged it.
    pub fn is_closed_early(&self, cut: &CutId) -> bool {
        self.cuts.course(cut).is_some_and(|course| course.made().is_none() && course.early().is_some())
    }

    /// A closing from the command itself or a peer's push, before the log has it. Only ever closes, and spends its
    /// maker's budget at once: the log may be away.
    ///
    /// # Errors
    /// Why it closes nothing.
    pub fn close_early(&mut self, fact: &SignedFact, at: Timestamp) -> Result<CutId, Refused> {
        self.take_early(fact, at, true)
    }

    /// A closing that this node had taken in an earlier life: what it has cost was asked then.
    ///
    /// # Errors
    /// Why it closes nothing.
    pub(crate) fn close_again(&mut self, fact: &SignedFact, at: Timestamp) -> Result<CutId, Refused> {
        self.take_early(fact, at, false)
    }

    fn take_early(&mut self, fact: &SignedFact, at: Timestamp, asks: bool) -> Result<CutId, Refused> {
        let moment = Moment { position: self.cuts.position, at };
        let copy =
            Copy { fact: fact.clone(), here: moment, taken_at: Some(at), home: None, node: String::new() };
        let header = self.signer(&copy)?;
        let Ok(Command::Cut { .. }) = fact.command() else {
            return Err(Refused::NotNow("it is no cut".into()));
        };
        let cut = self.cut_of(&copy, &header)?;
        let (id, fact) = (cut.id.clone(), fact.id());
        match self.fate(&fact) {
            Fate::InForce => return Ok(id),
            Fate::Over => return Err(Refused::Replayed),
            Fate::Unheard | Fate::Waiting | Fate::Refused(..) => {}
        }
        if asks && !self.early.contains_key(&fact) && self.budget_left(&header.operator, at) == 0 {
            return Err(Refused::Budget);
        }
        self.cuts.close_early(cut, at);
        self.early.insert(fact, (header.operator, at));
        Ok(id)
    }

    /// The log has said that it never counts: what was closed early for it is open again.
    pub(crate) fn end_early(&mut self, fact: &FactId) -> CutId {
        self.early.remove(fact);
        let id = fact::cut_id(self.nation, fact);
        self.cuts.end_early(&id);
        id
    }

    /// Reads one copy of a signed fact. The log is then known up to its place: whoever learns that it counts has seen it,
    /// and what is commanded next says so.
    pub fn hear(&mut self, copy: &Copy) -> Judged {
        self.at(copy.here.position);
        let id = copy.fact.id();
        if let Some(Outcome { effect: Ok(effect), .. }) = self.outcomes.get(&id) {
            if let Some(waiting) = effect.cut().and_then(|cut| self.pending.get_mut(cut)) {
                waiting.copy.taken_at = waiting.copy.taken_at.or(copy.taken_at);
            }
            return Judged::Repeat;
        }
        let effect = self.judge(copy, &id);
        // A refusal is not the last word: a later copy may say that a node took it in time.
        self.outcomes.insert(id, Outcome { moment: copy.here, effect: effect.clone() });
        if effect.as_ref().is_ok_and(|effect| !matches!(effect, Effect::Pending(_))) {
            self.carry(copy);
        }
        match effect {
            Ok(effect) => Judged::Counts(effect),
            Err(refused) => Judged::Refused(refused),
        }
    }

    fn judge(&mut self, copy: &Copy, id: &FactId) -> Result<Effect, Refused> {
        let header = self.signer(copy)?;
        if self.nonces.contains(&(header.operator.clone(), header.nonce)) {
            return Err(Refused::Replayed);
        }
        let effect = match copy.fact.command() {
            Ok(command) => self.command(copy, id, &header, &command),
            Err(_) => self.unread(copy, id, &header),
        }?;
        self.nonces.insert((header.operator, header.nonce));
        Ok(effect)
    }

    /// Other nations must know it, when it is about a tenant of this one, or about a cut: whoever sends to us holds for
    /// a cut of ours what our door does not take.
    fn carry(&mut self, copy: &Copy) {
        if copy.home.is_none() && copy.fact.header().is_ok_and(|header| is_for_others(&header)) {
            self.carriable.push((Carriable::Signed(copy.fact.clone()), copy.here));
        }
    }

    /// The header, once its signer is known to speak for the nation, its signature holds and it is in time.
    fn signer(&self, copy: &Copy) -> Result<Header, Refused> {
        let header = copy.fact.header().map_err(|_| Refused::Header)?;
        match &copy.home {
            None if header.nation == self.nation => {}
            Some((nation, _)) if *nation == header.nation && header.nation != self.nation => {
                // Another nation speaks here for its own tenants. What it says of its cuts is known here, and the gate
                // heeds it for that nation's tenants alone.
                if !is_for_others(&header) {
                    return Err(Refused::Foreign);
                }
            }
            None | Some(_) => return Err(Refused::Foreign),
        }
        let operator = self.directory.operator(&header.operator).ok_or(Refused::OperatorUnknown)?;
        let key = fact::public_key_from_hex(&operator.public_key).ok_or(Refused::OperatorUnknown)?;
        copy.fact.verify(&key).map_err(|_| Refused::Signature)?;
        let judged = copy.judged();
        let is_cut = header.kind == CUT_KIND;
        let appended =
            if is_cut { copy.taken_at.map_or(judged.at, |at| at.min(judged.at)) } else { judged.at };
        let life = header.expires_at.duration_since(header.signed_at);
        if appended > header.expires_at || life > LIFE || header.signed_at.duration_since(appended) > AHEAD {
            return Err(Refused::Expired);
        }
        // What opens must not have been signed on a newer log than this: one that was put back is not believed.
        if !is_cut && header.seen > judged.position {
            return Err(Refused::OldLog);
        }
        Ok(header)
    }

    /// A release that cannot read a fact closes the scope that its header names.
    fn unread(&mut self, copy: &Copy, id: &FactId, header: &Header) -> Result<Effect, Refused> {
        let HeaderScope::Of(scope) = &header.scope else { return Err(Refused::Unreadable) };
        let cut = Cut {
            id: fact::cut_id(header.nation, id),
            by: header.operator.clone(),
            scope: scope.clone(),
            tenants: scope.tenants(&self.directory),
            direction: Direction::Both,
            since: copy.judged().at,
            drain_clean: false,
            reason: "a signed fact that this release cannot read".into(),
        };
        let cut_id = cut.id.clone();
        self.made(copy, *id, cut, header);
        Ok(Effect::ClosedUnread(cut_id))
    }

    fn made(&mut self, copy: &Copy, id: FactId, cut: Cut, header: &Header) {
        self.spent.entry(header.operator.clone()).or_default().push(copy.judged().at);
        self.early.remove(&id);
        self.made.insert(cut.id.clone(), copy.clone());
        let word = Word::Made(Box::new(cut.clone()));
        self.say(copy, CutFact { fact: id, cut: cut.id, by: cut.by, word });
    }

    fn say(&mut self, copy: &Copy, fact: CutFact) {
        self.cuts.hear(fact, copy.stamp());
    }

    fn follow(&mut self, directory: Directory, text: &str) {
        self.directory = Arc::new(directory);
        self.directory_text = text.into();
        self.cuts.follow(self.directory.clone());
    }

    /// Whom an active cut covers stays in the directory.
    fn check_cut_tenants(&self, next: &Directory) -> Result<(), Refused> {
        let covered = self
            .cuts
            .active()
            .filter_map(|course| course.cut())
            .flat_map(|cut| cut.tenants.iter().cloned().chain(cut.scope.tenants(&self.directory)));
        for tenant in covered {
            if self.directory.tenant(&tenant).is_some() && next.tenant(&tenant).is_none() {
                return Err(Refused::RemovesCutTenant(tenant));
            }
        }
        Ok(())
    }

    /// How many cuts that operator may still make in this hour without a second person, as this node knows it: what it
    /// closed early is spent, whatever the log will say.
    pub fn budget_left(&self, operator: &OperatorId, at: Timestamp) -> u32 {
        let early = self.early.values().filter(|(by, then)| by == operator && is_recent(*then, at)).count();
        self.left_in_log(operator, at).saturating_sub(u32::try_from(early).unwrap_or(u32::MAX))
    }

    /// The same by the log alone: every node comes to the same.
    fn left_in_log(&self, operator: &OperatorId, at: Timestamp) -> u32 {
        let budget = self.directory.operator(operator).map_or(0, |operator| operator.cuts_per_hour);
        let spent = self.spent.get(operator).into_iter().flatten();
        let recent = spent.filter(|then| is_recent(**then, at)).count();
        budget.saturating_sub(u32::try_from(recent).unwrap_or(u32::MAX))
    }
}

/// The kind of a cut in a header.
const CUT_KIND: u16 = 1;
/// Up to this kind, commands are about a cut.
const LAST_CUT_KIND: u16 = 9;

impl Copy {
    /// By what it is judged: a carried one by its home time and place.
    pub fn judged(&self) -> Moment {
        self.home.map_or(self.here, |(_, moment)| moment)
    }

    fn stamp(&self) -> Stamp {
        Stamp { here: self.here, home: self.home.map(|(_, moment)| moment) }
    }
}

fn is_recent(then: Timestamp, at: Timestamp) -> bool {
    at.duration_since(then) < SignedDuration::from_hours(1)
}

/// Other nations are told: it is about a tenant of its own nation, or about a cut.
fn is_for_others(header: &Header) -> bool {
    match header.scope.scope() {
        Some(Scope::Tenant(tenant)) if tenant.nation() == header.nation => true,
        Some(_) => header.kind <= LAST_CUT_KIND,
        None => false,
    }
}

#[cfg(test)]
mod tests;
