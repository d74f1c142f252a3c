//! Wires the parts of a sidecar together and stops them in order.
//!
//! A drain goes: take no more submissions, let those that wait be answered; hand over nothing new, let what was
//! begun end; say its outcomes; close the stream; let go of the files.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::ServiceAddress;
use bulkhead_process::{Drain, Health, telemetry};
use bulkhead_wire::status::Problem;
use tracing::{Instrument, error, info, info_span};

use crate::broker::Broker;
use crate::directory::Directory;
use crate::handover::HandOver;
use crate::http;
use crate::inbox::Inbox;
use crate::presence::Presence;
use crate::rivals::Rivals;
use crate::services_off::ServicesOff;
use crate::session::Session;
use crate::spool::Spool;
use crate::store::Store;
use crate::{Answer, Config, Error, LocalSystem, Notes, RefusedLater, Resolved, Status, Submission};

/// How long a BaRS system waits for an answer where nothing else is configured.
pub const BARS_PATIENCE: Duration = Duration::from_millis(4500);
/// How long an HL7 v2 system waits for an answer where nothing else is configured.
pub const MLLP_PATIENCE: Duration = Duration::from_secs(10);

/// How long the last outcomes have to leave before the stream is closed. Those that do not are repeated.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How often room is given back and deadlines are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// A sidecar without its adapter.
#[derive(Debug)]
pub struct Kit;

/// What an adapter calls. Cheap to clone.
#[derive(Clone)]
pub struct KitHandle {
    shared: Arc<Shared>,
}

struct Shared {
    spool: Arc<Spool>,
    directory: Directory,
    notes: Notes,
    health: Health,
    http: Option<SocketAddr>,
    /// Signalled when every part has stopped.
    stopped: Drain,
}

impl Kit {
    /// Opens the files of `config.data_dir` and starts every part. They stop when `drain` begins.
    ///
    /// # Errors
    /// When a file, a key or a port cannot be used.
    pub async fn start(
        config: Config,
        system: Arc<dyn LocalSystem>,
        drain: Drain,
    ) -> Result<KitHandle, Error> {
        let directory = config.data_dir.clone();
        std::fs::create_dir_all(&directory)
            .map_err(|source| Error::File { path: directory.clone(), source })?;
        let tenant = config.tenant.to_string();
        let health = Health::new();
        let listener = match config.http {
            Some(address) => Some(http::bind(address).await?),
            None => None,
        };
        let broker = Arc::new(Broker::new(&config, &health)?);
        let presence = Presence::new(health.condition("local-system", "not probed yet"), tenant.clone());
        let store = Store::open(&directory.join("sidecar.db"))?;
        let spool = Spool::open(
            &directory.join("spool"),
            config.spool.clone(),
            config.tenant.clone(),
            store.clone(),
            broker.clone(),
            &health,
            drain.clone(),
        )
        .await?;
        let inbox = Inbox::open(store.clone()).await?;
        let services_off = ServicesOff::default();
        let session = Session {
            broker: broker.clone(),
            inbox: inbox.clone(),
            presence: presence.clone(),
            spool: spool.clone(),
            condition: health.condition("broker", "connecting"),
            rivals: Rivals::new(health.condition("alone", "connecting"), tenant.clone()),
            services_off: services_off.clone(),
            tenant: tenant.clone(),
            software: config.software.clone(),
            inbox_id: inbox.id().await?,
            size: config.inbox.window,
            claims: inbox.claims().await?.into_iter().collect::<HashMap<_, _>>(),
        };
        let notes = Notes::new(store);
        let shared = Shared {
            spool: spool.clone(),
            directory: Directory::new(broker),
            notes: notes.clone(),
            health: health.clone(),
            http: listener.as_ref().map(|(_, address)| *address),
            stopped: Drain::new(),
        };
        let handle = KitHandle { shared: Arc::new(shared) };
        let worker = HandOver::new(
            inbox.clone(),
            system.clone(),
            presence.clone(),
            config.inbox.clone(),
            tenant.clone(),
        );
        let parts =
            Parts { session, worker, spool, presence, system, inbox, notes, config, services_off, drain };
        let listener = listener.map(|(listener, _)| listener);
        tokio::spawn(parts.run(listener, health, handle.shared.stopped.clone()));
        Ok(handle)
    }
}

/// Everything that runs.
struct Parts {
    session: Session,
    worker: HandOver,
    spool: Arc<Spool>,
    presence: Presence,
    system: Arc<dyn LocalSystem>,
    inbox: Inbox,
    notes: Notes,
    config: Config,
    services_off: ServicesOff,
    drain: Drain,
}

impl Parts {
    /// Runs every part. One that ends before the drain has failed: then the sidecar stops, and whoever supervises
    /// it starts it again.
    async fn run(self, listener: Option<tokio::net::TcpListener>, health: Health, stopped: Drain) {
        let Self { session, worker, spool, presence, system, inbox, notes, config, services_off, drain } =
            self;
        let tenant = config.tenant.to_string();
        let (over, closed) = (Drain::new(), Drain::new());
        if let Some(listener) = listener {
            tokio::spawn(http::serve(listener, health, spool.clone(), services_off, closed.clone()));
        }
        let part = |name: &'static str, part: tokio::task::JoinHandle<()>| {
            let (drain, tenant) = (drain.clone(), tenant.clone());
            async move {
                let ended = part.await;
                if !drain.is_started() {
                    error!(
                        tenant,
                        part = name,
                        failed = ended.is_err(),
                        "a part has stopped; the sidecar stops"
                    );
                    drain.start();
                }
            }
        };
        let probing = presence.clone().run(system.clone(), config.inbox.probe, drain.clone());
        let refusals = spool.clone().run_refusals(system, presence.clone());
        let session = tokio::spawn(session.run(over.clone()));
        tokio::join!(
            part("spool", tokio::spawn(spool.clone().run())),
            part("withdrawals", tokio::spawn(spool.clone().run_withdrawals())),
            part("refusals", tokio::spawn(refusals)),
            part("probe", tokio::spawn(probing)),
            part("hand-over", tokio::spawn(worker.run(drain.clone()))),
            part(
                "housekeeping",
                tokio::spawn(keep_house(spool.clone(), inbox, notes, config, drain.clone()))
            ),
        );
        tokio::time::sleep(LAST_WORDS).await;
        over.start();
        if session.await.is_err() {
            error!(tenant, "the session has failed");
        }
        spool.close().await;
        closed.start();
        info!(tenant, "stopped");
        stopped.start();
    }
}

async fn keep_house(spool: Arc<Spool>, inbox: Inbox, notes: Notes, config: Config, drain: Drain) {
    let remember = config.inbox.remember;
    loop {
        // Both branches are safe to cancel.
        tokio::select! {
            () = drain.started() => return,
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
        spool.keep_house(remember).await;
        for forgotten in [inbox.forget(remember).await, notes.forget(remember).await] {
            if let Err(error) = forgotten {
                error!(tenant = %config.tenant, %error, "what is old cannot be dropped");
            }
        }
    }
}

impl KitHandle {
    /// Writes the spool, asks the broker, and answers within the configured patience, or where none is configured
    /// within [`BARS_PATIENCE`].
    pub async fn submit(&self, submission: Submission) -> Answer {
        self.submit_within(submission, BARS_PATIENCE).await
    }

    /// The same for a protocol with another patience: that of the configuration, or this one.
    ///
    /// The trace of a referral begins here, or goes on from the envelope's, and travels with it.
    pub async fn submit_within(&self, mut submission: Submission, by_protocol: Duration) -> Answer {
        let span = info_span!("local_submit", bytes = submission.payload.len());
        if let Some(parent) = &submission.envelope.traceparent {
            telemetry::adopt(parent, &span);
        }
        let traceparent = span.in_scope(telemetry::inject);
        if !traceparent.is_empty() {
            submission.envelope.traceparent = Some(traceparent);
        }
        let patience = self.shared.spool.patience(by_protocol);
        self.shared.spool.submit(submission, patience).instrument(span).await
    }

    /// Who takes what is sent to that address, to check a translation before it is submitted. Remembered for a
    /// short while, and for longer while the broker cannot be asked.
    ///
    /// # Errors
    /// The broker's refusal, or that it cannot be asked.
    pub async fn resolve(&self, address: &ServiceAddress) -> Result<Arc<Resolved>, Problem> {
        self.shared.directory.resolve(address).await
    }

    /// Where referrals are, by referral id, message id or case id. Several when that is not unique.
    ///
    /// # Errors
    /// The broker's refusal (`NotFound` when it knows none), or that it cannot be asked.
    pub async fn state_of(&self, id: &str) -> Result<Vec<Status>, Problem> {
        self.shared.directory.state_of(id).await
    }

    /// The adapter's durable notes.
    pub fn notes(&self) -> &Notes {
        &self.shared.notes
    }

    /// The conditions of `/readyz`, for those that the adapter adds.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.shared.http
    }

    /// What was acknowledged, on the spool's strength or the broker's, and then refused, newest first, at most a hundred.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refused_later(&self) -> Result<Vec<RefusedLater>, Error> {
        self.shared.spool.refused_later().await
    }

    /// Waits until every part has stopped after a drain, or because one has failed. Safe to cancel.
    pub async fn stopped(&self) {
        self.shared.stopped.started().await;
    }
}

impl fmt::Debug for KitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KitHandle").field("http", &self.shared.http).finish_non_exhaustive()
    }
}
