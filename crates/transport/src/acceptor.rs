//! The accept loop of a gRPC port. tonic's own TLS resumes sessions without asking the verifier again and
//! waits for silent clients without end, so the port is served from here.
//!
//! What is bounded, and what happens at the bound: handshakes (no further connection is taken from the
//! kernel's queue until one ends), the time of one (dropped), connections in all and of one identity (the
//! new one is dropped, so that a peer which connects for ever cannot push the others out). Where an
//! [`Allowance`] says how many an identity may have, a few more are taken to tell it so at each call. An address
//! from which handshakes were refused lately may begin only a few more (`doorkeeper.rs`).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::connection::{Place, Room};
use crate::doorkeeper::Doorkeeper;
use crate::tls::server_config;
use crate::{Connection, Connections, Credentials, Error, Identity, Peer, Policy, Refusal};

/// What one gRPC port needs.
#[derive(Clone)]
pub struct Config {
    /// The node's name, a label of the port's metrics.
    pub node: String,
    /// Our keys, and the authorities whose clients may speak.
    pub credentials: Credentials,
    /// Who is refused although the CA vouches for them.
    pub policy: Policy,
    /// Where connections are registered, to be severed.
    pub connections: Connections,
    /// The bounds.
    pub limits: Limits,
}

/// How many connections an identity may have; `None`: as many as [`Limits`] say. It is asked at every
/// handshake.
pub type Allowance = Arc<dyn Fn(&Identity) -> Option<usize> + Send + Sync>;

/// Connections over an allowance that are taken, so that their calls can be told why they are refused.
const TOLD: usize = 4;

/// The bounds of one gRPC port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a handshake may take, and after it the first byte. Default 5 s.
    pub handshake_timeout: Duration,
    /// Handshakes at one time. Default 256.
    pub handshakes: usize,
    /// Open connections. Default 1024.
    pub connections: usize,
    /// Open connections of one identity. Default 16.
    pub connections_per_identity: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            handshakes: 256,
            connections: 1024,
            connections_per_identity: 16,
        }
    }
}

/// Somebody who is cut off may connect once at a time, so that a call of it is told so: an alert or a reset would look
/// like an outage, and its sidecar would go on promising.
const TO_BE_TOLD: Room = Room { allowed: 1, most: 1 };
/// How long such a connection lasts.
const TELLING: Duration = Duration::from_secs(1);

/// A gRPC port before it listens.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    node: Arc<str>,
    policy: Policy,
    allowance: Allowance,
    connections: Connections,
    limits: Limits,
    places: Arc<Semaphore>,
    doorkeeper: Doorkeeper,
}

/// How a connection attempt ended: a label of the metric and a word of the log.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Accepted,
    Refused,
    Failed,
    TimedOut,
    NoPlace,
    NoPlaceForIdentity,
    TurnedAway,
}

impl Acceptor {
    /// Reads the keys.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(server_config(&config.credentials)?)),
            node: config.node.into(),
            policy: config.policy,
            allowance: Arc::new(|_| None),
            connections: config.connections,
            limits: config.limits,
            places: Arc::new(Semaphore::new(config.limits.connections)),
            doorkeeper: Doorkeeper::default(),
        })
    }

    /// The same, with as many connections for each as it says.
    pub fn allowing(self, allowance: Allowance) -> Self {
        Self { allowance, ..self }
    }

    /// Accepts from `listener` until the returned stream is dropped. It runs in a task of its own, so it
    /// must be called inside the runtime.
    pub fn listen(self, listener: TcpListener) -> Incoming {
        let (sender, accepted) = mpsc::channel(16);
        Incoming { accepted, task: tokio::spawn(self.accept(listener, sender)) }
    }

    async fn accept(self, listener: TcpListener, sender: mpsc::Sender<Connection>) {
        let handshakes = Arc::new(Semaphore::new(self.limits.handshakes));
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((tcp, remote)) if !self.doorkeeper.lets_in(remote.ip(), Instant::now()) => {
                    self.count(Outcome::TurnedAway);
                    // A reset: nothing of it stays in the kernel. It only fails on a socket that is closed already.
                    let _ = tcp.set_zero_linger();
                }
                Ok((tcp, remote)) => {
                    let (acceptor, sender) = (self.clone(), sender.clone());
                    running.spawn(async move {
                        if let Some(connection) = acceptor.handshake(tcp, remote).await {
                            // Given up before the wait for tonic, which takes nothing while it drains.
                            drop(permit);
                            // It fails when nobody serves any more; then the connection closes.
                            let _ = sender.send(connection).await;
                        }
                    });
                }
                Err(error) => {
                    warn!(node = &*self.node, %error, "cannot accept a connection");
                    // Out of descriptors, most likely: wait until some are free.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn handshake(&self, tcp: TcpStream, remote: SocketAddr) -> Option<Connection> {
        // It only fails on a socket that is closed already, which the handshake will notice.
        let _ = tcp.set_nodelay(true);
        let shaken = self.tls.accept(tcp).into_fallible();
        let tls = match tokio::time::timeout(self.limits.handshake_timeout, shaken).await {
            Ok(Ok(tls)) => tls,
            Ok(Err((error, tcp))) => {
                self.count(Outcome::Failed);
                // Who only looks whether the port is open, as load balancers do, was not refused.
                if error.kind() == io::ErrorKind::InvalidData {
                    self.doorkeeper.refused(remote.ip(), Instant::now());
                }
                debug!(node = &*self.node, %remote, %error, "a handshake failed");
                close_gently(tcp).await;
                return None;
            }
            Err(_) => {
                self.count(Outcome::TimedOut);
                debug!(node = &*self.node, %remote, "a handshake took too long");
                return None;
            }
        };
        let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = Peer::new(certificate.map(AsRef::as_ref), remote, self.policy.clone());
        if peer.identity().is_err() {
            self.doorkeeper.refused(remote.ip(), Instant::now());
        }
        self.admit(tls, peer)
    }

    fn admit(&self, tls: tokio_rustls::server::TlsStream<TcpStream>, peer: Peer) -> Option<Connection> {
        let Ok(permit) = self.places.clone().try_acquire_owned() else {
            self.count(Outcome::NoPlace);
            warn!(node = &*self.node, ?peer, "no place for another connection");
            return None;
        };
        let identity = peer.credential().map(|credential| credential.identity.clone());
        let is_cut = peer.identity() == Err(Refusal::Cut);
        let room = if is_cut { TO_BE_TOLD } else { self.room(identity.as_ref()) };
        let Some(registration) = self.connections.register(identity, room) else {
            self.count(Outcome::NoPlaceForIdentity);
            debug!(node = &*self.node, ?peer, "no place for another connection of this identity");
            return None;
        };
        if is_cut {
            let token = registration.token.clone();
            tokio::spawn(async move {
                tokio::time::sleep(TELLING).await;
                token.cancel();
            });
        }
        let peer = peer.on(registration.crowded.clone());
        match peer.identity() {
            Ok(_) => self.count(Outcome::Accepted),
            Err(refusal) => {
                self.count(Outcome::Refused);
                debug!(node = &*self.node, ?peer, %refusal, "connected, and every call will be refused");
            }
        }
        let open = metrics::gauge!("bulkhead_connections_open", "node" => self.node.to_string());
        Some(Connection::new(tls, peer, self.limits.handshake_timeout, Place { registration, open, permit }))
    }

    fn room(&self, identity: Option<&Identity>) -> Room {
        let usual = self.limits.connections_per_identity;
        match identity.and_then(|identity| (self.allowance)(identity)) {
            Some(allowed) => Room { allowed, most: allowed.saturating_add(TOLD) },
            None => Room { allowed: usual, most: usual },
        }
    }

    fn count(&self, outcome: Outcome) {
        let labels = [("node", self.node.to_string()), ("outcome", outcome.label().to_owned())];
        metrics::counter!("bulkhead_connections_total", &labels).increment(1);
    }
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed-out",
            Outcome::NoPlace => "no-place",
            Outcome::NoPlaceForIdentity => "no-place-for-identity",
            Outcome::TurnedAway => "turned-away",
        }
    }
}

/// Closes after a failed handshake so that the alert arrives: a close with bytes unread would be a reset,
/// and the client would never read why.
async fn close_gently(mut tcp: TcpStream) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let _ = tokio::time::timeout(PATIENCE, async {
        tcp.shutdown().await?;
        let mut rest = [0; 4096];
        for _ in 0..16 {
            if tcp.read(&mut rest).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    })
    .await;
}

/// The accepted connections, for `serve_with_incoming`. Dropping it closes the port; connections that
/// were handed out live on.
#[derive(Debug)]
pub struct Incoming {
    accepted: mpsc::Receiver<Connection>,
    task: JoinHandle<()>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.accepted.poll_recv(context).map(|connection| connection.map(Ok))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.task.abort();
    }
}
