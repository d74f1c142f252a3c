//! `bulkhead.v1.Control`: what operators command. Who calls is asked of the certificate, who commands of the
//! signature, and both must be the same operator of this nation.

mod caller;
mod command;
mod cut;
mod directory;
mod diverts;
mod proof;
mod set_aside;
mod show;

use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_ledger::Ledger;
use bulkhead_log::Log;
use bulkhead_model::{Code, Nation, Pulses};
use bulkhead_wire::fact::SignedFact;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::control_server::{Control, ControlServer};
use bulkhead_wire::v1::{
    CarryFactsRequest, CarryFactsResponse, CommandRequest, CommandResponse, CutRequest, CutResponse,
    ListCutsRequest, ListCutsResponse, ListSetAsideRequest, ListSetAsideResponse, OpenSetAsideRequest,
    OpenSetAsideResponse, PlanDirectoryRequest, PlanDirectoryResponse, PlanRequest, PlanResponse,
    PushRequest, PushResponse, ReadAuditRequest, ReadAuditResponse, ShowCutRequest, ShowCutResponse,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::audit::Audit;
use crate::book::Book;
use crate::closings::{Closer, Closing, Kept, QUEUE};
use crate::neighbours::Neighbours;
use crate::refusals::Refusals;
use crate::scribe::Scribe;

/// What the service is built of.
#[derive(Clone)]
pub struct ServiceParts {
    /// Where facts are appended.
    pub log: Arc<dyn Log>,
    /// Where referrals are counted.
    pub ledger: Ledger,
    /// What is known of authority.
    pub book: Book,
    /// The newest pulse of each node: what each has in force.
    pub pulses: watch::Receiver<Arc<Pulses>>,
    /// This node's name.
    pub node: String,
    /// Whose operators may command here.
    pub nation: Nation,
    /// Where early closings are kept.
    pub data_dir: PathBuf,
    /// Where commands are noted.
    pub audit: Audit,
    /// The other nodes, told of a closing at once.
    pub neighbours: Neighbours,
}

/// The service. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    parts: ServiceParts,
    scribe: Scribe,
    kept: Kept,
    closings: mpsc::Sender<Closing>,
    refusals: Refusals,
}

impl Service {
    /// A service and the loop behind it. The follower must have caught up. What an earlier run has closed is closed when
    /// this returns.
    ///
    /// # Errors
    /// When the control log or the directory of early closings cannot be opened.
    pub async fn new(parts: ServiceParts) -> Result<(Self, Closer), Error> {
        let scribe = Scribe::open(parts.log.clone(), parts.nation, parts.book.clone(), &parts.node).await?;
        let kept = Kept::open(&parts.data_dir).map_err(Error::Closings)?;
        let (closings, taken) = mpsc::channel(QUEUE);
        let closer = Closer::open(scribe.clone(), kept.clone(), taken, parts.audit.clone());
        let closer = closer.map_err(Error::Closings)?;
        let refusals = Refusals::new(parts.audit.clone());
        Ok((Self { shared: Arc::new(Shared { parts, scribe, kept, closings, refusals }) }, closer))
    }

    /// The gRPC service.
    pub fn server(&self) -> ControlServer<Self> {
        ControlServer::new(self.clone())
    }
}

/// Asks the ledger on a thread that may block.
async fn asking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, bulkhead_ledger::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let unavailable = |error: String| Refusal::new(Code::LogUnavailable, error);
    let answered = tokio::task::spawn_blocking(ask).await.map_err(|error| unavailable(error.to_string()))?;
    answered.map_err(|error| unavailable(error.to_string()))
}

/// The log did not do what it was asked.
fn unavailable(error: &Error) -> Refusal {
    Refusal::new(Code::LogUnavailable, error.to_string())
}

#[tonic::async_trait]
impl Control for Service {
    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let operator = self.shared.operator(&request)?;
        let request = request.into_inner();
        let scope = request.scope.clone();
        let planned = self.shared.plan(&operator, request).await;
        Ok(Response::new(self.shared.noted(&operator, "plan", &scope, planned)?))
    }

    type CutStream = BoxStream<'static, Result<CutResponse, Status>>;

    async fn cut(&self, request: Request<CutRequest>) -> Result<Response<Self::CutStream>, Status> {
        let operator = self.shared.operator(&request)?;
        let fact = request.into_inner().fact;
        Ok(Response::new(self.shared.clone().cut(&operator, fact).await?))
    }

    async fn command(&self, request: Request<CommandRequest>) -> Result<Response<CommandResponse>, Status> {
        let operator = self.shared.operator(&request)?;
        let fact = request.into_inner().fact;
        Ok(Response::new(self.shared.command(&operator, fact).await?))
    }

    async fn list_cuts(
        &self,
        request: Request<ListCutsRequest>,
    ) -> Result<Response<ListCutsResponse>, Status> {
        self.shared.operator(&request)?;
        Ok(Response::new(self.shared.list_cuts()))
    }

    async fn show_cut(&self, request: Request<ShowCutRequest>) -> Result<Response<ShowCutResponse>, Status> {
        let operator = self.shared.operator(&request)?;
        let cut = request.into_inner().cut_id;
        let shown = self.shared.show_cut(&cut).await;
        Ok(Response::new(self.shared.noted(&operator, "show", &cut, shown)?))
    }

    async fn list_set_aside(
        &self,
        request: Request<ListSetAsideRequest>,
    ) -> Result<Response<ListSetAsideResponse>, Status> {
        self.shared.operator(&request)?;
        Ok(Response::new(self.shared.list_set_aside(request.into_inner()).await?))
    }

    type OpenSetAsideStream = BoxStream<'static, Result<OpenSetAsideResponse, Status>>;

    async fn open_set_aside(
        &self,
        request: Request<OpenSetAsideRequest>,
    ) -> Result<Response<Self::OpenSetAsideStream>, Status> {
        let operator = self.shared.operator(&request)?;
        let fact = request.into_inner().fact;
        Ok(Response::new(self.shared.clone().open_set_aside(&operator, fact).await?))
    }

    async fn plan_directory(
        &self,
        request: Request<PlanDirectoryRequest>,
    ) -> Result<Response<PlanDirectoryResponse>, Status> {
        let operator = self.shared.operator(&request)?;
        let planned = self.shared.plan_directory(&request.into_inner().toml);
        Ok(Response::new(self.shared.noted(&operator, "plan directory", "", planned)?))
    }

    type ReadAuditStream = BoxStream<'static, Result<ReadAuditResponse, Status>>;

    async fn read_audit(
        &self,
        request: Request<ReadAuditRequest>,
    ) -> Result<Response<Self::ReadAuditStream>, Status> {
        self.shared.operator(&request)?;
        let lines = self.shared.parts.audit.export(request.into_inner().from).await;
        let lines = lines.map_err(|error| Refusal::new(Code::LogUnavailable, error.to_string()))?;
        let lines = lines.into_iter().map(|line| Ok(ReadAuditResponse { line }));
        Ok(Response::new(stream::iter(lines).boxed()))
    }

    async fn carry(
        &self,
        request: Request<CarryFactsRequest>,
    ) -> Result<Response<CarryFactsResponse>, Status> {
        let who = caller::who(&request);
        let nation = self
            .shared
            .far_cell(&request)
            .map_err(|refusal| self.shared.note_of_cell(&who, "carried", None, refusal))?;
        Ok(Response::new(self.shared.carried(nation, request.into_inner()).await?))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let who = caller::who(&request);
        let fact = request.get_ref().fact.clone().map(SignedFact::from_wire);
        let answered = match self.shared.own_cell(&request) {
            Ok(()) => self.shared.pushed(request.into_inner()).await,
            Err(refusal) => Err(refusal),
        };
        Ok(Response::new(answered.map_err(|refusal| match fact {
            // A greeting says nothing, and is told so.
            None if refusal.code == Code::SignatureInvalid => refusal,
            fact => self.shared.note_of_cell(&who, "push", fact.as_ref(), refusal),
        })?))
    }
}

#[cfg(test)]
mod tests;
