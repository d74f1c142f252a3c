//! Which referrals a command is about: those that ids and codes name, or those that a rule finds.
//!
//! Somebody who reads codes from a printed page must not take one for dealt with that was left out: each one that is
//! left is listed with the reason.

use bulkhead_model::{ReferralId, State, TenantId};
use bulkhead_wire::fact::Action;
use bulkhead_wire::{state_to_wire, v1};
use serde::Serialize;

use super::{Listed, ReferralIdText, Rule, Which};
use crate::Error;
use crate::desk::{Desk, Seen};
use crate::view::Referral;

/// Asked for at once.
const PAGE: u32 = 10_000;
/// Codes asked about at once.
const CODES: usize = 1_000;

/// What a person wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// With what is held or parked.
    Order(Action),
    /// Quarantined referrals go on.
    Release,
    /// Quarantined referrals never go on.
    Reject,
}

/// One that nothing was done about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// As it was asked for.
    pub asked: String,
    /// Which it is, when there is one.
    pub referral_id: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// Why nothing was done.
    pub why: String,
}

/// What a command is about.
pub(super) struct Chosen {
    pub(super) listed: Listed,
    pub(super) left: Vec<Left>,
    pub(super) seen: Seen,
}

impl Deed {
    /// What it can do something about.
    pub(super) fn states(self) -> &'static [State] {
        match self {
            Deed::Order(Action::Release | Action::Return) => &[State::Held, State::Parked],
            Deed::Order(Action::Divert) => &[State::Held],
            Deed::Order(Action::Handled) => {
                &[State::Held, State::Parked, State::ReturnPending, State::Unknown, State::Quarantined]
            }
            Deed::Release => &[State::Quarantined, State::Unknown],
            Deed::Reject => &[State::Quarantined],
        }
    }

    /// What a rule finds that names no state. What is suspect is ended one by one, or by a rule that says so.
    fn by_rule(self) -> Vec<State> {
        let is_handled = self == Deed::Order(Action::Handled);
        let states = self.states().iter().copied();
        states.filter(|state| !(is_handled && *state == State::Quarantined)).collect()
    }

    fn takes(self, referral: &Referral) -> bool {
        State::parse(&referral.state).is_some_and(|state| self.states().contains(&state))
    }
}

impl Left {
    pub(crate) fn unknown(code: &ReferralIdText) -> Self {
        let why = "no referral of this cell has it: compare it with the page".into();
        Self { asked: code.to_string(), referral_id: None, state: None, why }
    }

    fn of(asked: String, referral: &Referral, why: &str) -> Self {
        Self {
            asked,
            referral_id: Some(referral.referral_id.clone()),
            state: Some(referral.state.clone()),
            why: why.into(),
        }
    }

    /// One that was ordered about and is what it was.
    pub(super) fn as_it_was(referral: &Referral) -> Self {
        let why =
            "it is as it was: whoever decides for it has not acted; `bulkhead trace` says what it waits for";
        Self::of(referral.referral_id.clone(), referral, why)
    }
}

/// Whether `mark-handled` ends what is in this state.
pub(crate) fn is_markable(state: &str) -> bool {
    State::parse(state).is_some_and(|state| Deed::Order(Action::Handled).states().contains(&state))
}

/// What a person does about a referral in this state, when a command cannot do anything.
fn instead(state: &str) -> &'static str {
    match State::parse(state) {
        Some(State::Accepted | State::Routed | State::Diverted) => {
            "nothing keeps it: it is on its way, or set aside in a moment; look again"
        }
        Some(State::Carried) => "another nation has it: its operators decide",
        Some(State::Offered) => {
            "it is being handed over and may have arrived: phone its receiver, look again"
        }
        Some(State::Delivered) => {
            "its receiver has it and has not confirmed it: phone its receiver; only its answer ends it"
        }
        Some(State::Acknowledged) => "its receiver has stored it",
        Some(State::Rejected) => "it was refused and never goes on",
        Some(State::Returned) => "somebody has it already, or has handled it",
        Some(State::Cancelled) => "its sender has taken it back",
        Some(State::Held) => "it waits for a cut to end: `bulkhead held divert|return|mark-handled`",
        Some(State::Parked) => "it cannot be processed: `bulkhead held release|return|mark-handled`",
        Some(State::Quarantined) => {
            "it is suspect: `bulkhead quarantine release|reject`, or `bulkhead held mark-handled`"
        }
        Some(State::ReturnPending) => {
            "it was given back: phone its sender, then `bulkhead held mark-handled`"
        }
        Some(State::Unknown) => "it may have arrived: phone its receiver, then `bulkhead held mark-handled`",
        None => "this version does not know its state",
    }
}

/// Those that the ids name, or else those that the rule finds.
pub(super) async fn chosen(desk: &Desk, which: &Which, deed: Deed) -> Result<Chosen, Error> {
    let Which { ids, rule, .. } = which;
    if let Some(state) = rule.state.filter(|state| !deed.states().contains(state)) {
        return Err(Error::Usage {
            what: format!("this does nothing about what is {}", state.as_str()),
            hint: instead(state.as_str()).into(),
        });
    }
    if !ids.is_empty() {
        let named = named(desk, ids).await?;
        return sort_out(named, ids, rule, deed);
    }
    if rule.tenant.is_none() && rule.reason_code.is_none() && rule.state.is_none() {
        return Err(Error::Usage {
            what: "nothing says which referrals are meant".into(),
            hint: "name their ids, or a rule: --tenant, --reason-code, --state".into(),
        });
    }
    let (listed, seen) = find(desk, rule, &deed.by_rule()).await?;
    match listed.referrals.is_empty() {
        true => Err(Error::NothingMatches),
        false => Ok(Chosen { listed, left: vec![], seen }),
    }
}

/// Which of those that were named something can be done about.
fn sort_out(
    (mut listed, seen): (Listed, Seen),
    ids: &[ReferralIdText],
    rule: &Rule,
    deed: Deed,
) -> Result<Chosen, Error> {
    let found = std::mem::take(&mut listed.referrals);
    let mut left = Vec::new();
    for id in ids {
        let (taken, others): (Vec<_>, Vec<_>) =
            found.iter().filter(|one| id.begins(one)).partition(|one| deed.takes(one) && rule.allows(one));
        match (&taken[..], &others[..]) {
            ([one], _) if listed.referrals.iter().any(|known| known.referral_id == one.referral_id) => {}
            ([one], _) => listed.referrals.push((*one).clone()),
            ([], []) => left.push(Left::unknown(id)),
            ([], others) => left.extend(others.iter().map(|one| {
                let why = if deed.takes(one) {
                    "it is outside the rule that stands beside it"
                } else {
                    instead(&one.state)
                };
                Left::of(id.to_string(), one, why)
            })),
            (several, _) => return Err(Error::Several { id: id.to_string(), count: several.len() }),
        }
    }
    listed.total = listed.referrals.len() as u64;
    match listed.referrals.is_empty() {
        true => Err(Error::NothingPossible(left)),
        false => Ok(Chosen { listed, left, seen }),
    }
}

/// Those that these ids or codes begin, in whatever state.
pub(crate) async fn named(desk: &Desk, ids: &[ReferralIdText]) -> Result<(Listed, Seen), Error> {
    let mut found = None;
    for ids in ids.chunks(CODES) {
        let ids = ids.iter().map(ToString::to_string).collect();
        let request = v1::ListSetAsideRequest { ids, ..Default::default() };
        add(&mut found, desk, request).await?;
    }
    found.ok_or(Error::NothingMatches)
}

/// All that a rule finds, page by page; of these states unless it names one.
pub(super) async fn find(desk: &Desk, rule: &Rule, states: &[State]) -> Result<(Listed, Seen), Error> {
    let states: Vec<State> = rule.state.map_or_else(|| states.to_vec(), |state| vec![state]);
    let mut request = v1::ListSetAsideRequest {
        tenant: rule.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        states: states.iter().map(|state| state_to_wire(*state) as i32).collect(),
        reason: rule.reason_code.clone().unwrap_or_default(),
        limit: PAGE,
        ..Default::default()
    };
    let mut found = None;
    loop {
        request.page_token = add(&mut found, desk, request.clone()).await?;
        if request.page_token.is_empty() {
            return found.ok_or(Error::NothingMatches);
        }
    }
}

/// Adds a page to what was found; answers where the next one begins.
async fn add(
    found: &mut Option<(Listed, Seen)>,
    desk: &Desk,
    request: v1::ListSetAsideRequest,
) -> Result<String, Error> {
    let answer = desk.cell.command(async |mut client| client.list_set_aside(request.clone()).await).await;
    let answer = answer.map_err(|trouble| desk.failed(trouble))?;
    let (listed, _) = found.get_or_insert_with(|| {
        let listed = Listed { desk: desk.desked(), total: 0, referrals: vec![] };
        (listed, Seen::of(answer.position, answer.now))
    });
    listed.referrals.extend(answer.referrals.iter().map(Referral::of));
    listed.total = listed.referrals.len() as u64;
    Ok(answer.next_page_token)
}

impl Rule {
    /// Whether one that was named passes it.
    fn allows(&self, referral: &Referral) -> bool {
        let is_at = |tenant: &TenantId| {
            referral.tenant == tenant.as_str() || referral.destination.as_deref() == Some(tenant.as_str())
        };
        self.tenant.as_ref().is_none_or(is_at)
            && self.state.is_none_or(|state| referral.state == state.as_str())
            && self
                .reason_code
                .as_ref()
                .is_none_or(|code| referral.reason.as_ref().is_some_and(|reason| reason.code == *code))
    }
}

/// The ids, as a command names them.
pub(super) fn ids(listed: &Listed) -> Result<Vec<ReferralId>, Error> {
    let each = listed.referrals.iter().map(|one| ReferralId::parse(&one.referral_id));
    each.collect::<Result<_, _>>()
        .map_err(|error| Error::Usage { what: error.to_string(), hint: "use a newer bulkhead".into() })
}

#[cfg(test)]
mod tests {
    use bulkhead_model::State as S;

    use super::*;
    use crate::samples::{desked, referral};

    const OTHER: &str = "6f1f0c1e-6a52-5b53-8c1d-ffffffffffff";

    fn one(id: &str, state: State) -> Referral {
        Referral { referral_id: id.into(), ..Referral::of(&referral(state)) }
    }

    /// What is chosen, and what is left and why, of these codes.
    fn check(found: &[Referral], codes: &[&str], deed: Deed) -> Result<(Vec<String>, Vec<Left>), Error> {
        let rule = Rule { tenant: None, reason_code: None, state: None };
        let listed = Listed { desk: desked(), total: 0, referrals: found.to_vec() };
        let seen = Seen { position: 1, now: jiff::Timestamp::UNIX_EPOCH };
        let codes: Vec<ReferralIdText> = codes.iter().map(|code| code.parse().unwrap()).collect();
        let chosen = sort_out((listed, seen), &codes, &rule, deed)?;
        let ids = chosen.listed.referrals.into_iter().map(|one| one.referral_id).collect();
        Ok((ids, chosen.left))
    }

    #[test]
    fn every_code_of_a_pack_can_be_marked_or_is_answered_with_a_reason() {
        let handled = Deed::Order(Action::Handled);
        for state in State::ALL {
            let found = [one(crate::samples::REFERRAL, state)];
            let marked = check(&found, &["6F1F0C1E6A"], handled);
            let markable =
                [S::Held, S::Parked, S::Quarantined, S::ReturnPending, S::Unknown].contains(&state);
            match marked {
                Ok((ids, left)) => assert!(markable && ids.len() == 1 && left.is_empty(), "{state:?}"),
                Err(Error::NothingPossible(left)) => {
                    assert!(!markable, "{state:?}");
                    assert_eq!((left.len(), left[0].state.as_deref()), (1, Some(state.as_str())));
                    assert!(left[0].why.len() > 10, "{left:?}");
                }
                Err(other) => panic!("{state:?}: {other}"),
            }
        }
    }

    #[test]
    fn what_is_left_out_is_said_beside_what_is_done() {
        let found = [one(crate::samples::REFERRAL, S::Held), one(OTHER, S::Delivered)];
        let handled = Deed::Order(Action::Handled);
        let (ids, left) = check(
            &found,
            &[crate::samples::REFERRAL, OTHER, "0123456789", crate::samples::REFERRAL],
            handled,
        )
        .unwrap();
        assert_eq!(ids, [crate::samples::REFERRAL], "once");
        let asked: Vec<_> = left.iter().map(|one| (one.asked.as_str(), one.state.as_deref())).collect();
        assert_eq!(asked, [(OTHER.replace('-', "").as_str(), Some("delivered")), ("0123456789", None)]);
        // One code, two referrals: the one about which something can be done is meant, and of two neither.
        let (ids, left) = check(&found, &["6F1F0C1E6A"], handled).unwrap();
        assert_eq!((ids.len(), left.len()), (1, 0));
        let both = [found[0].clone(), one(OTHER, S::Quarantined)];
        assert!(matches!(check(&both, &["6F1F0C1E6A"], handled), Err(Error::Several { count: 2, .. })));
    }

    #[test]
    fn what_is_suspect_is_ended_by_a_rule_only_when_it_says_so() {
        let handled = Deed::Order(Action::Handled);
        assert!(handled.states().contains(&S::Quarantined) && !handled.by_rule().contains(&S::Quarantined));
        assert_eq!(Deed::Reject.by_rule(), Deed::Reject.states());
    }
}
