//! The pulse of a node: bytes both ways.

use bulkhead_model::{AuditHead, Pulse};
use bytes::Bytes;

use crate::{Unreadable, time, v1};

/// As it goes into the control log.
pub fn pulse_to_wire(pulse: &Pulse) -> v1::PulseFact {
    v1::PulseFact {
        node: pulse.node.clone(),
        address: pulse.address.clone(),
        run: Bytes::copy_from_slice(&pulse.run.to_be_bytes()),
        number: pulse.number,
        position: pulse.position,
        cuts: Bytes::copy_from_slice(&pulse.cuts),
        shards: pulse
            .claims
            .iter()
            .map(|(shard, claim)| v1::HeldShard { shard: *shard, claim: *claim })
            .collect(),
        at: Some(time::to_wire(pulse.at)),
        audit: pulse.audit.map(|head| v1::AuditHead {
            count: head.count,
            digest: Bytes::copy_from_slice(&head.hash),
            own: head.own,
        }),
    }
}

/// As it was read from the control log.
///
/// # Errors
/// When a field is missing or malformed.
pub fn pulse_from_wire(wire: v1::PulseFact) -> Result<Pulse, Unreadable> {
    if wire.node.is_empty() {
        return Err(Unreadable::Field("node"));
    }
    let run = <[u8; 16]>::try_from(&*wire.run).map_err(|_| Unreadable::Field("run"))?;
    Ok(Pulse {
        node: wire.node,
        address: wire.address,
        run: u128::from_be_bytes(run),
        number: wire.number,
        position: wire.position,
        cuts: (*wire.cuts).try_into().map_err(|_| Unreadable::Field("cuts"))?,
        claims: wire.shards.into_iter().map(|held| (held.shard, held.claim)).collect(),
        at: wire.at.and_then(time::from_wire).ok_or(Unreadable::Field("at"))?,
        audit: wire.audit.map(head_from_wire).transpose()?,
    })
}

fn head_from_wire(wire: v1::AuditHead) -> Result<AuditHead, Unreadable> {
    let hash = (*wire.digest).try_into().map_err(|_| Unreadable::Field("audit"))?;
    Ok(AuditHead { count: wire.count, hash, own: wire.own })
}
