//! What a peer's answer means for the sender: delivered, delivered before, try again, or refused.
//!
//! The rules are those of the BaRS guide, Core 1-5-0, Transactional-integrity, Sender-responsibilities. Two
//! are ours, both safe because a retry keeps its X-Request-Id: 425 and an issue type of FHIR's transient
//! family are tried again, and an answer that a middle box gave in the receiver's place is never believed.

use crate::document::Document;
use crate::outcome::{ErrorCode, ErrorKind, IssueType, Party};

/// An answer, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Whether both X-ids came back unchanged.
    pub ids_echoed: bool,
    /// The body, if it could be read.
    pub body: Option<&'a Document>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The receiver had it already: success as well.
    Duplicate,
    /// Send the same message again, with the same ids.
    Retry(RetryCause),
    /// Do not send it again.
    Refused(Refusal),
}

/// Why to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// The answer did not come from the receiver: no ids, no OperationOutcome.
    NotTheReceiver,
    /// The first attempt is still being processed.
    StillProcessing,
    /// Too many requests: wait longer.
    Throttled,
    /// The token was not accepted; it may be renewed.
    Forbidden,
    /// It took too long, or is not available now.
    Unavailable,
}

/// Why it was refused, without the peer's own words: they might hold patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The code, where it is one of BaRS.
    pub code: Option<ErrorCode>,
    /// The issue type, where it is one that BaRS uses.
    pub issue: Option<IssueType>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = self.code {
            write!(f, " {code}")?;
        }
        self.issue.map_or(Ok(()), |issue| write!(f, " {}", issue.code()))
    }
}

/// The issues of an OperationOutcome: code and issue type of each.
pub fn issues(document: &Document) -> Option<Vec<(Option<ErrorCode>, Option<IssueType>)>> {
    let root = Some(document.root()).filter(|root| root.resource_type() == Some("OperationOutcome"))?;
    let code = |issue: &crate::Node| {
        issue.path_all("details.coding.code").iter().find_map(|c| ErrorCode::parse(c.value()?))
    };
    let one = |issue| (code(issue), issue.text("code").and_then(IssueType::parse));
    Some(root.all("issue").map(one).collect())
}

impl Answer<'_> {
    /// What the answer means.
    pub fn verdict(&self) -> Verdict {
        let issues = self.body.and_then(issues);
        let bundle = self.body.is_some_and(|body| body.resource_type() == "Bundle");
        match (self.status, issues) {
            (200..=299, None) if self.ids_echoed || bundle => Verdict::Delivered,
            (200..=299, Some(issues)) if self.ids_echoed && issues.iter().all(|i| i.0.is_none()) => {
                Verdict::Delivered
            }
            (status, Some(issues)) if !issues.is_empty() => by_issues(status, &issues),
            (status, _) => by_status(status),
        }
    }
}

fn by_status(status: u16) -> Verdict {
    match status {
        429 => Verdict::Retry(RetryCause::Throttled),
        408 | 502 | 503 | 504 => Verdict::Retry(RetryCause::Unavailable),
        _ => Verdict::Retry(RetryCause::NotTheReceiver),
    }
}

fn by_issues(status: u16, issues: &[(Option<ErrorCode>, Option<IssueType>)]) -> Verdict {
    let conflict = ErrorCode { party: Party::Rec, kind: ErrorKind::Conflict };
    if issues.contains(&(Some(conflict), Some(IssueType::Duplicate))) {
        return Verdict::Duplicate;
    }
    let (code, issue) = issues[0];
    match retry(code, issue).or_else(|| code.is_none().then(|| retry_status(status)).flatten()) {
        Some(cause) => Verdict::Retry(cause),
        None => Verdict::Refused(Refusal { status, code, issue }),
    }
}

fn retry_status(status: u16) -> Option<RetryCause> {
    match status {
        429 => Some(RetryCause::Throttled),
        408 | 502 | 503 | 504 => Some(RetryCause::Unavailable),
        _ => None,
    }
}

fn retry(code: Option<ErrorCode>, issue: Option<IssueType>) -> Option<RetryCause> {
    use ErrorKind as K;
    let by_code = code.and_then(|code| match (code.party, code.kind) {
        (_, K::TooEarly) => Some(RetryCause::StillProcessing),
        (_, K::TooManyRequests) => Some(RetryCause::Throttled),
        (Party::Send, K::Forbidden) => Some(RetryCause::Forbidden),
        (Party::Rec | Party::Proxy, K::Timeout | K::Unavailable) => Some(RetryCause::Unavailable),
        _ => None,
    });
    let server = code.is_none_or(|code| code.kind == K::ServerError);
    let transient = matches!(issue, Some(IssueType::Transient | IssueType::NoStore | IssueType::Timeout));
    by_code.or((server && transient).then_some(RetryCause::Unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Syntax;
    use crate::node::Node;
    use crate::outcome::Problem;

    fn check(party: Party, kind: ErrorKind, issue: IssueType, expected: &Verdict) {
        let problem = Problem::new(party, kind, issue, "because");
        let outcome = problem.outcome("1", Syntax::Xml);
        let answer = Answer { status: problem.status(), ids_echoed: true, body: Some(&outcome) };
        assert_eq!(&answer.verdict(), expected, "{problem}");
    }

    #[test]
    fn answers_with_an_outcome() {
        use ErrorKind as K;
        use IssueType as I;
        check(Party::Rec, K::Conflict, I::Duplicate, &Verdict::Duplicate);
        check(Party::Rec, K::TooEarly, I::Duplicate, &Verdict::Retry(RetryCause::StillProcessing));
        check(Party::Rec, K::Timeout, I::Timeout, &Verdict::Retry(RetryCause::Unavailable));
        check(Party::Rec, K::TooManyRequests, I::Throttled, &Verdict::Retry(RetryCause::Throttled));
        check(Party::Rec, K::Unavailable, I::Transient, &Verdict::Retry(RetryCause::Unavailable));
        check(Party::Proxy, K::TooManyRequests, I::Throttled, &Verdict::Retry(RetryCause::Throttled));
        check(Party::Proxy, K::Unavailable, I::Transient, &Verdict::Retry(RetryCause::Unavailable));
        check(Party::Send, K::Forbidden, I::Forbidden, &Verdict::Retry(RetryCause::Forbidden));
        for (party, kind, issue) in [
            (Party::Rec, K::Conflict, I::Conflict),
            (Party::Rec, K::BadRequest, I::Invariant),
            (Party::Rec, K::Forbidden, I::Forbidden),
            (Party::Proxy, K::NotFound, I::NotFound),
            (Party::Rec, K::UnprocessableEntity, I::NotSupported),
            (Party::Rec, K::ServerError, I::Exception),
            (Party::Send, K::Unauthorized, I::Security),
        ] {
            let code = Some(ErrorCode { party, kind });
            let refusal = Refusal { status: kind.status(), code, issue: Some(issue) };
            check(party, kind, issue, &Verdict::Refused(refusal));
        }
    }

    #[test]
    fn answers_without_one() {
        let bundle = Document::new(Syntax::Json, Node::of_type("Bundle"));
        let verdict = |status, ids_echoed, body| Answer { status, ids_echoed, body }.verdict();
        assert_eq!(verdict(200, true, Some(&bundle)), Verdict::Delivered);
        assert_eq!(verdict(200, false, Some(&bundle)), Verdict::Delivered);
        assert_eq!(verdict(200, true, None), Verdict::Delivered);
        assert_eq!(verdict(200, false, None), Verdict::Retry(RetryCause::NotTheReceiver));
        assert_eq!(verdict(403, true, None), Verdict::Retry(RetryCause::NotTheReceiver));
        assert_eq!(verdict(400, false, Some(&bundle)), Verdict::Retry(RetryCause::NotTheReceiver));
        assert_eq!(verdict(504, false, None), Verdict::Retry(RetryCause::Unavailable));
        assert_eq!(verdict(429, false, None), Verdict::Retry(RetryCause::Throttled));
    }
}
