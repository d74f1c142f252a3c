//! The one map from faults to gRPC status, both ways.
//!
//! Every error carries `google.rpc.ErrorInfo` (domain `bulkhead`), a `BadRequest` field violation where a
//! field is at fault, and `RetryInfo` when a retry makes sense.

use std::collections::HashMap;
use std::time::Duration;

use bulkhead_model::{Code, CutId, Fault};
use tonic::{Code as GrpcCode, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::v1;

const DOMAIN: &str = "bulkhead";
/// In the metadata of ErrorInfo.
const OWNER: &str = "owner";
/// Names the cut in the metadata of ErrorInfo.
const CUT: &str = "cut";

/// A refusal before it is a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who can do something about it.
    pub fault: Fault,
    /// The reason of ErrorInfo.
    pub code: Code,
    /// One sentence, free of patient data.
    pub message: String,
    /// The field at fault, if one is.
    pub field: Option<String>,
    /// When a retry makes sense: after how long.
    pub retry_after: Option<Duration>,
    /// Who decides instead: `host:port`, in the metadata of ErrorInfo.
    pub owner: Option<String>,
    /// The cut for which it is refused, if it is for one.
    pub cut: Option<CutId>,
}

impl Refusal {
    /// A refusal with the fault that its code implies.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            fault: fault_of(code),
            code,
            message: message.into(),
            field: None,
            retry_after: None,
            owner: None,
            cut: None,
        }
    }

    /// Names the field at fault.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when a retry makes sense.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says who decides instead.
    pub fn owner(mut self, address: impl Into<String>) -> Self {
        self.owner = Some(address.into());
        self
    }

    /// Names the cut for which it is refused.
    pub fn cut(mut self, cut: &CutId) -> Self {
        self.cut = Some(cut.clone());
        self
    }

    /// As the answer of one message of a stream.
    pub fn to_wire(&self) -> v1::Refusal {
        v1::Refusal {
            code: grpc_code(self.fault) as i32,
            reason: self.code.as_str().to_owned(),
            message: self.message.clone(),
            field: self.field.clone().unwrap_or_default(),
            cut: self.cut.as_ref().map(ToString::to_string).unwrap_or_default(),
            retry_after_ms: self
                .retry_after
                .map_or(0, |after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX)),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        let owner = refusal.owner.map(|address| (OWNER.to_owned(), address));
        let cut = refusal.cut.map(|cut| (CUT.to_owned(), cut.to_string()));
        let metadata = owner.into_iter().chain(cut).collect::<HashMap<_, _>>();
        details.set_error_info(refusal.code.as_str(), DOMAIN, metadata);
        if let Some(field) = &refusal.field {
            details.add_bad_request_violation(field, &refusal.message);
        }
        if let Some(after) = refusal.retry_after {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(grpc_code(refusal.fault), refusal.message, details)
    }
}

/// What a code says about who can do something.
pub fn fault_of(code: Code) -> Fault {
    match code {
        Code::InvalidEnvelope | Code::PayloadTooLarge | Code::NotTranslatable | Code::DigestMismatch => {
            Fault::Caller
        }
        Code::ServiceUnknown | Code::ScopeUnknown => Fault::NotFound,
        Code::TenantCut
        | Code::DestinationCut
        | Code::TenantUnknown
        | Code::NotGranted
        | Code::CredentialRevoked
        | Code::CredentialExpired
        | Code::SecondPersonNeeded
        | Code::SignatureInvalid => Fault::Denied,
        Code::ConflictingDuplicate | Code::PlanChanged | Code::Withdrawn | Code::AlreadyCut => {
            Fault::Conflict
        }
        Code::QuotaExceeded => Fault::Overloaded,
        Code::NotOwner | Code::NodeUnsure | Code::LogUnavailable => Fault::Unavailable,
        Code::Unreadable
        | Code::BorderRefused
        | Code::ReceiverRefused
        | Code::BudgetSpent
        | Code::DeadlinePassed => Fault::Internal,
    }
}

fn grpc_code(fault: Fault) -> GrpcCode {
    match fault {
        Fault::Caller => GrpcCode::InvalidArgument,
        Fault::Denied => GrpcCode::PermissionDenied,
        Fault::NotFound => GrpcCode::NotFound,
        Fault::Conflict => GrpcCode::AlreadyExists,
        Fault::Overloaded => GrpcCode::ResourceExhausted,
        Fault::Unavailable => GrpcCode::Unavailable,
        Fault::Internal => GrpcCode::Internal,
    }
}

/// What a caller reads from a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason, when it is one of ours.
    pub code: Option<Code>,
    /// The gRPC code's number.
    pub grpc: i32,
    /// One sentence.
    pub message: String,
    /// The field at fault.
    pub field: Option<String>,
    /// After how long a retry makes sense.
    pub retry_after: Option<Duration>,
    /// Who decides instead: `host:port`.
    pub owner: Option<String>,
}

impl Problem {
    /// A definite no: the same again gets the same answer, and nothing was taken in. Everything else
    /// (no connection, a time-out, a node that is unsure, an overload) is an outage.
    pub fn is_refusal(&self) -> bool {
        match self.code {
            Some(code) => match fault_of(code) {
                Fault::Caller | Fault::Denied | Fault::NotFound | Fault::Conflict => true,
                Fault::Overloaded | Fault::Unavailable | Fault::Internal => false,
            },
            None => matches!(
                GrpcCode::from(self.grpc),
                GrpcCode::InvalidArgument | GrpcCode::OutOfRange | GrpcCode::Unimplemented
            ),
        }
    }
}

impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let code = details
            .error_info()
            .filter(|info| info.domain == DOMAIN)
            .and_then(|info| Code::parse(&info.reason));
        let field = details
            .bad_request()
            .and_then(|bad| bad.field_violations.first())
            .map(|violation| violation.field.clone());
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let owner = details.error_info().and_then(|info| info.metadata.get(OWNER).cloned());
        let (grpc, message) = (status.code() as i32, status.message().to_owned());
        Self { code, grpc, message, field, retry_after, owner }
    }
}

impl From<&v1::Refusal> for Problem {
    fn from(refusal: &v1::Refusal) -> Self {
        Self {
            code: Code::parse(&refusal.reason),
            grpc: refusal.code,
            message: refusal.message.clone(),
            field: Some(refusal.field.clone()).filter(|field| !field.is_empty()),
            retry_after: Some(Duration::from_millis(refusal.retry_after_ms.into())).filter(|d| !d.is_zero()),
            owner: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_heard() {
        let said = Refusal::new(Code::QuotaExceeded, "too many calls").retry_after(Duration::from_secs(2));
        let heard = Problem::from(&Status::from(said.clone()));
        assert_eq!(
            (heard.code, heard.retry_after),
            (Some(Code::QuotaExceeded), Some(Duration::from_secs(2)))
        );
        assert!(!heard.is_refusal());
        assert_eq!(Problem::from(&said.to_wire()).code, Some(Code::QuotaExceeded));
        let field = Refusal::new(Code::InvalidEnvelope, "is required").field("to");
        let heard = Problem::from(&Status::from(field));
        assert_eq!(heard.field.as_deref(), Some("to"));
        assert!(heard.is_refusal());
    }

    #[test]
    fn a_redirect_names_who_decides() {
        let said = Refusal::new(Code::NotOwner, "another node decides").owner("10.0.0.2:7443");
        assert_eq!(Problem::from(&Status::from(said)).owner.as_deref(), Some("10.0.0.2:7443"));
    }

    #[test]
    fn no_connection_is_an_outage() {
        assert!(!Problem::from(&Status::unavailable("connection refused")).is_refusal());
    }

    #[test]
    fn every_code_is_heard_the_same_over_a_status_and_in_a_stream() {
        for code in Code::ALL {
            let said = Refusal::new(code, "because").field("to").retry_after(Duration::from_millis(250));
            let in_a_stream = Problem::from(&said.to_wire());
            let heard = Problem::from(&Status::from(said));
            assert_eq!(heard, in_a_stream, "{code}");
            assert_eq!((heard.code, heard.message.as_str()), (Some(code), "because"));
            let (field, after) = (heard.field.as_deref(), heard.retry_after);
            assert_eq!((field, after), (Some("to"), Some(Duration::from_millis(250))));
            let same_again_may_work =
                matches!(fault_of(code), Fault::Overloaded | Fault::Unavailable | Fault::Internal);
            assert_eq!(heard.is_refusal(), !same_again_may_work, "{code}");
        }
    }
}
