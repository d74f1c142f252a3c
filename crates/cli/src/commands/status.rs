//! `bulkhead status`: how all nations are, on one screen, and what needs a person.

mod nodes;
mod overview;
mod text;

use bulkhead_wire::v1;
use clap::Args;
use jiff::Timestamp;

pub use overview::Overview;

use crate::cell::Cell;
use crate::context::Context;
use crate::global::Output;
use crate::view::{Look, Unanswered, World};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
Every node of every nation is asked. What needs a person: each alert of a cell (overdue, parked,
given back and not confirmed, delivered and not answered, sent after all, a certificate that expires
within a week), and a nation that does not answer or has no node ready.

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
        let asked = cells.iter().map(async |cell| {
            let each =
                cell.ask_each(async |mut client| client.get_status(v1::GetStatusRequest {}).await).await;
            (cell.nation, nodes::together(each))
        });
        let (mut nations, mut troubles) = (Vec::new(), Vec::new());
        for (nation, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(answer) => nations.push(answer),
                Err(trouble) => troubles.push((nation, trouble)),
            }
        }
        if nations.is_empty() {
            return Err(Error::Cells(troubles));
        }
        let silent = troubles.iter().any(|(_, trouble)| trouble.is_silence());
        let unanswered = Unanswered::all(&troubles);
        let overview = Overview::new(World::of(&context), Timestamp::now(), nations, unanswered, silent);
        match screen.output() {
            Output::Text => screen.data(&text::render(&overview, &Look::here(screen.paint()))),
            Output::Json | Output::Jsonl => screen.json(&overview),
        }
        Ok(if overview.needs_person { Exit::NeedsPerson } else { Exit::Done })
    }
}

#[cfg(test)]
mod tests;
