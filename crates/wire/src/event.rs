//! Records of `events.<nation>`: bytes both ways.

use bulkhead_model::{
    Claim, CutId, Digest, Envelope, Event, Nation, Numbered, Place, Reason, ReferralId, SHARDS, State,
    TenantId,
};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use crate::accepted::{epochs_from_wire, epochs_to_wire};
use crate::envelope::recorded_envelope;
use crate::{Unreadable, envelope_to_wire, newer, time, v1};

/// Under which claim and when an event was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The claim.
    pub claim: Claim,
    /// The node's clock.
    pub at: Timestamp,
}

/// What a ledger needs of a referral without its payload; with its first event of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The sender.
    pub tenant: TenantId,
    /// What the broker reads of it.
    pub envelope: Envelope,
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Its length.
    pub payload_bytes: u64,
    /// The broker's append time of the first acceptance.
    pub accepted_at: Timestamp,
    /// The admitting node's clock.
    pub admitted_at: Timestamp,
    /// One for each door that it passed.
    pub epochs: Vec<(Nation, u64)>,
    /// The referral before it in its case, in this cell.
    pub predecessor: Option<ReferralId>,
    /// The nation that carried it here, if one did.
    pub from_nation: Option<Nation>,
}

/// What an event record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventRecord {
    /// The node takes the shard.
    Claimed,
    /// A decision about one referral.
    Decision {
        /// Which.
        id: ReferralId,
        /// The event with its custody number.
        numbered: Numbered,
        /// With its first event of a cell only; boxed because few events have them.
        facts: Option<Box<Facts>>,
        /// The record of `in` that this settles.
        source: Option<Place>,
    },
    /// A record of `in` that needs no decision of its own.
    Settled {
        /// The record of `in`.
        source: Place,
        /// The referral that it is about.
        id: Option<ReferralId>,
        /// Why.
        code: String,
    },
}

/// An event record with its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEvent {
    /// Who and when.
    pub author: Author,
    /// What.
    pub record: EventRecord,
}

/// A claim on the wire.
pub fn claim_to_wire(claim: &Claim) -> v1::Claim {
    v1::Claim { shard: claim.shard, number: claim.number, node: claim.node.clone() }
}

/// A claim from the wire.
///
/// # Errors
/// When it is missing or its shard is not one of a cell's.
pub fn claim_from_wire(wire: Option<&v1::Claim>) -> Result<Claim, Unreadable> {
    let wire = wire.ok_or(Unreadable::Field("claim"))?;
    if wire.shard >= SHARDS {
        return Err(Unreadable::Field("claim.shard"));
    }
    Ok(Claim { shard: wire.shard, number: wire.number, node: wire.node.clone() })
}

/// A place on the wire.
pub fn place_to_wire(place: &Place) -> v1::Pointer {
    v1::Pointer { topic: place.topic.clone(), partition: place.partition, offset: place.offset }
}

/// A place from the wire.
pub fn place_from_wire(wire: v1::Pointer) -> Place {
    Place { topic: wire.topic, partition: wire.partition, offset: wire.offset }
}

/// A reason on the wire.
pub fn reason_to_wire(reason: &Reason) -> v1::Reason {
    v1::Reason { code: reason.code.clone(), text: reason.text.clone() }
}

/// A reason from the wire.
pub fn reason_from_wire(wire: v1::Reason) -> Reason {
    Reason { code: wire.code, text: wire.text }
}

const STATES: [(State, v1::State); 15] = [
    (State::Accepted, v1::State::Accepted),
    (State::Routed, v1::State::Routed),
    (State::Carried, v1::State::Carried),
    (State::Offered, v1::State::Offered),
    (State::Delivered, v1::State::Delivered),
    (State::Acknowledged, v1::State::Acknowledged),
    (State::Rejected, v1::State::Rejected),
    (State::Held, v1::State::Held),
    (State::Parked, v1::State::Parked),
    (State::Quarantined, v1::State::Quarantined),
    (State::ReturnPending, v1::State::ReturnPending),
    (State::Returned, v1::State::Returned),
    (State::Diverted, v1::State::Diverted),
    (State::Cancelled, v1::State::Cancelled),
    (State::Unknown, v1::State::Unknown),
];

/// A state on the wire.
pub fn state_to_wire(state: State) -> v1::State {
    STATES.iter().find(|(model, _)| *model == state).map_or(v1::State::Unspecified, |(_, wire)| *wire)
}

/// A state from the wire.
pub fn state_from_wire(state: i32) -> Option<State> {
    STATES.iter().find(|(_, wire)| *wire as i32 == state).map(|(model, _)| *model)
}

/// What is wrong with a record whose state is none: it has none, or one that only a newer release knows.
pub(crate) fn no_state(state: i32, field: &'static str) -> Unreadable {
    if state == 0 { Unreadable::Field(field) } else { Unreadable::Newer("state") }
}

impl Facts {
    fn to_wire(&self) -> v1::Facts {
        v1::Facts {
            tenant: self.tenant.to_string(),
            envelope: Some(envelope_to_wire(&self.envelope)),
            digest: self.digest.as_bytes().to_vec().into(),
            payload_bytes: self.payload_bytes,
            accepted_at: Some(time::to_wire(self.accepted_at)),
            admitted_at: Some(time::to_wire(self.admitted_at)),
            epochs: epochs_to_wire(&self.epochs),
            predecessor: self.predecessor.map(|id| id.as_bytes().to_vec()).unwrap_or_default().into(),
            from_nation: self.from_nation.map(|nation| nation.to_string()).unwrap_or_default(),
        }
    }

    fn from_wire(wire: v1::Facts) -> Result<Self, Unreadable> {
        let envelope = wire.envelope.as_ref().ok_or(Unreadable::Field("facts.envelope"))?;
        Ok(Self {
            tenant: TenantId::parse(&wire.tenant).map_err(|_| Unreadable::Field("facts.tenant"))?,
            envelope: recorded_envelope(envelope)?,
            digest: Digest::from_slice(&wire.digest).ok_or(Unreadable::Field("facts.digest"))?,
            payload_bytes: wire.payload_bytes,
            accepted_at: wire
                .accepted_at
                .and_then(time::from_wire)
                .ok_or(Unreadable::Field("facts.accepted_at"))?,
            admitted_at: wire
                .admitted_at
                .and_then(time::from_wire)
                .ok_or(Unreadable::Field("facts.admitted_at"))?,
            epochs: epochs_from_wire(&wire.epochs)?,
            predecessor: ReferralId::from_slice(&wire.predecessor).ok(),
            from_nation: wire.from_nation.parse().ok(),
        })
    }
}

impl Author {
    /// Who wrote an event record, whatever its kind.
    ///
    /// # Errors
    /// When even that cannot be read.
    pub fn decode(bytes: Bytes) -> Result<Self, Unreadable> {
        Self::of(&v1::EventRecord::decode(bytes).map_err(|_| Unreadable::Malformed)?)
    }

    fn of(wire: &v1::EventRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            claim: claim_from_wire(wire.claim.as_ref())?,
            at: wire.at.and_then(time::from_wire).ok_or(Unreadable::Field("at"))?,
        })
    }
}

impl ReadEvent {
    /// To bytes.
    pub fn encode(&self) -> Bytes {
        use v1::event_record::Record;
        let record = match &self.record {
            EventRecord::Claimed => Record::Claimed(v1::Claimed {}),
            EventRecord::Decision { id, numbered, facts, source } => Record::Decision(v1::Decision {
                referral_id: id.as_bytes().to_vec().into(),
                custody: numbered.custody,
                facts: facts.as_ref().map(|facts| facts.to_wire()),
                source: source.as_ref().map(place_to_wire),
                event: Some(event_to_wire(&numbered.event)),
            }),
            EventRecord::Settled { source, id, code } => Record::Settled(v1::Settled {
                source: Some(place_to_wire(source)),
                referral_id: id.map(|id| id.as_bytes().to_vec()).unwrap_or_default().into(),
                code: code.clone(),
            }),
        };
        let wire = v1::EventRecord {
            claim: Some(claim_to_wire(&self.author.claim)),
            at: Some(time::to_wire(self.author.at)),
            record: Some(record),
        };
        wire.encode_to_vec().into()
    }

    /// From bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decode(bytes: Bytes) -> Result<Self, Unreadable> {
        use v1::event_record::Record;
        let wire = v1::EventRecord::decode(bytes.clone()).map_err(|_| Unreadable::Malformed)?;
        let author = Author::of(&wire)?;
        let unknown = |is_newer: fn(&[u8]) -> bool, field| match is_newer(&bytes) {
            true => Unreadable::Newer("kind"),
            false => Unreadable::Field(field),
        };
        let record = match wire.record.ok_or_else(|| unknown(newer::event, "record"))? {
            Record::Claimed(_) => EventRecord::Claimed,
            Record::Decision(decision) => EventRecord::Decision {
                id: ReferralId::from_slice(&decision.referral_id)
                    .map_err(|_| Unreadable::Field("referral_id"))?,
                numbered: Numbered {
                    custody: decision.custody,
                    event: event_from_wire(decision.event.ok_or_else(|| unknown(newer::decision, "event"))?)?,
                },
                facts: decision.facts.map(Facts::from_wire).transpose()?.map(Box::new),
                source: decision.source.map(place_from_wire),
            },
            Record::Settled(settled) => EventRecord::Settled {
                source: settled.source.map(place_from_wire).ok_or(Unreadable::Field("source"))?,
                id: ReferralId::from_slice(&settled.referral_id).ok(),
                code: settled.code,
            },
        };
        Ok(Self { author, record })
    }
}

fn event_to_wire(event: &Event) -> v1::decision::Event {
    use v1::decision::Event as W;
    match event {
        Event::Routed { to, bytes } => {
            W::Routed(v1::EventRouted { destination: to.to_string(), bytes: Some(place_to_wire(bytes)) })
        }
        Event::ToBorder { nation, to, bytes } => W::ToBorder(v1::EventToBorder {
            nation: nation.to_string(),
            bytes: Some(place_to_wire(bytes)),
            destination: to.to_string(),
        }),
        Event::Carrying { nation } => W::Carrying(v1::EventCarrying { nation: nation.to_string() }),
        Event::Carried { nation } => W::Carried(v1::EventCarried { nation: nation.to_string() }),
        Event::BorderRefused { nation, reason, cut } => W::BorderRefused(v1::EventBorderRefused {
            nation: nation.to_string(),
            cut: cut.as_ref().map(ToString::to_string).unwrap_or_default(),
            reason: Some(reason_to_wire(reason)),
        }),
        Event::Offered { attempt } => W::Offered(v1::EventOffered { attempt: *attempt }),
        Event::Delivered { attempt, inbox } => {
            W::Delivered(v1::EventDelivered { attempt: *attempt, inbox_id: inbox.clone() })
        }
        Event::Retry { attempt, cause, spends_budget } => W::Retry(v1::EventRetry {
            attempt: *attempt,
            cause: cause.clone(),
            spends_budget: *spends_budget,
        }),
        Event::Acknowledged { answer, omissions } => {
            W::Acknowledged(v1::EventAcknowledged { answer: answer.clone(), omissions: omissions.clone() })
        }
        Event::Rejected { reason } => W::Rejected(v1::EventRejected { reason: Some(reason_to_wire(reason)) }),
        Event::Parked { reason } => W::Parked(v1::EventParked { reason: Some(reason_to_wire(reason)) }),
        Event::Held { to, cut, reason } => W::Held(v1::EventHeld {
            destination: to.as_ref().map(ToString::to_string).unwrap_or_default(),
            cut: cut.to_string(),
            reason: Some(reason_to_wire(reason)),
        }),
        Event::Quarantined { to, cut, reason } => W::Quarantined(v1::EventQuarantined {
            destination: to.as_ref().map(ToString::to_string).unwrap_or_default(),
            cut: cut.to_string(),
            reason: Some(reason_to_wire(reason)),
        }),
        Event::Resumed { by } => W::Resumed(v1::EventResumed { by: by.clone() }),
        Event::Unknown { cut, reason } => {
            W::Unknown(v1::EventUnknown { cut: cut.to_string(), reason: Some(reason_to_wire(reason)) })
        }
        Event::Recalled { cut, reason } => {
            W::Recalled(v1::EventRecalled { cut: cut.to_string(), reason: Some(reason_to_wire(reason)) })
        }
        Event::NotRecalled { cut, answer } => {
            W::NotRecalled(v1::EventNotRecalled { cut: cut.to_string(), answer: answer.clone() })
        }
        Event::Overdue => W::Overdue(v1::EventOverdue {}),
        Event::ReturnPending { to, reason } => W::ReturnPending(v1::EventReturnPending {
            reason: Some(reason_to_wire(reason)),
            destination: to.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        Event::Returned { by } => W::Returned(v1::EventReturned { by: by.clone() }),
        Event::Diverted { to, service, bytes, reason } => W::Diverted(v1::EventDiverted {
            destination: to.to_string(),
            service: service.clone(),
            bytes: Some(place_to_wire(bytes)),
            reason: Some(reason_to_wire(reason)),
        }),
        Event::Cancelled { reason } => {
            W::Cancelled(v1::EventCancelled { reason: Some(reason_to_wire(reason)) })
        }
        Event::Withdrawn { up_to } => W::Withdrawn(v1::EventWithdrawn { up_to_attempt: *up_to }),
        Event::Told { version } => W::Told(v1::EventTold { version: *version }),
        Event::SenderTold { version, answer } => {
            W::SenderTold(v1::EventSenderTold { version: *version, answer: answer.clone() })
        }
        Event::Reported { state, reason, destination, sequence, at, omissions } => {
            W::Reported(v1::EventReported {
                state: state_to_wire(*state) as i32,
                reason: reason.as_ref().map(reason_to_wire),
                destination: destination.as_ref().map(ToString::to_string).unwrap_or_default(),
                sequence: *sequence,
                at: Some(time::to_wire(*at)),
                omissions: omissions.clone(),
            })
        }
    }
}

fn tenant(text: &str) -> Result<TenantId, Unreadable> {
    TenantId::parse(text).map_err(|_| Unreadable::Field("event.destination"))
}

fn cut(text: &str) -> Result<CutId, Unreadable> {
    CutId::parse(text).map_err(|_| Unreadable::Field("event.cut"))
}

fn nation(text: &str) -> Result<Nation, Unreadable> {
    text.parse().map_err(|_| Unreadable::Field("event.nation"))
}

fn place(wire: Option<v1::Pointer>) -> Result<Place, Unreadable> {
    wire.map(place_from_wire).ok_or(Unreadable::Field("event.bytes"))
}

fn reason(wire: Option<v1::Reason>) -> Result<Reason, Unreadable> {
    wire.map(reason_from_wire).ok_or(Unreadable::Field("event.reason"))
}

fn event_from_wire(event: v1::decision::Event) -> Result<Event, Unreadable> {
    use v1::decision::Event as W;
    Ok(match event {
        W::Routed(e) => Event::Routed { to: tenant(&e.destination)?, bytes: place(e.bytes)? },
        W::ToBorder(e) => Event::ToBorder {
            nation: nation(&e.nation)?,
            to: tenant(&e.destination)?,
            bytes: place(e.bytes)?,
        },
        W::Carrying(e) => Event::Carrying { nation: nation(&e.nation)? },
        W::Carried(e) => Event::Carried { nation: nation(&e.nation)? },
        W::BorderRefused(e) => Event::BorderRefused {
            nation: nation(&e.nation)?,
            cut: (!e.cut.is_empty()).then(|| cut(&e.cut)).transpose()?,
            reason: reason(e.reason)?,
        },
        W::Offered(e) => Event::Offered { attempt: e.attempt },
        W::Delivered(e) => Event::Delivered { attempt: e.attempt, inbox: e.inbox_id },
        W::Retry(e) => Event::Retry { attempt: e.attempt, cause: e.cause, spends_budget: e.spends_budget },
        W::Acknowledged(e) => Event::Acknowledged { answer: e.answer, omissions: e.omissions },
        W::Rejected(e) => Event::Rejected { reason: reason(e.reason)? },
        W::Parked(e) => Event::Parked { reason: reason(e.reason)? },
        W::Held(e) => Event::Held {
            to: TenantId::parse(&e.destination).ok(),
            cut: cut(&e.cut)?,
            reason: reason(e.reason)?,
        },
        W::Quarantined(e) => Event::Quarantined {
            to: TenantId::parse(&e.destination).ok(),
            cut: cut(&e.cut)?,
            reason: reason(e.reason)?,
        },
        W::Resumed(e) => Event::Resumed { by: e.by },
        W::Unknown(e) => Event::Unknown { cut: cut(&e.cut)?, reason: reason(e.reason)? },
        W::Recalled(e) => Event::Recalled { cut: cut(&e.cut)?, reason: reason(e.reason)? },
        W::NotRecalled(e) => Event::NotRecalled { cut: cut(&e.cut)?, answer: e.answer },
        W::Overdue(_) => Event::Overdue,
        W::ReturnPending(e) => {
            Event::ReturnPending { to: TenantId::parse(&e.destination).ok(), reason: reason(e.reason)? }
        }
        W::Returned(e) => Event::Returned { by: e.by },
        W::Diverted(e) => Event::Diverted {
            to: tenant(&e.destination)?,
            service: e.service,
            bytes: place(e.bytes)?,
            reason: reason(e.reason)?,
        },
        W::Cancelled(e) => Event::Cancelled { reason: reason(e.reason)? },
        W::Withdrawn(e) => Event::Withdrawn { up_to: e.up_to_attempt },
        W::Told(e) => Event::Told { version: e.version },
        W::SenderTold(e) => Event::SenderTold { version: e.version, answer: e.answer },
        W::Reported(e) => Event::Reported {
            state: state_from_wire(e.state).ok_or_else(|| no_state(e.state, "event.state"))?,
            reason: e.reason.map(reason_from_wire),
            destination: TenantId::parse(&e.destination).ok(),
            sequence: e.sequence,
            at: e.at.and_then(time::from_wire).ok_or(Unreadable::Field("event.at"))?,
            omissions: e.omissions,
        },
    })
}
