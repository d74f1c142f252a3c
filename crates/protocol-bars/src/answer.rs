//! What the kit's answer is in BaRS: taken, or which refusal. Pure.
//!
//! Senders try again on 408, 425, 429, 503 and SEND_FORBIDDEN, and stop on everything else; they take 409
//! `duplicate` for success (BaRS guide, Transactional-integrity). So what no retry will change is said in a
//! form that is not retried, and `duplicate` only while the first attempt stands well.

use std::time::Duration;

use bulkhead_adapter::Answer;
use bulkhead_format_bars::Problem;
use bulkhead_format_bars::outcome::{ErrorKind, IssueType, Party};
use bulkhead_model::{Code, Reason, State};

use crate::reply::Refusal;

/// When to try again where nobody says.
const SOON: Duration = Duration::from_secs(2);

/// What the local system is told. `known` says that this message id was here before: a broker that answers
/// "duplicate" to what the sidecar itself has sent twice answers a first request.
pub(crate) fn said(answer: &Answer, known: bool) -> Result<(), Refusal> {
    match answer {
        Answer::OnSpool | Answer::Accepted { duplicate: false, .. } => Ok(()),
        Answer::Accepted { state, reason, .. } => match standing(*state, reason.as_ref()) {
            None if known => Err(Problem::duplicate().into()),
            None => Ok(()),
            Some(refusal) => Err(refusal),
        },
        Answer::Refused { problem } => {
            let refusal = refused(problem.code);
            Err(Refusal {
                retry_after: refusal.retry_after.and(problem.retry_after).or(refusal.retry_after),
                ..refusal
            })
        }
        Answer::TryAgain { after, .. } => Err(not_now().after(*after)),
    }
}

/// What is wrong with where an earlier attempt stands; `None` while all is well.
fn standing(state: State, reason: Option<&Reason>) -> Option<Refusal> {
    if state.is_good() {
        return None;
    }
    // What is kept for review may still be delivered: its reason alone would say that it was never taken.
    let reason = reason.filter(|_| state != State::Quarantined);
    let because = reason.and_then(Reason::known).map(refused_for);
    let text = match state {
        State::Unknown => return Some(Refusal::from(Problem::too_early()).after(SOON)),
        State::Cancelled => "the message was taken back",
        State::Quarantined => "the message was received, and is kept for review",
        State::ReturnPending | State::Returned => {
            "the message was received and could not be delivered: use another way, such as the telephone"
        }
        _ => "the message was received and was not taken by its receiver",
    };
    let own = || match state {
        State::Cancelled => Problem::rec(ErrorKind::Conflict, IssueType::Conflict, text),
        _ => Problem::rec(ErrorKind::UnprocessableEntity, IssueType::Processing, text),
    };
    // A state that is not good is never answered in a form that is retried.
    Some(because.filter(|refusal| refusal.retry_after.is_none()).unwrap_or_else(|| own().into()))
}

/// The refusal for a code of the broker's.
pub(crate) fn refused(code: Option<Code>) -> Refusal {
    let unknown =
        || Problem::proxy(ErrorKind::ServerError, IssueType::Exception, "the broker refused the message");
    code.map_or_else(|| unknown().into(), refused_for)
}

fn refused_for(code: Code) -> Refusal {
    use ErrorKind as K;
    use IssueType as I;
    use Party::{Proxy, Rec, Send};
    let (party, kind, issue, text) = match code {
        Code::ServiceUnknown => (Proxy, K::NotFound, I::NotFound, "the addressed service is not known"),
        Code::ConflictingDuplicate => {
            (Rec, K::Conflict, I::Conflict, "another message with the same X-Request-Id was received before")
        }
        // Not 403: senders try SEND_FORBIDDEN again.
        Code::TenantCut => (Send, K::Unauthorized, I::Security, "the sender is cut off"),
        Code::TenantUnknown => (Send, K::Unauthorized, I::Security, "the sender is not known"),
        Code::CredentialRevoked => {
            (Send, K::Unauthorized, I::Security, "the sender's credential was revoked")
        }
        Code::CredentialExpired => (Send, K::Unauthorized, I::Expired, "the sender's credential has expired"),
        Code::SignatureInvalid | Code::SecondPersonNeeded => {
            (Send, K::Unauthorized, I::Security, "the sender may not do this")
        }
        Code::DestinationCut => (
            Proxy,
            K::UnprocessableEntity,
            I::Processing,
            "the addressed service is cut off and takes nothing now: use another way, such as the telephone",
        ),
        Code::NotGranted => (
            Proxy,
            K::UnprocessableEntity,
            I::Forbidden,
            "the addressed service takes no messages from this sender",
        ),
        Code::PayloadTooLarge => (Rec, K::BadRequest, I::Processing, "the message is too long"),
        Code::InvalidEnvelope => {
            (Proxy, K::BadRequest, I::Invalid, "an id or address of the message is not valid")
        }
        Code::NotTranslatable => (
            Rec,
            K::UnprocessableEntity,
            I::NotSupported,
            "the receiver's system has no place for something that must be shown",
        ),
        Code::Unreadable => (Rec, K::UnprocessableEntity, I::Structure, "the message cannot be read"),
        Code::Withdrawn => (Rec, K::Conflict, I::Conflict, "the message was taken back"),
        Code::ReceiverRefused | Code::BorderRefused => {
            (Rec, K::UnprocessableEntity, I::Processing, "the receiver refused the message")
        }
        Code::BudgetSpent | Code::DeadlinePassed => (
            Rec,
            K::UnprocessableEntity,
            I::Processing,
            "the message could not be delivered in time: use another way, such as the telephone",
        ),
        Code::QuotaExceeded => {
            let problem = Problem::proxy(K::TooManyRequests, I::Throttled, "too many messages");
            return Refusal::from(problem).after(SOON);
        }
        Code::NotOwner | Code::NodeUnsure | Code::LogUnavailable => return not_now(),
        Code::PlanChanged | Code::DigestMismatch | Code::ScopeUnknown | Code::AlreadyCut => {
            (Proxy, K::ServerError, I::Exception, "the broker could not keep the message")
        }
    };
    let text = format!("{text} ({code})");
    Problem::new(party, kind, issue, &text).into()
}

/// 503: the sender tries again.
pub(crate) fn not_now() -> Refusal {
    let text = "the message cannot be taken now";
    Refusal::from(Problem::rec(ErrorKind::Unavailable, IssueType::Transient, text)).after(SOON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_format_bars::peer::{self, Verdict};
    use bulkhead_format_bars::{Syntax, outcome::ErrorCode};
    use bulkhead_model::{MessageId, ReferralId, TenantId};
    use bulkhead_wire::status;

    fn accepted(duplicate: bool, state: State, reason: Option<Code>) -> Answer {
        let tenant = TenantId::parse("england/nhs111-north").unwrap();
        let id = ReferralId::derive(&tenant, &MessageId::parse("m").unwrap());
        Answer::Accepted { id, duplicate, state, reason: reason.map(|code| Reason::new(code, "")) }
    }

    fn refused(code: Option<Code>) -> Answer {
        let message = "9476719931".to_owned();
        Answer::Refused {
            problem: status::Problem { code, grpc: 13, message, field: None, retry_after: None, owner: None },
        }
    }

    fn words(answer: &Answer, known: bool) -> String {
        match said(answer, known) {
            Ok(()) => "200".to_owned(),
            Err(Refusal { problem, .. }) => {
                format!("{} {} {}", problem.status(), problem.code, problem.issue.code())
            }
        }
    }

    /// What a sender that follows the guide does with it.
    fn sender(refusal: &Refusal) -> Verdict {
        let outcome = refusal.problem.outcome("1", Syntax::Json);
        peer::Answer { status: refusal.problem.status(), ids_echoed: true, body: Some(&outcome) }.verdict()
    }

    #[test]
    fn what_is_taken_is_echoed_and_a_repeat_is_a_duplicate_only_while_all_is_well() {
        assert_eq!(words(&Answer::OnSpool, true), "200");
        assert_eq!(words(&accepted(false, State::Accepted, None), true), "200");
        assert_eq!(words(&accepted(true, State::Accepted, None), false), "200");
        for state in State::ALL {
            let words = words(&accepted(true, state, None), true);
            let duplicate = words == "409 REC_CONFLICT duplicate";
            assert_eq!(duplicate, state.is_good(), "{state:?}: {words}");
        }
        let cut = accepted(true, State::Returned, Some(Code::DestinationCut));
        assert_eq!(words(&cut, true), "422 PROXY_UNPROCESSABLE_ENTITY processing");
        let kept = accepted(true, State::Quarantined, Some(Code::TenantCut));
        assert_eq!(words(&kept, true), "422 REC_UNPROCESSABLE_ENTITY processing");
    }

    #[test]
    fn refusals_by_code() {
        let check = |code, expected: &str| assert_eq!(words(&refused(Some(code)), false), expected, "{code}");
        check(Code::ServiceUnknown, "404 PROXY_NOT_FOUND not-found");
        check(Code::ConflictingDuplicate, "409 REC_CONFLICT conflict");
        check(Code::TenantCut, "401 SEND_UNAUTHORIZED security");
        check(Code::CredentialRevoked, "401 SEND_UNAUTHORIZED security");
        check(Code::CredentialExpired, "401 SEND_UNAUTHORIZED expired");
        check(Code::DestinationCut, "422 PROXY_UNPROCESSABLE_ENTITY processing");
        check(Code::NotGranted, "422 PROXY_UNPROCESSABLE_ENTITY forbidden");
        check(Code::PayloadTooLarge, "400 REC_BAD_REQUEST processing");
        check(Code::NotTranslatable, "422 REC_UNPROCESSABLE_ENTITY not-supported");
        check(Code::QuotaExceeded, "429 PROXY_TOO_MANY_REQUESTS throttled");
        check(Code::NodeUnsure, "503 REC_SERVICE_UNAVAILABLE transient");
        assert_eq!(words(&refused(None), false), "500 PROXY_SERVER_ERROR exception");
        let again = Answer::TryAgain { after: Duration::from_secs(7), cause: "9476719931".to_owned() };
        assert_eq!(said(&again, false).unwrap_err().retry_after, Some(Duration::from_secs(7)));
        assert_eq!(words(&again, true), "503 REC_SERVICE_UNAVAILABLE transient");
    }

    #[test]
    fn what_is_for_good_is_never_retried_and_never_taken_for_success() {
        for code in Code::ALL {
            let refusal = said(&refused(Some(code)), true).unwrap_err();
            let retried = matches!(sender(&refusal), Verdict::Retry(_));
            assert_eq!(retried, refusal.retry_after.is_some(), "{code}");
            assert_ne!(sender(&refusal), Verdict::Duplicate, "{code}");
            assert!(!refusal.problem.diagnostics.contains("9476719931"), "{code}");
            assert_ne!(refusal.problem.code, ErrorCode { party: Party::Send, kind: ErrorKind::Forbidden });
        }
        for state in State::ALL.into_iter().filter(|state| !state.is_good() && *state != State::Unknown) {
            for code in Code::ALL {
                let refusal = said(&accepted(true, state, Some(code)), true).unwrap_err();
                assert!(matches!(sender(&refusal), Verdict::Refused(_)), "{state:?} {code}");
            }
        }
    }
}
