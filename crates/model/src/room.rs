//! Whether a tenant's compartment has room for one more.

use crate::{Code, Kind, Quota, Reason, TenantId};

impl Quota {
    /// Whether one more of that kind may be taken from a tenant whose referrals that are not settled weigh so much.
    ///
    /// It may while they weigh less than the quota: so one may go past it, and none is too large for an empty
    /// compartment. A cancel or an answer is about earlier work and helps to settle it, so these may go on until as much
    /// again has come.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check_room(&self, tenant: &TenantId, unsettled: u64, kind: Kind) -> Result<(), Reason> {
        let limit = match kind {
            Kind::Request | Kind::Update => self.unsettled_bytes,
            Kind::Cancel | Kind::Response => self.unsettled_bytes.saturating_mul(2),
        };
        if unsettled < limit {
            return Ok(());
        }
        let text = format!(
            "{unsettled} bytes of {tenant} are not settled, and {limit} may be: see that those who get them take and \
             answer them, or ask for a larger quota"
        );
        Err(Reason::new(Code::QuotaExceeded, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_settles_earlier_work_goes_on_for_as_much_again() {
        let quota = Quota { unsettled_bytes: 100, ..Quota::default() };
        let tenant = TenantId::parse("wales/a").unwrap();
        let check = |kind, unsettled, expected: bool| {
            assert_eq!(quota.check_room(&tenant, unsettled, kind).is_ok(), expected, "{kind:?} {unsettled}");
        };
        for kind in [Kind::Request, Kind::Update] {
            check(kind, 99, true);
            check(kind, 100, false);
        }
        for kind in [Kind::Cancel, Kind::Response] {
            check(kind, 199, true);
            check(kind, 200, false);
        }
        let reason = quota.check_room(&tenant, 123, Kind::Request).unwrap_err();
        assert_eq!(reason.known(), Some(Code::QuotaExceeded));
        assert!(
            reason.text.contains("123 bytes of wales/a") && reason.text.contains("100 may be"),
            "{reason}"
        );
    }
}
