//! What was written about the local system, in a sidecar's `[system.bars]`.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// The local system: where it finds us, where we find it, and who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the local system posts its messages. Plain HTTP: keep it on loopback or a network of the same host.
    pub listen: SocketAddr,
    /// Where the local system is posted to, such as `http://127.0.0.1:9000/FHIR/R4`.
    pub base_url: String,
    /// The services that the system has. A message's return address must be one of them to be passed on.
    #[serde(default)]
    pub services: Vec<ServiceSettings>,
    /// The name of the software, for the headers and messages that are made here.
    #[serde(default = "default_software")]
    pub software: String,
    /// Whether the system is one for tests: only such a one is given messages that are marked as tests.
    #[serde(default)]
    pub test_system: bool,
    /// Requests under way at a time. One more: the sender is told to wait.
    #[serde(default = "default_in_flight")]
    pub in_flight: usize,
    /// Connections open at a time. One more: it waits.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// How long a request may take to arrive. Longer: the connection is dropped.
    #[serde(default = "default_read_timeout", with = "duration")]
    pub read_timeout: Duration,
    /// How long a connection to the local system may take to be made.
    #[serde(default = "default_connect_timeout", with = "duration")]
    pub connect_timeout: Duration,
    /// How long the local system may take to answer. The hand-over timeout of the inbox must be longer.
    #[serde(default = "default_answer_timeout", with = "duration")]
    pub answer_timeout: Duration,
}

/// A service of the local system.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// The system of its address, such as `https://fhir.nhs.uk/Id/dos-service-id`.
    pub system: String,
    /// The address in it: a text, never a number.
    pub value: String,
    /// The use cases that it takes, such as `a1t10`, for `GET /MessageDefinition`.
    #[serde(default)]
    pub use_cases: Vec<String>,
}

impl Settings {
    /// The defaults, for a system that is served at `listen` and found at `base_url`.
    pub fn new(listen: SocketAddr, base_url: impl Into<String>) -> Self {
        Self {
            listen,
            base_url: base_url.into(),
            services: Vec::new(),
            software: default_software(),
            test_system: false,
            in_flight: default_in_flight(),
            max_connections: default_connections(),
            read_timeout: default_read_timeout(),
            connect_timeout: default_connect_timeout(),
            answer_timeout: default_answer_timeout(),
        }
    }
}

fn default_software() -> String {
    "Bulkhead".to_owned()
}

fn default_in_flight() -> usize {
    64
}

fn default_connections() -> usize {
    256
}

fn default_read_timeout() -> Duration {
    Duration::from_secs(15)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(3)
}

fn default_answer_timeout() -> Duration {
    Duration::from_secs(25)
}
