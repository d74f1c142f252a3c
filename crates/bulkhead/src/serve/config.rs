//! What a broker node is made of, from what was written: checked once.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use bulkhead_log::{KafkaConfig, KafkaScram, KafkaSecurity, KafkaTls, ScramMechanism};
use bulkhead_model::Nation;
use bulkhead_process::lease::LONGEST_LIMIT;
use bulkhead_routing::{self as routing, FarCell};
use bulkhead_transport::{Credentials, Dialer};

use super::settings::{self, KafkaLog, Log, Settings};
use crate::node::{DirectoryFile, LogConfig, NodeConfig, PulseConfig};

/// The node, and the log that it stands on.
pub(crate) struct Config {
    pub(crate) node: NodeConfig,
    pub(crate) log: LogConfig,
}

impl Config {
    /// Checks it; reads the files that it names.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self> {
        let nation = nation(&settings.nation)?;
        let name = &settings.name;
        let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        ensure!(good, "name: {name:?} is not letters, digits and hyphens");
        let credentials = credentials(&settings.tls)?;
        Dialer::new(&credentials).context("tls: these keys cannot be used")?;
        let pulse = PulseConfig { interval: settings.pulse.interval, limit: settings.pulse.limit };
        ensure!(!pulse.interval.is_zero(), "pulse.interval: must be more than nothing");
        ensure!(
            pulse.limit >= pulse.interval * 2,
            "pulse.limit: must be at least twice pulse.interval, or the node would stop at every late pulse"
        );
        ensure!(
            pulse.limit <= LONGEST_LIMIT,
            "pulse.limit: must be at most {LONGEST_LIMIT:?}: whoever cuts is told that a node which does not answer \
             stops after that"
        );
        let mut routing = routing::Config::new(nation, name.clone());
        for (far, border) in &settings.border {
            let place = format!("border.{far}");
            let far = self::nation(far).with_context(|| place.clone())?;
            ensure!(far != nation, "{place}: is this cell's own nation");
            ensure!(!border.addresses.is_empty(), "{place}.addresses: names no node");
            let cell =
                FarCell { addresses: border.addresses.clone(), server_name: border.server_name.clone() };
            routing.far.insert(far, cell);
        }
        let directory = settings.directory.as_ref().map(|path| {
            let text = fs::read_to_string(path)
                .with_context(|| format!("directory: {} cannot be read", path.display()))?;
            Ok::<_, anyhow::Error>(DirectoryFile { name: path.display().to_string(), text })
        });
        let log = match &settings.log {
            Log::Embedded(embedded) => {
                LogConfig::Embedded(embedded.path.clone().unwrap_or_else(|| settings.data_dir.join("log")))
            }
            Log::Kafka(kafka) => LogConfig::Kafka(Box::new(self::kafka(nation, kafka)?)),
        };
        let node = NodeConfig {
            nation,
            data_dir: settings.data_dir.clone(),
            credentials,
            advertise: settings.advertise.clone(),
            routing,
            pulse,
            directory: directory.transpose()?,
        };
        Ok(Self { node, log })
    }
}

fn nation(name: &str) -> Result<Nation> {
    let Some(nation) = Nation::ALL.into_iter().find(|nation| nation.as_str() == name) else {
        bail!("nation: {name:?} is none of england, wales, scotland, northern-ireland");
    };
    Ok(nation)
}

fn credentials(tls: &settings::Tls) -> Result<Credentials> {
    let read = |name: &str, path: &std::path::Path| {
        fs::read_to_string(path).with_context(|| format!("tls.{name}: {} cannot be read", path.display()))
    };
    Ok(Credentials {
        ca_pem: read("ca", &tls.ca)?,
        certificate_pem: read("certificate", &tls.certificate)?,
        key_pem: read("key", &tls.key)?,
    })
}

fn kafka(nation: Nation, settings: &KafkaLog) -> Result<KafkaConfig> {
    ensure!(!settings.bootstrap.is_empty(), "log.bootstrap: names no broker");
    let mut config = KafkaConfig::new(settings.bootstrap.join(","), settings.prefix.clone(), nation.as_str());
    config.replicas = settings.replicas;
    config.min_in_sync = settings.min_in_sync;
    config.append_timeout = settings.append_timeout;
    config.session_timeout = settings.session_timeout;
    let tls = settings.tls.as_ref().map(|tls| {
        let certificate = match (&tls.certificate, &tls.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                bail!("log.tls: a certificate and its key are named together")
            }
        };
        Ok(KafkaTls { ca: tls.ca.clone(), certificate })
    });
    let scram = settings.scram.as_ref().map(|scram| {
        let mechanism = match scram.mechanism.as_str() {
            "SCRAM-SHA-256" => ScramMechanism::Sha256,
            "SCRAM-SHA-512" => ScramMechanism::Sha512,
            other => bail!("log.scram.mechanism: {other:?} is neither SCRAM-SHA-256 nor SCRAM-SHA-512"),
        };
        let path = &scram.password_file;
        let password = fs::read_to_string(path)
            .with_context(|| format!("log.scram.password_file: {} cannot be read", path.display()))?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        Ok(KafkaScram { mechanism, username: scram.username.clone(), password })
    });
    config.security = KafkaSecurity { tls: tls.transpose()?, scram: scram.transpose()? };
    Ok(config)
}
