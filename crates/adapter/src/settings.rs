//! What was written: the TOML file of a sidecar, then the environment (`BULKHEAD__SECTION__KEY`).
//!
//! `[system]` is the adapter's own section; everything else is alike in every sidecar.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required as duration};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A sidecar's settings, with those of its adapter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings<S> {
    /// Whose sidecar this is (`nation/name`). The certificate must say the same.
    pub tenant: String,
    /// Where the spool and the inbox are kept.
    pub data_dir: PathBuf,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    #[serde(default = "default_http")]
    pub http: SocketAddr,
    /// The broker, and who we are to it.
    pub broker: BrokerSettings,
    /// From the local system to the broker.
    #[serde(default)]
    pub spool: SpoolSettings,
    /// From the broker to the local system.
    #[serde(default)]
    pub inbox: InboxSettings,
    /// The adapter's own.
    pub system: S,
}

/// The broker, and who we are to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `host:port` of the cell's nodes, dialled in turn.
    pub addresses: Vec<String>,
    /// The name in their certificates.
    pub server_name: String,
    /// PEM file of the authority.
    pub ca: PathBuf,
    /// PEM file of our certificate.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

/// From the local system to the broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// How long the local system waits for the broker's own answer. Left out: as long as suits its protocol.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub patience: Option<Duration>,
    /// How long after the last good contact the spool may acknowledge a routine referral for the broker.
    #[serde(with = "duration")]
    pub speaks_for: Duration,
    /// Bytes that the spool may hold. Full: the local system is told to try again.
    pub max_bytes: u64,
    /// Referrals that the spool may hold. Full: the same.
    pub max_entries: usize,
    /// The largest payload. Larger: refused.
    pub max_payload_bytes: usize,
    /// Submits under way at a time; emergency ones have two more.
    pub in_flight: usize,
}

/// From the broker to the local system.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboxSettings {
    /// Referrals taken and not yet handed over; one more is kept for an emergency.
    pub window: u32,
    /// Cases handed over at a time.
    pub parallel: usize,
    /// Tries that a referral has.
    pub budget: u32,
    /// How long one try may take.
    #[serde(with = "duration")]
    pub hand_over_timeout: Duration,
    /// The first pause between tries; it doubles.
    #[serde(with = "duration")]
    pub retry_first: Duration,
    /// The longest pause between tries.
    #[serde(with = "duration")]
    pub retry_longest: Duration,
    /// The first pause between probes of a local system that is down; it doubles.
    #[serde(with = "duration")]
    pub probe_first: Duration,
    /// The longest pause between probes.
    #[serde(with = "duration")]
    pub probe_longest: Duration,
    /// How long ids are remembered, in days.
    pub remember_days: u32,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            patience: None,
            speaks_for: Duration::from_secs(60),
            max_bytes: 1 << 30,
            max_entries: 10_000,
            max_payload_bytes: 5 << 20,
            in_flight: 8,
        }
    }
}

impl Default for InboxSettings {
    fn default() -> Self {
        Self {
            window: 16,
            parallel: 4,
            budget: 5,
            hand_over_timeout: Duration::from_secs(30),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            probe_first: Duration::from_millis(500),
            probe_longest: Duration::from_secs(15),
            remember_days: 30,
        }
    }
}

fn default_http() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}

impl<S: DeserializeOwned> Settings<S> {
    /// Reads the file, then the environment of this process.
    ///
    /// # Errors
    /// When the file cannot be read, or a setting is unknown, missing or malformed.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Self::read(&text, std::env::vars())
    }

    /// Reads a text, then these variables; those without our prefix are left alone.
    ///
    /// # Errors
    /// When a setting is unknown, missing or malformed.
    pub fn read(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        bulkhead_process::settings::read(text, variables)
            .map_err(|invalid| Error::config(invalid.setting, invalid.problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        listen: String,
    }

    const FILE: &str = r#"
        tenant = "wales/ooh-cardiff"
        data_dir = "data"
        [broker]
        addresses = ["a:1"]
        server_name = "wales.bulkhead.internal"
        ca = "ca.pem"
        certificate = "c.pem"
        key = "k.pem"
        [spool]
        patience = "10s"
        [system]
        listen = "127.0.0.1:2575"
    "#;

    fn read(extra: &str, variables: &[(&str, &str)]) -> Result<Settings<Own>, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&format!("{FILE}{extra}"), variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_with_defaults() {
        let settings = read("", &[]).unwrap();
        assert_eq!(settings.spool.patience, Some(Duration::from_secs(10)));
        assert_eq!(settings.spool.speaks_for, Duration::from_secs(60));
        assert_eq!((settings.inbox.window, settings.inbox.budget), (16, 5));
        assert_eq!(settings.system.listen, "127.0.0.1:2575");
    }

    #[test]
    fn the_environment_comes_last() {
        let settings = read(
            "",
            &[
                ("BULKHEAD__TENANT", "wales/wast-111"),
                ("BULKHEAD__BROKER__ADDRESSES", "[\"b:2\", \"c:3\"]"),
                ("BULKHEAD__SPOOL__PATIENCE", "4s 500ms"),
                ("BULKHEAD__INBOX__PARALLEL", "1"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(settings.tenant, "wales/wast-111");
        assert_eq!(settings.broker.addresses, ["b:2", "c:3"]);
        assert_eq!(settings.spool.patience, Some(Duration::from_millis(4500)));
        assert_eq!(settings.inbox.parallel, 1);
    }

    #[test]
    fn what_is_unknown_is_refused_and_named() {
        let error = read("speed = 9", &[]).unwrap_err();
        assert!(error.contains("system") && error.contains("speed"), "{error}");
        let error = read("", &[("BULKHEAD__INBOX__WINDOWS", "1")]).unwrap_err();
        assert!(error.contains("inbox") && error.contains("windows"), "{error}");
        let error = read("", &[("BULKHEAD__TENANT__X", "1")]).unwrap_err();
        assert!(error.contains("BULKHEAD__TENANT__X"), "{error}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let printed = toml::to_string(&read("", &[]).unwrap()).unwrap();
        assert_eq!(
            Settings::<Own>::read(&printed, []).unwrap().spool.patience,
            Some(Duration::from_secs(10))
        );
    }
}
