//! What the broker reads of a referral, derived from the document: used by the sidecar that submits it.

use bulkhead_format_bars::{BarsMessage, Ids, MessageKind, ReferralView};
use bulkhead_format_hl7::referral::{Event, Form};
use bulkhead_format_hl7::{Message, Referral};
use bulkhead_model::{CaseId, IdError, Kind, MessageId, Priority};
use jiff::Timestamp;

use crate::answer::clinical_answer;
use crate::ids;
use crate::read_ref;
use crate::tables::numbers;
use crate::translated::{Item, Untranslatable};
use crate::urgency;

/// The part of an envelope that stands in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeFacts {
    /// The sender's own id.
    pub message_id: MessageId,
    /// What it does to its case.
    pub kind: Kind,
    /// What it is kept in order with.
    pub case_id: Option<CaseId>,
    /// How soon somebody must look.
    pub priority: Priority,
    /// By when the receiving system must have it.
    pub deadline: Option<Timestamp>,
    /// Warnings: none of them refuses.
    pub flags: Vec<String>,
    /// For a response: the message that it names, as it names it (`Bundle.id`, or MSA-2). The sidecar knows the
    /// message id behind it.
    pub answers: Option<String>,
}

/// The envelope's facts of a BaRS message: the case is its `X-Correlation-Id`.
pub fn envelope_of_bars(
    message: &BarsMessage,
    view: &ReferralView,
    ids: &Ids,
) -> Result<EnvelopeFacts, IdError> {
    let kind = match message.kind {
        MessageKind::NewReferral | MessageKind::NewValidation => Kind::Request,
        MessageKind::Update => Kind::Update,
        MessageKind::Cancel => Kind::Cancel,
        MessageKind::Response(_) => Kind::Response,
    };
    Ok(EnvelopeFacts {
        message_id: ids::message_id_of_bars(ids)?,
        kind,
        case_id: CaseId::parse(&ids.correlation.uuid().to_string()).ok(),
        priority: urgency::priority_of_bars(view),
        deadline: deadline(kind, view),
        flags: number_flags(view),
        answers: message.response_to.clone(),
    })
}

/// The envelope's facts of an HL7 referral or of a clinical answer to one. Other messages are refused: an ACK is
/// no referral, and a request for a status (I15) is a question.
pub fn envelope_of_ref(message: &Message) -> Result<EnvelopeFacts, Untranslatable> {
    let unreadable =
        |_| Untranslatable::new(Item::Document, "MSH-3, MSH-4, MSH-10 and MSH-7 make no message id");
    let referral = Referral::read(message).ok_or_else(|| {
        Untranslatable::new(Item::Kind, "the message is not REF or RRI with an event I12 to I15")
    })?;
    let kind = match (referral.form(), referral.event()) {
        (Form::Response, _) => Kind::Response,
        (Form::Request, Event::New) => Kind::Request,
        (Form::Request, Event::Modify) => Kind::Update,
        (Form::Request, Event::Cancel) => Kind::Cancel,
        (Form::Request, Event::StatusRequest) => {
            return Err(Untranslatable::new(Item::Kind, "a request for a status (I15) is no referral"));
        }
    };
    let answer = if kind == Kind::Response { Some(clinical_answer(message)?) } else { None };
    let view = read_ref::content(message)?.view;
    // A disposition that was carried in the message is heard as well: the more urgent of both counts.
    let stated = urgency::priority_of_ref(&referral.priority());
    let coded = urgency::priority_of_codes(&view);
    Ok(EnvelopeFacts {
        message_id: ids::message_id_of_ref(message).map_err(unreadable)?,
        kind,
        case_id: ids::case_id_of_ref(message),
        priority: coded.map_or(stated, |coded| coded.min(stated)),
        deadline: deadline(kind, &view),
        flags: number_flags(&view),
        answers: answer.and_then(|answer| answer.answers),
    })
}

/// Only requests and updates are due; a cancellation or an answer that repeats the time is not.
fn deadline(kind: Kind, view: &ReferralView) -> Option<Timestamp> {
    matches!(kind, Kind::Request | Kind::Update).then(|| urgency::deadline_of(view)).flatten()
}

/// What is odd about the patient's numbers.
pub(crate) fn number_flags(view: &ReferralView) -> Vec<String> {
    let patient = view.patient.iter().flat_map(|patient| &patient.identifiers);
    let mut flags: Vec<String> = patient
        .filter_map(|number| Some((numbers::kind_of_system(&number.id.system)?, &number.id.value)))
        .flat_map(|(kind, value)| numbers::flags(kind, value))
        .collect();
    flags.sort();
    flags.dedup();
    flags
}
