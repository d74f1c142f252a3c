//! `$process-message`: what is checked, in the order of the BaRS guide, and what is submitted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_adapter::{Answer, BARS_PATIENCE, Submission};
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::{
    BarsMessage, Document, Identifier, Ids, Limits, MessageKind, Party, Problem, Profile, ReferralView,
    RequestHeaders, Rules, echo, profile,
};
use bulkhead_model::{Code, Envelope, Kind, MessageId, Protocol, ServiceAddress, TenantId};
use bulkhead_translation::{EnvelopeFacts, Remembered, check_bars, envelope_of_bars, profile_for};
use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::answer;
use crate::broker::Broker;
use crate::memory::{Answered, KnownRequest, Sent};
use crate::reply::{Refusal, Reply, syntax_of};
use crate::{Config, requests};

/// The least time that is left for the broker after the directory was asked.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);
/// When a message whose first attempt is under way may be asked about again.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Takes messages of the local system.
#[derive(Debug)]
pub(crate) struct Processor {
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    pub(crate) broker: Broker,
    /// The largest message.
    pub(crate) max_bytes: usize,
    /// Messages under way, with the digests of their bytes.
    pub(crate) under_way: UnderWay,
}

/// Messages under way, by id. They are as many as there may be requests.
pub(crate) type UnderWay = Arc<Mutex<HashMap<MessageId, String>>>;

/// A message is under way while this lives.
struct Turn {
    under_way: UnderWay,
    id: MessageId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A message that may be submitted.
struct Checked {
    headers: RequestHeaders,
    document: Document,
    message: BarsMessage,
    facts: EnvelopeFacts,
    to: Identifier,
    reply_to: Option<Identifier>,
    answered: Option<Answered>,
    /// The trace that the local system is in, or that it answers.
    traceparent: Option<String>,
}

impl Processor {
    /// Answers one message. It goes on when the sender hangs up, so that a retry meets what became of it; so long
    /// it holds its permit.
    pub(crate) async fn process(
        self: &Arc<Self>,
        headers: HeaderMap,
        body: Bytes,
        permit: OwnedSemaphorePermit,
    ) -> Reply {
        let syntax = syntax_of(&headers);
        let worker = self.clone();
        let work = tokio::spawn(async move {
            let _permit = permit;
            worker.attempt(&headers, body).await
        });
        match work.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(refusal)) => Reply::refusal(&refusal, syntax),
            Err(_) => {
                let text = "the message could not be processed";
                Reply::refusal(
                    &Problem::rec(ErrorKind::ServerError, IssueType::Exception, text).into(),
                    syntax,
                )
            }
        }
    }

    async fn attempt(&self, headers: &HeaderMap, body: Bytes) -> Result<Reply, Refusal> {
        let began = Instant::now();
        let get = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
        let blame = |problem: Problem| problem.blamed_on(self.config.dialect.header_blame);
        let ids = Ids::read(&get).map_err(|error| blame(error.problem()))?;
        let message_id = bulkhead_translation::message_id_of_bars(&ids)
            .map_err(|_| Problem::rec(ErrorKind::BadRequest, IssueType::Invalid, "X-Request-Id is no id"))?;
        let digest = digest(&body);
        let _turn = self.begin(&message_id, &digest)?;
        let memory = self.broker.memory();
        let earlier = memory.sent(message_id.as_str()).await.map_err(|error| self.broken(&error))?;
        if earlier.as_ref().is_some_and(|earlier| earlier.digest != digest) {
            warn!(tenant = %self.tenant, %message_id, "the same message id came with other bytes");
            return Err(answer::refused(Some(Code::ConflictingDuplicate)));
        }
        let checked = self.check(&ids, get, &body).await.inspect_err(|refusal| {
            info!(tenant = %self.tenant, %message_id, code = %refusal.problem.code, "a message was refused");
        })?;
        let about = Remembered::of_bars(
            &checked.message,
            message_id.as_str(),
            checked.headers.ids.correlation.text(),
        );
        if earlier.is_none() {
            let sent = Sent { digest, about };
            memory.keep_sent(message_id.as_str(), &sent).await.map_err(|error| self.broken(&error))?;
        }
        let submission = self.submission(&checked, body)?;
        let patience = BARS_PATIENCE.saturating_sub(began.elapsed()).max(LEAST_PATIENCE);
        let answer = self.broker.submit(submission, patience).await;
        let said = answer::said(&answer, earlier.is_some());
        self.log(&message_id, &answer, &said);
        let kept = match &answer {
            Answer::Accepted { .. } | Answer::OnSpool => self.remember(&message_id, &checked).await,
            Answer::Refused { .. } | Answer::TryAgain { .. } if earlier.is_none() => {
                memory.forget_sent(message_id.as_str()).await
            }
            Answer::Refused { .. } | Answer::TryAgain { .. } => Ok(()),
        };
        if let Err(error) = kept {
            error!(tenant = %self.tenant, %message_id, %error, "what belongs to a message cannot be remembered");
        }
        said?;
        Ok(Reply::document(&echo(&checked.document), checked.headers.accept.syntax))
    }

    /// A second request with the same id meets the first one.
    fn begin(&self, id: &MessageId, digest: &str) -> Result<Turn, Refusal> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get(id) {
            Some(first) if first == digest => Err(Refusal::from(Problem::too_early()).after(UNDER_WAY)),
            Some(_) => Err(answer::refused(Some(Code::ConflictingDuplicate))),
            None => {
                under_way.insert(id.clone(), digest.to_owned());
                Ok(Turn { under_way: self.under_way.clone(), id: id.clone() })
            }
        }
    }

    async fn check<'a>(
        &self,
        ids: &Ids,
        get: impl Fn(&str) -> Option<&'a [u8]>,
        body: &Bytes,
    ) -> Result<Checked, Refusal> {
        let dialect = &self.config.dialect;
        let headers =
            RequestHeaders::read(&dialect.headers, &get).map_err(|error| match error.problem() {
                problem if problem.code.party == Party::Proxy => problem,
                problem => problem.blamed_on(dialect.header_blame),
            })?;
        let limits = Limits { bytes: self.max_bytes, ..Limits::default() };
        let document = Document::read(body, headers.content, &limits).map_err(|error| error.problem())?;
        let (message, kept) = read(&document, &dialect.rules)?;
        profile::check(&document, &message, kept)?;
        message.check_target(&headers.target, kept)?;
        let view = ReferralView::read(&document)?;
        let invalid = |_| answer::refused(Some(Code::InvalidEnvelope));
        let facts = envelope_of_bars(&message, &view, ids).map_err(invalid)?;
        let answered = self.answered(&message, &headers).await?;
        let own = get("traceparent").and_then(|value| str::from_utf8(value).ok()).map(str::to_owned);
        let traceparent = own.or_else(|| answered.as_ref().map(|answered| answered.traceparent.clone()));
        let to = headers.target.clone();
        self.receiver(&to, &document, body.len()).await?;
        let reply_to = self.reply_to(&message).await;
        Ok(Checked { headers, document, message, facts, to, reply_to, answered, traceparent })
    }

    /// The message that a response answers: it names a `Bundle.id`.
    async fn answered(
        &self,
        message: &BarsMessage,
        headers: &RequestHeaders,
    ) -> Result<Option<Answered>, Refusal> {
        let (MessageKind::Response(_), Some(bundle)) = (message.kind, &message.response_to) else {
            return Ok(None);
        };
        let correlation = headers.ids.correlation.text();
        let known = self.broker.memory().answered(bundle, correlation).await;
        let known = known.map_err(|error| self.broken(&error))?;
        let unknown = || {
            let text = "MessageHeader.response.identifier names no message of this case that was received";
            Problem::rec(ErrorKind::NotFound, IssueType::NotFound, text)
        };
        let readable = |answered: &Answered| MessageId::parse(&answered.message_id).is_ok();
        Ok(Some(known.filter(readable).ok_or_else(unknown)?))
    }

    /// Whether the service is known, and its system has a place for everything that must be shown. What nobody
    /// can say now is not refused: the broker, or the receiving sidecar, says it later.
    async fn receiver(&self, to: &Identifier, document: &Document, bytes: usize) -> Result<(), Refusal> {
        let resolved = match self.broker.resolve(to).await {
            Ok(resolved) => resolved,
            Err(Some(Code::ServiceUnknown)) => return Err(answer::refused(Some(Code::ServiceUnknown))),
            Err(_) => return Ok(()),
        };
        if resolved.max_bytes.is_some_and(|most| bytes as u64 > most) {
            return Err(answer::refused(Some(Code::PayloadTooLarge)));
        }
        let protocol = Protocol::parse(&resolved.protocol);
        let Some(protocol) = protocol.filter(|protocol| *protocol != self.config.dialect.protocol) else {
            return Ok(());
        };
        let Some(target) = profile_for(protocol, &resolved.version, resolved.tenant.nation()) else {
            return Ok(());
        };
        check_bars(document, &target).map_err(|untranslatable| {
            let text = format!("the receiver's system cannot take this: {untranslatable}");
            Problem::rec(ErrorKind::UnprocessableEntity, IssueType::NotSupported, &text).into()
        })
    }

    /// The return address, when it is the local system's own.
    async fn reply_to(&self, message: &BarsMessage) -> Option<Identifier> {
        let Some(source) = &message.source.service else {
            // A web address, as in Wales.
            return self.config.offers.first().map(|offer| offer.service.clone());
        };
        let own = self.config.is_own(source)
            || self.broker.resolve(source).await.is_ok_and(|resolved| resolved.tenant == self.tenant);
        own.then(|| source.clone())
    }

    fn submission(&self, checked: &Checked, body: Bytes) -> Result<Submission, Refusal> {
        let address = |service: &Identifier| ServiceAddress::parse(&service.system, &service.value);
        let to = address(&checked.to).map_err(|_| answer::refused(Some(Code::ServiceUnknown)))?;
        let facts = &checked.facts;
        let answered = checked.answered.as_ref();
        let envelope = Envelope {
            message_id: facts.message_id.clone(),
            attempt: 1,
            to,
            reply_to: checked.reply_to.as_ref().and_then(|service| address(service).ok()),
            kind: facts.kind,
            case_id: facts.case_id.clone(),
            priority: facts.priority,
            deadline: facts.deadline,
            content_type: checked.headers.content.media_type().to_owned(),
            in_response_to: answered.and_then(|answered| MessageId::parse(&answered.message_id).ok()),
            traceparent: checked.traceparent.clone(),
            flags: facts.flags.clone(),
            spooled_at: None,
        };
        Ok(Submission { envelope, payload: body })
    }

    /// What later messages will refer to.
    async fn remember(&self, id: &MessageId, checked: &Checked) -> Result<(), bulkhead_adapter::Error> {
        let memory = self.broker.memory();
        let request = &checked.message.request;
        match checked.facts.kind {
            Kind::Request | Kind::Update => {
                if let Some(resource) = requests::resource(&checked.document, &checked.message) {
                    let known = KnownRequest {
                        message_id: id.to_string(),
                        received: false,
                        cancelled: None,
                        at: Timestamp::now(),
                        resource,
                    };
                    memory.keep_request(&request.id, &known).await?;
                }
            }
            Kind::Cancel => memory.cancel_request(&request.id, Timestamp::now()).await?,
            Kind::Response => {
                // A later response may name this one instead of the request.
                let correlation = checked.headers.ids.correlation.text();
                if let (Some(bundle), Some(first)) = (&checked.message.bundle_id, &checked.answered) {
                    memory.keep_answered(bundle, correlation, first).await?;
                }
            }
        }
        Ok(())
    }

    fn broken(&self, error: &bulkhead_adapter::Error) -> Refusal {
        error!(tenant = %self.tenant, %error, "the sidecar's memory failed");
        answer::not_now()
    }

    fn log(&self, message_id: &MessageId, answer: &Answer, said: &Result<(), Refusal>) {
        let what = match answer {
            Answer::Accepted { .. } => "accepted",
            Answer::OnSpool => "on the spool",
            Answer::Refused { .. } => "refused",
            Answer::TryAgain { .. } => "to be tried again",
        };
        let status = said.as_ref().map_or_else(|refusal| refusal.problem.status(), |()| 200);
        info!(tenant = %self.tenant, %message_id, what, status, "a message came");
    }
}

/// SHA-256, in hexadecimal digits.
/// A message by the local system's rules, and the profile that it keeps. The rules of Wales know no responses, but
/// a person's answer must reach whoever asked: it is read by the guide's.
pub(crate) fn read(document: &Document, rules: &Rules) -> Result<(BarsMessage, Profile), Problem> {
    let problem = match BarsMessage::read_with(document, rules) {
        Ok(message) => return Ok((message, rules.profile)),
        Err(problem) => problem,
    };
    let guide = Rules::default();
    match BarsMessage::read_with(document, &guide) {
        Ok(message) if matches!(message.kind, MessageKind::Response(_)) => Ok((message, guide.profile)),
        Ok(_) | Err(_) => Err(problem),
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
