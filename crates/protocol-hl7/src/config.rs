//! What is used of the settings, checked once. A `Config` that exists is valid.

use std::collections::BTreeMap;

use bulkhead_adapter::{Error, MllpClientSettings, MllpServerSettings};
use bulkhead_format_hl7::{Limits, Rules, Version};
use bulkhead_model::ServiceAddress;
use bulkhead_translation::Profile;

use crate::settings::{Acknowledgement, Answers, Name, TellRefusals};
use crate::{Conventions, Settings};

/// What an HL7 v2 face and client are built with.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is taken from the local system.
    pub rules: Rules,
    /// What the local system shows, and in which version.
    pub profile: Profile,
    /// The versions that it reads.
    pub reads: Vec<Version>,
    /// Which acknowledgement its messages get.
    pub acknowledgement: Acknowledgement,
    /// The letters of our answers.
    pub answers: Answers,
    /// Whether it is a system for tests.
    pub test_system: bool,
    /// What it is called.
    pub name: Name,
    /// What we are called.
    pub own_name: Name,
    /// Where answers to its referrals go.
    pub reply_to: Option<ServiceAddress>,
    /// Addresses by what stands in PRD-7 without a system, or else in MSH-6.
    pub addresses: BTreeMap<String, ServiceAddress>,
    /// Systems of addresses by their short forms.
    pub systems: BTreeMap<String, String>,
    /// Retired codes of organisations, and what they are now.
    pub retired: BTreeMap<String, String>,
    /// How it is told of refusals that come later.
    pub tell_refusals: Option<TellRefusals>,
    /// Where it connects to us.
    pub receive: MllpServerSettings,
    /// Where we connect to it.
    pub send: MllpClientSettings,
}

impl Config {
    /// Checks the settings, with what is usual in the nation where they say nothing.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_settings(settings: &Settings, conventions: &Conventions) -> Result<Self, Error> {
        let version = match &settings.version {
            Some(text) => version("version", text, conventions)?,
            None => conventions.version,
        };
        let mut reads = vec![version];
        for text in &settings.reads {
            reads.push(self::version("reads", text, conventions)?);
        }
        let mut addresses = BTreeMap::new();
        for (name, text) in &settings.addresses {
            addresses.insert(name.clone(), address("addresses", text)?);
        }
        let reply_to = settings.reply_to.as_deref().map(|text| address("reply_to", text)).transpose()?;
        let (profile, receive, send) = ((conventions.profile)(version), &settings.receive, &settings.send);
        let least = |field: &str, value: usize| match value {
            0 => Err(problem(field, "is zero")),
            _ => Ok(value),
        };
        least("receive.max_connections", receive.max_connections)?;
        let limits =
            Limits { bytes: least("receive.max_frame_bytes", receive.max_frame_bytes)?, ..Limits::default() };
        if send.address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(problem("send.address", "is not of the form host:port"));
        }
        let max_message_bytes = send.max_message_bytes.unwrap_or(profile.message);
        let [application, facility] = conventions.own_name.map(str::to_owned);
        Ok(Self {
            rules: Rules { limits, versions: Some(conventions.versions.clone()) },
            reads,
            acknowledgement: settings.acknowledgement.unwrap_or(conventions.acknowledgement),
            answers: settings.answers.unwrap_or(conventions.answers),
            test_system: settings.test_system,
            name: settings.name.clone(),
            own_name: Name { application, facility },
            reply_to,
            addresses,
            systems: owned(&conventions.systems),
            retired: owned(&conventions.retired),
            tell_refusals: settings.tell_refusals,
            receive: receive.clone(),
            send: MllpClientSettings {
                address: send.address.clone(),
                mode: send.mode.unwrap_or(conventions.mode),
                connect_timeout: send.connect_timeout,
                answer_timeout: send.answer_timeout,
                max_message_bytes: least("send.max_message_bytes", max_message_bytes)?,
                answers: send.answers.unwrap_or(conventions.meaning),
            },
            profile: Profile { message: max_message_bytes, ..profile },
        })
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn problem(field: &str, problem: impl Into<String>) -> Error {
    Error::config(format!("system.hl7.{field}"), problem)
}

fn version(field: &str, text: &str, conventions: &Conventions) -> Result<Version, Error> {
    let known = Version::parse(text).filter(|version| conventions.versions.contains(version));
    known.ok_or_else(|| {
        let taken: Vec<String> = conventions.versions.iter().map(ToString::to_string).collect();
        problem(field, format!("is {text}; here it is one of {}", taken.join(", ")))
    })
}

/// `value^system`, as PRD-7 holds it.
fn address(field: &str, text: &str) -> Result<ServiceAddress, Error> {
    let (value, system) = text.split_once('^').unwrap_or((text, ""));
    ServiceAddress::parse(system, value).map_err(|error| problem(field, error.to_string()))
}
