//! A referral as its first cell accepted it: what travels through in, out and border.

use bulkhead_model::{Admitted, Digest, Envelope, Nation, Payload, Provenance, ReferralId, TenantId};
use jiff::Timestamp;

use crate::envelope::recorded_envelope;
use crate::{Unreadable, envelope_to_wire, time, v1};

/// A referral in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: ReferralId,
    /// The sender.
    pub tenant: TenantId,
    /// What the broker reads of it.
    pub envelope: Envelope,
    /// The original bytes.
    pub payload: Payload,
    /// Their SHA-256, computed once at the edge.
    pub digest: Digest,
    /// The admitting node's clock.
    pub admitted_at: Timestamp,
    /// The node that admitted it.
    pub node: String,
    /// One for each door that it passed.
    pub epochs: Vec<(Nation, u64)>,
    /// The broker's append time of the first acceptance; none until it left its first `in`.
    pub accepted_at: Option<Timestamp>,
}

impl Accepted {
    /// What ingest appends for an admitted referral.
    pub fn new(admitted: &Admitted, node: &str, now: Timestamp, epoch: (Nation, u64)) -> Self {
        let arrival = admitted.arrival();
        Self {
            id: admitted.id(),
            tenant: arrival.tenant.clone(),
            envelope: arrival.envelope.clone(),
            payload: arrival.payload.clone(),
            digest: arrival.digest,
            admitted_at: now,
            node: node.to_owned(),
            epochs: vec![epoch],
            accepted_at: None,
        }
    }

    /// To the wire; the payload is shared, not copied.
    pub fn to_wire(&self) -> v1::Accepted {
        v1::Accepted {
            referral_id: self.id.as_bytes().to_vec().into(),
            tenant: self.tenant.to_string(),
            envelope: Some(envelope_to_wire(&self.envelope)),
            payload: self.payload.bytes().clone(),
            digest: self.digest.as_bytes().to_vec().into(),
            admitted_at: Some(time::to_wire(self.admitted_at)),
            node: self.node.clone(),
            epochs: epochs_to_wire(&self.epochs),
            accepted_at: self.accepted_at.map(time::to_wire),
        }
    }

    /// From the wire.
    ///
    /// # Errors
    /// When a field is missing or malformed.
    pub fn from_wire(wire: v1::Accepted) -> Result<Self, Unreadable> {
        let envelope = wire.envelope.as_ref().ok_or(Unreadable::Field("envelope"))?;
        Ok(Self {
            id: ReferralId::from_slice(&wire.referral_id).map_err(|_| Unreadable::Field("referral_id"))?,
            tenant: TenantId::parse(&wire.tenant).map_err(|_| Unreadable::Field("tenant"))?,
            envelope: recorded_envelope(envelope)?,
            payload: Payload::new(wire.payload),
            digest: Digest::from_slice(&wire.digest).ok_or(Unreadable::Field("digest"))?,
            admitted_at: wire
                .admitted_at
                .and_then(time::from_wire)
                .ok_or(Unreadable::Field("admitted_at"))?,
            node: wire.node,
            epochs: epochs_from_wire(&wire.epochs)?,
            accepted_at: wire.accepted_at.and_then(time::from_wire),
        })
    }
}

pub(crate) fn epochs_to_wire(epochs: &[(Nation, u64)]) -> Vec<v1::Epoch> {
    epochs
        .iter()
        .map(|(nation, position)| v1::Epoch { nation: nation.to_string(), position: *position })
        .collect()
}

pub(crate) fn epochs_from_wire(epochs: &[v1::Epoch]) -> Result<Vec<(Nation, u64)>, Unreadable> {
    let read = |epoch: &v1::Epoch| epoch.nation.parse().map(|nation| (nation, epoch.position));
    epochs.iter().map(read).collect::<Result<_, _>>().map_err(|_| Unreadable::Field("epochs"))
}

/// What the gate needs to know about a record.
pub fn provenance(accepted: &Accepted, destination: Option<&TenantId>) -> Provenance {
    Provenance {
        id: accepted.id,
        origin: accepted.tenant.clone(),
        destination: destination.cloned(),
        accepted_at: accepted.accepted_at,
        admitted_at: accepted.admitted_at,
        spooled_at: accepted.envelope.spooled_at,
        epochs: accepted.epochs.clone(),
    }
}
