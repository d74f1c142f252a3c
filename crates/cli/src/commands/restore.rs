//! `bulkhead restore`: the staged way back, every step signed.

use bulkhead_model::{FactId, TenantId};
use bulkhead_wire::fact::{Advance, Command};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::cuts::{command, nation_of, show};
use crate::desk::{Desk, issued_at};
use crate::time::utc;
use crate::view::moment;
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
The way back: one operator proposes it with evidence and the fingerprints of the new certificates;
another one, who does not work for the supplier, approves; then canary (a few), limited (a rate),
full. `abort` closes again at any step. The certificates of before the cut never open a session
again. `status` shows how far it is and names every other cut that still covers the scope.

Examples:
  bulkhead restore wales/3f0c9a12be77 propose --evidence r17 --certificate new.pem --as wales-duty
  bulkhead restore wales/3f0c9a12be77 approve --as wales-lead
  bulkhead restore wales/3f0c9a12be77 advance canary --with wales/ooh-cardiff --as wales-lead
  bulkhead restore wales/3f0c9a12be77 advance limited --per-minute 20 --as wales-lead
  bulkhead restore wales/3f0c9a12be77 advance full --as wales-lead

Exit codes: 0 done; 1 failed, or not the next step; 2 wrong usage; 3 not permitted, or a second
person is needed; 4 not found; 5 cannot reach.";

/// The arguments of `bulkhead restore`.
#[derive(Debug, Clone, Args)]
pub struct Restore {
    /// As `bulkhead cuts` lists it.
    pub cut_id: String,
    /// The step.
    #[command(subcommand)]
    pub step: Step,
}

/// A step of the way back.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Say what was found and what the tenant comes back with.
    Propose {
        /// What was found and done, and where the evidence lies; nothing about patients.
        #[arg(long)]
        evidence: String,
        /// A new certificate: a PEM file, or its SHA-256 fingerprint in hex. May be repeated.
        #[arg(long, required = true, value_name = "FILE|SHA256")]
        certificate: Vec<String>,
        /// The id of the new inbox.
        #[arg(long, default_value = "")]
        inbox: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Agree to the newest proposal, as a second person.
    Approve {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Go on to the next stage.
    Advance {
        /// Which.
        stage: StageName,
        /// canary: with whom the tenant exchanges referrals (nation/name). May be repeated.
        #[arg(long, value_parser = TenantId::parse)]
        with: Vec<TenantId>,
        /// limited: referrals a minute, each way.
        #[arg(long)]
        per_minute: Option<u32>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Close it again.
    Abort {
        /// Why.
        #[arg(long)]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// How far it is, and what else covers the scope.
    Status,
}

/// A stage of the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StageName {
    /// Open towards a few.
    Canary,
    /// Open, with a cap on the rate.
    Limited,
    /// The cut is over.
    Full,
}

impl Restore {
    /// Shows, asks, signs and sends.
    ///
    /// # Errors
    /// When the cell does not answer, or says no.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let desk = Desk::open(global, nation_of(&self.cut_id))?;
        let id = self.cut_id.as_str();
        match self.step {
            Step::Status => show(&desk, id, screen).await,
            Step::Propose { evidence, certificate, inbox, yes } => {
                warn_of_old(&desk, id, &certificate, screen).await?;
                let certificates =
                    certificate.iter().map(|text| fingerprint(text)).collect::<Result<_, _>>()?;
                let order = |cut| Ok(Command::Propose { cut, evidence, certificates, inbox });
                command(&desk, id, yes, "Propose its restore?", order, screen).await
            }
            Step::Approve { yes } => {
                let proposal = newest_proposal(&desk, id).await?;
                let order = |cut| Ok(Command::Approve { cut, proposal });
                command(&desk, id, yes, "Approve its restore?", order, screen).await
            }
            Step::Advance { stage, with, per_minute, yes } => {
                let to = advance(stage, with, per_minute)?;
                let question = format!("Open it, to the stage {}?", to.as_str());
                command(&desk, id, yes, &question, |cut| Ok(Command::Advance { cut, to }), screen).await
            }
            Step::Abort { reason, yes } => {
                let order = |cut| Ok(Command::Abort { cut, reason });
                command(&desk, id, yes, "Close it again?", order, screen).await
            }
        }
    }
}

/// Says which of the certificates were issued before the cut: whoever had their keys then has them still.
async fn warn_of_old(
    desk: &Desk,
    cut_id: &str,
    certificates: &[String],
    screen: &mut Screen,
) -> Result<(), Error> {
    let shown = desk.show(cut_id).await?;
    let made = shown.account.and_then(|account| account.cut).and_then(|cut| moment(cut.made_at));
    for named in certificates {
        let issued = issued_at(std::path::Path::new(named));
        if let Some(warning) = old(named, issued, made) {
            screen.note(&warning);
        }
    }
    Ok(())
}

fn old(named: &str, issued: Option<Timestamp>, made: Option<Timestamp>) -> Option<String> {
    let (issued, made) = (issued?, made?);
    (issued < made).then(|| {
        format!(
            "{named} was issued {}, before the cut: whoever had its key then has it still. Take a new one, unless this is a \
             drill",
            utc(issued)
        )
    })
}

fn advance(stage: StageName, with: Vec<TenantId>, per_minute: Option<u32>) -> Result<Advance, Error> {
    let usage = |what: &str, hint: &str| Err(Error::Usage { what: what.into(), hint: hint.into() });
    match (stage, with.is_empty(), per_minute) {
        (StageName::Canary, false, None) => Ok(Advance::Canary { with }),
        (StageName::Canary, ..) => {
            usage("a canary stage names a few", "say --with nation/name, and nothing else")
        }
        (StageName::Limited, true, Some(per_minute)) if per_minute > 0 => Ok(Advance::Limited { per_minute }),
        (StageName::Limited, ..) => {
            usage("a limited stage has a rate", "say --per-minute N, and nothing else")
        }
        (StageName::Full, true, None) => Ok(Advance::Full),
        (StageName::Full, ..) => {
            usage("the full stage takes neither --with nor --per-minute", "leave them out")
        }
    }
}

async fn newest_proposal(desk: &Desk, cut_id: &str) -> Result<FactId, Error> {
    let shown = desk.show(cut_id).await?;
    let proposal = shown.account.and_then(|account| account.proposal);
    let fact = proposal.and_then(|proposal| proposal.fact[..].try_into().ok());
    fact.map(FactId).ok_or_else(|| Error::Usage {
        what: format!("no restore of {cut_id} is proposed"),
        hint: "the first step is `bulkhead restore CUT-ID propose`".into(),
    })
}

/// The fingerprint of a certificate: of a PEM file, or as it was written.
fn fingerprint(text: &str) -> Result<String, Error> {
    let digits: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    crate::desk::certificate_fingerprint(std::path::Path::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_takes_what_it_needs_and_nothing_else() {
        let some = || vec![TenantId::parse("wales/ooh").unwrap()];
        let check = |stage, with: Vec<TenantId>, rate, ok: bool| {
            assert_eq!(advance(stage, with, rate).is_ok(), ok, "{stage:?} {rate:?}");
        };
        check(StageName::Canary, some(), None, true);
        check(StageName::Canary, vec![], None, false);
        check(StageName::Canary, some(), Some(1), false);
        check(StageName::Limited, vec![], Some(20), true);
        check(StageName::Limited, vec![], Some(0), false);
        check(StageName::Limited, vec![], None, false);
        check(StageName::Full, vec![], None, true);
        check(StageName::Full, some(), None, false);
    }

    #[test]
    fn a_certificate_of_before_the_cut_is_named() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        assert!(old("old.pem", at(10), at(20)).unwrap().contains("before the cut"));
        for (issued, made) in [(at(20), at(20)), (at(30), at(20)), (None, at(20)), (at(10), None)] {
            assert_eq!(old("new.pem", issued, made), None);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tenant.pem");
        let mut params = rcgen::CertificateParams::default();
        let uri = "bulkhead://wales/wast-111".try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&path, certificate.pem()).unwrap();
        assert_eq!(issued_at(&path), Some("2026-01-02T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_fingerprint_is_read_however_tools_print_it() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint(&colons).unwrap(), plain);
        assert!(fingerprint("no-such-file.pem").is_err());
    }
}
