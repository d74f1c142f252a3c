//! A sidecar of a demo world that is a process of its own, so that it can die alone; its spool and inbox stay on disk.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::process::Command;

use super::process::Process;
use super::world::{DevJson, Start};

/// Those that a world leaves to others are left to these.
pub(super) struct Sidecar {
    pub(super) tenant: String,
    arguments: Vec<String>,
    process: Process,
}

/// So many tenants of the demo world, in any order.
pub(super) fn choose(count: usize, random: &mut impl Rng) -> Vec<String> {
    const TENANTS: [&str; 8] = [
        "england/nhs111-north",
        "england/ooh-riverside",
        "wales/wast-111",
        "wales/ooh-cardiff",
        "scotland/nhs24",
        "scotland/ooh-lothian",
        "northern-ireland/ooh-dalriada",
        "northern-ireland/gp-belfast",
    ];
    TENANTS.choose_multiple(random, count).map(|tenant| (*tenant).to_owned()).collect()
}

impl Sidecar {
    /// That of a tenant whose sidecar the world has left to others; not started.
    pub(super) fn of(tenant: &str, start: &Start, dev: &DevJson, place: &Path) -> Result<Self> {
        let place = place.join(tenant.replace('/', "."));
        std::fs::create_dir_all(&place)?;
        let http = dev.tenant(tenant)?.sidecar.http;
        let base = start.port_base.context("a sidecar of its own must know where everything is")?;
        let data_dir = start.data_dir.display().to_string();
        let arguments =
            ["dev", "--data-dir", &data_dir, "--port-base", &base.to_string(), "--only-sidecar", tenant]
                .map(str::to_owned)
                .into();
        Ok(Self { tenant: tenant.to_owned(), arguments, process: Process::new(tenant, http, &place) })
    }

    /// Starts it and waits until it is ready.
    pub(super) async fn start(&mut self, binary: &Path) -> Result<()> {
        let mut command = Command::new(binary);
        self.process.start(command.args(&self.arguments).env("RUST_LOG", "info")).await
    }

    /// `kill -9`; the time by which it was dead.
    pub(super) async fn kill(&mut self) -> Result<Timestamp> {
        self.process.kill().await
    }

    /// SIGSTOP, and SIGCONT after that time; waits until it is ready again.
    pub(super) async fn pause(&mut self, during: Duration) -> Result<()> {
        self.process.pause(during).await
    }

    /// SIGTERM, and waits until it has ended well.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.process.stop().await
    }
}
