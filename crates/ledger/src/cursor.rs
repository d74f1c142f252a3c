//! Where a list goes on: behind one referral, in the order of the list.

use std::fmt;

use bulkhead_model::ReferralId;

/// A place in a list, just behind a referral as it was then. What is written of it is for the ledger alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) settled: bool,
    pub(crate) deadline: i64,
    pub(crate) lane: i64,
    pub(crate) accepted_at: i64,
    pub(crate) id: ReferralId,
}

impl Cursor {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '.');
        let settled = match parts.next()? {
            "o" => false,
            "s" => true,
            _ => return None,
        };
        let mut number = || parts.next()?.parse().ok();
        let (deadline, lane, accepted_at) = (number()?, number()?, number()?);
        Some(Self { settled, deadline, lane, accepted_at, id: ReferralId::parse(parts.next()?).ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settled, deadline, lane, accepted_at, id } = self;
        write!(f, "{}.{deadline}.{lane}.{accepted_at}.{id}", if *settled { "s" } else { "o" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::NO_DEADLINE;

    #[test]
    fn it_reads_what_it_wrote_and_nothing_else() {
        let id = ReferralId::parse("0192f0c1-2b3c-5d4e-8f5a-6b7c8d9e0f1a").unwrap();
        for (settled, deadline) in [(false, -5), (true, NO_DEADLINE)] {
            let cursor = Cursor { settled, deadline, lane: 2, accepted_at: 1_700_000_000_000_000, id };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for text in [
            "",
            "o",
            "o.1.2.3",
            "x.1.2.3.0192f0c1-2b3c-5d4e-8f5a-6b7c8d9e0f1a",
            "o.1.2.3.4",
            "o.1.2.?.0192f0c1",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
