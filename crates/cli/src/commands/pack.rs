//! `bulkhead pack`: the continuity pack. What is set aside or unanswered at a scope, readable without Bulkhead, so that
//! people can phone. It opens contents, which is a break-glass: signed, and in the audit.

mod html;
mod item;
mod words;

use std::path::PathBuf;

use bulkhead_model::{ReferralId, Scope};
use bulkhead_wire::fact::{Command, HeaderScope, MAX_REFERRALS};
use bulkhead_wire::v1;
use clap::Args;
use serde::Serialize;

use super::set_aside::{Left, ReferralIdText, named};
use crate::cell::Trouble;
use crate::desk::{Desk, Desked, Seen, confirmed};
use crate::global::Output;
use crate::{Error, Exit, Global, Screen};
use item::Item;

/// The end of its help.
pub const HELP: &str = "\
By destination, earliest due first: the patient, the number to call back, the disposition, by
when, and what state it is in, in words, in English and Welsh. The file has patients' data: print
it, use it, destroy it. `bulkhead held mark-handled CODE` takes the code of what is set aside when
somebody has dealt with it; what its receiver has, or may get, has no box to mark.

Examples:
  bulkhead pack wales/wast-111 --reason 'continuity, incident 17' --as wales-duty
  bulkhead pack wales/wast-111 --reason 'incident 17' --out pack.html --yes --as wales-duty
  bulkhead pack wales/wast-111 --reason 'review, incident 17' --referral 6F1F0C1E6A --as wales-duty

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not permitted; 4 nothing is set aside; 5 cannot
reach.";

/// The arguments of `bulkhead pack`.
#[derive(Debug, Clone, Args)]
pub struct Pack {
    /// wales/wast-111, supplier:meridian or nation:wales.
    pub scope: Scope,
    /// Why contents are opened; nothing about patients.
    #[arg(long)]
    pub reason: String,
    /// Only this one: its id, or its code. May be repeated.
    #[arg(long, value_name = "ID")]
    pub referral: Vec<ReferralIdText>,
    /// Where to.
    #[arg(long, default_value = "pack.html", value_name = "FILE")]
    pub out: PathBuf,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    desk: Desked,
    scope: String,
    file: String,
    referrals: usize,
    unreadable: usize,
}

impl Pack {
    /// Opens what is set aside and writes it.
    ///
    /// # Errors
    /// When the cell says no, or the file cannot be written.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let nation = match &self.scope {
            Scope::Tenant(tenant) => Some(tenant.nation()),
            Scope::Nation(nation) => Some(*nation),
            Scope::Supplier(_) => None,
        };
        let desk = Desk::open(global, nation)?;
        if screen.output() == Output::Text {
            screen.data(&format!("{}pack of {}", desk.desked().banner(screen.paint()), self.scope));
        }
        confirmed(screen, self.yes, "Open the contents? It is noted in the audit.")?;
        let items = self.open(&desk, global).await?;
        let page = html::page(&self.scope.to_string(), &desk.desked(), &items, jiff::Timestamp::now());
        write_secret(&self.out, &page)?;
        let written = Written {
            desk: desk.desked(),
            scope: self.scope.to_string(),
            file: self.out.display().to_string(),
            referrals: items.len(),
            unreadable: items.iter().filter(|item| !item.is_readable).count(),
        };
        match screen.output() {
            Output::Text => screen.data(&format!(
                "{}: {} referrals, {} of them without a readable patient\nIt has patients' data: destroy it when it is done.",
                written.file, written.referrals, written.unreadable
            )),
            Output::Json | Output::Jsonl => screen.json(&written),
        }
        Ok(if items.is_empty() { Exit::NotFound } else { Exit::Done })
    }

    /// Those that are named, each by an id or a code that is one referral's; none: all of the scope.
    async fn only(&self, desk: &Desk) -> Result<Vec<ReferralId>, Error> {
        if self.referral.is_empty() {
            return Ok(vec![]);
        }
        if self.referral.len() > MAX_REFERRALS {
            return Err(Error::Usage {
                what: format!("at most {MAX_REFERRALS} referrals can be named"),
                hint: "leave --referral out: then all of the scope is opened".into(),
            });
        }
        let (found, _) = named(desk, &self.referral).await?;
        let one = |code: &ReferralIdText| {
            let of_it: Vec<_> = found.referrals.iter().filter(|one| code.begins(one)).collect();
            match &of_it[..] {
                [one] => ReferralId::parse(&one.referral_id).map_err(|error| Error::Usage {
                    what: error.to_string(),
                    hint: "use a newer bulkhead".into(),
                }),
                [] => Err(Error::NothingPossible(vec![Left::unknown(code)])),
                several => Err(Error::Several { id: code.to_string(), count: several.len() }),
            }
        };
        self.referral.iter().map(one).collect()
    }

    async fn open(&self, desk: &Desk, global: &Global) -> Result<Vec<Item>, Error> {
        let known = async |mut client: v1::control_client::ControlClient<_>| {
            client.list_cuts(v1::ListCutsRequest {}).await
        };
        let known = desk.cell.command(known).await.map_err(|trouble| desk.failed(trouble))?;
        let referrals = self.only(desk).await?;
        let command = Command::Open { reason: self.reason.clone(), referrals };
        let seen = Seen::of(known.position, known.now);
        let fact = desk.sign(command, HeaderScope::Of(self.scope.clone()), seen)?.to_wire();
        let call = async |mut client: v1::control_client::ControlClient<_>| {
            client.open_set_aside(v1::OpenSetAsideRequest { fact: Some(fact.clone()) }).await
        };
        let mut opened = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
        let mut items = Vec::new();
        loop {
            // A pack that is not complete must not look like one.
            match tokio::time::timeout(global.timeout, opened.message()).await {
                Ok(Ok(Some(one))) => items.push(Item::of(&one)),
                Ok(Ok(None)) => return Ok(items),
                Ok(Err(status)) => return Err(desk.failed(Trouble::of(&status))),
                Err(_) => return Err(desk.failed(Trouble::no_answer(global.timeout))),
            }
        }
    }
}

/// Only its owner may read it.
fn write_secret(path: &PathBuf, text: &str) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::BadFile { path: path.clone(), problem: error.to_string() })
}

#[cfg(test)]
mod tests;
