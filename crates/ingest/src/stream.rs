//! `SubmitStream`: many submits on their way at a time, answered in any order.
//!
//! ```text
//! messages ─▶ caller again, limits (waiting their turn) ─▶ begin, one after the other ─▶ end, up to a window at once ─▶ answers
//! ```
//!
//! A refusal is an answer and the stream goes on. It ends with the sender's half, after a silence, when the
//! drain begins, or when its certificate is refused.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::Code;
use bulkhead_process::Drain;
use bulkhead_transport::Peer;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::submit_stream_response::Answer;
use bulkhead_wire::v1::{SubmitStreamRequest, SubmitStreamResponse};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

use crate::caller;
use crate::limits::Permit;
use crate::service::Shared;
use crate::submit::SubmitAnswer;

type Told = Result<SubmitStreamResponse, Status>;

/// One open stream.
struct Open {
    shared: Arc<Shared>,
    peer: Peer,
    _place: Permit,
}

/// The answers of a stream, which is read as they are taken.
pub(crate) fn answers(
    shared: Arc<Shared>,
    request: Request<Streaming<SubmitStreamRequest>>,
) -> Result<BoxStream<'static, Told>, Refusal> {
    let tenant = caller::sender(&request, shared.parts.nation)?;
    let place = shared.compartment(&tenant)?.limits.stream()?;
    let peer = request.extensions().get::<Peer>().cloned().ok_or_else(|| {
        Refusal::new(Code::TenantUnknown, "the stream did not come over a connection with a certificate")
    })?;
    let (idle, window, drain) =
        (shared.config.stream_idle, shared.config.stream_window, shared.parts.drain.clone());
    let open = Arc::new(Open { shared, peer, _place: place });
    let answers = messages(request.into_inner(), idle, drain)
        .then(move |message| open.clone().hear(message))
        // One at least, or nothing would ever be read.
        .buffer_unordered(window.max(1));
    Ok(answers.boxed())
}

/// What the sender says, until it ends, says nothing for too long, or the drain begins.
fn messages(
    messages: Streaming<SubmitStreamRequest>,
    idle: Duration,
    drain: Drain,
) -> impl Stream<Item = Result<SubmitStreamRequest, Status>> {
    stream::unfold(Some((messages, drain)), move |state| async move {
        let (mut messages, drain) = state?;
        let said = tokio::select! {
            biased;
            () = drain.started() => return None,
            said = timeout(idle, messages.message()) => said,
        };
        match said {
            Ok(Ok(Some(message))) => Some((Ok(message), Some((messages, drain)))),
            Ok(Ok(None)) => None,
            Ok(Err(status)) => Some((Err(status), None)),
            Err(_) => {
                let text = format!("the stream said nothing for {} s; open another", idle.as_secs());
                Some((Err(Status::deadline_exceeded(text)), None))
            }
        }
    })
}

impl Open {
    async fn hear(self: Arc<Self>, message: Result<SubmitStreamRequest, Status>) -> BoxFuture<'static, Told> {
        match message {
            Ok(message) => self.begin(message).await,
            Err(status) => ready(Err(status)).boxed(),
        }
    }

    /// The first half of one submit; its output is the second.
    async fn begin(&self, message: SubmitStreamRequest) -> BoxFuture<'static, Told> {
        let Some(submit) = message.submit else {
            let refusal = Refusal::new(Code::InvalidEnvelope, "submit: is required").field("submit");
            return ready(Ok(told(String::new(), Err(refusal)))).boxed();
        };
        let message_id = submit.envelope.as_ref().map(|envelope| envelope.message_id.clone());
        let message_id = message_id.unwrap_or_default();
        // The certificate and the directory may have changed since the stream was opened.
        let compartment = caller::sender_again(&self.peer, self.shared.parts.nation)
            .and_then(|tenant| self.shared.compartment(&tenant));
        let compartment = match compartment {
            Ok(compartment) => compartment,
            Err(refusal) => return ready(Err(refusal.into())).boxed(),
        };
        compartment.limits.call_in_turn().await;
        let room = compartment.limits.take_in_turn(submit.payload.len()).await;
        let answer = self.shared.clone().begin(compartment, submit, room).await;
        answer.map(|answer| Ok(told(message_id, answer))).boxed()
    }
}

fn told(message_id: String, answer: SubmitAnswer) -> SubmitStreamResponse {
    let answer = match answer {
        Ok(accepted) => Answer::Accepted(accepted),
        Err(refusal) => Answer::Refused(refusal.to_wire()),
    };
    SubmitStreamResponse { message_id, answer: Some(answer) }
}
