//! What a signed fact commands.

use bulkhead_model::{CutId, Direction, FactId, ReferralId, TenantId};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use crate::v1::fact_body::Command as WireCommand;
use crate::{Unreadable, v1};

/// How many referrals one fact may name.
pub const MAX_REFERRALS: usize = 1_000;

/// How many tenants one cut may name.
pub const MAX_TENANTS: usize = 10_000;

/// The longest text in bytes that a fact may hold, besides a directory.
const MAX_TEXT: usize = 4_096;

/// What is commanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Cut the header's scope off.
    Cut {
        /// From the tenant's point of view.
        direction: Direction,
        /// What was accepted from then on is suspect.
        since: Timestamp,
        /// What was accepted before is still delivered.
        drain_clean: bool,
        /// Why.
        reason: String,
        /// The digest of the plan that was seen.
        plan: [u8; 32],
        /// Whom the plan named.
        tenants: Vec<TenantId>,
    },
    /// The second person's word on a cut.
    Confirm {
        /// Which.
        cut: CutId,
    },
    /// Take a mistaken cut back.
    Withdraw {
        /// Which.
        cut: CutId,
        /// Why.
        reason: String,
    },
    /// Propose a restore.
    Propose {
        /// Of which cut.
        cut: CutId,
        /// What was found, and where that lies.
        evidence: String,
        /// Fingerprints of the new certificates, hex.
        certificates: Vec<String>,
        /// The new inbox.
        inbox: String,
    },
    /// Approve a proposal.
    Approve {
        /// Of which cut.
        cut: CutId,
        /// The proposal that was read.
        proposal: FactId,
    },
    /// Go on to the next stage.
    Advance {
        /// Of which cut.
        cut: CutId,
        /// Which.
        to: Advance,
    },
    /// Break a restore off.
    Abort {
        /// Of which cut.
        cut: CutId,
        /// Why.
        reason: String,
    },
    /// Let quarantined referrals go on.
    Release {
        /// The cut that makes them suspect.
        cut: CutId,
        /// Which.
        referrals: Vec<ReferralId>,
    },
    /// Quarantined referrals never go on.
    Reject {
        /// The cut that makes them suspect.
        cut: CutId,
        /// Which.
        referrals: Vec<ReferralId>,
        /// Why.
        reason: String,
    },
    /// What is to become of referrals that are set aside.
    Order {
        /// What.
        action: Action,
        /// Which.
        referrals: Vec<ReferralId>,
        /// Why, or how it was handled.
        note: String,
    },
    /// A new directory.
    Directory {
        /// Its text.
        toml: String,
        /// SHA-256 of the text.
        digest: Bytes,
    },
    /// Break the glass: read contents.
    Open {
        /// Why.
        reason: String,
        /// Which; none: all that is set aside in the scope.
        referrals: Vec<ReferralId>,
    },
}

/// How far a restore goes, once it is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// Open towards a few.
    Canary {
        /// These.
        with: Vec<TenantId>,
    },
    /// Open, with a cap on the rate.
    Limited {
        /// Referrals a minute, each way.
        per_minute: u32,
    },
    /// The cut is over.
    Full,
}

/// What is to become of a referral that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// It is tried again.
    Release,
    /// It goes to the fallback.
    Divert,
    /// It goes back to its sender.
    Return,
    /// A person handled it by other means.
    Handled,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 4] = [Action::Release, Action::Divert, Action::Return, Action::Handled];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Release => "release",
            Action::Divert => "divert",
            Action::Return => "return",
            Action::Handled => "handled",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl Advance {
    /// As it is written.
    pub fn as_str(&self) -> &'static str {
        match self {
            Advance::Canary { .. } => "canary",
            Advance::Limited { .. } => "limited",
            Advance::Full => "full",
        }
    }
}

impl Command {
    /// The number of its kind in the header.
    pub fn kind(&self) -> u16 {
        match self {
            Command::Cut { .. } => 1,
            Command::Confirm { .. } => 2,
            Command::Withdraw { .. } => 3,
            Command::Propose { .. } => 4,
            Command::Approve { .. } => 5,
            Command::Advance { .. } => 6,
            Command::Abort { .. } => 7,
            Command::Release { .. } => 8,
            Command::Reject { .. } => 9,
            Command::Order { .. } => 10,
            Command::Directory { .. } => 11,
            Command::Open { .. } => 12,
        }
    }

    /// Its name on screens and in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Cut { .. } => "cut",
            Command::Confirm { .. } => "confirm",
            Command::Withdraw { .. } => "withdraw",
            Command::Propose { .. } => "restore propose",
            Command::Approve { .. } => "restore approve",
            Command::Advance { .. } => "restore advance",
            Command::Abort { .. } => "restore abort",
            Command::Release { .. } => "quarantine release",
            Command::Reject { .. } => "quarantine reject",
            Command::Order { .. } => "held order",
            Command::Directory { .. } => "apply",
            Command::Open { .. } => "break glass",
        }
    }

    /// What its operator wrote of it, for whoever reads the audit: why, or how it was handled. Free of patient data.
    pub fn words(&self) -> &str {
        match self {
            Command::Cut { reason, .. }
            | Command::Withdraw { reason, .. }
            | Command::Abort { reason, .. }
            | Command::Reject { reason, .. }
            | Command::Open { reason, .. } => reason,
            Command::Propose { evidence, .. } => evidence,
            Command::Order { note, .. } => note,
            Command::Confirm { .. }
            | Command::Approve { .. }
            | Command::Advance { .. }
            | Command::Release { .. }
            | Command::Directory { .. } => "",
        }
    }

    /// The cut that it is about; none for a cut itself and for what is about no cut.
    pub fn cut(&self) -> Option<&CutId> {
        match self {
            Command::Confirm { cut }
            | Command::Withdraw { cut, .. }
            | Command::Propose { cut, .. }
            | Command::Approve { cut, .. }
            | Command::Advance { cut, .. }
            | Command::Abort { cut, .. }
            | Command::Release { cut, .. }
            | Command::Reject { cut, .. } => Some(cut),
            Command::Cut { .. }
            | Command::Order { .. }
            | Command::Directory { .. }
            | Command::Open { .. } => None,
        }
    }

    /// In its canonical form.
    pub(super) fn encode(&self) -> Vec<u8> {
        v1::FactBody { command: Some(self.to_wire()) }.encode_to_vec()
    }

    fn to_wire(&self) -> WireCommand {
        let id = |cut: &CutId| cut.to_string();
        match self {
            Command::Cut { direction, since, drain_clean, reason, plan, tenants } => {
                WireCommand::Cut(v1::CutCommand {
                    direction: direction.as_str().to_owned(),
                    since_ms: since.as_millisecond(),
                    drain_clean: *drain_clean,
                    reason: reason.clone(),
                    plan: Bytes::copy_from_slice(plan),
                    tenants: names(tenants),
                })
            }
            Command::Confirm { cut } => WireCommand::Confirm(v1::ConfirmCommand { cut_id: id(cut) }),
            Command::Withdraw { cut, reason } => {
                WireCommand::Withdraw(v1::WithdrawCommand { cut_id: id(cut), reason: reason.clone() })
            }
            Command::Propose { cut, evidence, certificates, inbox } => {
                WireCommand::Propose(v1::ProposeCommand {
                    cut_id: id(cut),
                    evidence: evidence.clone(),
                    certificates: certificates.clone(),
                    inbox_id: inbox.clone(),
                })
            }
            Command::Approve { cut, proposal } => WireCommand::Approve(v1::ApproveCommand {
                cut_id: id(cut),
                proposal: Bytes::copy_from_slice(&proposal.0),
            }),
            Command::Advance { cut, to } => WireCommand::Advance(v1::AdvanceCommand {
                cut_id: id(cut),
                stage: to.as_str().to_owned(),
                with: if let Advance::Canary { with } = to { names(with) } else { vec![] },
                per_minute: if let Advance::Limited { per_minute } = to { *per_minute } else { 0 },
            }),
            Command::Abort { cut, reason } => {
                WireCommand::Abort(v1::AbortCommand { cut_id: id(cut), reason: reason.clone() })
            }
            Command::Release { cut, referrals } => WireCommand::Release(v1::ReleaseCommand {
                cut_id: id(cut),
                referral_ids: to_bytes(referrals),
            }),
            Command::Reject { cut, referrals, reason } => WireCommand::Reject(v1::RejectCommand {
                cut_id: id(cut),
                referral_ids: to_bytes(referrals),
                reason: reason.clone(),
            }),
            Command::Order { action, referrals, note } => WireCommand::Order(v1::OrderCommand {
                action: action.as_str().to_owned(),
                referral_ids: to_bytes(referrals),
                note: note.clone(),
            }),
            Command::Directory { toml, digest } => {
                WireCommand::Directory(v1::DirectoryFact { toml: toml.clone(), digest: digest.clone() })
            }
            Command::Open { reason, referrals } => WireCommand::Open(v1::OpenCommand {
                reason: reason.clone(),
                referral_ids: to_bytes(referrals),
            }),
        }
    }

    pub(super) fn from_wire(body: v1::FactBody) -> Result<Self, Unreadable> {
        Ok(match body.command.ok_or(Unreadable::Field("command"))? {
            WireCommand::Cut(cut) => Command::Cut {
                direction: Direction::parse(&cut.direction).ok_or(Unreadable::Field("direction"))?,
                since: Timestamp::from_millisecond(cut.since_ms).map_err(|_| Unreadable::Field("since"))?,
                drain_clean: cut.drain_clean,
                reason: stated(cut.reason, "reason")?,
                plan: <[u8; 32]>::try_from(&cut.plan[..]).map_err(|_| Unreadable::Field("plan"))?,
                tenants: tenants(&cut.tenants, MAX_TENANTS)?,
            },
            WireCommand::Confirm(confirm) => Command::Confirm { cut: cut_id(&confirm.cut_id)? },
            WireCommand::Withdraw(withdraw) => Command::Withdraw {
                cut: cut_id(&withdraw.cut_id)?,
                reason: stated(withdraw.reason, "reason")?,
            },
            WireCommand::Propose(propose) => Command::Propose {
                cut: cut_id(&propose.cut_id)?,
                evidence: stated(propose.evidence, "evidence")?,
                certificates: fingerprints(propose.certificates)?,
                inbox: text(propose.inbox_id, "inbox")?,
            },
            WireCommand::Approve(approve) => Command::Approve {
                cut: cut_id(&approve.cut_id)?,
                proposal: FactId(approve.proposal[..].try_into().map_err(|_| Unreadable::Field("proposal"))?),
            },
            WireCommand::Advance(advance) => {
                Command::Advance { cut: cut_id(&advance.cut_id)?, to: advanced(&advance)? }
            }
            WireCommand::Abort(abort) => {
                Command::Abort { cut: cut_id(&abort.cut_id)?, reason: stated(abort.reason, "reason")? }
            }
            WireCommand::Release(release) => Command::Release {
                cut: cut_id(&release.cut_id)?,
                referrals: some_referrals(&release.referral_ids)?,
            },
            WireCommand::Reject(reject) => Command::Reject {
                cut: cut_id(&reject.cut_id)?,
                referrals: some_referrals(&reject.referral_ids)?,
                reason: stated(reject.reason, "reason")?,
            },
            WireCommand::Order(order) => Command::Order {
                action: Action::parse(&order.action).ok_or(Unreadable::Field("action"))?,
                referrals: some_referrals(&order.referral_ids)?,
                note: text(order.note, "note")?,
            },
            WireCommand::Directory(directory) => {
                Command::Directory { toml: directory.toml, digest: directory.digest }
            }
            WireCommand::Open(open) => Command::Open {
                reason: stated(open.reason, "reason")?,
                referrals: referrals(&open.referral_ids)?,
            },
        })
    }
}

fn cut_id(text: &str) -> Result<CutId, Unreadable> {
    CutId::parse(text).map_err(|_| Unreadable::Field("cut id"))
}

fn advanced(wire: &v1::AdvanceCommand) -> Result<Advance, Unreadable> {
    match (wire.stage.as_str(), wire.per_minute) {
        ("canary", 0) if !wire.with.is_empty() => {
            Ok(Advance::Canary { with: tenants(&wire.with, MAX_REFERRALS)? })
        }
        ("limited", per_minute) if per_minute > 0 && wire.with.is_empty() => {
            Ok(Advance::Limited { per_minute })
        }
        ("full", 0) if wire.with.is_empty() => Ok(Advance::Full),
        _ => Err(Unreadable::Field("stage")),
    }
}

fn names(tenants: &[TenantId]) -> Vec<String> {
    tenants.iter().map(ToString::to_string).collect()
}

fn tenants(names: &[String], most: usize) -> Result<Vec<TenantId>, Unreadable> {
    let field = Unreadable::Field("tenants");
    if names.len() > most {
        return Err(field);
    }
    names.iter().map(|name| TenantId::parse(name)).collect::<Result<_, _>>().map_err(|_| field)
}

fn text(text: String, field: &'static str) -> Result<String, Unreadable> {
    let printable = text.len() <= MAX_TEXT && !text.chars().any(|c| c.is_control() && c != '\n');
    if printable { Ok(text) } else { Err(Unreadable::Field(field)) }
}

fn stated(said: String, field: &'static str) -> Result<String, Unreadable> {
    if said.trim().is_empty() { Err(Unreadable::Field(field)) } else { text(said, field) }
}

fn fingerprints(certificates: Vec<String>) -> Result<Vec<String>, Unreadable> {
    let is_one =
        |text: &String| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match (1..=16).contains(&certificates.len()) && certificates.iter().all(is_one) {
        true => Ok(certificates),
        false => Err(Unreadable::Field("certificates")),
    }
}

fn to_bytes(referrals: &[ReferralId]) -> Vec<Bytes> {
    referrals.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect()
}

fn referrals(ids: &[Bytes]) -> Result<Vec<ReferralId>, Unreadable> {
    let field = Unreadable::Field("referral ids");
    if ids.len() > MAX_REFERRALS {
        return Err(field);
    }
    ids.iter().map(|id| ReferralId::from_slice(id)).collect::<Result<_, _>>().map_err(|_| field)
}

fn some_referrals(ids: &[Bytes]) -> Result<Vec<ReferralId>, Unreadable> {
    if ids.is_empty() { Err(Unreadable::Field("referral ids")) } else { referrals(ids) }
}
