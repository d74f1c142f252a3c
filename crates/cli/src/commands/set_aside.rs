//! `bulkhead quarantine` and `bulkhead held`: what is set aside, listed without its contents, and what becomes of it.
//! By id or by rule; the count comes first.

mod text;

use bulkhead_model::{CutId, ReferralId, Scope, State, TenantId};
use bulkhead_wire::fact::{Action, Command, HeaderScope, MAX_REFERRALS};
use bulkhead_wire::{state_to_wire, v1};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::cuts::{nation_of, say};
use crate::desk::{Desk, Desked, Seen, confirmed};
use crate::global::Output;
use crate::view::{Look, Referral};
use crate::{Error, Exit, Global, Screen};

/// The end of the help of `quarantine`.
pub const QUARANTINE_HELP: &str = "\
Quarantined is what a cut tenant sent from the cut's --since on. It goes on only when two
operators release it, naming the cut; rejected, it never goes on. By id, or all that a rule finds;
the count comes first.

Examples:
  bulkhead quarantine list --tenant wales/wast-111
  bulkhead quarantine release --cut wales/3f0c9a12be77 6f1f0c1e6a525b53 --as wales-duty
  bulkhead quarantine release --cut wales/3f0c9a12be77 --tenant wales/wast-111 --as wales-lead
  bulkhead quarantine reject --cut wales/3f0c9a12be77 ID --reason 'forged'

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted; 4 nothing matches; 5 cannot reach.";

/// The end of the help of `held`.
pub const HELD_HELP: &str = "\
Held is what waits for a cut to end; parked is what cannot be processed; return-pending is what
nobody has confirmed yet; unknown is what was being handed over when a cut came, without an answer:
nobody but its receiver's users can say whether it is there. By id, or all that a rule finds; the
count comes first.

Examples:
  bulkhead held list --tenant wales/wast-111
  bulkhead held divert ID --as wales-duty
  bulkhead held return --tenant wales/wast-111 --state held --as wales-duty
  bulkhead held mark-handled ID --note 'phoned, 10:40' --as wales-duty

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted; 4 nothing matches; 5 cannot reach.";

/// The arguments of `bulkhead quarantine`.
#[derive(Debug, Clone, Args)]
pub struct Quarantine {
    /// What to do.
    #[command(subcommand)]
    pub what: QuarantineWhat,
}

/// What to do with what is quarantined.
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineWhat {
    /// List it, earliest due first.
    List(Rule),
    /// One referral, without its contents.
    Show {
        /// A referral id.
        id: ReferralIdText,
    },
    /// Let it go on; it counts with the second operator's word. One whose hand-over had no known outcome is handed over
    /// once more, marked as a possible duplicate.
    Release {
        /// The cut that makes it suspect.
        #[arg(long)]
        cut: String,
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// It never goes on.
    Reject {
        /// The cut that makes it suspect.
        #[arg(long)]
        cut: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Which.
        #[command(flatten)]
        which: Which,
    },
}

/// The arguments of `bulkhead held`.
#[derive(Debug, Clone, Args)]
pub struct Held {
    /// What to do.
    #[command(subcommand)]
    pub what: HeldWhat,
}

/// What to do with what is held or parked.
#[derive(Debug, Clone, Subcommand)]
pub enum HeldWhat {
    /// List it, earliest due first.
    List(Rule),
    /// Try it again.
    Release(Ordered),
    /// Send it to the agreed fallback.
    Divert(Ordered),
    /// Give it back to its sender.
    Return(Ordered),
    /// A person handled it by other means.
    MarkHandled(Ordered),
}

/// An order about what is set aside.
#[derive(Debug, Clone, Args)]
pub struct Ordered {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Why, or how it was handled; nothing about patients.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// A rule that finds referrals.
#[derive(Debug, Clone, Args)]
pub struct Rule {
    /// Only this tenant's, as sender or receiver (nation/name).
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Only with this reason's code.
    #[arg(long)]
    pub reason_code: Option<String>,
    /// Only this state: held, parked, quarantined, return-pending or unknown.
    #[arg(long, value_parser = parse_state)]
    pub state: Option<State>,
}

/// Ids, or a rule.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Referral ids, or the codes of a continuity pack.
    pub ids: Vec<ReferralIdText>,
    /// The rule that finds them, when there are no ids.
    #[command(flatten)]
    pub rule: Rule,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// A referral id, or the code of a pack that begins it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralIdText(String);

impl std::str::FromStr for ReferralIdText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        match (10..=32).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(plain)),
            false => Err("expected a referral id, or a code as a pack prints it".into()),
        }
    }
}

impl ReferralIdText {
    fn begins(&self, referral: &Referral) -> bool {
        referral.referral_id.replace('-', "").starts_with(&self.0)
    }
}

/// What is set aside.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) total: u64,
    pub(crate) referrals: Vec<Referral>,
}

struct Found {
    listed: Listed,
    seen: Seen,
}

fn parse_state(text: &str) -> Result<State, String> {
    let state = State::parse(text).filter(|state| {
        matches!(
            state,
            State::Held | State::Parked | State::Quarantined | State::ReturnPending | State::Unknown
        )
    });
    state.ok_or_else(|| "expected held, parked, quarantined, return-pending or unknown".into())
}

impl Quarantine {
    /// Lists or commands.
    ///
    /// # Errors
    /// When nothing matches, or the cell says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let states = [State::Quarantined];
        match self.what {
            QuarantineWhat::List(rule) => list(global, &rule, &states, screen).await,
            QuarantineWhat::Show { id } => {
                let rule = Rule { tenant: None, reason_code: None, state: None };
                let desk = Desk::open(global, None)?;
                let mut found = find(&desk, &rule, &states).await?;
                found.listed.referrals.retain(|one| id.begins(one));
                show(&found.listed, screen)
            }
            QuarantineWhat::Release { cut, which } => {
                let order = move |cut, referrals| Command::Release { cut, referrals };
                let states = [State::Quarantined, State::Unknown];
                about_cut(global, (&cut, &states), which, "Let them go on?", order, screen).await
            }
            QuarantineWhat::Reject { cut, reason, which } => {
                let order = move |cut, referrals| Command::Reject { cut, referrals, reason: reason.clone() };
                about_cut(global, (&cut, &states), which, "Never let them go on?", order, screen).await
            }
        }
    }
}

impl Held {
    /// Lists or commands.
    ///
    /// # Errors
    /// When nothing matches, or the cell says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let states = [State::Held, State::Parked, State::ReturnPending, State::Unknown];
        let (action, ordered, question) = match self.what {
            HeldWhat::List(rule) => return list(global, &rule, &states, screen).await,
            HeldWhat::Release(ordered) => (Action::Release, ordered, "Try them again?"),
            HeldWhat::Divert(ordered) => (Action::Divert, ordered, "Send them to the fallback?"),
            HeldWhat::Return(ordered) => (Action::Return, ordered, "Give them back to their senders?"),
            HeldWhat::MarkHandled(ordered) => (Action::Handled, ordered, "Mark them as handled?"),
        };
        let desk = Desk::open(global, ordered.which.rule.tenant.as_ref().map(TenantId::nation))?;
        let found = chosen(&desk, &ordered.which, &states).await?;
        ask(&found, ordered.which.yes, question, screen)?;
        let mut exit = Exit::Done;
        for referrals in ids(&found)?.chunks(MAX_REFERRALS) {
            let command =
                Command::Order { action, referrals: referrals.to_vec(), note: ordered.note.clone() };
            exit = say(&desk, &desk.command(command, HeaderScope::None, found.seen).await?, screen)?;
        }
        Ok(exit)
    }
}

async fn about_cut(
    global: &Global,
    (cut, states): (&str, &[State]),
    which: Which,
    question: &str,
    order: impl Fn(CutId, Vec<ReferralId>) -> Command,
    screen: &mut Screen,
) -> Result<Exit, Error> {
    let desk = Desk::open(global, nation_of(cut))?;
    let shown = desk.show(cut).await?;
    let summary = shown.account.and_then(|account| account.cut).unwrap_or_default();
    let odd = |_| Error::Usage {
        what: "the cell's cut cannot be read".into(),
        hint: "use a newer bulkhead".into(),
    };
    let scope: Scope = summary.scope.parse().map_err(odd)?;
    let id = CutId::parse(&summary.cut_id).map_err(odd)?;
    let found = chosen(&desk, &which, states).await?;
    ask(&found, which.yes, question, screen)?;
    let mut exit = Exit::Done;
    for referrals in ids(&found)?.chunks(MAX_REFERRALS) {
        let command = order(id.clone(), referrals.to_vec());
        exit = say(&desk, &desk.command(command, HeaderScope::Of(scope.clone()), found.seen).await?, screen)?;
    }
    Ok(exit)
}

async fn list(global: &Global, rule: &Rule, states: &[State], screen: &mut Screen) -> Result<Exit, Error> {
    let desk = Desk::open(global, rule.tenant.as_ref().map(TenantId::nation))?;
    show(&find(&desk, rule, states).await?.listed, screen)
}

fn show(listed: &Listed, screen: &mut Screen) -> Result<Exit, Error> {
    match screen.output() {
        Output::Text => screen.data(&text::list(listed, &Look::here(screen.paint()))),
        Output::Json => screen.json(listed),
        Output::Jsonl => listed.referrals.iter().for_each(|one| screen.json_line(one)),
    }
    Ok(if listed.referrals.is_empty() { Exit::NotFound } else { Exit::Done })
}

/// Those that the ids name, or else those that the rule finds.
async fn chosen(desk: &Desk, which: &Which, states: &[State]) -> Result<Found, Error> {
    let no_rule =
        which.rule.tenant.is_none() && which.rule.reason_code.is_none() && which.rule.state.is_none();
    if which.ids.is_empty() && no_rule {
        return Err(Error::Usage {
            what: "nothing says which referrals are meant".into(),
            hint: "name their ids, or a rule: --tenant, --reason-code, --state".into(),
        });
    }
    let mut found = find(desk, &which.rule, states).await?;
    if !which.ids.is_empty() {
        found.listed.referrals.retain(|one| which.ids.iter().any(|id| id.begins(one)));
        found.listed.total = found.listed.referrals.len() as u64;
    }
    match found.listed.referrals.is_empty() {
        true => Err(Error::NothingMatches),
        false => Ok(found),
    }
}

async fn find(desk: &Desk, rule: &Rule, states: &[State]) -> Result<Found, Error> {
    let states: Vec<State> = rule.state.map_or_else(|| states.to_vec(), |state| vec![state]);
    let request = v1::ListSetAsideRequest {
        tenant: rule.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        states: states.iter().map(|state| state_to_wire(*state) as i32).collect(),
        reason: rule.reason_code.clone().unwrap_or_default(),
        limit: 10_000,
    };
    let answer = desk.cell.command(async |mut client| client.list_set_aside(request.clone()).await).await;
    let answer = answer.map_err(|trouble| desk.failed(trouble))?;
    let listed = Listed {
        desk: desk.desked(),
        total: answer.total,
        referrals: answer.referrals.iter().map(Referral::of).collect(),
    };
    Ok(Found { listed, seen: Seen::of(answer.position, answer.now) })
}

fn ask(found: &Found, yes: bool, question: &str, screen: &mut Screen) -> Result<(), Error> {
    if screen.output() == Output::Text {
        screen.data(&text::count(&found.listed, &Look::here(screen.paint())));
    }
    confirmed(screen, yes, question)
}

fn ids(found: &Found) -> Result<Vec<ReferralId>, Error> {
    let each = found.listed.referrals.iter().map(|one| ReferralId::parse(&one.referral_id));
    each.collect::<Result<_, _>>()
        .map_err(|error| Error::Usage { what: error.to_string(), hint: "use a newer bulkhead".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_pack_begins_the_id() {
        let referral = Referral::of(&crate::samples::referral(State::Quarantined));
        let check = |text: &str, expected: bool| {
            assert_eq!(text.parse::<ReferralIdText>().unwrap().begins(&referral), expected, "{text}");
        };
        check(crate::samples::REFERRAL, true);
        check("6F1F0C1E6A", true);
        check("6F1F0C1E6B", false);
        assert!("6F1F".parse::<ReferralIdText>().is_err());
    }
}
