//! The facts that `model::admit` decides on: what arrived, and what this node knows of an earlier submit.

use bulkhead_ledger::Row;
use bulkhead_model::{Arrival, Code, Digest, Known, Lifecycle, Payload, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::{envelope_from_wire, v1};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use crate::recent::Fresh;

/// Reads a submit as it came, and digests its payload: once, here, and never again on the way.
pub(crate) fn read(tenant: &TenantId, request: v1::SubmitRequest) -> Result<Arrival, Refusal> {
    let envelope = request
        .envelope
        .ok_or_else(|| Refusal::new(Code::InvalidEnvelope, "envelope: is required").field("envelope"))?;
    let envelope = envelope_from_wire(&envelope)
        .map_err(|invalid| Refusal::new(Code::InvalidEnvelope, invalid.to_string()).field(invalid.field))?;
    let digest = sha256(&request.payload);
    Ok(Arrival { tenant: tenant.clone(), envelope, payload: Payload::new(request.payload), digest })
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest::new(sum)
}

/// Whether its sender may still find that it was taken back: it has not gone, or nobody has said that it was taken.
pub(crate) fn may_end_taken_back(lifecycle: &Lifecycle) -> bool {
    lifecycle.is_open() || matches!(lifecycle, Lifecycle::Offered { .. })
}

/// An earlier submit of the same message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) known: Known,
    pub(crate) accepted_at: Timestamp,
    attempt: u32,
    /// Attempts that its sender took back.
    withdrawn_up_to: u32,
    /// It may still be taken back.
    open: bool,
}

impl Earlier {
    /// As the ledger shows it.
    pub(crate) fn shown(row: &Row) -> Self {
        let lifecycle = &row.referral.lifecycle;
        Self {
            known: Known {
                digest: row.facts.digest,
                state: lifecycle.state(),
                reason: lifecycle.reason().cloned(),
                begins_anew_after: row.referral.begins_anew_after(row.facts.envelope.attempt),
            },
            accepted_at: row.facts.accepted_at,
            attempt: row.facts.envelope.attempt,
            withdrawn_up_to: row.referral.withdrawn_up_to,
            open: may_end_taken_back(lifecycle),
        }
    }

    /// As it was accepted here, before the ledger shows it.
    pub(crate) fn fresh(fresh: &Fresh) -> Self {
        Self {
            known: Known { digest: fresh.digest, state: fresh.state, reason: None, begins_anew_after: None },
            accepted_at: fresh.accepted_at,
            attempt: fresh.envelope.attempt,
            withdrawn_up_to: 0,
            open: true,
        }
    }

    /// The withdrawal of attempts before this one is not shown yet.
    pub(crate) fn withdrawal_may_come(&self, attempt: u32) -> bool {
        attempt > self.attempt && self.withdrawn_up_to.saturating_add(1) < attempt
    }

    /// What came earlier is taken back, but nobody knows yet whether it went on all the same: this attempt is
    /// either a repeat or a new beginning.
    pub(crate) fn withdrawal_is_undecided(&self, attempt: u32) -> bool {
        let taken_back = self.withdrawn_up_to >= self.attempt;
        taken_back && attempt > self.withdrawn_up_to && self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_model::State;

    fn earlier(attempt: u32, withdrawn_up_to: u32, open: bool) -> Earlier {
        let known = Known {
            digest: Digest::new([0; 32]),
            state: State::Routed,
            reason: None,
            begins_anew_after: None,
        };
        Earlier { known, accepted_at: Timestamp::UNIX_EPOCH, attempt, withdrawn_up_to, open }
    }

    #[test]
    fn a_digest_is_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").to_string(), expected);
    }

    #[test]
    fn a_later_attempt_waits_until_its_withdrawal_is_decided() {
        let check = |earlier: Earlier, attempt, expected: (bool, bool)| {
            let got = (earlier.withdrawal_may_come(attempt), earlier.withdrawal_is_undecided(attempt));
            assert_eq!(got, expected, "{earlier:?}, attempt {attempt}");
        };
        check(earlier(1, 0, true), 1, (false, false));
        check(earlier(1, 0, true), 2, (true, false));
        check(earlier(1, 1, true), 1, (false, false));
        check(earlier(1, 1, true), 2, (false, true));
        check(earlier(1, 1, false), 2, (false, false));
        check(earlier(2, 1, true), 2, (false, false));
        check(earlier(2, 1, true), 3, (true, false));
    }

    #[test]
    fn what_is_malformed_names_its_field() {
        let tenant = TenantId::parse("england/a").unwrap();
        let field = |envelope| {
            let request = v1::SubmitRequest { envelope, payload: b"x".to_vec().into() };
            let refusal = read(&tenant, request).unwrap_err();
            assert_eq!(refusal.code, Code::InvalidEnvelope);
            refusal.field.unwrap()
        };
        assert_eq!(field(None), "envelope");
        assert_eq!(field(Some(v1::Envelope::default())), "message_id");
        let named = v1::Envelope { message_id: "m".into(), ..Default::default() };
        assert_eq!(field(Some(named)), "to");
    }
}
