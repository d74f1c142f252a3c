//! Sends HL7 v2 messages over MLLP, one at a time, and waits for the answer to each.
//!
//! Only the answer whose MSA-2 is the MSH-10 that was sent counts. When it does not come, the connection is
//! dropped and the outcome is unknown: the same message is sent again later under the same id.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use bulkhead_format_hl7::mllp::{self, FrameLimits};
use bulkhead_format_hl7::referral::ReferralId;
use bulkhead_format_hl7::{AckCode, Answer, Framer, Match, Message, Rules};
use bulkhead_model::{Code, Reason};
use bytes::Bytes;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Outcome, Receipt};

/// How much one read takes in.
const READ: usize = 4 * 1024;
/// The largest answer.
const MAX_ANSWER: usize = 1 << 20;
/// Not before this a message whose outcome is unknown is sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// How a peer is spoken to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpClientSettings {
    /// `host:port` of the peer.
    pub address: String,
    /// Whether a connection carries one message or many.
    #[serde(default)]
    pub mode: SendMode,
    /// How long connecting may take.
    #[serde(default = "default_connect", with = "duration")]
    pub connect_timeout: Duration,
    /// How long the answer may take, from the first byte sent.
    #[serde(default = "default_answer", with = "duration")]
    pub answer_timeout: Duration,
    /// The largest message that the peer takes. Larger: refused without sending.
    #[serde(default = "default_message")]
    pub max_message_bytes: usize,
    /// What each of the peer's answers means.
    #[serde(default)]
    pub answers: AckPolicy,
}

impl MllpClientSettings {
    /// The defaults, for this peer.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            mode: SendMode::default(),
            connect_timeout: default_connect(),
            answer_timeout: default_answer(),
            max_message_bytes: default_message(),
            answers: AckPolicy::default(),
        }
    }
}

fn default_connect() -> Duration {
    Duration::from_secs(5)
}

fn default_answer() -> Duration {
    Duration::from_secs(20)
}

fn default_message() -> usize {
    5 << 20
}

/// Whether a connection carries one message or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendMode {
    /// The connection stays open.
    #[default]
    Persistent,
    /// Each message has a connection of its own.
    PerMessage,
}

/// What a peer's answer asks us to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAck {
    /// It is stored.
    Deliver,
    /// Send it again later.
    Retry,
    /// A person must look.
    Refuse,
}

/// What each of a peer's answers means: peers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "UPPERCASE")]
pub struct AckPolicy {
    /// Application error.
    pub ae: OnAck,
    /// Application reject.
    pub ar: OnAck,
    /// Commit error.
    pub ce: OnAck,
    /// Commit reject.
    pub cr: OnAck,
}

impl Default for AckPolicy {
    fn default() -> Self {
        Self { ae: OnAck::Retry, ar: OnAck::Refuse, ce: OnAck::Retry, cr: OnAck::Refuse }
    }
}

impl AckPolicy {
    /// What is to be done about that answer.
    pub fn of(&self, code: AckCode) -> OnAck {
        match code {
            AckCode::ApplicationAccept | AckCode::CommitAccept => OnAck::Deliver,
            AckCode::ApplicationError => self.ae,
            AckCode::ApplicationReject => self.ar,
            AckCode::CommitError => self.ce,
            AckCode::CommitReject => self.cr,
        }
    }

    /// The outcome of a hand-over that was answered so. The peer's text may speak of a patient and is left out;
    /// its error codes are not.
    pub fn outcome(&self, answer: &Answer) -> Outcome {
        // An RRI without MSA answers with its content: the peer has taken the referral.
        let Some(code) = answer.code else {
            return Outcome::Delivered(Receipt::new("RRI"));
        };
        let errors: Vec<String> = answer.issues.iter().map(|issue| issue.code.0.to_string()).collect();
        let mut said = format!("the peer answered {}", code.as_str());
        if !errors.is_empty() {
            said = format!("{said} with error {}", errors.join(", "));
        }
        match self.of(code) {
            OnAck::Deliver => Outcome::Delivered(Receipt::new(code.as_str())),
            OnAck::Retry => Outcome::Retry { after: AGAIN, cause: said },
            OnAck::Refuse => Outcome::Refused(Reason::new(Code::ReceiverRefused, said)),
        }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody there: the connection was refused, or closed without an answer.
    #[error("{0}")]
    Down(String),
    /// The outcome is unknown: no answer in time, or the answer to something else. The connection was dropped.
    #[error("{0}")]
    Unknown(String),
    /// The message cannot be sent to this peer.
    #[error("{0}")]
    Refused(Reason),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Down(cause) => Outcome::Down { cause },
            Failure::Unknown(cause) => Outcome::Retry { after: AGAIN, cause },
            Failure::Refused(reason) => Outcome::Refused(reason),
        }
    }
}

/// One connection to one peer, with one message on it at a time.
pub struct MllpClient {
    settings: MllpClientSettings,
    line: Mutex<Option<Line>>,
    others: Option<mpsc::Sender<Bytes>>,
}

impl MllpClient {
    /// A client that connects when it first sends.
    pub fn new(settings: MllpClientSettings) -> Self {
        Self { settings, line: Mutex::new(None), others: None }
    }

    /// Gives what the peer sends besides the answer that is waited for (an application acknowledgement hours
    /// after the commit, for example) to `others`, instead of dropping the connection for it. When nobody takes
    /// it in time it is dropped.
    pub fn with_others(mut self, others: mpsc::Sender<Bytes>) -> Self {
        self.others = Some(others);
        self
    }

    /// Sends a message and says what the hand-over came to, by the peer's policy.
    pub async fn hand_over(&self, message: &[u8]) -> Outcome {
        match self.exchange(message).await {
            Ok((answer, _)) => self.settings.answers.outcome(&answer),
            Err(failure) => failure.into(),
        }
    }

    /// Sends a message and waits for its answer: the answer, and the bytes that it came in.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn exchange(&self, message: &[u8]) -> Result<(Answer, Bytes), Failure> {
        let limit = self.settings.max_message_bytes;
        if message.len() > limit {
            let text = format!("the message has {} bytes; the peer takes {limit}", message.len());
            return Err(Failure::Refused(Reason::new(Code::PayloadTooLarge, text)));
        }
        let unsendable = |text: String| Failure::Refused(Reason::new(Code::NotTranslatable, text));
        let frame = mllp::encode(message).map_err(|error| unsendable(error.to_string()))?;
        let sent = Sent::read(message).ok_or_else(|| unsendable("the message has no MSH-10".to_owned()))?;
        let mut line = self.line.lock().await;
        // What is taken out here is put back only after a good answer: a call that is dropped drops the line.
        let mut kept = line.take();
        let _ = kept.take_if(|open| !open.is_quiet(self.others.as_ref()));
        let mut open = match kept {
            Some(open) => open,
            None => self.connect().await?,
        };
        let due = Instant::now() + self.settings.answer_timeout;
        open.send(&frame, due).await?;
        let answer = open.answer(&sent, due, self.others.as_ref()).await?;
        if self.settings.mode == SendMode::Persistent {
            *line = Some(open);
        }
        Ok(answer)
    }

    /// Whether the peer takes connections.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), String> {
        let mut line = self.line.lock().await;
        let _ = line.take_if(|open| !open.is_quiet(self.others.as_ref()));
        if line.is_some() {
            return Ok(());
        }
        let open = self.connect().await.map_err(|failure| failure.to_string())?;
        if self.settings.mode == SendMode::Persistent {
            *line = Some(open);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Line, Failure> {
        let connecting = TcpStream::connect(&self.settings.address);
        let stream = match timeout(self.settings.connect_timeout, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::Down(format!("cannot connect: {}", error.kind()))),
            Err(_) => return Err(Failure::Down("cannot connect in time".to_owned())),
        };
        let _ = stream.set_nodelay(true);
        let limits = FrameLimits { frame: MAX_ANSWER, ..FrameLimits::default() };
        Ok(Line { stream, framer: Framer::new(limits) })
    }
}

impl fmt::Debug for MllpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MllpClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What an answer must name.
struct Sent {
    control_id: String,
    referral: Option<ReferralId>,
}

impl Sent {
    fn read(message: &[u8]) -> Option<Self> {
        let message = Message::parse_with(message.to_vec(), &Rules::any_version()).ok()?;
        let control_id = message.header().field(10).value()?.into_owned();
        Some(Self { control_id, referral: ReferralId::of(&message) })
    }
}

/// An open connection.
struct Line {
    stream: TcpStream,
    framer: Framer,
}

impl Line {
    /// Whether nothing is left over on it, and it is not closed. What the peer sent meanwhile goes to `others`;
    /// when nobody is there for it, the connection is not used again.
    fn is_quiet(&mut self, others: Option<&mpsc::Sender<Bytes>>) -> bool {
        let mut buffer = [0; READ];
        loop {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) if self.framer.push(&buffer[..read]).is_err() => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock && !self.framer.is_inside(),
            }
            while let Some(frame) = self.framer.next_frame() {
                if others.is_none_or(|others| others.try_send(frame).is_err()) {
                    return false;
                }
            }
        }
    }

    async fn send(&mut self, frame: &[u8], due: Instant) -> Result<(), Failure> {
        match timeout_at(due, self.stream.write_all(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Down(format!("closed while sending: {}", error.kind()))),
            Err(_) => Err(Failure::Unknown("the peer did not read the message in time".to_owned())),
        }
    }

    async fn answer(
        &mut self,
        sent: &Sent,
        due: Instant,
        others: Option<&mpsc::Sender<Bytes>>,
    ) -> Result<(Answer, Bytes), Failure> {
        let mut buffer = [0; READ];
        loop {
            while let Some(frame) = self.framer.next_frame() {
                if let Some(answer) = answering(sent, &frame) {
                    self.hand_on_rest(others);
                    return Ok((answer, frame));
                }
                if others.is_none_or(|others| others.try_send(frame).is_err()) {
                    return Err(Failure::Unknown("the peer answered something else".to_owned()));
                }
            }
            let read = match timeout_at(due, self.stream.read(&mut buffer)).await {
                Ok(Ok(0)) => return Err(Failure::Down("closed without an answer".to_owned())),
                Ok(Ok(read)) => read,
                Ok(Err(error)) => {
                    return Err(Failure::Down(format!("closed without an answer: {}", error.kind())));
                }
                Err(_) => return Err(Failure::Unknown("no answer in time".to_owned())),
            };
            let unreadable = |error| Failure::Unknown(format!("the answer cannot be read: {error}"));
            self.framer.push(&buffer[..read]).map_err(unreadable)?;
        }
    }

    /// What came in one read with the answer, such as AA right behind CA.
    fn hand_on_rest(&mut self, others: Option<&mpsc::Sender<Bytes>>) {
        while let Some(frame) = self.framer.next_frame() {
            if let Some(others) = others {
                // When nobody takes it in time it is dropped: the peer sends what matters again.
                let _ = others.try_send(frame);
            }
        }
    }
}

fn answering(sent: &Sent, frame: &Bytes) -> Option<Answer> {
    let message = Message::parse_with(frame.clone(), &Rules::any_version()).ok()?;
    let answer = Answer::parse(&message).ok()?;
    (answer.matches(&sent.control_id, sent.referral.as_ref()) != Match::No).then_some(answer)
}
