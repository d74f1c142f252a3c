//! One accepted connection, and the register of all that are open.
//!
//! A cut must end connections that are already there, without a word of the other end. Each connection
//! waits on a token of its own beside every read and write; [`Connections::sever`] cancels the tokens of
//! one identity and no other, and what the kernel still held for it is thrown away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::{Identity, Peer};

/// Every open connection by identity, cheap to clone. Acceptors of one node share one.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Connections whose certificate names nobody are under `None`.
    by_identity: HashMap<Option<Identity>, Own>,
    /// Those that are served, whether the register has them or not.
    served: BTreeSet<u64>,
}

/// The connections of one identity, the oldest first.
#[derive(Debug, Clone, Default)]
struct Own {
    allowed: usize,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug, Clone)]
struct Held {
    token: CancellationToken,
    crowded: Crowded,
}

/// Whether a connection is one more than its identity may have: then its calls are refused. When another
/// closes, the oldest of these takes the place.
pub(crate) type Crowded = Arc<AtomicBool>;

/// How many connections an identity may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// So many are served.
    pub(crate) allowed: usize,
    /// So many are held at all; those in between are told that they are too many.
    pub(crate) most: usize,
}

impl Own {
    fn is_full(&self) -> bool {
        self.held.values().filter(|held| !held.crowded.load(Ordering::Relaxed)).count() >= self.allowed
    }

    fn remove(&mut self, id: u64) {
        self.held.remove(&id);
        while !self.is_full()
            && let Some(next) = self.held.values().find(|held| held.crowded.load(Ordering::Relaxed))
        {
            next.crowded.store(false, Ordering::Relaxed);
        }
    }
}

impl Connections {
    /// No connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all connections of `identity` and says how many there were. Change the policy first:
    /// whoever connects in between is then refused at each call.
    pub fn sever(&self, identity: &Identity) -> usize {
        let severed = self.open().by_identity.get(&Some(identity.clone())).cloned().unwrap_or_default();
        severed.held.values().for_each(|held| held.token.cancel());
        severed.held.len()
    }

    /// How many connections of `identity` are open.
    pub fn count(&self, identity: &Identity) -> usize {
        self.open().by_identity.get(&Some(identity.clone())).map_or(0, |own| own.held.len())
    }

    /// How many connections are open in all.
    pub fn total(&self) -> usize {
        self.open().by_identity.values().map(|own| own.held.len()).sum()
    }

    /// How many are served and not registered, so that no cut could sever them. Always 0, unless this crate is wrong.
    pub fn untracked(&self) -> usize {
        let open = self.open();
        let held: BTreeSet<&u64> = open.by_identity.values().flat_map(|own| own.held.keys()).collect();
        open.served.iter().filter(|id| !held.contains(id)).count()
    }

    fn serving(&self, id: u64, serving: bool) {
        let mut open = self.open();
        let _ = if serving { open.served.insert(id) } else { open.served.remove(&id) };
    }

    /// Registers a connection, unless its identity has too many already.
    pub(crate) fn register(&self, identity: Option<Identity>, room: Room) -> Option<Registration> {
        let mut open = self.open();
        let id = open.next;
        let own = open.by_identity.entry(identity.clone()).or_default();
        if own.held.len() >= room.most {
            return None;
        }
        own.allowed = room.allowed;
        let crowded: Crowded = Arc::new(AtomicBool::new(own.is_full()));
        let token = CancellationToken::new();
        own.held.insert(id, Held { token: token.clone(), crowded: crowded.clone() });
        open.next += 1;
        drop(open);
        Some(Registration { connections: self.clone(), identity, id, token, crowded })
    }

    fn remove(&self, identity: &Option<Identity>, id: u64) {
        let mut open = self.open();
        if let Some(own) = open.by_identity.get_mut(identity) {
            own.remove(id);
            if own.held.is_empty() {
                open.by_identity.remove(identity);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing in here panics between two changes that belong together.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the register, given back when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    connections: Connections,
    identity: Option<Identity>,
    id: u64,
    pub(crate) token: CancellationToken,
    pub(crate) crowded: Crowded,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.remove(&self.identity, self.id);
    }
}

/// What an open connection takes up, and gives back when it closes.
pub(crate) struct Place {
    pub(crate) registration: Registration,
    pub(crate) open: metrics::Gauge,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// An accepted connection, as tonic serves it.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    peer: Peer,
    registration: Registration,
    open: metrics::Gauge,
    /// One for each direction: a task that waits to write must wake as well as one that waits to read.
    severed_read: Pin<Box<WaitForCancellationFutureOwned>>,
    severed_write: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until the first byte: when the wait for it ends.
    silence: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(
        tls: TlsStream<TcpStream>,
        peer: Peer,
        silence: Duration,
        Place { registration, open, permit }: Place,
    ) -> Self {
        open.increment(1);
        registration.connections.serving(registration.id, true);
        Self {
            severed_read: Box::pin(registration.token.clone().cancelled_owned()),
            severed_write: Box::pin(registration.token.clone().cancelled_owned()),
            silence: Some(Box::pin(tokio::time::sleep(silence))),
            tls,
            peer,
            registration,
            open,
            _permit: permit,
        }
    }

    /// Fails once the connection is severed; otherwise wakes the writing task when that happens.
    fn check_write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.severed_write.as_mut().poll(context) {
            Poll::Ready(()) => Err(severed()),
            Poll::Pending => Ok(()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was severed")
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.decrement(1);
        self.registration.connections.serving(self.registration.id, false);
        if self.registration.token.is_cancelled() {
            // Close with a reset: bytes that wait in the kernel must not reach a severed peer. If the
            // socket is gone already there is nothing to throw away.
            let _ = self.tls.get_ref().0.set_zero_linger();
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.severed_read.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(severed()));
        }
        let polled = Pin::new(&mut self.tls).poll_read(context, buffer);
        if let Some(silence) = &mut self.silence {
            if polled.is_ready() {
                self.silence = None;
            } else if silence.as_mut().poll(context).is_ready() {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the peer connected and said nothing");
                return Poll::Ready(Err(error));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_write(context)?;
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_write(context)?;
        Pin::new(&mut self.tls).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_write(context)?;
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_write(context)?;
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severing_one_leaves_the_others() {
        let connections = Connections::new();
        let identity = |text: &str| text.parse::<Identity>().unwrap();
        let (cut, other) = (identity("bulkhead://wales/wast-111"), identity("bulkhead://wales/ooh-cardiff"));
        let room = Room { allowed: 2, most: 2 };
        let first = connections.register(Some(cut.clone()), room).unwrap();
        let second = connections.register(Some(cut.clone()), room).unwrap();
        let third = connections.register(Some(other.clone()), room).unwrap();
        assert!(connections.register(Some(cut.clone()), room).is_none());
        assert_eq!((connections.count(&cut), connections.total()), (2, 3));

        assert_eq!(connections.sever(&cut), 2);
        assert!(first.token.is_cancelled() && second.token.is_cancelled() && !third.token.is_cancelled());
        drop((first, second));
        assert_eq!((connections.count(&cut), connections.sever(&cut)), (0, 0));
        assert_eq!((connections.count(&other), connections.total()), (1, 1));
    }

    #[test]
    fn one_that_is_served_and_not_registered_is_counted() {
        let connections = Connections::new();
        let first = connections.register(None, Room { allowed: 2, most: 2 }).unwrap();
        connections.serving(first.id, true);
        assert_eq!(connections.untracked(), 0);
        let id = first.id;
        drop(first);
        assert_eq!(connections.untracked(), 1, "it left the register and is served on");
        connections.serving(id, false);
        assert_eq!(connections.untracked(), 0);
    }

    #[test]
    fn one_too_many_waits_for_a_place() {
        let connections = Connections::new();
        let register = || connections.register(None, Room { allowed: 2, most: 4 });
        let [first, second, third, fourth] = [(); 4].map(|()| register().unwrap());
        let crowded = |registration: &Registration| registration.crowded.load(Ordering::Relaxed);
        assert_eq!([&first, &second, &third, &fourth].map(crowded), [false, false, true, true]);
        assert!(register().is_none());
        drop(second);
        assert_eq!([&first, &third, &fourth].map(crowded), [false, false, true], "the oldest takes it");
        drop(fourth);
        assert_eq!([&first, &third].map(crowded), [false, false]);
        assert!(crowded(&register().unwrap()));
    }
}
