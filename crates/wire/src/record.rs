//! Records of `in`, `out` and `border`: bytes both ways.

use bulkhead_model::{Claim, MessageId, Nation, Reason, ReferralId, State, TenantId};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use crate::event::{
    claim_from_wire, claim_to_wire, no_state, reason_from_wire, reason_to_wire, state_from_wire,
    state_to_wire,
};
use crate::{Accepted, Unreadable, newer, time, v1};

/// A record of `in.<tenant>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum In {
    /// Submitted here.
    Accepted(Accepted),
    /// Carried here by another nation.
    Carried(Carried),
    /// Attempts whose sender was told no.
    Withdrawal(Withdrawal),
    /// How a referral that was carried away fares.
    Report(Report),
}

/// A referral that another nation carried here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The referral.
    pub accepted: Accepted,
    /// The claim of the home owner who carries it.
    pub claim: Claim,
    /// The nation that carries it here.
    pub from: Nation,
}

/// Attempts of a message id whose sender was told no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The referral.
    pub id: ReferralId,
    /// The sender.
    pub tenant: TenantId,
    /// The sender's own id.
    pub message_id: MessageId,
    /// The last attempt that is taken back.
    pub up_to: u32,
}

/// How a carried referral fares in the nation that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The referral.
    pub id: ReferralId,
    /// The nation that reports.
    pub nation: Nation,
    /// Its state there.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Who has it there.
    pub destination: Option<TenantId>,
    /// Rises with each report of this referral.
    pub sequence: u64,
    /// When it was decided there.
    pub at: Timestamp,
    /// What the target format could not carry, by name.
    pub omissions: Vec<String>,
}

impl Report {
    /// To the wire.
    pub fn to_wire(&self) -> v1::Report {
        v1::Report {
            referral_id: self.id.as_bytes().to_vec().into(),
            nation: self.nation.to_string(),
            state: state_to_wire(self.state) as i32,
            reason: self.reason.as_ref().map(reason_to_wire),
            destination: self.destination.as_ref().map(ToString::to_string).unwrap_or_default(),
            sequence: self.sequence,
            at: Some(time::to_wire(self.at)),
            omissions: self.omissions.clone(),
        }
    }

    /// From the wire.
    ///
    /// # Errors
    /// When a field is missing or malformed.
    pub fn from_wire(wire: v1::Report) -> Result<Self, Unreadable> {
        Ok(Self {
            id: ReferralId::from_slice(&wire.referral_id).map_err(|_| Unreadable::Field("referral_id"))?,
            nation: wire.nation.parse().map_err(|_| Unreadable::Field("nation"))?,
            state: state_from_wire(wire.state).ok_or_else(|| no_state(wire.state, "state"))?,
            reason: wire.reason.map(reason_from_wire),
            destination: TenantId::parse(&wire.destination).ok(),
            sequence: wire.sequence,
            at: wire.at.and_then(time::from_wire).ok_or(Unreadable::Field("at"))?,
            omissions: wire.omissions,
        })
    }
}

impl Carried {
    /// To the wire.
    pub fn to_wire(&self) -> v1::Carried {
        v1::Carried {
            accepted: Some(self.accepted.to_wire()),
            claim: Some(claim_to_wire(&self.claim)),
            from_nation: self.from.to_string(),
        }
    }

    /// From the wire.
    ///
    /// # Errors
    /// When a field is missing or malformed.
    pub fn from_wire(wire: v1::Carried) -> Result<Self, Unreadable> {
        Ok(Self {
            accepted: Accepted::from_wire(wire.accepted.ok_or(Unreadable::Field("accepted"))?)?,
            claim: claim_from_wire(wire.claim.as_ref())?,
            from: wire.from_nation.parse().map_err(|_| Unreadable::Field("from_nation"))?,
        })
    }
}

impl In {
    /// To bytes.
    pub fn encode(&self) -> Bytes {
        use v1::in_record::Record;
        let record = match self {
            In::Accepted(accepted) => Record::Accepted(accepted.to_wire()),
            In::Carried(carried) => Record::Carried(carried.to_wire()),
            In::Withdrawal(withdrawal) => Record::Withdrawal(v1::Withdrawal {
                referral_id: withdrawal.id.as_bytes().to_vec().into(),
                tenant: withdrawal.tenant.to_string(),
                message_id: withdrawal.message_id.to_string(),
                up_to_attempt: withdrawal.up_to,
            }),
            In::Report(report) => Record::Report(report.to_wire()),
        };
        v1::InRecord { record: Some(record) }.encode_to_vec().into()
    }

    /// From bytes; a payload shares them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decode(bytes: Bytes) -> Result<Self, Unreadable> {
        use v1::in_record::Record;
        let wire = v1::InRecord::decode(bytes.clone()).map_err(|_| Unreadable::Malformed)?;
        let unknown = || match newer::in_record(&bytes) {
            true => Unreadable::Newer("kind"),
            false => Unreadable::Field("record"),
        };
        match wire.record.ok_or_else(unknown)? {
            Record::Accepted(accepted) => Accepted::from_wire(accepted).map(In::Accepted),
            Record::Carried(carried) => Carried::from_wire(carried).map(In::Carried),
            Record::Withdrawal(wire) => Ok(In::Withdrawal(Withdrawal {
                id: ReferralId::from_slice(&wire.referral_id)
                    .map_err(|_| Unreadable::Field("referral_id"))?,
                tenant: TenantId::parse(&wire.tenant).map_err(|_| Unreadable::Field("tenant"))?,
                message_id: MessageId::parse(&wire.message_id)
                    .map_err(|_| Unreadable::Field("message_id"))?,
                up_to: wire.up_to_attempt,
            })),
            Record::Report(report) => Report::from_wire(report).map(In::Report),
        }
    }
}

/// A record of `out.<tenant>` or `border.<nation>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Out {
    /// The referral.
    pub accepted: Accepted,
    /// The claim of its writer.
    pub claim: Claim,
}

impl Out {
    /// To bytes.
    pub fn encode(&self) -> Bytes {
        let wire = v1::OutRecord {
            accepted: Some(self.accepted.to_wire()),
            claim: Some(claim_to_wire(&self.claim)),
        };
        wire.encode_to_vec().into()
    }

    /// From bytes; a payload shares them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decode(bytes: Bytes) -> Result<Self, Unreadable> {
        let wire = v1::OutRecord::decode(bytes).map_err(|_| Unreadable::Malformed)?;
        Ok(Self {
            accepted: Accepted::from_wire(wire.accepted.ok_or(Unreadable::Field("accepted"))?)?,
            claim: claim_from_wire(wire.claim.as_ref())?,
        })
    }
}
