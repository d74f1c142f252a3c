//! What was written about an HL7 v2 system, in a sidecar's `[system.hl7]`. What is left out follows from the
//! nation's conventions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bulkhead_adapter::{AckPolicy, MllpServerSettings, SendMode};
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// The local system: where it finds us, where we find it, and how it speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The version that it speaks, such as `2.4`: MSH-12 of what is translated for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Other versions that it reads: a referral in one of them reaches it byte for byte.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Which acknowledgement its messages get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// It is a system for tests: only then messages marked `T` or `D` in MSH-11 are taken, and given to it.
    #[serde(default)]
    pub test_system: bool,
    /// MSH-3 and MSH-4 of its messages, MSH-5 and MSH-6 of what is translated for it.
    #[serde(default)]
    pub name: Name,
    /// The address of its service as `value^system`: where answers to its referrals go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Addresses as `value^system`, by what stands in PRD-7 without a system, or else in MSH-6.
    #[serde(default)]
    pub addresses: BTreeMap<String, String>,
    /// How it is told of what was acknowledged to it and refused or given back since. Left out: by an ACK where
    /// MSH-16 asks for one, else people tell its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell_refusals: Option<TellRefusals>,
    /// The letters of our answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Where it connects to us.
    pub receive: MllpServerSettings,
    /// Where we connect to it.
    pub send: SendSettings,
}

impl Settings {
    /// The defaults: it connects to `listen`, we connect to `address`.
    pub fn new(listen: SocketAddr, address: impl Into<String>) -> Self {
        Self {
            version: None,
            reads: Vec::new(),
            acknowledgement: None,
            test_system: false,
            name: Name::default(),
            reply_to: None,
            addresses: BTreeMap::new(),
            tell_refusals: None,
            answers: None,
            receive: MllpServerSettings::new(listen),
            send: SendSettings::new(address),
        }
    }
}

/// How a system is named in HL7 headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Name {
    /// MSH-3 or MSH-5, with its components.
    pub application: String,
    /// MSH-4 or MSH-6, with its components.
    pub facility: String,
}

/// Where we connect to the local system, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendSettings {
    /// `host:port`.
    pub address: String,
    /// Whether a connection carries one message or many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SendMode>,
    /// How long connecting may take.
    #[serde(default = "default_connect", with = "duration")]
    pub connect_timeout: Duration,
    /// How long an answer may take.
    #[serde(default = "default_answer", with = "duration")]
    pub answer_timeout: Duration,
    /// The largest message that it takes. Larger: refused without sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<usize>,
    /// What each of its answers means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AckPolicy>,
}

impl SendSettings {
    /// The defaults, for that `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            mode: None,
            connect_timeout: default_connect(),
            answer_timeout: default_answer(),
            max_message_bytes: None,
            answers: None,
        }
    }
}

fn default_connect() -> Duration {
    Duration::from_secs(5)
}

fn default_answer() -> Duration {
    Duration::from_secs(20)
}

/// Which acknowledgement a message of the local system gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledgement {
    /// What MSH-15 and MSH-16 ask for; where both are empty, AA, AE or AR.
    AsAsked,
    /// AA, AE or AR, whatever they ask for.
    Original,
    /// CA, CE or CR as MSH-15 asks for, and always where both are empty.
    Enhanced,
}

/// The form in which the local system is told of a refusal that came later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TellRefusals {
    /// RRI of the same event, with a negative MSA. It must be answered.
    Rri,
    /// A negative ACK. It counts as told when it is written, because no ACK is answered; so what is given back stays
    /// on the list until a person has confirmed it.
    Ack,
}

/// The letters of our answers in original mode; in enhanced mode AE and AR become CE and CR. What a sender does
/// about AE and AR differs: the DHCW guide resends on AE and holds on AR, which is the opposite emphasis of HL7
/// v2.5 section 2.9.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    /// The message type, the event, the version or the processing id is not taken.
    pub unsupported: Negative,
    /// The message by itself is at fault: its structure, a field, or its control id, which was used before with
    /// other content.
    pub content: Negative,
    /// It cannot go where it should, for good: nobody has its address, the receiver has no place for something, or
    /// the broker refuses it.
    pub refused: Negative,
    /// Not now: the same again later.
    pub try_again: Negative,
}

/// A negative answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Negative {
    /// Application error.
    Ae,
    /// Application reject.
    Ar,
}

impl Answers {
    /// Whatever is for good is AR, and AE says to try again: the DHCW guide.
    pub const DHCW: Self = Self {
        unsupported: Negative::Ar,
        content: Negative::Ar,
        refused: Negative::Ar,
        try_again: Negative::Ae,
    };
    /// What is wrong in the message by itself is AE, as HL7 v2.5 section 2.9.3 has it; ERR tells it from "try again".
    pub const HL7: Self = Self { content: Negative::Ae, ..Self::DHCW };
}

impl Default for Answers {
    fn default() -> Self {
        Self::DHCW
    }
}
