//! `bulkhead status`: how all nations are, on one screen, and what needs a person.

mod overview;
mod text;

use bulkhead_wire::v1;
use clap::Args;
use jiff::Timestamp;

pub use overview::Overview;

use crate::cell::{Cell, ask_all};
use crate::context::Context;
use crate::global::Output;
use crate::view::{Look, Unanswered, World};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
What needs a person: every alert of a cell (overdue, parked, given back and not confirmed, delivered and not
answered, sent after all), a nation that does not answer or has no node ready, and a certificate that has
expired or will within a day.

Examples:
  bulkhead status
  bulkhead status --output json
  bulkhead status --quiet || echo 'somebody should look'

Exit codes: 0 nothing needs a person; 2 wrong usage; 3 not permitted; 5 cannot reach any cell;
7 something needs a person.";

/// The arguments of `bulkhead status`: none of its own.
#[derive(Debug, Clone, Args)]
pub struct Status {}

impl Status {
    /// Asks every cell and shows the screen.
    ///
    /// # Errors
    /// When no cell answers.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let cells = Cell::open_all(&context, global)?;
        let (answers, troubles) =
            ask_all(&cells, async |mut client| client.get_status(v1::GetStatusRequest {}).await).await;
        if answers.is_empty() {
            return Err(Error::Cells(troubles));
        }
        let silent = troubles.iter().any(|(_, trouble)| trouble.is_silence());
        let answers = answers.into_iter().map(|(_, answer)| answer).collect();
        let overview =
            Overview::new(World::of(&context), Timestamp::now(), answers, Unanswered::all(&troubles), silent);
        match screen.output() {
            Output::Text => screen.data(&text::render(&overview, &Look::here(screen.paint()))),
            Output::Json | Output::Jsonl => screen.json(&overview),
        }
        Ok(if overview.needs_person { Exit::NeedsPerson } else { Exit::Done })
    }
}

#[cfg(test)]
mod tests;
