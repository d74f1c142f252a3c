//! `bulkhead.v1.Ingest`: the door itself. Who calls is asked of the certificate, first and always.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bulkhead_ledger::Ledger;
use bulkhead_log::Log;
use bulkhead_model::{Cut, Cuts, Directory, Nation, Presence, Pulses, TenantId, shard_of};
use bulkhead_process::{Drain, Lease};
use bulkhead_transport::MAX_MESSAGE;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::ingest_server::{Ingest, IngestServer};
use bulkhead_wire::v1::referrals_server::ReferralsServer;
use bulkhead_wire::v1::{
    SubmitRequest, SubmitResponse, SubmitStreamRequest, SubmitStreamResponse, WithdrawRequest,
    WithdrawResponse,
};
use futures::stream::BoxStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status, Streaming};

use crate::Config;
use crate::caller;
use crate::cases::Cases;
use crate::compartment::{Compartment, Compartments};
use crate::limits::semaphore;
use crate::probation::OnFlood;
use crate::recent::Recent;
use crate::stream;
use crate::submit::unsure;

/// What the door is built of.
#[derive(Clone)]
pub struct Parts {
    /// Where referrals are appended.
    pub log: Arc<dyn Log>,
    /// Where they are looked up.
    pub ledger: Ledger,
    /// Who is who.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// Who is cut off.
    pub cuts: watch::Receiver<Arc<Cuts>>,
    /// The cuts that wait for a second person and close nothing yet.
    pub pending_cuts: Arc<dyn Fn() -> Vec<Cut> + Send + Sync>,
    /// The nodes of the cell whose audit file is not what it was, each with what is wrong.
    pub audits_behind: Arc<dyn Fn() -> BTreeMap<String, String> + Send + Sync>,
    /// What the nodes of the cell say of themselves.
    pub pulses: watch::Receiver<Arc<Pulses>>,
    /// This node's name.
    pub node: String,
    /// The nation whose tenants submit here.
    pub nation: Nation,
    /// What this node sees of the tenants' sidecars.
    pub presence: Arc<dyn Fn() -> HashMap<TenantId, Presence> + Send + Sync>,
    /// The right to act, asked before a record is appended and before its sender is told.
    pub lease: Lease,
    /// Hears of a tenant that floods its door while it is on its way back from that cut.
    pub flooded: OnFlood,
    /// Whether this node serves. While it does not, every submit is answered `NODE_UNSURE`.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// How many shards this node owns.
    pub shards: Arc<dyn Fn() -> u32 + Send + Sync>,
    /// Ends streams: what was begun is answered, nothing more is read.
    pub drain: Drain,
}

/// The tenants' door: serves `Ingest` and `Referrals`. Cheap to clone; clones are the same door.
#[derive(Clone)]
pub struct Service {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) recent: Recent,
    pub(crate) cases: Cases,
    pub(crate) operators: Arc<Semaphore>,
    compartments: Compartments,
}

impl Service {
    /// A door that nobody has come to.
    pub fn new(config: Config, parts: Parts) -> Self {
        let shared = Shared {
            recent: Recent::new(config.recent),
            cases: Cases::new(config.in_doubt, config.doubted_for),
            operators: semaphore(config.watches),
            compartments: Compartments::new(parts.nation, config.clone()),
            parts,
            config,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Forgets what was accepted here as soon as the ledger shows it, until the drain begins or the ledger
    /// stops. Without this running, the oldest are forgotten when there are too many.
    pub async fn run(self) {
        let shared = self.shared;
        let mut changes = shared.parts.ledger.changes();
        loop {
            let change = tokio::select! {
                () = shared.parts.drain.started() => return,
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    shared.forget_if_shown(&change.id);
                    shared.clear_if_known(&change.origin, &change.id);
                }
                // What was missed is forgotten when it is asked for, or when it is the oldest.
                Err(RecvError::Lagged(_)) => shared.clear_what_is_known(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// The gRPC service `Ingest`, with the message limits of both ends.
    pub fn ingest_server(&self) -> IngestServer<Self> {
        IngestServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    /// The gRPC service `Referrals`, with the message limits of both ends.
    pub fn referrals_server(&self) -> ReferralsServer<Self> {
        ReferralsServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }
}

impl Shared {
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.parts.directory.borrow().clone()
    }

    pub(crate) fn cuts(&self) -> Arc<Cuts> {
        self.parts.cuts.borrow().clone()
    }

    /// The compartment of a tenant that called.
    pub(crate) fn compartment(&self, tenant: &TenantId) -> Result<Arc<Compartment>, Refusal> {
        self.compartments.of(tenant, &self.directory())
    }

    /// Whether this node may act at all.
    pub(crate) fn check_ready(&self) -> Result<(), Refusal> {
        self.check_lease()?;
        if (self.parts.ready)() {
            return Ok(());
        }
        Err(unsure(format!("node {} may not act now; send it to another", self.parts.node)))
    }

    /// Whether this node can read what was decided for a tenant: a newer release may have, or it may be gone.
    pub(crate) fn check_knows(&self, tenant: &TenantId) -> Result<(), Refusal> {
        self.parts.ledger.events_stand(shard_of(tenant)).map_err(|error| {
            unsure(format!(
                "node {} does not know what was decided for {tenant}: {error}; send it to another",
                self.parts.node
            ))
        })
    }

    /// Asked right before what cannot be taken back.
    pub(crate) fn check_lease(&self) -> Result<(), Refusal> {
        self.parts.lease.check().map_err(|stale| {
            unsure(format!("node {} may not act now: {stale}; send it to another", self.parts.node))
        })
    }

    fn forget_if_shown(&self, id: &bulkhead_model::ReferralId) {
        if let Some(fresh) = self.recent.get(id)
            && let Ok(Some(row)) = self.parts.ledger.get(id)
            && fresh.is_shown_by(&row)
        {
            self.recent.forget(id);
        }
    }
}

#[tonic::async_trait]
impl Ingest for Service {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let tenant = caller::sender(&request, self.shared.parts.nation)?;
        let compartment = self.shared.compartment(&tenant)?;
        let request = request.into_inner();
        compartment.limits.call()?;
        let room = compartment.limits.take(request.payload.len())?;
        let answer = self.shared.clone().begin(compartment, request, room).await;
        Ok(Response::new(answer.await?))
    }

    type SubmitStreamStream = BoxStream<'static, Result<SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Ok(Response::new(stream::answers(self.shared.clone(), request)?))
    }

    async fn withdraw(
        &self,
        request: Request<WithdrawRequest>,
    ) -> Result<Response<WithdrawResponse>, Status> {
        let tenant = caller::sender(&request, self.shared.parts.nation)?;
        let compartment = self.shared.compartment(&tenant)?;
        compartment.limits.call()?;
        let response = self.shared.withdraw(&compartment, request.into_inner()).await?;
        Ok(Response::new(response))
    }
}
