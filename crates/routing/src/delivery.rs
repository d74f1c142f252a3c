//! The Delivery service: one stream a sidecar, a newer one ends the older.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::{Code, TenantId};
use bulkhead_process::Drain;
use bulkhead_transport::Identity;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, delivery_server::Delivery};
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

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
        let drain = self.newest(&tenant);
        let (down, frames) = mpsc::channel(FRAMES);
        let up = request.into_inner();
        tokio::spawn(HandOver::new(self.shared.clone(), tenant, claim, down).run(up, drain));
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }
}
