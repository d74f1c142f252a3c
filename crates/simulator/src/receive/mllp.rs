//! HL7 v2 over MLLP, received.
//!
//! Refusals that are for good are AR or CR, those for now AE or CE, as NHS Wales's guide has it and as the
//! sidecars understand it by default. Every answer goes out in one write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_format_hl7::ack::{Reply, Stamp, ack};
use bulkhead_format_hl7::mllp::encode;
use bulkhead_format_hl7::referral::{Event, Form, ReferralId};
use bulkhead_format_hl7::time::Precision;
use bulkhead_format_hl7::{
    AckCode, Condition, ErrorCode, Framer, Issue, Message, Mode, Original, Place, Referral, Ts, structure,
};
use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::behaviour::{Answer, Behaviour};
use crate::config::{Acknowledgement, Mllp};
use crate::journal::{Arrival, Kind, case_key, message_key};
use crate::system::System;

const READ: usize = 16 * 1024;

/// What happens after a message.
enum Next {
    /// These frames are sent, in this order.
    Answer(Vec<Vec<u8>>),
    /// Nothing is sent.
    Nothing,
    /// The connection is closed.
    Close,
}

/// Why a message is not accepted.
struct Refusal {
    /// Whether it may come again.
    for_now: bool,
    issues: Vec<Issue>,
}

impl Refusal {
    fn for_good(issues: Vec<Issue>) -> Self {
        Self { for_now: false, issues }
    }

    fn for_now(text: &str) -> Self {
        Self { for_now: true, issues: vec![Issue::error(ErrorCode::INTERNAL, None, text)] }
    }
}

/// Serves one connection.
pub(crate) async fn serve(system: Arc<System>, mllp: Mllp, mut stream: TcpStream) {
    let mut framer = Framer::default();
    let mut buffer = vec![0; READ];
    loop {
        let read = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let lost = framer.push(&buffer[..read]).is_err();
        while let Some(payload) = framer.next_frame() {
            let next = receive(&system, &mllp, payload).await;
            let answered = match next {
                Next::Answer(frames) => {
                    for frame in &frames {
                        if stream.write_all(frame).await.is_err() {
                            return;
                        }
                    }
                    true
                }
                Next::Nothing => false,
                Next::Close => return,
            };
            if answered && mllp.one_per_connection {
                let _ = stream.shutdown().await;
                return;
            }
        }
        if lost {
            return;
        }
    }
}

async fn receive(system: &Arc<System>, mllp: &Mllp, payload: Bytes) -> Next {
    let message = match Message::parse(payload.clone()) {
        Ok(message) => message,
        Err(error) => {
            system.counters.arrived.add();
            system.counters.invalid.add();
            let Some(original) = Original::salvage(&payload) else { return Next::Close };
            let reply = Reply::new(AckCode::ApplicationReject).issues([error.issue()]);
            return frames([ack(&original, &reply, &stamp())]);
        }
    };
    // An acknowledgement is not acknowledged.
    if message.header().field(9).component(1).text() == "ACK" {
        return Next::Nothing;
    }
    system.counters.arrived.add();
    let control_id = message.header().field(10).text().into_owned();
    let behaviour = system.conduct.turn(&control_id);
    let outcome = process(system, &message, &payload, &behaviour).await;
    match behaviour.answer {
        Answer::Silent | Answer::Down => {
            system.counters.unanswered.add();
            return Next::Nothing;
        }
        Answer::Close => {
            system.counters.unanswered.add();
            return Next::Close;
        }
        Answer::Accept | Answer::Reject | Answer::Retry => {}
    }
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    answer(mllp, &message, outcome)
}

/// Decides about a message, and keeps it if it is accepted.
async fn process(
    system: &Arc<System>,
    message: &Message,
    payload: &Bytes,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    let counters = &system.counters;
    match behaviour.answer {
        Answer::Silent | Answer::Close | Answer::Down if !behaviour.store => return Ok(()),
        Answer::Retry => {
            counters.put_off.add();
            return Err(Refusal::for_now("not now"));
        }
        _ => {}
    }
    let arrival = read(message, payload).map_err(|issues| {
        counters.invalid.add();
        Refusal::for_good(issues)
    })?;
    let repeat = system.journal.message(message_key(&arrival.from, &arrival.message_id)).is_some();
    if !repeat && behaviour.answer == Answer::Reject {
        counters.rejected.add();
        let issue = Issue::error(ErrorCode::TABLE_VALUE, None, "rejected");
        return Err(Refusal::for_good(vec![issue]));
    }
    if !repeat && behaviour.strict && is_unknown(system, &arrival) {
        counters.invalid.add();
        let place = Place::field("RF1", 1, 6);
        let issue = Issue::error(ErrorCode::UNKNOWN_KEY, Some(place), "no such referral");
        return Err(Refusal::for_good(vec![issue]));
    }
    match system.journal.keep(arrival).await {
        Ok(kept) => {
            counters.accepted.add();
            tracing::debug!(tenant = %system.tenant, sequence = kept.sequence, repeat = kept.repeat, "received");
            Ok(())
        }
        Err(error) => {
            counters.unkept.add();
            tracing::warn!(tenant = %system.tenant, %error, "a message could not be kept");
            Err(Refusal::for_now("could not be stored"))
        }
    }
}

/// Whether it changes a referral that was never received.
fn is_unknown(system: &System, arrival: &Arrival) -> bool {
    let changes = matches!(arrival.kind, Kind::Update | Kind::Cancel);
    changes && arrival.case.as_deref().is_none_or(|case| system.journal.subject(case_key(case)).is_none())
}

fn read(message: &Message, payload: &Bytes) -> Result<Arrival, Vec<Issue>> {
    let issues = structure::check(message);
    let errors = || issues.iter().filter(|issue| !structure::is_acceptable(std::slice::from_ref(issue)));
    if errors().next().is_some() {
        return Err(errors().cloned().collect());
    }
    let unsupported = || {
        let place = Place::field("MSH", 1, 9);
        vec![Issue::error(ErrorCode::UNSUPPORTED_EVENT, Some(place), "the event is not taken here")]
    };
    let referral = Referral::read(message).ok_or_else(unsupported)?;
    let kind = match (referral.form(), referral.event()) {
        (Form::Response, _) => Kind::Response,
        (Form::Request, Event::New) => Kind::Request,
        (Form::Request, Event::Modify) => Kind::Update,
        (Form::Request, Event::Cancel) => Kind::Cancel,
        (Form::Request, Event::StatusRequest) => return Err(unsupported()),
    };
    let identity = referral.identity();
    Ok(Arrival {
        message_id: identity.control_id,
        from: format!("{}|{}", identity.sending_application, identity.sending_facility),
        case: referral.id().map(|id| case(&id)),
        kind,
        request: None,
        content_type: "application/hl7-v2".to_owned(),
        headers: BTreeMap::new(),
        bytes: payload.clone(),
    })
}

/// A case as `value`, or `value^authority` where there is one.
pub(crate) fn case(id: &ReferralId) -> String {
    match id.authority.name() {
        "" => id.value.clone(),
        authority => format!("{}^{authority}", id.value),
    }
}

fn answer(mllp: &Mllp, message: &Message, outcome: Result<(), Refusal>) -> Next {
    let mode = match mllp.acknowledgement {
        Acknowledgement::Original => Mode::Original,
        Acknowledgement::Enhanced => Mode::of(message),
    };
    let accepted = outcome.is_ok();
    let (for_now, issues) = match outcome {
        Ok(()) => (false, Vec::new()),
        Err(refusal) => (refusal.for_now, refusal.issues),
    };
    let original = Original::of(message);
    let reply = |codes: [AckCode; 3]| {
        let code = match (accepted, for_now) {
            (true, _) => codes[0],
            (false, true) => codes[1],
            (false, false) => codes[2],
        };
        let text = issues.first().map(|issue| issue.text.clone()).filter(|text| !text.is_empty());
        let reply = Reply::new(code).issues(issues.iter().cloned());
        ack(&original, &text.into_iter().fold(reply, |reply, text| reply.text(text)), &stamp())
    };
    let application =
        || reply([AckCode::ApplicationAccept, AckCode::ApplicationError, AckCode::ApplicationReject]);
    let commit = || reply([AckCode::CommitAccept, AckCode::CommitError, AckCode::CommitReject]);
    match mode {
        Mode::Original => frames([application()]),
        Mode::Enhanced { accept, application: wanted } => {
            let wants = |condition: Condition| condition.wants(accepted);
            // What was not stored has no application that could answer.
            let both = [wants(accept).then(commit), (accepted && wants(wanted)).then(application)];
            frames(both.into_iter().flatten())
        }
    }
}

fn frames<E>(messages: impl IntoIterator<Item = Result<Message, E>>) -> Next {
    let framed: Option<Vec<_>> =
        messages.into_iter().map(|message| encode(message.ok()?.as_bytes()).ok()).collect();
    match framed {
        Some(frames) if frames.is_empty() => Next::Nothing,
        Some(frames) => Next::Answer(frames),
        // An original that holds what cannot be written back is not answered, as the Welsh hub does.
        None => Next::Close,
    }
}

/// When an answer or a message is made, under a control id that nobody has had.
pub(crate) fn stamp() -> Stamp {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    Stamp { at: Ts::with_offset(&now, Precision::Second), control_id: control_id() }
}

/// A new MSH-10 of at most 20 characters, the length that NHS Wales takes.
pub(crate) fn control_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    format!("S{}", &random[..18])
}
