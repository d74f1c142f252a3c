//! What cells tell, in the form that JSON has: stable names, times as text, states by their names.
//!
//! Text is rendered from the same data, so it never says more than JSON does.

use bulkhead_model::{Nation, State};
use bulkhead_wire::{kind_from_wire, priority_from_wire, state_from_wire, time_from_wire, v1};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cell::Trouble;
use crate::context::Context;
use crate::screen::Paint;

mod cut;

pub(crate) use cut::{Account, Cut, Forced, Kept, Planned};

/// Which world was asked: it stands first in every document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct World {
    /// It is a demo.
    pub demo: bool,
    /// The context's name.
    pub context: String,
}

/// How a text is made: in which colours, on whose clock, and when.
#[derive(Debug, Clone)]
pub struct Look {
    /// Colour or none.
    pub paint: Paint,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// The moment of rendering.
    pub now: Timestamp,
}

/// A nation that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// Which.
    pub nation: String,
    /// The reason, as `explain` takes it.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// One referral as one cell's ledger shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of bulkhead.v1.Referral and Envelope, described there")]
pub struct Referral {
    pub referral_id: String,
    pub state: String,
    /// The state in words.
    pub meaning: String,
    pub reason: Option<Reason>,
    pub tenant: String,
    pub destination: Option<String>,
    pub message_id: String,
    pub attempt: u32,
    pub to: Option<Address>,
    pub reply_to: Option<Address>,
    pub kind: String,
    pub case_id: Option<String>,
    pub priority: String,
    /// The sender stated no priority; such a referral is treated as urgent.
    pub priority_not_stated: bool,
    pub deadline: Option<Timestamp>,
    pub overdue: bool,
    pub content_type: String,
    pub in_response_to: Option<String>,
    pub flags: Vec<String>,
    pub traceparent: Option<String>,
    pub payload_bytes: u64,
    pub digest: String,
    pub accepted_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub custody: u32,
    pub omissions: Vec<String>,
    pub alerts: Vec<String>,
    /// The cut for which it is set aside, or its outcome not known.
    pub cut: Option<String>,
    /// Who decides what next.
    pub next: Option<String>,
}

/// An address as a protocol writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The code system; empty for a service id of the directory.
    pub system: String,
    /// The value in it.
    pub value: String,
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// For programs; `explain` takes it.
    pub code: String,
    /// For people.
    pub text: String,
}

/// One event, and the nation whose ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of bulkhead.v1.Step, described there")]
pub struct Step {
    pub at: Option<Timestamp>,
    pub nation: String,
    pub node: String,
    pub event: String,
    pub detail: String,
    pub counts: bool,
}

impl World {
    /// The world of a context.
    pub fn of(context: &Context) -> Self {
        Self { demo: context.demo, context: context.name.clone() }
    }

    /// The line that stands above every text of a demo; nothing in a real world.
    pub(crate) fn banner(&self, look: &Look) -> String {
        match self.demo {
            true => format!("{}  context {}\n", look.paint.warn("DEMO"), self.context),
            false => String::new(),
        }
    }
}

impl Look {
    /// For a reader at this machine, now.
    pub fn here(paint: Paint) -> Self {
        Self { paint, zone: TimeZone::system(), now: Timestamp::now() }
    }
}

impl Unanswered {
    /// Of each trouble.
    pub(crate) fn all(troubles: &[(Nation, Trouble)]) -> Vec<Self> {
        let one = |(nation, trouble): &(Nation, Trouble)| Self {
            nation: nation.to_string(),
            reason: trouble.reason().to_owned(),
            message: trouble.to_string(),
        };
        troubles.iter().map(one).collect()
    }
}

impl Referral {
    /// From the wire.
    pub fn of(wire: &v1::Referral) -> Self {
        let envelope = wire.envelope.clone().unwrap_or_default();
        Self {
            referral_id: wire.referral_id.clone(),
            state: state_name(wire.state),
            meaning: meaning(wire.state).to_owned(),
            reason: wire.reason.as_ref().and_then(Reason::of),
            tenant: wire.tenant.clone(),
            destination: stated(&wire.destination),
            message_id: envelope.message_id,
            attempt: envelope.attempt.max(1),
            to: envelope.to.as_ref().map(Address::of),
            reply_to: envelope.reply_to.as_ref().map(Address::of),
            kind: kind_name(envelope.kind),
            case_id: stated(&envelope.case_id),
            priority: priority_from_wire(envelope.priority).as_str().to_owned(),
            priority_not_stated: envelope.priority == v1::Priority::Unspecified as i32,
            deadline: moment(envelope.deadline),
            overdue: wire.overdue,
            content_type: envelope.content_type,
            in_response_to: stated(&envelope.in_response_to),
            flags: envelope.flags,
            traceparent: stated(&envelope.traceparent),
            payload_bytes: wire.payload_bytes,
            digest: wire.digest.clone(),
            accepted_at: moment(wire.accepted_at),
            updated_at: moment(wire.updated_at),
            custody: wire.custody,
            omissions: wire.omissions.clone(),
            alerts: wire.alerts.clone(),
            cut: stated(&wire.cut),
            next: stated(&wire.next),
        }
    }

    /// The address as people write it.
    pub(crate) fn to_text(&self) -> String {
        self.to.as_ref().map(Address::text).unwrap_or_default()
    }
}

impl Address {
    /// From the wire.
    pub fn of(wire: &v1::ServiceAddress) -> Self {
        Self { system: wire.system.clone(), value: wire.value.clone() }
    }

    /// `nation/name` or `SYSTEM|VALUE`.
    pub fn text(&self) -> String {
        match self.system.as_str() {
            "" => self.value.clone(),
            system => format!("{system}|{}", self.value),
        }
    }
}

impl Reason {
    /// From the wire, unless it says nothing.
    pub fn of(wire: &v1::Reason) -> Option<Self> {
        let empty = wire.code.is_empty() && wire.text.is_empty();
        (!empty).then(|| Self { code: wire.code.clone(), text: wire.text.clone() })
    }

    /// `CODE: text`.
    pub fn text(&self) -> String {
        match self.text.as_str() {
            "" => self.code.clone(),
            text => format!("{}: {text}", self.code),
        }
    }
}

impl Step {
    /// From the wire, with the nation that told it.
    pub fn of(nation: Nation, wire: &v1::Step) -> Self {
        Self {
            at: moment(wire.at),
            nation: nation.to_string(),
            node: wire.node.clone(),
            event: wire.event.clone(),
            detail: wire.detail.clone(),
            counts: wire.counts,
        }
    }
}

/// A state by its name; one that a newer cell knows, by its number.
pub(crate) fn state_name(state: i32) -> String {
    state_from_wire(state).map_or_else(|| format!("state-{state}"), |state| state.as_str().to_owned())
}

fn kind_name(kind: i32) -> String {
    let kind = v1::Kind::try_from(kind).ok().and_then(kind_from_wire);
    kind.map_or("unknown", |kind| kind.as_str()).to_owned()
}

/// A state in the words of a screen. *Acknowledged* must not read as if somebody had seen it.
pub(crate) fn meaning(state: i32) -> &'static str {
    let Some(state) = state_from_wire(state) else { return "a state that this version does not know" };
    match state {
        State::Accepted => "durable in the log, not yet decided",
        State::Routed => "its destination is decided, it waits there or at the border",
        State::Carried => "another nation has it",
        State::Offered => "being handed over, not yet known to have arrived",
        State::Delivered => "durable in the receiving sidecar, not yet stored by the receiving system",
        State::Acknowledged => "stored by the receiving system, not yet seen by a clinician",
        State::Rejected => "refused by the receiving system",
        State::Held => "kept until something ends that stands in its way",
        State::Parked => "set aside, it cannot be processed: a person must look",
        State::Quarantined => "set aside, it came from a tenant that is cut off",
        State::ReturnPending => "given back, nobody has confirmed it yet: a person must phone",
        State::Returned => "given back to its sender, who confirmed it",
        State::Diverted => "sent to the agreed fallback service instead",
        State::Cancelled => "taken back before it was handed over",
        State::Unknown => "handed over with an outcome that nobody knows",
    }
}

/// How a state is painted: settled well, on its way, or something for a person.
pub(crate) fn state_paint(state: &str) -> fn(Paint, &str) -> String {
    match State::parse(state) {
        Some(State::Acknowledged) => Paint::good,
        Some(
            State::Rejected | State::Parked | State::Quarantined | State::ReturnPending | State::Unknown,
        ) => Paint::bad,
        Some(State::Held | State::Diverted | State::Returned | State::Cancelled) => Paint::warn,
        Some(State::Accepted | State::Routed | State::Carried | State::Offered | State::Delivered) | None => {
            |_, text| text.to_owned()
        }
    }
}

/// An instant from the wire.
pub(crate) fn moment(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(time_from_wire)
}

pub(crate) fn stated(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
