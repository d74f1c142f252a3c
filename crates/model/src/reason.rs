//! Why something is refused or set aside: a code for programs and a sentence for people.

use std::fmt;

use crate::CutId;

/// Machine-readable reasons: those of gRPC's ErrorInfo (surface.md) and those of referrals set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// You are cut.
    TenantCut,
    /// Whom you address is cut.
    DestinationCut,
    /// The directory does not know the tenant.
    TenantUnknown,
    /// The directory does not know the service.
    ServiceUnknown,
    /// The service does not take referrals from this tenant.
    NotGranted,
    /// A field of the envelope is missing or malformed.
    InvalidEnvelope,
    /// Over the limit.
    PayloadTooLarge,
    /// The same message id with other bytes.
    ConflictingDuplicate,
    /// Too many calls or bytes.
    QuotaExceeded,
    /// The certificate was revoked.
    CredentialRevoked,
    /// The certificate has expired.
    CredentialExpired,
    /// Another node owns the shard.
    NotOwner,
    /// The node does not know enough to act.
    NodeUnsure,
    /// The log cannot take it now.
    LogUnavailable,
    /// A second person must agree.
    SecondPersonNeeded,
    /// The plan is not what was shown.
    PlanChanged,
    /// The signature does not hold.
    SignatureInvalid,
    /// A record that cannot be read.
    Unreadable,
    /// The far nation refused it.
    BorderRefused,
    /// The receiving sidecar refused it for good.
    ReceiverRefused,
    /// The receiving system answered badly until the budget was spent.
    BudgetSpent,
    /// Its deadline passed before it was handed over.
    DeadlinePassed,
    /// Its sender took it back.
    Withdrawn,
    /// The bytes do not have the digest that was computed at the edge.
    DigestMismatch,
    /// What must be shown has no place in the receiver's format.
    NotTranslatable,
    /// Nothing of that name can be cut, or no such cut was made.
    ScopeUnknown,
    /// An active cut covers it already.
    AlreadyCut,
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 27] = [
        Code::TenantCut,
        Code::DestinationCut,
        Code::TenantUnknown,
        Code::ServiceUnknown,
        Code::NotGranted,
        Code::InvalidEnvelope,
        Code::PayloadTooLarge,
        Code::ConflictingDuplicate,
        Code::QuotaExceeded,
        Code::CredentialRevoked,
        Code::CredentialExpired,
        Code::NotOwner,
        Code::NodeUnsure,
        Code::LogUnavailable,
        Code::SecondPersonNeeded,
        Code::PlanChanged,
        Code::SignatureInvalid,
        Code::Unreadable,
        Code::BorderRefused,
        Code::ReceiverRefused,
        Code::BudgetSpent,
        Code::DeadlinePassed,
        Code::Withdrawn,
        Code::DigestMismatch,
        Code::NotTranslatable,
        Code::ScopeUnknown,
        Code::AlreadyCut,
    ];

    /// As it is written on the wire, in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::TenantCut => "TENANT_CUT",
            Code::DestinationCut => "DESTINATION_CUT",
            Code::TenantUnknown => "TENANT_UNKNOWN",
            Code::ServiceUnknown => "SERVICE_UNKNOWN",
            Code::NotGranted => "NOT_GRANTED",
            Code::InvalidEnvelope => "INVALID_ENVELOPE",
            Code::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Code::ConflictingDuplicate => "CONFLICTING_DUPLICATE",
            Code::QuotaExceeded => "QUOTA_EXCEEDED",
            Code::CredentialRevoked => "CREDENTIAL_REVOKED",
            Code::CredentialExpired => "CREDENTIAL_EXPIRED",
            Code::NotOwner => "NOT_OWNER",
            Code::NodeUnsure => "NODE_UNSURE",
            Code::LogUnavailable => "LOG_UNAVAILABLE",
            Code::SecondPersonNeeded => "SECOND_PERSON_NEEDED",
            Code::PlanChanged => "PLAN_CHANGED",
            Code::SignatureInvalid => "SIGNATURE_INVALID",
            Code::Unreadable => "UNREADABLE",
            Code::BorderRefused => "BORDER_REFUSED",
            Code::ReceiverRefused => "RECEIVER_REFUSED",
            Code::BudgetSpent => "BUDGET_SPENT",
            Code::DeadlinePassed => "DEADLINE_PASSED",
            Code::Withdrawn => "WITHDRAWN",
            Code::DigestMismatch => "DIGEST_MISMATCH",
            Code::NotTranslatable => "NOT_TRANSLATABLE",
            Code::ScopeUnknown => "SCOPE_UNKNOWN",
            Code::AlreadyCut => "ALREADY_CUT",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code and a sentence, free of patient data. A code that a newer node wrote stays as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason {
    /// For programs.
    pub code: String,
    /// For people.
    pub text: String,
}

impl Reason {
    /// A reason of ours.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), text: text.into() }
    }

    /// The cut that it names, when it is one's doing: every such text says *cut off by* or *under the cut* and its name.
    pub fn cut(&self) -> Option<CutId> {
        if !matches!(self.known(), Some(Code::TenantCut | Code::DestinationCut)) {
            return None;
        }
        let mut words = self.text.split_whitespace();
        while let Some(word) = words.next() {
            if matches!(word, "by" | "cut")
                && let Some(next) = words.clone().next()
                && let Ok(cut) = CutId::parse(next.trim_end_matches([':', ';', ',', '.']))
            {
                return Some(cut);
            }
        }
        None
    }

    /// The code, when it is one of ours.
    pub fn known(&self) -> Option<Code> {
        Code::parse(&self.code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str(&self.code) } else { write!(f, "{}: {}", self.code, self.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_the_cut_whose_doing_it_is() {
        let check = |code: Code, text: &str, expected: Option<&str>| {
            let cut = Reason::new(code, text).cut();
            assert_eq!(cut.as_ref().map(CutId::as_str), expected, "{text}");
        };
        check(
            Code::DestinationCut,
            "the receiver is cut off by wales/3f0c9a12be77",
            Some("wales/3f0c9a12be77"),
        );
        check(Code::TenantCut, "sent while the sender was under the cut wales/3f0c", Some("wales/3f0c"));
        check(Code::DestinationCut, "wales/a-triage is cut off by wales/3f0c: phone it", Some("wales/3f0c"));
        let ordered = "the receiver is cut off by wales/3f0c; given back by wales/wales-duty";
        check(Code::DestinationCut, ordered, Some("wales/3f0c"));
        check(Code::BudgetSpent, "spent; given back by wales/wales-duty", None);
        check(Code::TenantCut, "", None);
    }
}
