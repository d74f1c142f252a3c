//! The delivery streams that are open on this node: one a tenant, and each can be ended at once.
//!
//! What was queued for a sidecar and not sent is dropped with the stream: a frame that was allowed when it was
//! queued may not be any more.
//!
//! The connection takes one frame before it has room for it, and no more while that one waits. So an empty frame goes
//! ahead of each last one: when the connection asks for what is behind it, everything before it has been sent.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bulkhead_model::TenantId;
use bulkhead_process::Drain;
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1;
use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::last_frame::{LastFrame, Queued};

type Frame = Result<v1::ReceiveResponse, Status>;

/// The open streams. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<TenantId, Open>>>,
}

struct Open {
    loop_of_it: Drain,
    last_word: LastWord,
}

/// With what a stream is ended.
pub(crate) type LastWord = oneshot::Sender<Status>;

/// What one sidecar is sent.
pub(crate) struct Frames {
    queued: mpsc::Receiver<Queued>,
    last_word: Option<oneshot::Receiver<Status>>,
    /// The next, behind an empty frame.
    last: Option<LastFrame>,
    /// One was taken just now: whoever reads would gather the next with it.
    has_given: bool,
    ended: bool,
}

impl Streams {
    /// The tenant's stream is this one from here on, which ends an older one. Its loop runs until the drain starts.
    pub(crate) fn take_place(&self, tenant: &TenantId, all: &Drain, last_word: LastWord) -> Drain {
        let loop_of_it = all.child();
        let open = Open { loop_of_it: loop_of_it.clone(), last_word };
        if let Some(older) = self.lock().insert(tenant.clone(), open) {
            older.loop_of_it.start();
            // A sidecar that hears this is there, and not the only one. Where nobody hears it, the stream is gone.
            let text = format!("another stream of {tenant} took the place of this one");
            let _ = older.last_word.send(Status::aborted(text));
        }
        loop_of_it
    }

    /// Ends those of some tenants, each with what its sidecar is to know; whose they were.
    pub(crate) fn end(
        &self,
        of: impl Fn(&TenantId) -> bool,
        why: impl Fn(&TenantId) -> Refusal,
    ) -> Vec<TenantId> {
        let ended: Vec<_> = self.lock().extract_if(|tenant, _| of(tenant)).collect();
        let end = |(tenant, open): (TenantId, Open)| {
            open.loop_of_it.start();
            // Where nobody hears it, the stream is gone already.
            let _ = open.last_word.send(why(&tenant).into());
            tenant
        };
        ended.into_iter().map(end).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frames {
    /// Those that are queued, until the last word is said.
    pub(crate) fn new(queued: mpsc::Receiver<Queued>) -> (LastWord, Self) {
        let (last_word, hears) = oneshot::channel();
        (last_word, Self { queued, last_word: Some(hears), last: None, has_given: false, ended: false })
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(last_word) = &mut self.last_word
            && let Poll::Ready(said) = last_word.poll_unpin(context)
        {
            self.last_word = None;
            if let Ok(status) = said {
                self.ended = true;
                self.queued.close();
                self.last = None;
                return Poll::Ready(Some(Err(status)));
            }
        }
        if std::mem::take(&mut self.has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let last = self.last.take().and_then(LastFrame::take);
        let frame = match last {
            Some(last) => Ok(last),
            None => match ready!(self.queued.poll_recv(context)) {
                Some(Queued::Frame(frame)) => frame,
                Some(Queued::Last(last)) => {
                    self.last = Some(last);
                    Ok(v1::ReceiveResponse::default())
                }
                None => return Poll::Ready(None),
            },
        };
        self.has_given = true;
        Poll::Ready(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Code;
    use bulkhead_wire::status::Problem;
    use futures::StreamExt;

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[tokio::test]
    async fn a_stream_that_is_ended_says_why_and_sends_nothing_more() {
        let streams = Streams::default();
        let (down, queued) = mpsc::channel(4);
        let (last_word, mut frames) = Frames::new(queued);
        let running = streams.take_place(&tenant("wales/a"), &Drain::new(), last_word);
        let frame = || Queued::Frame(Ok(v1::ReceiveResponse::default()));
        down.send(frame()).await.unwrap();
        down.send(frame()).await.unwrap();
        assert!(frames.next().await.unwrap().is_ok());

        let no = |_: &TenantId| Refusal::new(Code::NotOwner, "no");
        assert_eq!(streams.end(|id| id == &tenant("wales/b"), no), []);
        assert!(!running.is_started());
        assert_eq!(streams.end(|id| id == &tenant("wales/a"), no), [tenant("wales/a")]);
        assert!(running.is_started());
        let status = frames.next().await.unwrap().unwrap_err();
        assert_eq!(Problem::from(&status).code, Some(Code::NotOwner));
        assert!(frames.next().await.is_none());
        assert!(down.send(frame()).await.is_err());
    }

    #[tokio::test]
    async fn a_newer_stream_ends_the_older_which_is_told_that_it_is_not_alone() {
        let streams = Streams::default();
        let (down, queued) = mpsc::channel(4);
        let (last_word, mut frames) = Frames::new(queued);
        let older = streams.take_place(&tenant("wales/a"), &Drain::new(), last_word);
        let (last_word, _frames) = Frames::new(mpsc::channel(4).1);
        let newer = streams.take_place(&tenant("wales/a"), &Drain::new(), last_word);
        assert!(older.is_started() && !newer.is_started());
        assert_eq!(frames.next().await.unwrap().unwrap_err().code(), tonic::Code::Aborted);
        assert!(frames.next().await.is_none());
        drop(down);
    }
}
