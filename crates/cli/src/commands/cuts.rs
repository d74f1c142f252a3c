//! `bulkhead cuts`: those in force and past, the account of one, the second person's word, and taking a mistaken
//! one back.

mod text;

use bulkhead_model::Scope;
use bulkhead_wire::fact::{Command, HeaderScope};
use bulkhead_wire::v1;
use clap::{Args, Subcommand};
use serde::Serialize;

pub(crate) use text::stage;

use crate::desk::{Desk, Desked, Seen, confirmed};
use crate::global::Output;
use crate::view::{Account, Cut, Look};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
Without a command it lists the cuts of the operator's nation, those in force first. A CUT-ID is
nation/name as it is listed; without a nation it is the operator's own.

Examples:
  bulkhead cuts --as wales-duty
  bulkhead cuts show wales/3f0c9a12be77
  bulkhead cuts confirm wales/3f0c9a12be77 --as wales-lead
  bulkhead cuts withdraw wales/3f0c9a12be77 --reason 'the wrong tenant' --as wales-duty

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted, or it waits for a second person; 4
not found; 5 cannot reach.";

/// The arguments of `bulkhead cuts`.
#[derive(Debug, Clone, Args)]
pub struct Cuts {
    /// What to do with one of them.
    #[command(subcommand)]
    pub what: Option<What>,
}

/// What to do with a cut.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// The full account of one.
    Show {
        /// As it is listed.
        cut_id: String,
    },
    /// Stand by another operator's cut.
    Confirm {
        /// As it is listed.
        cut_id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Take a mistaken cut back; it counts with the second operator's word, within 60 minutes.
    Withdraw {
        /// As it is listed.
        cut_id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// The cuts of a nation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) cuts: Vec<Cut>,
}

/// One of them with its account.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    #[serde(flatten)]
    pub(crate) account: Account,
    /// Other cuts that still cover the scope or a part of it.
    pub(crate) others: Vec<Cut>,
}

/// What a command did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) effect: String,
    /// It waits for a second person.
    pub(crate) pending: bool,
    pub(crate) position: u64,
    pub(crate) cut: Option<Cut>,
}

impl Cuts {
    /// Lists, shows or commands.
    ///
    /// # Errors
    /// When the cell does not answer, or says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let named = match &self.what {
            Some(What::Show { cut_id } | What::Confirm { cut_id, .. } | What::Withdraw { cut_id, .. }) => {
                nation_of(cut_id)
            }
            None => None,
        };
        let desk = Desk::open(global, named)?;
        match self.what {
            None => list(&desk, screen).await,
            Some(What::Show { cut_id }) => show(&desk, &cut_id, screen).await,
            Some(What::Confirm { cut_id, yes }) => {
                let order = |cut| Ok(Command::Confirm { cut });
                command(&desk, &cut_id, yes, "Confirm it?", order, screen).await
            }
            Some(What::Withdraw { cut_id, reason, yes }) => {
                let order = |cut| Ok(Command::Withdraw { cut, reason });
                command(&desk, &cut_id, yes, "Withdraw it? Then nothing is suspect.", order, screen).await
            }
        }
    }
}

/// The nation that a cut's name has.
pub(crate) fn nation_of(cut_id: &str) -> Option<bulkhead_model::Nation> {
    cut_id.split_once('/').and_then(|(nation, _)| nation.parse().ok())
}

async fn list(desk: &Desk, screen: &mut Screen) -> Result<Exit, Error> {
    let call = async |mut client: v1::control_client::ControlClient<_>| {
        client.list_cuts(v1::ListCutsRequest {}).await
    };
    let answer = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
    let listed = Listed { desk: desk.desked(), cuts: answer.cuts.iter().map(Cut::of).collect() };
    match screen.output() {
        Output::Text => screen.data(&text::list(&listed, &Look::here(screen.paint()))),
        Output::Json => screen.json(&listed),
        Output::Jsonl => listed.cuts.iter().for_each(|cut| screen.json_line(cut)),
    }
    Ok(Exit::Done)
}

pub(crate) async fn show(desk: &Desk, cut_id: &str, screen: &mut Screen) -> Result<Exit, Error> {
    let answer = desk.show(cut_id).await?;
    let shown = Shown {
        desk: desk.desked(),
        account: Account::of(&answer.account.unwrap_or_default()),
        others: answer.others.iter().map(Cut::of).collect(),
    };
    match screen.output() {
        Output::Text => screen.data(&text::show(&shown, &Look::here(screen.paint()))),
        Output::Json | Output::Jsonl => screen.json(&shown),
    }
    Ok(Exit::Done)
}

/// Shows a cut, asks, signs a command about it and says what it did.
pub(crate) async fn command(
    desk: &Desk,
    cut_id: &str,
    yes: bool,
    question: &str,
    order: impl FnOnce(bulkhead_model::CutId) -> Result<Command, Error>,
    screen: &mut Screen,
) -> Result<Exit, Error> {
    let shown = desk.show(cut_id).await?;
    let cut = shown.account.as_ref().and_then(|account| account.cut.as_ref());
    let odd =
        || Error::Usage { what: "the cell's cut cannot be read".into(), hint: "use a newer bulkhead".into() };
    let cut = cut.map(Cut::of).ok_or_else(odd)?;
    if screen.output() == Output::Text {
        screen.data(&text::one(&desk.desked(), &cut, &Look::here(screen.paint())));
    }
    confirmed(screen, yes, question)?;
    let scope: Scope = cut.scope.parse().map_err(|_| odd())?;
    let id = bulkhead_model::CutId::parse(&cut.cut_id).map_err(|_| odd())?;
    let seen = Seen::of(shown.position, shown.now);
    let answer = desk.command(order(id)?, HeaderScope::Of(scope), seen).await?;
    say(desk, &answer, screen)
}

/// What a command did. One that waits for a second person has done nothing yet, and must not look like one to a script.
pub(crate) fn say(desk: &Desk, answer: &v1::CommandResponse, screen: &mut Screen) -> Result<Exit, Error> {
    let done = Done::of(desk, answer);
    match screen.output() {
        Output::Text => screen.data(&text::done(&done, &Look::here(screen.paint()))),
        Output::Json | Output::Jsonl => screen.json(&done),
    }
    Ok(if done.pending { Exit::Refused } else { Exit::Done })
}

impl Done {
    /// As a cell answered it.
    pub(crate) fn of(desk: &Desk, answer: &v1::CommandResponse) -> Self {
        Self {
            desk: desk.desked(),
            effect: answer.effect.clone(),
            pending: answer.pending,
            position: answer.position,
            cut: answer.cut.as_ref().map(Cut::of),
        }
    }
}

#[cfg(test)]
mod tests;
