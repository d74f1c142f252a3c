//! A receiving sidecar: the kit itself with its durable inbox, and a local system that takes everything at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use bulkhead_adapter::{
    Config, Delivery, InboxConfig, InboxSettings, Kit, KitHandle, LocalSystem, Outcome, Receipt,
    RefusedLater, SpoolConfig, SpoolSettings,
};
use bulkhead_model::TenantId;
use bulkhead_process::Drain;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use crate::host::Place;
use crate::keys::{Keys, server_name};

/// How long a receiver may be silent before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sidecar, and what came out of its inbox.
pub(crate) struct Sidecar {
    kit: KitHandle,
    drain: Drain,
    taken: Mutex<mpsc::UnboundedReceiver<Instant>>,
}

struct Takes(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl LocalSystem for Takes {
    async fn hand_over(&self, _: &Delivery) -> Outcome {
        // The inbox is durable before this is called.
        let _ = self.0.send(Instant::now());
        Outcome::Delivered(Receipt::new("AA"))
    }

    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }

    async fn tell_refusal(&self, _: &RefusedLater) -> Outcome {
        Outcome::Delivered(Receipt::new("AA"))
    }
}

impl Sidecar {
    pub(crate) async fn start(keys: &Keys, cell: &Place, tenant: &str, dir: &Path) -> Result<Self> {
        let config = Config {
            tenant: TenantId::parse(tenant)?,
            software: "bench".into(),
            brokers: vec![cell.address.clone()],
            server_name: server_name(cell.nation),
            credentials: keys.tenant(tenant)?,
            data_dir: dir.to_owned(),
            http: None,
            spool: SpoolConfig::from_settings(&SpoolSettings::default())?,
            inbox: InboxConfig::from_settings(&InboxSettings::default())?,
        };
        let (told, taken) = mpsc::unbounded_channel();
        let drain = Drain::new();
        let kit = Kit::start(config, Arc::new(Takes(told)), drain.clone()).await?;
        tokio::time::timeout(PATIENCE, kit.health().ready()).await.context("the sidecar does not connect")?;
        Ok(Self { kit, drain, taken: Mutex::new(taken) })
    }

    /// Waits for the next referral out of the inbox: when it was there.
    pub(crate) async fn next(&self) -> Result<Instant> {
        let mut taken = self.taken.lock().await;
        let next = tokio::time::timeout(PATIENCE, taken.recv()).await;
        next.context("nothing arrives any more")?.context("the sidecar has stopped")
    }

    /// Waits for so many.
    pub(crate) async fn next_many(&self, count: usize) -> Result<()> {
        for number in 0..count {
            self.next().await.with_context(|| format!("{number} of {count} arrived"))?;
        }
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.drain.start();
        let _ = tokio::time::timeout(Duration::from_secs(10), self.kit.stopped()).await;
    }
}
