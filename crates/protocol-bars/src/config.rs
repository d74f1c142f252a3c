//! What is used of the settings, checked once. A `Config` that exists is valid.

use std::net::SocketAddr;
use std::time::Duration;

use bulkhead_adapter::Error;
use bulkhead_format_bars::Identifier;
use bulkhead_model::ServiceAddress;
use http::Uri;

use crate::{Dialect, Settings};

/// What a BaRS face and client are built with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nation's BaRS.
    pub dialect: Dialect,
    /// Where the local system posts its messages.
    pub listen: SocketAddr,
    /// Where the local system is posted to, without a slash at the end.
    pub base: Uri,
    /// What the local system offers.
    pub offers: Vec<Offer>,
    /// The name of the software.
    pub software: String,
    /// Whether the system is one for tests.
    pub test_system: bool,
    /// Requests under way at a time.
    pub in_flight: usize,
    /// Connections open at a time.
    pub max_connections: usize,
    /// How long a request may take to arrive.
    pub read_timeout: Duration,
    /// How long a connection to the local system may take to be made.
    pub connect_timeout: Duration,
    /// How long the local system may take to answer.
    pub answer_timeout: Duration,
}

/// A service of the local system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its address.
    pub service: Identifier,
    /// The use cases that it takes.
    pub use_cases: Vec<String>,
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_settings(settings: &Settings, dialect: Dialect) -> Result<Self, Error> {
        let problem = |field: &str, problem: &str| Error::config(format!("system.bars.{field}"), problem);
        let base: Uri = settings
            .base_url
            .trim_end_matches('/')
            .parse()
            .map_err(|_| problem("base_url", "is no address"))?;
        if base.scheme_str() != Some("http") || base.authority().is_none() || base.query().is_some() {
            return Err(problem("base_url", "is not of the form http://host:port/path"));
        }
        for (field, number) in
            [("in_flight", settings.in_flight), ("max_connections", settings.max_connections)]
        {
            if number == 0 {
                return Err(problem(field, "is zero"));
            }
        }
        for (field, time) in [
            ("read_timeout", settings.read_timeout),
            ("connect_timeout", settings.connect_timeout),
            ("answer_timeout", settings.answer_timeout),
        ] {
            if time.is_zero() {
                return Err(problem(field, "is zero"));
            }
        }
        let mut offers = Vec::new();
        for service in &settings.services {
            ServiceAddress::parse(&service.system, &service.value)
                .map_err(|error| problem("services", &error.to_string()))?;
            offers.push(Offer {
                service: Identifier { system: service.system.clone(), value: service.value.clone() },
                use_cases: service.use_cases.iter().map(|code| code.to_ascii_lowercase()).collect(),
            });
        }
        Ok(Self {
            dialect,
            listen: settings.listen,
            base,
            offers,
            software: settings.software.clone(),
            test_system: settings.test_system,
            in_flight: settings.in_flight,
            max_connections: settings.max_connections,
            read_timeout: settings.read_timeout,
            connect_timeout: settings.connect_timeout,
            answer_timeout: settings.answer_timeout,
        })
    }

    /// Whether that address is one of the local system's.
    pub(crate) fn is_own(&self, service: &Identifier) -> bool {
        self.offers.iter().any(|offer| offer.service.same(service))
    }
}
