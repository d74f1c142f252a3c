//! Whether a referral is let in: the decision of ingest, as a pure function.

use crate::gate::{Answer, Provenance};
use crate::{
    Code, CutId, Cuts, Digest, Directory, Envelope, Kind, Payload, Priority, Reason, ReferralId, State,
    TenantId, Wanted, fallback,
};

/// A referral as it arrived, with the digest of its payload.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who sent it, by certificate.
    pub tenant: TenantId,
    /// What it asks for.
    pub envelope: Envelope,
    /// The original bytes.
    pub payload: Payload,
    /// Their SHA-256.
    pub digest: Digest,
}

impl Arrival {
    /// Its id: derived from tenant and message id.
    pub fn id(&self) -> ReferralId {
        ReferralId::derive(&self.tenant, &self.envelope.message_id)
    }
}

/// What the node knows of an earlier submit of the same message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The digest of the earlier bytes.
    pub digest: Digest,
    /// Where it is now.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Its sender took back every attempt up to this one, and it ended so: a later one is no repeat
    /// ([`Referral::begins_anew_after`](crate::Referral::begins_anew_after)).
    pub begins_anew_after: Option<u32>,
}

/// A referral that may be appended to the log. Only [`admit`] makes one.
#[derive(Debug, Clone)]
pub struct Admitted {
    id: ReferralId,
    arrival: Arrival,
}

impl Admitted {
    /// Its id.
    pub fn id(&self) -> ReferralId {
        self.id
    }

    /// What arrived.
    pub fn arrival(&self) -> &Arrival {
        &self.arrival
    }
}

/// Why a referral is not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdmitted {
    /// It is known: the sender is told where it is now.
    Known(Known),
    /// Refused.
    Refused {
        /// Why.
        reason: Reason,
        /// The field of the envelope at fault, if one is.
        field: Option<&'static str>,
    },
    /// Refused for a cut, of its sender or of whom it is for.
    Cut {
        /// Which.
        cut: CutId,
        /// Why.
        reason: Reason,
    },
    /// The sender has come back a moment ago: within the clocks' skew of its restore nobody can tell what is new.
    TooSoon,
}

fn refuse(code: Code, field: Option<&'static str>, text: impl Into<String>) -> NotAdmitted {
    NotAdmitted::Refused { reason: Reason::new(code, text), field }
}

/// Decides whether a referral is let in.
///
/// A known id is answered with its state before any refusal but the gate's: a sender that was told
/// *accepted* must be able to ask by sending again.
///
/// # Errors
/// [`NotAdmitted`]: a repeat with its present state, or a refusal with its reason.
pub fn admit(
    arrival: Arrival,
    provenance: &Provenance,
    known: Option<Known>,
    directory: &Directory,
    cuts: &Cuts,
) -> Result<Admitted, NotAdmitted> {
    let Some(tenant) = directory.tenant(&arrival.tenant) else {
        return Err(refuse(
            Code::TenantUnknown,
            None,
            format!("the directory has no tenant {}", arrival.tenant),
        ));
    };
    let answer = ask(&arrival, provenance, cuts)?;
    if let Some(known) = known {
        let new_attempt = known.begins_anew_after.is_some_and(|after| arrival.envelope.attempt > after);
        if known.digest != arrival.digest {
            return Err(refuse(
                Code::ConflictingDuplicate,
                Some("message_id"),
                "this message id was used before with other bytes; use a new one",
            ));
        }
        if !new_attempt {
            return Err(NotAdmitted::Known(known));
        }
    }
    if arrival.payload.is_empty() {
        return Err(refuse(Code::InvalidEnvelope, Some("payload"), "the payload is empty"));
    }
    let limit = tenant.quota.payload_bytes;
    if arrival.payload.len() > limit {
        let text =
            format!("the payload has {} bytes; {} may send {limit}", arrival.payload.len(), arrival.tenant);
        return Err(refuse(Code::PayloadTooLarge, Some("payload"), text));
    }
    let Some(service) = directory.resolve(&arrival.envelope.to) else {
        let text = format!("no service has the address {}", arrival.envelope.to);
        return Err(refuse(Code::ServiceUnknown, Some("to"), text));
    };
    if !service.takes_from(&arrival.tenant) {
        let text = format!("{} does not take referrals from {}", service.id, arrival.tenant);
        return Err(refuse(Code::NotGranted, Some("to"), text));
    }
    if let Some(max) = service.max_bytes
        && arrival.payload.len() > max
    {
        let text = format!("the payload has {} bytes; {} takes {max}", arrival.payload.len(), service.id);
        return Err(refuse(Code::PayloadTooLarge, Some("payload"), text));
    }
    if let Some(reply_to) = &arrival.envelope.reply_to
        && directory.resolve(reply_to).is_none_or(|service| service.host != arrival.tenant)
    {
        let text = format!("{reply_to} is not a service of {}", arrival.tenant);
        return Err(refuse(Code::InvalidEnvelope, Some("reply_to"), text));
    }
    if let Answer::DestinationCut(cut) = answer
        && arrival.envelope.priority != Priority::Routine
        && arrival.envelope.kind == Kind::Request
        && fallback(
            provenance,
            service,
            &wanted(&arrival, provenance),
            arrival.tenant.nation(),
            directory,
            cuts,
        )
        .is_none()
    {
        let reason =
            Reason::new(Code::DestinationCut, format!("{} is cut off by {cut}: phone it", service.id));
        return Err(NotAdmitted::Cut { cut, reason });
    }
    Ok(Admitted { id: arrival.id(), arrival })
}

/// What a fallback would have to take now.
fn wanted(arrival: &Arrival, provenance: &Provenance) -> Wanted {
    let Envelope { kind, priority, .. } = arrival.envelope;
    Wanted { kind, priority, bytes: arrival.payload.len(), at: provenance.admitted_at }
}

/// What the gate says of a new arrival that may be appended. One that lay in a spool while its sender was cut off is
/// appended, and set aside by whoever decides next.
fn ask(arrival: &Arrival, provenance: &Provenance, cuts: &Cuts) -> Result<Answer, NotAdmitted> {
    let refused = |cut: CutId| {
        let reason = Reason::new(Code::TenantCut, format!("tenant {} is cut off by {cut}", arrival.tenant));
        NotAdmitted::Cut { cut, reason }
    };
    if let Some(cut) = cuts.covers_from(&arrival.tenant) {
        return Err(refused(cut.clone()));
    }
    let not_spooled = Provenance { spooled_at: None, ..provenance.clone() };
    match cuts.ask(&not_spooled) {
        Answer::Hold(cut) => Err(refused(cut)),
        Answer::Quarantine(_) => Err(NotAdmitted::TooSoon),
        answer @ (Answer::Open | Answer::DestinationCut(_)) => Ok(answer),
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
