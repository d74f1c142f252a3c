//! A cell of one node, put together from the library crates as `bulkhead dev` does: log, ledger with its
//! follower, ingest and, unless only the door is asked about, routing; behind mutual TLS on loopback.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use bulkhead_ingest::Service as Ingest;
use bulkhead_ledger::{Follower, Ledger};
use bulkhead_log::Log;
use bulkhead_model::{
    Cuts, Directory, Nation, OnDeadline, Presence, Protocol, Quota, Service, ServiceId, Supplier, SupplierId,
    Tenant, TenantId,
};
use bulkhead_process::{Drain, Lease};
use bulkhead_routing::{FarCell, Parts, Routing};
use bulkhead_transport::{Acceptor, Connections, Credentials, Dialer, Limits, MAX_MESSAGE};
use bulkhead_wire::v1::border_server::BorderServer;
use bulkhead_wire::v1::delivery_server::DeliveryServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::keys::server_name;
use crate::store::Opened;

/// Who sends.
pub(crate) const SENDER: &str = "england/sender";
/// Who receives within the cell, and a service of the same name.
pub(crate) const NEAR: &str = "england/receiver";
/// Who receives over the border, and a service of the same name.
pub(crate) const FAR: &str = "wales/receiver";

/// A running cell.
pub(crate) struct Cell {
    drain: Drain,
    tasks: JoinSet<()>,
    log: Opened,
}

/// What a cell is made with.
pub(crate) struct Plan {
    pub(crate) credentials: Credentials,
    pub(crate) nation: Nation,
    /// Where its ledger lies.
    pub(crate) dir: PathBuf,
    pub(crate) log: Opened,
    pub(crate) listener: TcpListener,
    /// The other cell, and its address.
    pub(crate) far: Option<(Nation, String)>,
    /// Without it, only the door is there: what is accepted stays in `in`.
    pub(crate) routing: bool,
    /// How many tenants it has besides.
    pub(crate) tenants: usize,
}

/// One of many tenants, and a service of the same name.
pub(crate) fn numbered(number: usize) -> String {
    format!("england/tenant-{number:05}")
}

impl Cell {
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        let Plan { credentials, nation, dir, log: opened, listener, far, routing, tenants } = plan;
        std::fs::create_dir_all(&dir)?;
        let node = format!("{nation}-1");
        let log: Arc<dyn Log> = opened.log();
        let config = bulkhead_ledger::Config { path: dir.join("ledger.sqlite"), nation };
        let (ledger, follower) = Ledger::open(config, log.clone()).await?;
        let drain = Drain::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(follower, drain.clone()));

        let (directory_kept, directory) = watch::channel(Arc::new(directory(tenants)?));
        let (cuts_kept, cuts) = watch::channel(Arc::new(Cuts::default()));
        let mut config = bulkhead_routing::Config::new(nation, node.clone());
        if let Some((far, address)) = far {
            let cell = FarCell { addresses: vec![address], server_name: server_name(far) };
            config.far.insert(far, cell);
        }
        let parts = Parts {
            log: log.clone(),
            ledger: ledger.clone(),
            directory: directory.clone(),
            cuts: cuts.clone(),
            orders: watch::channel(Arc::default()).1,
            lease: Lease::always(),
            pulses: watch::channel(Arc::default()).1,
            dialer: Dialer::new(&credentials)?,
        };
        let routes = Routing::new(config, parts)?;
        let (delivery, door, board) = (routes.delivery(), routes.door(), routes.board());
        if routing {
            let drain = drain.clone();
            tasks.spawn(async move {
                // A part that fails ends the bench by its silence: nothing arrives any more.
                if let Err(error) = routes.run(drain).await {
                    tracing::error!(%error, "routing ended");
                }
            });
        }
        let ingest = Ingest::new(
            bulkhead_ingest::Config::default(),
            bulkhead_ingest::Parts {
                log,
                ledger,
                directory: directory.clone(),
                cuts: cuts.clone(),
                node: node.clone(),
                nation,
                pending_cuts: Arc::new(Vec::new),
                audits_behind: Arc::new(std::collections::BTreeMap::new),
                presence: Arc::new(move || -> HashMap<TenantId, Presence> { board.snapshot() }),
                lease: Lease::always(),
                pulses: watch::channel(Arc::default()).1,
                flooded: Arc::new(|_, _| {}),
                ready: Arc::new(|| true),
                shards: Arc::new(|| 32),
                drain: drain.clone(),
            },
        );
        tasks.spawn(ingest.clone().run());
        let acceptor = Acceptor::new(bulkhead_transport::Config {
            node,
            credentials,
            policy: bulkhead_ingest::policy(directory, cuts),
            connections: Connections::new(),
            limits: Limits::default(),
        })?;
        let stop = drain.clone();
        tasks.spawn(async move {
            // The directory and the cuts live as long as they are served.
            let _kept = (directory_kept, cuts_kept);
            let delivery = DeliveryServer::new(delivery).max_decoding_message_size(MAX_MESSAGE);
            let _ = bulkhead_transport::server()
                .add_service(ingest.ingest_server())
                .add_service(ingest.referrals_server())
                .add_service(delivery.max_encoding_message_size(MAX_MESSAGE))
                .add_service(BorderServer::new(door).max_decoding_message_size(MAX_MESSAGE))
                .serve_with_incoming_shutdown(acceptor.listen(listener), async move { stop.started().await })
                .await;
        });
        Ok(Self { drain, tasks, log: opened })
    }

    /// Stops it and lets go of its files.
    pub(crate) async fn stop(mut self) {
        self.drain.start();
        self.tasks.shutdown().await;
        self.log.close().await;
    }
}

async fn follow(follower: Follower, drain: Drain) {
    let _ = follower.run(async move { drain.started().await }).await;
}

fn directory(tenants_besides: usize) -> Result<Directory> {
    let supplier = SupplierId::parse("meridian")?;
    // No quota may be what is measured.
    let quota = Quota { calls_per_second: 1_000_000, unread_bytes: 512 << 20, ..Quota::default() };
    let (mut tenants, mut services) = (Vec::new(), Vec::new());
    let named = [SENDER, NEAR, FAR].map(str::to_owned);
    for id in named.into_iter().chain((0..tenants_besides).map(numbered)) {
        let host = TenantId::parse(&id)?;
        let (supplier, quota) = (supplier.clone(), quota.clone());
        tenants.push(Tenant {
            id: host.clone(),
            supplier,
            successor_of: None,
            revoked: vec![],
            quota,
            synthetic: false,
        });
        services.push(Service {
            id: ServiceId::parse(&id)?,
            host,
            identifiers: vec![],
            protocol: Protocol::Bars,
            version: "1".into(),
            max_bytes: None,
            grants: None,
            on_deadline: OnDeadline::Return,
            fallback: None,
            takes_over: vec![],
        });
    }
    let suppliers = vec![Supplier { id: supplier, name: "Meridian".into() }];
    Ok(Directory::new(suppliers, tenants, services, vec![])?)
}
