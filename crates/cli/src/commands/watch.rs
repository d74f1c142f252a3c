//! `bulkhead watch`: events of all cells as they happen.
//!
//! Each cell is followed by a task of its own, which connects again for ever; a bounded queue leads to the
//! screen, and when the screen is slow the tasks wait, and gRPC's windows make the cells wait.

mod follow;

use std::str::FromStr;

use bulkhead_model::{Nation, TenantId};
use bulkhead_wire::v1;
use clap::Args;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::follow::{Heard, follow};
use crate::cell::{Cell, Trouble};
use crate::context::Context;
use crate::global::Output;
use crate::table::plain;
use crate::time::utc;
use crate::view::{Cut, Look, Step, World, meaning, state_name, state_paint};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
SCOPE is a tenant (its referrals as sender or receiver) or nation:NAME; without it, all nations. A
connection that is lost is opened again; what happened in between is not shown, see `bulkhead list`.
A cut that comes in force, or to another stage, is an event too; each nation that knows it says so.
With --output json or jsonl each event is one line of JSON.

Examples:
  bulkhead watch
  bulkhead watch wales/ooh-cardiff
  bulkhead watch nation:scotland --output jsonl

Exit codes: 0 done (--count); 2 wrong usage; 3 not permitted; 5 cannot reach any cell within
--timeout.";

/// The arguments of `bulkhead watch`.
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// A tenant (nation/name) or nation:NAME.
    pub scope: Option<Scope>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's referrals.
    Tenant(TenantId),
    /// One nation's.
    Nation(Nation),
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |error| format!("{error}; expected nation/name or nation:NAME");
        match text.strip_prefix("nation:") {
            Some(nation) => nation.parse().map(Scope::Nation).map_err(expected),
            None => TenantId::parse(text).map(Scope::Tenant).map_err(expected),
        }
    }
}

/// One event, as JSON has it.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Which world was asked.
    #[serde(flatten)]
    pub world: World,
    /// Whose event it is.
    pub referral_id: String,
    /// The sender.
    pub tenant: String,
    /// Who has it or will get it.
    pub destination: Option<String>,
    /// The state after it.
    pub state: String,
    /// That state in words.
    pub meaning: String,
    /// The event.
    pub step: Option<Step>,
}

/// A cut that came in force, or is at another stage now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CutSeen {
    #[serde(flatten)]
    pub(crate) world: World,
    /// Whose cell told of it.
    pub(crate) nation: String,
    pub(crate) cut: Cut,
}

impl Watch {
    /// Follows the cells until enough was seen, nobody reads any more, or no cell lets itself be followed.
    ///
    /// # Errors
    /// When no cell can be reached within the time-out, or all refuse.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let cells = self.cells(&context, global)?;
        let tenant = match &self.scope {
            Some(Scope::Tenant(tenant)) => tenant.to_string(),
            Some(Scope::Nation(_)) | None => String::new(),
        };
        // Full: the tasks wait.
        let (heard, mut hear) = mpsc::channel(256);
        let mut tasks = JoinSet::new();
        let followed = cells.len();
        for cell in cells {
            tasks.spawn(follow(cell, tenant.clone(), heard.clone()));
        }
        drop(heard);
        let mut following = Following {
            world: World::of(&context),
            followed,
            connected: false,
            give_up: Instant::now() + global.timeout,
            lost: Vec::new(),
            ended: Vec::new(),
        };
        following.run(&mut hear, self.count.unwrap_or(u64::MAX), screen).await
    }

    /// The cells to follow. A tenant's events are in every cell that its referrals pass.
    fn cells(&self, context: &Context, global: &Global) -> Result<Vec<Cell>, Error> {
        let Some(Scope::Nation(nation)) = self.scope else { return Cell::open_all(context, global) };
        let address = context.cell(nation)?;
        let pair = context.asker(nation, global.operator.as_deref())?;
        Ok(vec![Cell::open(context, address, pair, global)?])
    }
}

/// Who is followed, and how it goes.
struct Following {
    world: World,
    followed: usize,
    connected: bool,
    give_up: Instant,
    lost: Vec<(Nation, Trouble)>,
    ended: Vec<(Nation, Trouble)>,
}

impl Following {
    async fn run(
        &mut self,
        hear: &mut mpsc::Receiver<Heard>,
        count: u64,
        screen: &mut Screen,
    ) -> Result<Exit, Error> {
        let mut seen = 0;
        while seen < count && !screen.is_closed() {
            // Both branches may be dropped at any time: what was not received stays in the queue.
            let heard = tokio::select! {
                heard = hear.recv() => heard,
                () = tokio::time::sleep_until(self.give_up), if !self.connected => None,
            };
            match heard {
                Some(Heard::Event(nation, event)) => {
                    seen += 1;
                    self.show(nation, *event, screen);
                }
                Some(Heard::Connected(nation)) => self.connected(nation, screen),
                Some(Heard::Lost(nation, trouble)) => self.lost(nation, trouble, screen),
                Some(Heard::Ended(nation, trouble)) => {
                    screen.talk(&format!("{nation} {trouble}"));
                    self.ended.push((nation, trouble));
                    if self.ended.len() == self.followed {
                        return Err(Error::Cells(std::mem::take(&mut self.ended)));
                    }
                }
                None => {
                    self.ended.append(&mut self.lost);
                    return Err(Error::Cells(std::mem::take(&mut self.ended)));
                }
            }
        }
        Ok(Exit::Done)
    }

    fn connected(&mut self, nation: Nation, screen: &mut Screen) {
        self.connected = true;
        let was_lost = self.lost.iter().any(|(lost, _)| *lost == nation);
        self.lost.retain(|(lost, _)| *lost != nation);
        screen.talk(&match was_lost {
            true => format!("{nation} is back; what happened in between is not shown"),
            false => format!("watching {nation}{}", if self.world.demo { " (DEMO)" } else { "" }),
        });
    }

    /// Said once for each outage.
    fn lost(&mut self, nation: Nation, trouble: Trouble, screen: &mut Screen) {
        if !self.lost.iter().any(|(lost, _)| *lost == nation) {
            screen.talk(&format!("{nation} {trouble}; trying again"));
            self.lost.push((nation, trouble));
        }
    }

    fn show(&self, nation: Nation, event: v1::WatchEventsResponse, screen: &mut Screen) {
        if let Some(cut) = &event.cut {
            let seen = CutSeen { world: self.world.clone(), nation: nation.to_string(), cut: Cut::of(cut) };
            return match screen.output() {
                Output::Text => screen.data(&render_cut(&seen, &Look::here(screen.paint()))),
                Output::Json | Output::Jsonl => screen.json_line(&seen),
            };
        }
        let seen = Seen::new(self.world.clone(), nation, event);
        match screen.output() {
            Output::Text => screen.data(&render(&seen, &Look::here(screen.paint()))),
            Output::Json | Output::Jsonl => screen.json_line(&seen),
        }
    }
}

impl Seen {
    fn new(world: World, nation: Nation, event: v1::WatchEventsResponse) -> Self {
        Self {
            world,
            referral_id: event.referral_id,
            tenant: event.tenant,
            destination: Some(event.destination).filter(|text| !text.is_empty()),
            state: state_name(event.state),
            meaning: meaning(event.state).to_owned(),
            step: event.step.as_ref().map(|step| Step::of(nation, step)),
        }
    }
}

fn render(seen: &Seen, look: &Look) -> String {
    let state = state_paint(&seen.state)(look.paint, &seen.state);
    let destination = seen.destination.as_deref().map(|to| format!(" -> {}", plain(to))).unwrap_or_default();
    let route = format!("{}{destination}", plain(&seen.tenant));
    let Some(step) = &seen.step else {
        return format!("{}  {route}  {state}", plain(&seen.referral_id));
    };
    let demo = if seen.world.demo { "DEMO " } else { "" };
    let void = if step.counts { "" } else { "does not count: " };
    format!(
        "{demo}{}  {:<16}  {:<14}  {}  {route}  {state}  {}",
        step.at.map(utc).unwrap_or_default(),
        step.nation,
        plain(&step.event),
        plain(&seen.referral_id),
        look.paint.dim(&format!("{void}{}", plain(&step.detail))),
    )
}

fn render_cut(seen: &CutSeen, look: &Look) -> String {
    let cut = &seen.cut;
    let demo = if seen.world.demo { "DEMO " } else { "" };
    let stage = if cut.unconfirmed { format!("{}, unconfirmed", cut.stage) } else { cut.stage.clone() };
    let painted = if cut.active { look.paint.bad(&stage) } else { look.paint.good(&stage) };
    format!(
        "{demo}{}  {:<16}  {:<14}  {}  {}  {painted}  {}",
        utc(look.now),
        seen.nation,
        "cut",
        plain(&cut.cut_id),
        plain(&cut.scope),
        look.paint.dim(&plain(&format!("by {}: {}", cut.by, cut.reason))),
    )
}

#[cfg(test)]
mod tests;
