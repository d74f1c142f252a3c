//! A broker node: its ledger, control, ingest and routing behind one gRPC port, and what happens when
//! one of them fails (the node ends; whoever started it decides what then).

mod abreast;
mod config;
mod gauges;
mod log;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bulkhead_control::{
    self as control, Alarm, Anomaly, Audit, Behind, Carrier, FarDesk, Follower as ControlFollower, Following,
    Neighbours, Pulse, Sentry, Service as Control, ServiceParts, Witness, publish_directory,
};
use bulkhead_ingest::{Flood, Service as Ingest};
use bulkhead_ledger::{Follower as LedgerFollower, Ledger};
use bulkhead_log::Log;
use bulkhead_process::{Drain, Health, Lease, health};
use bulkhead_routing::{DeliveryService, DoorService, Parts, Routing};
use bulkhead_transport::{Acceptor, Connections, Dialer, Limits, MAX_MESSAGE};
use bulkhead_wire::v1;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::warn;

use gauges::Gauges;

pub(crate) use config::{DirectoryFile, NodeConfig, PulseConfig};
pub(crate) use log::{LogConfig, NodeLog};

/// How long a draining node waits for what is under way.
const GRACE: Duration = Duration::from_secs(8);

/// A node with its ports open and its log read; nothing is served yet.
pub(crate) struct Node {
    config: NodeConfig,
    log: Arc<dyn Log>,
    ledger: Ledger,
    ledger_follower: LedgerFollower,
    control_follower: ControlFollower,
    following: Following,
    health: Health,
    grpc: TcpListener,
    http: TcpListener,
}

impl Node {
    /// Opens the ledger of a node whose log and ports are open.
    pub(crate) async fn open(
        config: NodeConfig,
        log: Arc<dyn Log>,
        grpc: TcpListener,
        http: TcpListener,
    ) -> Result<Self> {
        let ledger_config =
            bulkhead_ledger::Config { path: config.data_dir.join("ledger.sqlite"), nation: config.nation };
        let (ledger, ledger_follower) = Ledger::open(ledger_config, log.clone()).await?;
        let (control_follower, following) = ControlFollower::new(log.clone(), config.nation);
        let control_follower = control_follower.remembering(&config.data_dir)?;
        let health = Health::new();
        Ok(Self { config, log, ledger, ledger_follower, control_follower, following, health, grpc, http })
    }

    /// Whether it serves.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// Serves until the drain starts or a part fails.
    pub(crate) async fn run(self, drain: Drain) -> Result<()> {
        let Node {
            config,
            log,
            ledger,
            ledger_follower,
            control_follower,
            mut following,
            health,
            grpc,
            http,
        } = self;
        let serving = health.condition("serving", "starting");
        // What decides and answers ends first; what follows the log and answers for health ends last.
        let (mut parts, mut followers) = (JoinSet::new(), JoinSet::new());
        let last = Drain::new();
        let (answering, stop) = (health.clone(), last.clone());
        followers.spawn(async move { Ok(health::serve(http, answering, axum::Router::new()).await?) });
        followers.spawn(async move { Ok(ledger_follower.run(async move { stop.started().await }).await?) });
        followers.spawn(control_follower_task(control_follower, last.clone()));
        if let Some(directory) = &config.directory {
            publish_directory(&log, config.nation, &directory.name, &directory.text).await?;
        }
        tokio::select! {
            () = following.caught_up() => {}
            () = drain.started() => return Ok(()),
            Some(ended) = followers.join_next() => {
                ended.context("a part of the node panicked")??;
                bail!("a part of the node ended before it had read its log");
            }
        }

        let lease = Lease::new(config.pulse.limit);
        let address = match &config.advertise {
            Some(address) => address.clone(),
            None => grpc.local_addr().context("the port that tenants reach")?.to_string(),
        };
        let dialer = Dialer::new(&config.credentials)?;
        let routing_parts = Parts {
            log: log.clone(),
            ledger: ledger.clone(),
            directory: following.directory.clone(),
            cuts: following.cuts.clone(),
            orders: following.book.orders(),
            pulses: following.pulses.clone(),
            lease: lease.clone(),
            dialer,
        };
        let routing = Routing::new(config.routing.clone(), routing_parts.clone())?;
        let (delivery, door) = (routing.delivery(), routing.door());
        let audit = Audit::open(&config.data_dir, &config.routing.node).context("the audit file")?;
        following.note_refusals(audit.clone());
        let own_audit = audit.clone();
        let witness =
            Witness::new(config.nation, config.routing.node.clone(), audit.clone(), following.clone());
        let behind = witness.behind();
        followers.spawn(ended_with(witness.run(last.clone()), last.clone()));
        let pulse = control::PulseConfig {
            nation: config.nation,
            node: config.routing.node.clone(),
            address,
            interval: config.pulse.interval,
            claims: Arc::new(routing.claims()),
            audit: Arc::new(move || own_audit.head()),
        };
        let authority = health.condition("authority", "its pulse has not come back yet");
        let pulse = Pulse::new(pulse, log.clone(), following.clone(), lease.clone(), authority);
        let pulse_drain = last.clone();
        followers.spawn(async move { Ok(pulse.run(pulse_drain).await?) });
        let neighbours = Neighbours::new(
            routing_parts.dialer.clone(),
            config.nation,
            config.routing.node.clone(),
            following.pulses.clone(),
        );
        followers.spawn(ended_with(neighbours.clone().run(last.clone()), last.clone()));
        let (control, closer) = Control::new(ServiceParts {
            log: log.clone(),
            ledger: ledger.clone(),
            book: following.book.clone(),
            pulses: following.pulses.clone(),
            node: config.routing.node.clone(),
            nation: config.nation,
            data_dir: config.data_dir.clone(),
            audit,
            neighbours,
        })
        .await?;
        for (nation, far) in &config.routing.far {
            let nodes =
                far.addresses.iter().map(|address| routing_parts.dialer.channel(address, &far.server_name));
            let far = FarDesk { nation: *nation, nodes: nodes.collect::<Result<_, _>>()? };
            let carrier = Carrier::new(following.book.clone(), config.nation, far);
            followers.spawn(ended_with(carrier.run(last.clone()), last.clone()));
        }
        followers.spawn(ended_with(closer.run(last.clone()), last.clone()));
        let (sentry, alarm) =
            Sentry::new(log.clone(), config.nation, config.routing.node.clone(), following.book.clone());
        let sentry_drain = last.clone();
        followers.spawn(async move { Ok(sentry.run(sentry_drain).await?) });
        let watched = Watched { health: health.clone(), alarm, behind };
        let ingest = ingest(&config, routing_parts, &routing, &following, watched, &drain);
        parts.spawn(ended(ingest.clone().run()));
        let routing_drain = drain.child();
        parts.spawn(async move { Ok(routing.run(routing_drain).await?) });
        let doors = Doors { ingest, delivery, door, control };
        let connections = Connections::new();
        let gauges = Gauges {
            nation: config.nation,
            node: config.routing.node.clone(),
            ledger: ledger.clone(),
            following: following.clone(),
            connections: connections.clone(),
        };
        followers.spawn(ended_with(gauges.run(last.clone()), last.clone()));
        parts.spawn(serve(config.clone(), grpc, following.clone(), doors, connections, drain.clone()));
        let whole = health.condition("events", "it has not read them yet");
        followers.spawn(ended_with(whole::watch(ledger.clone(), whole, last.clone()), last.clone()));
        tokio::select! {
            () = drain.started() => {}
            read = read_up(&ledger) => read?,
        }
        let abreast = health.condition("ledger", "it has not read the log yet");
        let abreast = abreast::watch(ledger.clone(), abreast, abreast::LIMIT, last.clone());
        followers.spawn(ended_with(abreast, last.clone()));
        serving.met();

        let failed = tokio::select! {
            () = drain.started() => None,
            ended = parts.join_next() => ended,
            ended = followers.join_next() => ended,
        };
        serving.unmet("draining");
        drain.start();
        if let Some(ended) = failed {
            ended.context("a part of the node panicked")??;
        }
        let finish = async { while parts.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(GRACE, finish).await.is_ok();
        last.start();
        if !in_time {
            warn!(node = %config.routing.node, "not everything ended in time; what is durable is kept");
        }
        Ok(())
    }
}

/// What is not there any more is waited for: `/readyz` says so meanwhile.
async fn read_up(ledger: &Ledger) -> Result<()> {
    loop {
        match ledger.caught_up().await {
            Err(bulkhead_ledger::Error::Stands { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
            read => return Ok(read?),
        }
    }
}

async fn ended(part: impl Future<Output = ()>) -> Result<()> {
    part.await;
    Ok(())
}

/// A part that goes on until the drain and has no other way to end well.
async fn ended_with(part: impl Future<Output = ()>, drain: Drain) -> Result<()> {
    part.await;
    drain.started().await;
    Ok(())
}

async fn control_follower_task(follower: ControlFollower, drain: Drain) -> Result<()> {
    Ok(follower.run(drain).await?)
}

/// What the door asks of the rest of the node, and tells it.
struct Watched {
    health: Health,
    alarm: Alarm,
    behind: Behind,
}

fn ingest(
    config: &NodeConfig,
    with: Parts,
    routing: &Routing,
    following: &Following,
    watched: Watched,
    drain: &Drain,
) -> Ingest {
    let Watched { health, alarm, behind } = watched;
    let book = following.book.clone();
    let board = routing.board();
    let owned = routing.owned();
    Ingest::new(
        bulkhead_ingest::Config::default(),
        bulkhead_ingest::Parts {
            log: with.log,
            ledger: with.ledger,
            directory: with.directory,
            cuts: with.cuts,
            pending_cuts: Arc::new(move || book.ask(|authority| authority.pending().cloned().collect())),
            audits_behind: Arc::new(move || behind.all()),
            pulses: with.pulses,
            lease: with.lease,
            node: config.routing.node.clone(),
            nation: config.nation,
            presence: Arc::new(move || board.snapshot()),
            flooded: Arc::new(move |cut, flood| {
                let Flood { per_minute, refused } = flood;
                let what = format!("{refused} new referrals in a minute, and {per_minute} are allowed");
                alarm.raise(Anomaly { cut: cut.clone(), what });
            }),
            ready: Arc::new(move || health.is_ready()),
            shards: Arc::new(owned),
            drain: drain.clone(),
        },
    )
}

/// The services behind the port.
struct Doors {
    ingest: Ingest,
    delivery: DeliveryService,
    door: DoorService,
    control: Control,
}

async fn serve(
    config: NodeConfig,
    listener: TcpListener,
    following: Following,
    doors: Doors,
    connections: Connections,
    drain: Drain,
) -> Result<()> {
    let Doors { ingest, delivery, door, control } = doors;
    let Following { directory, cuts, .. } = following;
    let acceptor = Acceptor::new(bulkhead_transport::Config {
        node: config.routing.node.clone(),
        credentials: config.credentials.clone(),
        policy: bulkhead_ingest::policy(directory.clone(), cuts.clone()),
        connections: connections.clone(),
        limits: Limits::default(),
    })?
    .allowing(bulkhead_ingest::allowance(directory));
    let (reporter, grpc_health) = tonic_health::server::health_reporter();
    reporter.set_serving::<v1::ingest_server::IngestServer<Ingest>>().await;
    reporter.set_serving::<v1::delivery_server::DeliveryServer<DeliveryService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .build_v1()?;
    let served = bulkhead_transport::server()
        .add_service(grpc_health)
        .add_service(reflection)
        .add_service(ingest.ingest_server())
        .add_service(ingest.referrals_server())
        .add_service(control.server())
        .add_service(
            v1::delivery_server::DeliveryServer::new(delivery)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .add_service(
            v1::border_server::BorderServer::new(door)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        )
        .serve_with_incoming_shutdown(acceptor.listen(listener), async move { drain.started().await });
    tokio::select! {
        served = served => Ok(served?),
        () = bulkhead_ingest::sever(connections, cuts) => anyhow::bail!("the cuts are followed no more"),
    }
}
