//! The Delivery service: one stream a sidecar, a newer one ends the older as soon as it has said who it is. One
//! that says nothing takes nobody's place and is ended.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::{Claim, Code, TenantId};
use bulkhead_process::Drain;
use bulkhead_transport::Identity;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, delivery_server::Delivery};
use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, warn};

use crate::flight::Down;
use crate::hand_over::HandOver;
use crate::owner::Shared;

/// Frames that wait for a sidecar to read them; the rest waits in the log.
const FRAMES: usize = 4;

/// What sidecars receive from.
#[derive(Clone)]
pub struct DeliveryService {
    shared: Shared,
    streams: Arc<Mutex<HashMap<TenantId, Drain>>>,
    all: Drain,
}

impl DeliveryService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, streams: Arc::default(), all: Drain::new() }
    }

    /// Ends every stream: the sidecars dial another node.
    pub(crate) fn close(&self) {
        self.all.start();
    }

    fn newest(&self, tenant: &TenantId) -> Drain {
        let drain = self.all.child();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = streams.insert(tenant.clone(), drain.clone()) {
            older.start();
        }
        drain
    }

    async fn serve(self, tenant: TenantId, claim: Claim, mut up: Streaming<v1::ReceiveRequest>, down: Down) {
        let first = timeout(self.shared.config.hello_timeout, up.message());
        let first = tokio::select! {
            () = self.all.started() => return,
            first = first => first,
        };
        let frame = first.map(|said| said.ok().flatten().and_then(|request| request.frame));
        let Ok(Some(v1::receive_request::Frame::Hello(hello))) = frame else {
            debug!(%tenant, "a stream did not say hello");
            // It fails when the other end is gone already.
            let _ =
                down.send(Err(Status::deadline_exceeded("a stream begins with hello; open another"))).await;
            return;
        };
        let drain = self.newest(&tenant);
        let mut hand_over = HandOver::new(self.shared.clone(), tenant.clone(), claim, down);
        match hand_over.hello(hello) {
            Ok(()) => hand_over.run(up, drain).await,
            Err(error) => warn!(%tenant, %error, "hand-over to this tenant cannot begin"),
        }
    }
}

#[tonic::async_trait]
impl Delivery for DeliveryService {
    type ReceiveStream = Pin<Box<dyn Stream<Item = Result<v1::ReceiveResponse, Status>> + Send>>;

    async fn receive(
        &self,
        request: Request<Streaming<v1::ReceiveRequest>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let identity = bulkhead_transport::peer(&request)
            .map_err(|refusal| Status::from(Refusal::new(refusal.code(), refusal.to_string())))?;
        let Identity::Tenant(tenant) = identity.clone() else {
            return Err(Refusal::new(Code::TenantUnknown, "only a tenant receives deliveries").into());
        };
        if tenant.nation() != self.shared.home() || self.shared.directory().tenant(&tenant).is_none() {
            let text = format!("{tenant} is not a tenant of {}", self.shared.home());
            return Err(Refusal::new(Code::TenantUnknown, text).into());
        }
        let claim = self.shared.journal.claim_on(&tenant).map_err(|error| {
            let after = std::time::Duration::from_millis(500);
            Status::from(Refusal::new(Code::NotOwner, error.to_string()).retry_after(after))
        })?;
        let (down, frames) = mpsc::channel(FRAMES);
        tokio::spawn(self.clone().serve(tenant, claim, request.into_inner(), down));
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }
}
