//! What an answer says, in two letters.

/// A code of table 0008, acknowledgment code.
///
/// What a sender does about an error or a reject differs from peer to peer: the DHCW guide resends on AE and holds
/// on AR for a person, which is the opposite emphasis of HL7 v2.5 section 2.9.3. Keep that in the route's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// `AA`: application accept.
    ApplicationAccept,
    /// `AE`: application error.
    ApplicationError,
    /// `AR`: application reject.
    ApplicationReject,
    /// `CA`: commit accept, the message is stored safely.
    CommitAccept,
    /// `CE`: commit error.
    CommitError,
    /// `CR`: commit reject.
    CommitReject,
}

impl AckCode {
    const ALL: [Self; 6] = [
        Self::ApplicationAccept,
        Self::ApplicationError,
        Self::ApplicationReject,
        Self::CommitAccept,
        Self::CommitError,
        Self::CommitReject,
    ];

    /// The two letters of table 0008.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }

    /// Reads the two letters, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// Whether this is `AA` or `CA`.
    pub fn is_accept(self) -> bool {
        matches!(self, Self::ApplicationAccept | Self::CommitAccept)
    }

    /// Whether this is about storing only (`CA CE CR`), in enhanced mode.
    pub fn is_commit(self) -> bool {
        matches!(self, Self::CommitAccept | Self::CommitError | Self::CommitReject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_written() {
        for code in AckCode::ALL {
            assert_eq!(AckCode::parse(code.as_str()), Some(code));
            assert_eq!(code.is_accept(), code.as_str().ends_with('A'));
            assert_eq!(code.is_commit(), code.as_str().starts_with('C'));
        }
        assert_eq!(AckCode::parse(" aa "), Some(AckCode::ApplicationAccept));
        assert_eq!(AckCode::parse("OK"), None);
    }
}
