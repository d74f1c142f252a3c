//! The Delivery service: one stream a sidecar, at the node that decides for its tenant. A newer one ends the older
//! as soon as it has said who it is; one that says nothing takes nobody's place and is ended.

use std::pin::Pin;
use std::time::Duration;

use bulkhead_model::{Claim, Code, CutId, TenantId, shard_of};
use bulkhead_process::Drain;
use bulkhead_process::lease::Stale;
use bulkhead_transport::Identity;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, delivery_server::Delivery};
use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, warn};

use crate::flight::Down;
use crate::hand_over::HandOver;
use crate::last_frame::Queued;
use crate::layers::Layer;
use crate::owner::Shared;
use crate::streams::{Frames, LastWord, Streams};

/// Frames that wait for a sidecar to read them; the rest waits in the log.
const FRAMES: usize = 4;
/// When nobody is known to decide for a tenant, or a node may not act: the sidecar asks again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// While nobody is known to decide for a tenant its sidecar is kept waiting so long: a shard whose owner died is given
/// to another within its session, and a sidecar that asked round meanwhile would find it later. It is less than the
/// time that a sidecar gives a stream to open.
const UNTIL_OWNED: Duration = Duration::from_secs(8);
/// How often is looked meanwhile whether another node has claimed it.
const LOOK: Duration = Duration::from_millis(50);

/// How long a sidecar may take to hear why its stream ends.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What sidecars receive from.
#[derive(Clone)]
pub struct DeliveryService {
    shared: Shared,
    streams: Streams,
    loops: TaskTracker,
    all: Drain,
}

impl DeliveryService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, streams: Streams::default(), loops: TaskTracker::new(), all: Drain::new() }
    }

    /// Ends every stream, so that the sidecars dial another node, and waits for what they were at.
    pub(crate) async fn close(&self) {
        self.all.start();
        self.end(|_| true, |_| Refusal::new(Code::NotOwner, "this node stops").retry_after(AGAIN));
        self.loops.close();
        self.loops.wait().await;
    }

    /// Ends the streams of a shard's tenants, which another node decides for now.
    pub(crate) fn end_shard(&self, shard: u32) {
        self.end(|tenant| shard_of(tenant) == shard, |tenant| self.not_owner(tenant));
    }

    async fn serve(
        self,
        tenant: TenantId,
        claim: Claim,
        mut up: Streaming<v1::ReceiveRequest>,
        down: Down,
        last_word: LastWord,
    ) {
        let first = timeout(self.shared.config.hello_timeout, up.message());
        let first = tokio::select! {
            () = self.all.started() => return,
            first = first => first,
        };
        let frame = first.map(|said| said.ok().flatten().and_then(|request| request.frame));
        let Ok(Some(v1::receive_request::Frame::Hello(hello))) = frame else {
            debug!(%tenant, "a stream did not say hello");
            // It fails when the other end is gone already.
            let _ = down
                .send(Queued::Frame(Err(Status::deadline_exceeded(
                    "a stream begins with hello; open another",
                ))))
                .await;
            return;
        };
        let drain = self.streams.take_place(&tenant, &self.all, last_word);
        // Asked again now that it can be ended: a claim that is given up, a lease that is lost from here on ends it.
        if self.shared.journal.held(claim.shard).as_ref() != Some(&claim) {
            return self.end(|id| *id == tenant, |tenant| self.not_owner(tenant));
        }
        if let Err(stale) = self.shared.parts.lease.check() {
            return self.end(|id| *id == tenant, |_| unsure(&stale));
        }
        if let Err(refusal) = self.check_cut(&tenant) {
            return self.end(|id| *id == tenant, |_| refusal.clone());
        }
        let mut hand_over = HandOver::new(self.shared.clone(), tenant.clone(), claim, down);
        match hand_over.hello(hello) {
            Ok(()) => {
                hand_over.run(&mut up, drain).await;
                heard_out(up).await;
            }
            Err(error) => warn!(%tenant, %error, "hand-over to this tenant cannot begin"),
        }
    }

    /// Ends the streams of tenants that come to be cut off, until the drain starts.
    pub(crate) async fn follow_cuts(self, drain: Drain) {
        let mut cuts = self.shared.parts.cuts.clone();
        loop {
            cuts.borrow_and_update();
            let gate = self.shared.gate(Layer::Streams);
            self.end(
                |tenant| gate.covers_to(tenant).is_some(),
                |tenant| cut_off(tenant, gate.covers_to(tenant)),
            );
            tokio::select! {
                () = drain.started() => return,
                // Without anybody who makes cuts the node is about to end.
                changed = cuts.changed() => if changed.is_err() { return drain.started().await },
            }
        }
    }

    /// Ends every stream whenever this node may not act, until the drain starts.
    pub(crate) async fn follow_lease(self, drain: Drain) {
        let lease = &self.shared.parts.lease;
        let follow = async {
            loop {
                let stale = lease.lost().await;
                self.end(|_| true, |_| unsure(&stale));
                lease.held().await;
            }
        };
        tokio::select! {
            () = drain.started() => {}
            () = follow => {}
        }
    }

    fn check_cut(&self, tenant: &TenantId) -> Result<(), Refusal> {
        match self.shared.gate(Layer::Streams).covers_to(tenant) {
            None => Ok(()),
            cut => Err(cut_off(tenant, cut)),
        }
    }

    fn end(&self, of: impl Fn(&TenantId) -> bool, why: impl Fn(&TenantId) -> Refusal) {
        for tenant in self.streams.end(of, why) {
            self.shared.board.update(&tenant, |seen| (seen.connected, seen.taking) = (false, false));
        }
    }

    /// Who decides instead, as far as this node has heard.
    fn not_owner(&self, tenant: &TenantId) -> Refusal {
        let shard = shard_of(tenant);
        let text = format!("node {} does not decide for {tenant} now", self.shared.config.node);
        let refusal = Refusal::new(Code::NotOwner, text).retry_after(AGAIN);
        match self.elsewhere(shard) {
            Some(address) => refusal.owner(&address),
            None => refusal,
        }
    }

    /// Where the node is that holds the newest claim on a shard, if it is another and answers.
    fn elsewhere(&self, shard: u32) -> Option<String> {
        let holder = self.shared.journal.holder(shard).unwrap_or_else(|error| {
            warn!(shard, %error, "who decides for a shard cannot be read");
            None
        });
        let holder = holder.filter(|node| *node != self.shared.config.node)?;
        let pulses = self.shared.parts.pulses.borrow();
        pulses.answers(&holder).map(|holder| holder.pulse.address.clone())
    }

    /// The claim under which this node decides for a tenant; waits while nobody is known to.
    ///
    /// # Errors
    /// When another node decides, nobody came to, or this one may not act or stops.
    async fn claim_on(&self, tenant: &TenantId) -> Result<Claim, Refusal> {
        let shard = shard_of(tenant);
        let mut claims = self.shared.journal.claims_change();
        let known = async {
            loop {
                if let Some(claim) = claims.borrow_and_update().get(&shard) {
                    return Ok(claim.clone());
                }
                if self.elsewhere(shard).is_some() {
                    return Err(self.not_owner(tenant));
                }
                // The journal holds the sender, so a change is the only thing that can be heard.
                let _ = timeout(LOOK, claims.changed()).await;
            }
        };
        tokio::select! {
            known = known => known,
            stale = self.shared.parts.lease.lost() => Err(unsure(&stale)),
            () = tokio::time::sleep(UNTIL_OWNED) => Err(self.not_owner(tenant)),
            () = self.all.started() => Err(self.not_owner(tenant)),
        }
    }
}

/// A stream that is dropped while the other end still sends is reset, and the last word may be lost: so it is read until
/// the other end has heard that word.
async fn heard_out(mut up: Streaming<v1::ReceiveRequest>) {
    let ended = async { while let Ok(Some(_)) = up.message().await {} };
    // Whoever does not end it by then has heard the word or never will.
    let _ = timeout(LAST_WORD, ended).await;
}

fn unsure(stale: &Stale) -> Refusal {
    Refusal::new(Code::NodeUnsure, format!("this node may not act now: {stale}")).retry_after(AGAIN)
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
        self.check_cut(&tenant)?;
        self.shared.parts.lease.check().map_err(|stale| unsure(&stale))?;
        let claim = self.claim_on(&tenant).await?;
        let (down, queued) = mpsc::channel(FRAMES);
        let (last_word, frames) = Frames::new(queued);
        self.loops.spawn(self.clone().serve(tenant, claim, request.into_inner(), down, last_word));
        Ok(Response::new(Box::pin(frames)))
    }
}

fn cut_off(tenant: &TenantId, cut: Option<&CutId>) -> Refusal {
    let refusal = Refusal::new(Code::TenantCut, format!("tenant {tenant} is cut off"));
    match cut {
        Some(cut) => refusal.cut(cut),
        None => refusal,
    }
}
