//! The last frame of a hand-over: gate and lease are asked when the connection takes it, and not when it is queued. It
//! may have waited behind others for as long as its sidecar reads nothing.

use bulkhead_model::Event;
use bulkhead_process::lease::Stale;
use bulkhead_wire::v1;
use tokio::sync::oneshot;
use tonic::Status;

/// What waits for a sidecar.
#[expect(clippy::large_enum_variant, reason = "most of them are frames, and a queue has few")]
pub(crate) enum Queued {
    /// This, whatever happens meanwhile.
    Frame(Result<v1::ReceiveResponse, Status>),
    /// This, if it still may go.
    Last(LastFrame),
}

/// Why it does not go.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// The gate has closed: what is to be written of the referral.
    Aside(Box<Event>),
    /// This node may not act.
    Unsure(Stale),
}

/// A last frame, and who is to be asked about it.
pub(crate) struct LastFrame {
    frame: v1::HandOver,
    ask: Box<dyn FnOnce() -> Result<(), NotNow> + Send>,
    told: oneshot::Sender<Result<(), NotNow>>,
}

impl LastFrame {
    /// Whether it went is told once it was taken; nothing is told when its stream ends before.
    pub(crate) fn new(
        frame: v1::HandOver,
        ask: impl FnOnce() -> Result<(), NotNow> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<(), NotNow>>) {
        let (told, hears) = oneshot::channel();
        (Self { frame, ask: Box::new(ask), told }, hears)
    }

    /// The frame, if it may go now and somebody hears that it went.
    pub(crate) fn take(self) -> Option<v1::ReceiveResponse> {
        let may = (self.ask)();
        let goes = may.is_ok();
        let is_heard = self.told.send(may).is_ok();
        let frame = v1::receive_response::Frame::HandOver(self.frame);
        (goes && is_heard).then_some(v1::ReceiveResponse { frame: Some(frame) })
    }
}
