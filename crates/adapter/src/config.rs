//! What is used: settings, checked once. A `Config` that exists is valid.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulkhead_model::TenantId;
use bulkhead_transport::{Credentials, Identity};

use crate::{Error, Settings};

/// What a kit is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose sidecar this is.
    pub tenant: TenantId,
    /// Name and version of the sidecar, for the trace.
    pub software: String,
    /// `host:port` of the cell's nodes, dialled in turn.
    pub brokers: Vec<String>,
    /// The name in their certificates.
    pub server_name: String,
    /// Who we are to them.
    pub credentials: Credentials,
    /// Where the spool and the inbox are kept.
    pub data_dir: PathBuf,
    /// Where `/livez`, `/readyz` and `/metrics` are served. `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// From the local system to the broker.
    pub spool: SpoolConfig,
    /// From the broker to the local system.
    pub inbox: InboxConfig,
}

/// From the local system to the broker: the settings of the same name say what each is.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// How long the local system waits for the broker's own answer. `None`: as suits its protocol.
    pub patience: Option<Duration>,
    /// How long after the last good contact the spool may speak for the broker.
    pub speaks_for: Duration,
    /// Bytes that it may hold.
    pub max_bytes: u64,
    /// Referrals that it may hold.
    pub max_entries: usize,
    /// The largest payload.
    pub max_payload_bytes: usize,
    /// Submits under way at a time.
    pub in_flight: usize,
}

/// From the broker to the local system: the settings of the same name say what each is.
#[derive(Debug, Clone)]
pub struct InboxConfig {
    /// Referrals taken and not yet handed over.
    pub window: u32,
    /// Cases handed over at a time.
    pub parallel: usize,
    /// Tries that a referral has.
    pub budget: u32,
    /// How long one try may take.
    pub hand_over_timeout: Duration,
    /// The first and the longest pause between tries.
    pub retry: (Duration, Duration),
    /// The first and the longest pause between probes.
    pub probe: (Duration, Duration),
    /// How long ids are remembered.
    pub remember: Duration,
}

impl Config {
    /// Checks the settings and reads the files that they name.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_settings<S>(settings: &Settings<S>, software: impl Into<String>) -> Result<Self, Error> {
        let tenant =
            TenantId::parse(&settings.tenant).map_err(|error| Error::config("tenant", error.to_string()))?;
        let broker = &settings.broker;
        if broker.addresses.is_empty() {
            return Err(Error::config("broker.addresses", "names no node"));
        }
        let credentials = Credentials {
            ca_pem: file(&broker.ca)?,
            certificate_pem: file(&broker.certificate)?,
            key_pem: file(&broker.key)?,
        };
        let speaks_for = credentials.own()?.identity;
        if speaks_for != Identity::Tenant(tenant.clone()) {
            let problem = format!("speaks for {speaks_for}, not for tenant {tenant}");
            return Err(Error::config("broker.certificate", problem));
        }
        Ok(Self {
            tenant,
            software: software.into(),
            brokers: broker.addresses.clone(),
            server_name: broker.server_name.clone(),
            credentials,
            data_dir: settings.data_dir.clone(),
            http: Some(settings.http),
            spool: SpoolConfig::from_settings(&settings.spool)?,
            inbox: InboxConfig::from_settings(&settings.inbox)?,
        })
    }
}

impl SpoolConfig {
    /// Checks the settings of the spool.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_settings(settings: &crate::SpoolSettings) -> Result<Self, Error> {
        at_least("spool.max_bytes", settings.max_bytes, settings.max_payload_bytes as u64)?;
        at_least("spool.max_entries", settings.max_entries as u64, 1)?;
        at_least("spool.in_flight", settings.in_flight as u64, 1)?;
        at_least("spool.max_payload_bytes", settings.max_payload_bytes as u64, 1)?;
        if settings.patience.is_some_and(|patience| patience.is_zero()) {
            return Err(Error::config("spool.patience", "is zero"));
        }
        Ok(Self {
            patience: settings.patience,
            speaks_for: settings.speaks_for,
            max_bytes: settings.max_bytes,
            max_entries: settings.max_entries,
            max_payload_bytes: settings.max_payload_bytes,
            in_flight: settings.in_flight,
        })
    }
}

impl InboxConfig {
    /// Checks the settings of the inbox.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_settings(settings: &crate::InboxSettings) -> Result<Self, Error> {
        at_least("inbox.window", settings.window.into(), 1)?;
        at_least("inbox.parallel", settings.parallel as u64, 1)?;
        at_least("inbox.budget", settings.budget.into(), 1)?;
        at_least("inbox.remember_days", settings.remember_days.into(), 1)?;
        Ok(Self {
            window: settings.window,
            parallel: settings.parallel,
            budget: settings.budget,
            hand_over_timeout: settings.hand_over_timeout,
            retry: (settings.retry_first, settings.retry_longest),
            probe: (settings.probe_first, settings.probe_longest),
            remember: Duration::from_secs(u64::from(settings.remember_days) * 24 * 3600),
        })
    }
}

fn file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn at_least(field: &str, value: u64, least: u64) -> Result<(), Error> {
    if value >= least {
        return Ok(());
    }
    Err(Error::config(field, format!("is {value}; the least is {least}")))
}
