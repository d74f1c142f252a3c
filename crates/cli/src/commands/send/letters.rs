//! The files and what is written on their envelopes. A file is read when its turn comes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bulkhead_model::{Code, Envelope, MessageId, Priority, ServiceAddress};
use bulkhead_wire::status::{Problem, Refusal};
use bulkhead_wire::{envelope_to_wire, v1};
use jiff::Timestamp;

use super::{Send, content};
use crate::Error;
use crate::cell::Trouble;

/// The largest payload that any cell takes.
const MAX_PAYLOAD: u64 = 5 << 20;

/// A file that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// Its place among the files.
    pub(super) index: usize,
    /// The file.
    pub(super) file: PathBuf,
    /// The sender's id for it.
    pub(super) message_id: MessageId,
}

/// Why a file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsendable {
    /// It cannot be read.
    Unreadable(String),
    /// Its content is not recognised and was not named.
    UnknownContent,
    /// What a cell would say, known before it is asked.
    Refused(Trouble),
}

/// The files that are still to be sent, and what their envelopes have in common.
#[derive(Debug)]
pub(super) struct Letters {
    left: VecDeque<Letter>,
    envelope: v1::Envelope,
    content_type: Option<String>,
}

impl Letters {
    /// Of the command's arguments.
    pub(super) fn new(send: &Send, to: ServiceAddress, now: Timestamp) -> Result<Self, Error> {
        if send.content_type.as_ref().is_some_and(|text| text.is_empty() || text.len() > 255) {
            return Err(Error::Usage {
                what: "--content-type is not 1 to 255 characters".into(),
                hint: "for example application/fhir+json".into(),
            });
        }
        let left = send.files.iter().enumerate();
        let left =
            left.map(|(index, file)| Ok(Letter { index, file: file.clone(), message_id: id(send, index)? }));
        let left = left.collect::<Result<VecDeque<_>, Error>>()?;
        let envelope = Envelope {
            message_id: id(send, 0)?,
            attempt: 1,
            to,
            reply_to: None,
            kind: send.kind,
            case_id: send.case.clone(),
            priority: send.priority.unwrap_or(Priority::Urgent),
            deadline: send.deadline.map(|deadline| deadline.after(now)),
            content_type: String::new(),
            in_response_to: send.in_response_to.clone(),
            traceparent: None,
            flags: Vec::new(),
            spooled_at: None,
        };
        let mut envelope = envelope_to_wire(&envelope);
        if send.priority.is_none() {
            envelope.priority = v1::Priority::Unspecified as i32;
        }
        Ok(Self { left, envelope, content_type: send.content_type.clone() })
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// The next one, not yet read.
    pub(super) fn next(&mut self) -> Option<Letter> {
        self.left.pop_front()
    }

    /// Reads a file and writes its envelope.
    pub(super) fn read(&self, letter: &Letter) -> Result<v1::SubmitRequest, Unsendable> {
        let payload = read(&letter.file).map_err(|error| Unsendable::Unreadable(error.to_string()))?;
        if payload.len() as u64 > MAX_PAYLOAD {
            return Err(Unsendable::too_large());
        }
        let content_type = match &self.content_type {
            Some(named) => named.clone(),
            None => content::guess(&payload).ok_or(Unsendable::UnknownContent)?.to_owned(),
        };
        let message_id = letter.message_id.to_string();
        let envelope = v1::Envelope { message_id, content_type, ..self.envelope.clone() };
        Ok(v1::SubmitRequest { envelope: Some(envelope), payload: payload.into() })
    }
}

impl Unsendable {
    fn too_large() -> Self {
        let refusal = Refusal::new(Code::PayloadTooLarge, "the file is larger than 5 MiB");
        Unsendable::Refused(Trouble::Answered(Problem::from(&refusal.to_wire())))
    }
}

/// All of it, or one byte more than is taken.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_PAYLOAD + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The id of the n-th file: the one named, numbered from 1 where there are several, or a new one.
fn id(send: &Send, index: usize) -> Result<MessageId, Error> {
    let text = match &send.message_id {
        None => uuid::Uuid::new_v4().to_string(),
        Some(named) if send.files.len() == 1 => named.to_string(),
        Some(named) => format!("{named}-{}", index + 1),
    };
    MessageId::parse(&text).map_err(|error| Error::Usage {
        what: format!("--message-id: {error}"),
        hint: "with several files a number is added to it; choose a shorter one".into(),
    })
}
