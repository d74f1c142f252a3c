//! `bulkhead quarantine` and `bulkhead held`: what is set aside, listed without its contents, and what becomes of it.
//! By id or by rule; the count comes first.

mod chosen;
mod text;

use std::fmt;
use std::time::{Duration, Instant};

use bulkhead_model::{CutId, ReferralId, Scope, State, TenantId};
use bulkhead_wire::fact::{Action, Command, HeaderScope, MAX_REFERRALS};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::cuts::{self, nation_of};
use crate::desk::{Desk, Desked, confirmed};
use crate::global::Output;
use crate::view::{Look, Referral};
use crate::{Error, Exit, Global, Screen};
pub use chosen::Left;
use chosen::{Chosen, Deed};
pub(crate) use chosen::{is_markable, named};

/// Whoever decides for a referral acts within moments; for so long it is waited for since the last one was done.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// The end of the help of `quarantine`.
pub const QUARANTINE_HELP: &str = "\
Quarantined is what a cut tenant sent from the cut's --since on. It goes on only when two
operators release it, naming the cut; rejected, it never goes on. By id, or all that a rule finds;
the count comes first.

Contents of one, by a break-glass: `bulkhead pack SCOPE --referral ID`.

Examples:
  bulkhead quarantine list --tenant wales/wast-111
  bulkhead quarantine release --cut wales/3f0c9a12be77 6f1f0c1e6a525b53 --as wales-duty
  bulkhead quarantine release --cut wales/3f0c9a12be77 --tenant wales/wast-111 --as wales-lead
  bulkhead quarantine reject --cut wales/3f0c9a12be77 ID --reason 'forged'

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted, waits for a second person, or nothing
can be done about them; 4 nothing matches; 5 cannot reach; 6 only a part was done.";

/// The end of the help of `held`.
pub const HELD_HELP: &str = "\
Held is what waits for a cut to end; parked is what cannot be processed; return-pending is what
nobody has confirmed yet; unknown is what was being handed over when a cut came, without an answer:
nobody but its receiver's users can say whether it is there. By id, by the code of a pack, or all
that a rule finds; the count comes first. `mark-handled` ends what is quarantined too, for good; a
rule finds that only with --state quarantined. What could not be done is listed with the reason.

Examples:
  bulkhead held list --tenant wales/wast-111
  bulkhead held divert ID --as wales-duty
  bulkhead held return --tenant wales/wast-111 --state held --as wales-duty
  bulkhead held mark-handled ID --note 'phoned, 10:40' --as wales-duty

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted, or nothing can be done about them; 4
nothing matches; 5 cannot reach; 6 only a part was done.";

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
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
    List(Rule),
    /// One referral, without its contents.
    Show {
        /// A referral id.
        id: ReferralIdText,
    },
    /// Let it go on; it counts with the second operator's word. One whose hand-over had no known outcome is handed over
    /// once more, marked as a possible duplicate.
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
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
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
    List(Rule),
    /// Try it again.
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
    Release(Ordered),
    /// Send it to the agreed fallback.
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
    Divert(Ordered),
    /// Give it back to its sender.
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
    Return(Ordered),
    /// A person handled it by other means.
    #[command(mut_arg("reason_code", |code| code.visible_alias("reason")))]
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

impl fmt::Display for ReferralIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ReferralIdText {
    pub(crate) fn begins(&self, referral: &Referral) -> bool {
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

/// What became of what was commanded.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    #[serde(flatten)]
    pub(crate) done: cuts::Done,
    /// How many it was about.
    pub(crate) referrals: usize,
    /// About which nothing was done, or not yet.
    pub(crate) left: Vec<Left>,
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
        match self.what {
            QuarantineWhat::List(rule) => list(global, &rule, &[State::Quarantined], screen).await,
            QuarantineWhat::Show { id } => {
                let desk = Desk::open(global, None)?;
                show(&chosen::named(&desk, &[id]).await?.0, screen)
            }
            QuarantineWhat::Release { cut, which } => {
                let order = move |cut, referrals| Command::Release { cut, referrals };
                about_cut(global, (&cut, Deed::Release), which, "Let them go on?", order, screen).await
            }
            QuarantineWhat::Reject { cut, reason, which } => {
                let order = move |cut, referrals| Command::Reject { cut, referrals, reason: reason.clone() };
                about_cut(global, (&cut, Deed::Reject), which, "Never let them go on?", order, screen).await
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
        let (action, ordered, question) = match self.what {
            HeldWhat::List(rule) => {
                let states = [State::Held, State::Parked, State::ReturnPending, State::Unknown];
                return list(global, &rule, &states, screen).await;
            }
            HeldWhat::Release(ordered) => (Action::Release, ordered, "Try them again?"),
            HeldWhat::Divert(ordered) => (Action::Divert, ordered, "Send them to the fallback?"),
            HeldWhat::Return(ordered) => (Action::Return, ordered, "Give them back to their senders?"),
            HeldWhat::MarkHandled(ordered) => (Action::Handled, ordered, "Mark them as handled?"),
        };
        let Ordered { which, note } = ordered;
        let desk = Desk::open(global, which.rule.tenant.as_ref().map(TenantId::nation))?;
        let chosen = chosen::chosen(&desk, &which, Deed::Order(action)).await?;
        ask(&chosen, which.yes, question, screen)?;
        let order = |referrals| Command::Order { action, referrals, note: note.clone() };
        carry_out(&desk, chosen, &HeaderScope::None, order, screen).await
    }
}

async fn about_cut(
    global: &Global,
    (cut, deed): (&str, Deed),
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
    let chosen = chosen::chosen(&desk, &which, deed).await?;
    ask(&chosen, which.yes, question, screen)?;
    let order = |referrals| order(id.clone(), referrals);
    carry_out(&desk, chosen, &HeaderScope::Of(scope), order, screen).await
}

/// Signs and sends, so many at a time, waits until it is done, and says what was not.
async fn carry_out(
    desk: &Desk,
    chosen: Chosen,
    scope: &HeaderScope,
    order: impl Fn(Vec<ReferralId>) -> Command,
    screen: &mut Screen,
) -> Result<Exit, Error> {
    let Chosen { listed, mut left, seen } = chosen;
    let mut done: Option<cuts::Done> = None;
    for referrals in chosen::ids(&listed)?.chunks(MAX_REFERRALS) {
        let answer = desk.command(order(referrals.to_vec()), scope.clone(), seen).await?;
        let next = cuts::Done::of(desk, &answer);
        done = Some(match done {
            None => next,
            Some(before) => cuts::Done { effect: format!("{}; {}", before.effect, next.effect), ..next },
        });
    }
    let Some(done) = done else { return Err(Error::NothingMatches) };
    if !done.pending {
        left.extend(as_they_were(desk, &listed.referrals).await?);
    }
    let ended = Ended { done, referrals: listed.referrals.len(), left };
    match screen.output() {
        Output::Text => screen.data(&text::ended(&ended, &Look::here(screen.paint()))),
        Output::Json | Output::Jsonl => screen.json(&ended),
    }
    Ok(match (ended.done.pending, ended.left.is_empty()) {
        (true, _) => Exit::Refused,
        (false, true) => Exit::Done,
        (false, false) => Exit::Partial,
    })
}

/// Those about which a command is in the log and nothing has come of it. An order is a fact that the owner of each
/// referral acts upon; it does not fit one that went on meanwhile.
async fn as_they_were(desk: &Desk, referrals: &[Referral]) -> Result<Vec<Left>, Error> {
    let mut waiting: Vec<&Referral> = referrals.iter().collect();
    let mut since = Instant::now();
    loop {
        let ids: Vec<_> =
            waiting.iter().map(|one| ReferralIdText(one.referral_id.replace('-', ""))).collect();
        let now = chosen::named(desk, &ids).await?.0.referrals;
        let is_as_it_was = |before: &&Referral| {
            now.iter().any(|one| one.referral_id == before.referral_id && one.state == before.state)
        };
        let before = waiting.len();
        waiting.retain(is_as_it_was);
        if waiting.len() < before {
            since = Instant::now();
        }
        if waiting.is_empty() || since.elapsed() >= PATIENCE {
            return Ok(waiting.into_iter().map(Left::as_it_was).collect());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn list(global: &Global, rule: &Rule, states: &[State], screen: &mut Screen) -> Result<Exit, Error> {
    let desk = Desk::open(global, rule.tenant.as_ref().map(TenantId::nation))?;
    show(&chosen::find(&desk, rule, states).await?.0, screen)
}

fn show(listed: &Listed, screen: &mut Screen) -> Result<Exit, Error> {
    match screen.output() {
        Output::Text => screen.data(&text::list(listed, &Look::here(screen.paint()))),
        Output::Json => screen.json(listed),
        Output::Jsonl => listed.referrals.iter().for_each(|one| screen.json_line(one)),
    }
    Ok(if listed.referrals.is_empty() { Exit::NotFound } else { Exit::Done })
}

fn ask(chosen: &Chosen, yes: bool, question: &str, screen: &mut Screen) -> Result<(), Error> {
    if screen.output() == Output::Text {
        let look = Look::here(screen.paint());
        screen.data(&(text::count(&chosen.listed, &look) + &text::left(&chosen.left, &look)));
    }
    confirmed(screen, yes, question)
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
