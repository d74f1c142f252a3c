//! One nation's cell, as a caller sees it: its nodes in turn, and what can come back instead of an answer.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bulkhead_model::{Fault, Nation};
use bulkhead_transport::{Dialer, MAX_MESSAGE, tls_alert};
use bulkhead_wire::status::{Problem, fault_of};
use bulkhead_wire::v1::control_client::ControlClient;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code as GrpcCode, Response, Status};

use crate::context::{CellAddress, Context, Pair};
use crate::{Error, Exit, Global};

/// The largest answer that is read: a list of many referrals.
const MAX_ANSWER: usize = 64 << 20;

/// A cell that can be asked.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Whose.
    pub nation: Nation,
    nodes: Vec<String>,
    channels: Vec<Channel>,
    timeout: Duration,
}

/// What each cell said: answers, and what came instead, in the order of the cells.
pub type Answers<T> = (Vec<(Nation, T)>, Vec<(Nation, Trouble)>);

/// What came back instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No node answered.
    Silent {
        /// The last node's own words.
        cause: String,
    },
    /// One end does not accept the other's certificate.
    NotTrusted {
        /// Which, and why.
        cause: String,
    },
    /// It answered with a refusal or a failure.
    Answered(Problem),
}

impl Cell {
    /// The cell of that nation, asked with those keys.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn open(
        context: &Context,
        address: &CellAddress,
        pair: &Pair,
        global: &Global,
    ) -> Result<Self, Error> {
        let unusable = |error: bulkhead_transport::Error| Error::BadContext {
            path: pair.certificate.clone(),
            problem: error.to_string(),
        };
        let dialer = Dialer::new(&context.credentials(pair)?).map_err(unusable)?;
        let name = format!("{}.bulkhead.internal", address.nation);
        let channels = address.nodes.iter().map(|node| dialer.channel(node, &name));
        let channels = channels.collect::<Result<_, _>>().map_err(unusable)?;
        Ok(Self { nation: address.nation, nodes: address.nodes.clone(), channels, timeout: global.timeout })
    }

    /// Every cell of the context, each with the keys that its nation is asked with.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn open_all(context: &Context, global: &Global) -> Result<Vec<Self>, Error> {
        let open = |address: &CellAddress| {
            let pair = context.asker(address.nation, global.operator.as_deref())?;
            Self::open(context, address, pair, global)
        };
        context.cells.iter().map(open).collect()
    }

    /// The door for referrals, at the `n`-th node, counted round and round.
    pub fn ingest(&self, n: usize) -> Option<IngestClient<Channel>> {
        let channel = self.channels.get(n % self.channels.len().max(1))?;
        let client = IngestClient::new(channel.clone());
        Some(client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE))
    }

    /// The desk for questions, at the `n`-th node, counted round and round.
    pub fn referrals(&self, n: usize) -> Option<ReferralsClient<Channel>> {
        let channel = self.channels.get(n % self.channels.len().max(1))?;
        Some(ReferralsClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER))
    }

    /// The connection to the `n`-th node, counted round and round.
    pub fn channel(&self, n: usize) -> Option<Channel> {
        self.channels.get(n % self.channels.len().max(1)).cloned()
    }

    /// Asks node after node until one answers. Each has its share of the time that is left, so a node that
    /// takes connections and says nothing does not use up the others' time.
    ///
    /// # Errors
    /// What came back instead of an answer.
    pub async fn ask<T>(
        &self,
        call: impl AsyncFn(ReferralsClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, Trouble> {
        self.try_each(async |channel| {
            call(ReferralsClient::new(channel).max_decoding_message_size(MAX_ANSWER)).await
        })
        .await
    }

    /// Commands at node after node until one answers. What is commanded is signed, so that a command that two nodes
    /// take is one all the same.
    ///
    /// # Errors
    /// What came back instead of an answer.
    pub async fn command<T>(
        &self,
        call: impl AsyncFn(ControlClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, Trouble> {
        self.try_each(async |channel| {
            call(ControlClient::new(channel).max_decoding_message_size(MAX_ANSWER)).await
        })
        .await
    }

    async fn try_each<T>(
        &self,
        call: impl AsyncFn(Channel) -> Result<Response<T>, Status>,
    ) -> Result<T, Trouble> {
        let end = Instant::now() + self.timeout;
        let mut last = Trouble::Silent { cause: "the context names no node".into() };
        for n in 0..self.channels.len() {
            let client = self.channels[n].clone();
            let nodes_left = u32::try_from(self.channels.len() - n).unwrap_or(u32::MAX);
            let share = end.saturating_duration_since(Instant::now()) / nodes_left;
            last = match tokio::time::timeout(share, call(client)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) => Trouble::of(&status),
                Err(_) => Trouble::no_answer(self.timeout),
            };
            if !last.may_pass() {
                break;
            }
        }
        Err(last)
    }

    /// Asks every node at the same time, for what each knows only of itself; with each node's address.
    pub async fn ask_each<T>(
        &self,
        call: impl AsyncFn(ReferralsClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Vec<(String, Result<T, Trouble>)> {
        let one = async |(n, address): (usize, &String)| {
            let client = self.referrals(n)?;
            let answer = match tokio::time::timeout(self.timeout, call(client)).await {
                Ok(answer) => answer.map(Response::into_inner).map_err(|status| Trouble::of(&status)),
                Err(_) => Err(Trouble::no_answer(self.timeout)),
            };
            Some((address.clone(), answer))
        };
        let answers = futures::future::join_all(self.nodes.iter().enumerate().map(one)).await;
        answers.into_iter().flatten().collect()
    }
}

/// Asks all cells at the same time.
pub async fn ask_all<T>(
    cells: &[Cell],
    call: impl AsyncFn(ReferralsClient<Channel>) -> Result<Response<T>, Status>,
) -> Answers<T> {
    let asked = cells.iter().map(|cell| async { (cell.nation, cell.ask(&call).await) });
    let (mut answers, mut troubles) = (Vec::new(), Vec::new());
    for (nation, answer) in futures::future::join_all(asked).await {
        match answer {
            Ok(answer) => answers.push((nation, answer)),
            Err(trouble) => troubles.push((nation, trouble)),
        }
    }
    (answers, troubles)
}

impl Trouble {
    /// What a status says.
    pub fn of(status: &Status) -> Self {
        if let Some(alert) = tls_alert(status) {
            return Trouble::NotTrusted { cause: format!("does not accept our certificate ({alert})") };
        }
        let cause = root(status);
        if cause.contains("invalid peer certificate") {
            return Trouble::NotTrusted { cause: format!("is not who it should be: {cause}") };
        }
        let problem = Problem::from(status);
        let silent =
            matches!(status.code(), GrpcCode::Unavailable | GrpcCode::DeadlineExceeded | GrpcCode::Cancelled)
                || status.source().is_some();
        match problem.code {
            None if silent => Trouble::Silent { cause },
            _ => Trouble::Answered(problem),
        }
    }

    /// Nobody answered in time.
    pub fn no_answer(within: Duration) -> Self {
        Trouble::Silent { cause: format!("no answer within {}", crate::error::seconds(&within)) }
    }

    /// Nobody said anything, so nothing is known.
    pub fn is_silence(&self) -> bool {
        matches!(self, Trouble::Silent { .. })
    }

    /// Another node, or the same one later, may answer otherwise.
    pub fn may_pass(&self) -> bool {
        match self {
            Trouble::Silent { .. } => true,
            Trouble::NotTrusted { .. } => false,
            Trouble::Answered(problem) => match problem.code.map(fault_of) {
                Some(Fault::Overloaded | Fault::Unavailable) => true,
                Some(Fault::Caller | Fault::Denied | Fault::NotFound | Fault::Conflict | Fault::Internal) => {
                    false
                }
                None => matches!(
                    GrpcCode::from(problem.grpc),
                    GrpcCode::Unavailable | GrpcCode::ResourceExhausted | GrpcCode::Aborted
                ),
            },
        }
    }

    /// The cell answered that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Trouble::Answered(problem) if problem.grpc == GrpcCode::NotFound as i32)
    }

    /// The reason that has a page.
    pub fn reason(&self) -> &str {
        match self {
            Trouble::Silent { .. } => "CANNOT_REACH",
            Trouble::NotTrusted { .. } => "CERTIFICATE_NOT_ACCEPTED",
            Trouble::Answered(problem) => match problem.code {
                Some(code) => code.as_str(),
                None => match GrpcCode::from(problem.grpc) {
                    GrpcCode::PermissionDenied | GrpcCode::Unauthenticated => "NOT_GRANTED",
                    GrpcCode::NotFound => "NOT_FOUND",
                    _ => "",
                },
            },
        }
    }

    /// The exit code, when nothing else came of the command.
    pub fn exit(&self) -> Exit {
        match self {
            Trouble::Silent { .. } => Exit::Unreachable,
            Trouble::NotTrusted { .. } => Exit::Refused,
            Trouble::Answered(problem) => match problem.code.map(fault_of) {
                Some(Fault::Denied) => Exit::Refused,
                Some(Fault::NotFound) => Exit::NotFound,
                Some(Fault::Unavailable) => Exit::Unreachable,
                Some(Fault::Caller | Fault::Conflict | Fault::Overloaded | Fault::Internal) => Exit::Failed,
                None => match GrpcCode::from(problem.grpc) {
                    GrpcCode::PermissionDenied | GrpcCode::Unauthenticated => Exit::Refused,
                    GrpcCode::NotFound => Exit::NotFound,
                    _ => Exit::Failed,
                },
            },
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Silent { cause } => write!(f, "cannot be reached: {cause}"),
            Trouble::NotTrusted { cause } => f.write_str(cause),
            Trouble::Answered(problem) => {
                let message = crate::table::plain(&problem.message);
                match problem.code {
                    Some(code) => write!(f, "answers {code}: {message}"),
                    None => write!(f, "answers: {message}"),
                }
            }
        }
    }
}

/// The innermost error's own words: "transport error" helps nobody.
fn root(status: &Status) -> String {
    let mut deepest: &dyn StdError = status;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match deepest.downcast_ref::<Status>() {
        Some(status) => crate::table::plain(status.message()),
        None => deepest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Code;
    use bulkhead_wire::status::Refusal;

    use super::*;

    #[test]
    fn what_comes_back_has_an_exit_code_and_a_page() {
        let check = |status: Status, exit: Exit, reason: &str| {
            let trouble = Trouble::of(&status);
            assert_eq!((trouble.exit(), trouble.reason()), (exit, reason), "{trouble}");
            assert!(crate::pages::find(reason).is_some(), "{reason}");
        };
        check(Status::unavailable("connection refused"), Exit::Unreachable, "CANNOT_REACH");
        check(Status::deadline_exceeded("late"), Exit::Unreachable, "CANNOT_REACH");
        check(Status::permission_denied("no"), Exit::Refused, "NOT_GRANTED");
        check(Status::not_found("no"), Exit::NotFound, "NOT_FOUND");
        check(Refusal::new(Code::TenantCut, "cut").into(), Exit::Refused, "TENANT_CUT");
        check(Refusal::new(Code::ServiceUnknown, "no").into(), Exit::NotFound, "SERVICE_UNKNOWN");
        check(Refusal::new(Code::NodeUnsure, "old pulse").into(), Exit::Unreachable, "NODE_UNSURE");
        check(Refusal::new(Code::ConflictingDuplicate, "no").into(), Exit::Failed, "CONFLICTING_DUPLICATE");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(Trouble::of(&Status::unavailable("")).may_pass());
        assert!(Trouble::of(&Refusal::new(Code::QuotaExceeded, "").into()).may_pass());
        assert!(!Trouble::of(&Refusal::new(Code::TenantCut, "").into()).may_pass());
        assert!(!Trouble::of(&Status::not_found("")).may_pass());
    }
}
