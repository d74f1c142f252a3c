//! `bulkhead trace`: one referral's life, put together from every cell that saw it.

mod merge;
mod text;

use bulkhead_model::TenantId;
use bulkhead_wire::v1;
use clap::Args;
use serde::Serialize;

pub use merge::Life;

use crate::cell::{Cell, ask_all};
use crate::context::Context;
use crate::global::Output;
use crate::view::{Look, Referral, Unanswered, World};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
An ID is a referral id, the sender's message id, or a case. Every cell of the context is asked; a
referral that crossed a border is shown with the steps of both nations, in the order of time.

Examples:
  bulkhead trace 6f1f0c1e-6a52-5b53-8d1b-0f6f3f6a9a10
  bulkhead trace 0a1b2c3d --tenant england/nhs111-north
  bulkhead trace CASE-7 --output json

Exit codes: 0 done; 2 wrong usage, or several match (they are listed); 3 not permitted; 4 not found;
5 cannot reach.";

/// The arguments of `bulkhead trace`.
#[derive(Debug, Clone, Args)]
pub struct Trace {
    /// A referral id, the sender's message id, or a case.
    pub id: String,
    /// Only this tenant's (nation/name).
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
}

/// What is shown of one referral.
#[derive(Debug, Clone, Serialize)]
pub struct Traced {
    /// Which world was asked.
    #[serde(flatten)]
    pub world: World,
    /// The referral and its steps.
    #[serde(flatten)]
    pub life: Life,
    /// Nations that did not answer, and might know more.
    pub unanswered: Vec<Unanswered>,
}

/// What is shown when the id fits several.
#[derive(Debug, Clone, Serialize)]
pub struct Matches {
    /// Which world was asked.
    #[serde(flatten)]
    pub world: World,
    /// Each of them, without its steps.
    pub matches: Vec<Referral>,
    /// Nations that did not answer, and might know more.
    pub unanswered: Vec<Unanswered>,
}

impl Trace {
    /// Asks every cell and shows what they know.
    ///
    /// # Errors
    /// When no cell knows it, none can be asked, or the id fits several.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let cells = Cell::open_all(&context, global)?;
        let request = v1::GetReferralRequest {
            id: self.id.clone(),
            tenant: self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
        };
        let (answers, troubles) =
            ask_all(&cells, async |mut client| client.get_referral(request.clone()).await).await;
        let some_knew_nothing = troubles.iter().any(|(_, trouble)| trouble.is_not_found());
        let unasked: Vec<_> = troubles.into_iter().filter(|(_, trouble)| !trouble.is_not_found()).collect();
        let unanswered = Unanswered::all(&unasked);
        let mut lives = merge::merge(answers);
        let world = World::of(&context);
        match lives.len() {
            0 if some_knew_nothing => Err(Error::NotFound { id: self.id, unasked }),
            0 => Err(Error::Cells(unasked)),
            1 => {
                let traced = Traced { world, life: lives.remove(0), unanswered };
                match screen.output() {
                    Output::Text => screen.data(&text::render(&traced, &Look::here(screen.paint()))),
                    Output::Json | Output::Jsonl => screen.json(&traced),
                }
                Ok(Exit::Done)
            }
            count => {
                let matches = lives.into_iter().map(|life| life.referral).collect();
                let matches = Matches { world, matches, unanswered };
                match screen.output() {
                    Output::Text => screen.data(&text::render_matches(&matches, &Look::here(screen.paint()))),
                    Output::Json => screen.json(&matches),
                    Output::Jsonl => matches.matches.iter().for_each(|one| screen.json_line(one)),
                }
                Err(Error::Several { id: self.id, count })
            }
        }
    }
}

#[cfg(test)]
mod tests;
