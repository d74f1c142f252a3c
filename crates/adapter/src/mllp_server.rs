//! Serves MLLP: many connections, each bounded in time and memory, each answered in the order of its frames.
//!
//! While a frame is being answered nothing more is read from its connection: a peer that pipelines is held back
//! by TCP and not by our memory. What the bytes mean is the handler's.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_format_hl7::mllp::{self, FrameLimits};
use bulkhead_format_hl7::{FrameError, Framer};
use bulkhead_process::Drain;
use bytes::Bytes;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::Error;

/// How much one read takes in.
const READ: usize = 16 * 1024;

/// What an MLLP port is opened with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpServerSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections open at a time. One more: closed at once.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// The most bytes of one message. Larger: the connection is dropped.
    #[serde(default = "default_frame")]
    pub max_frame_bytes: usize,
    /// How long a message may take from its first byte to its last. Longer: the connection is dropped.
    #[serde(default = "default_frame_timeout", with = "duration")]
    pub frame_timeout: Duration,
    /// How long a connection may be silent between messages. Longer: it is closed.
    #[serde(default = "default_idle", with = "duration")]
    pub idle_timeout: Duration,
    /// How long the peer may take to read an answer. Longer: the connection is dropped.
    #[serde(default = "default_write_timeout", with = "duration")]
    pub write_timeout: Duration,
}

impl MllpServerSettings {
    /// The defaults, for this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: default_connections(),
            max_frame_bytes: default_frame(),
            frame_timeout: default_frame_timeout(),
            idle_timeout: default_idle(),
            write_timeout: default_write_timeout(),
        }
    }
}

fn default_connections() -> usize {
    64
}

fn default_frame() -> usize {
    5 << 20
}

fn default_frame_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_idle() -> Duration {
    Duration::from_secs(600)
}

fn default_write_timeout() -> Duration {
    Duration::from_secs(10)
}

/// A port that listens and is not served yet.
#[derive(Debug)]
pub struct MllpServer {
    listener: TcpListener,
    address: SocketAddr,
    settings: MllpServerSettings,
}

impl MllpServer {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(settings: MllpServerSettings) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: settings.listen.to_string(), source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, settings })
    }

    /// Where it listens, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the drain begins, then lets what was begun end. `handler` gets each message without its
    /// frame; `Some` is framed and written in one call, `None` writes nothing and leaves the connection open.
    pub async fn serve<H, F>(self, handler: H, drain: Drain)
    where
        H: Fn(Bytes, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Option<Vec<u8>>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let permits = Arc::new(Semaphore::new(self.settings.max_connections));
        let mut connections = JoinSet::new();
        loop {
            // Both branches are safe to cancel.
            let accepted = tokio::select! {
                () = drain.started() => break,
                accepted = self.listener.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept an MLLP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                warn!(%peer, limit = self.settings.max_connections, "too many MLLP connections; closing one");
                continue;
            };
            let (handler, settings, drain) = (handler.clone(), self.settings.clone(), drain.clone());
            connections.spawn(async move {
                let _permit = permit;
                let ended = Connection::new(stream, peer, settings).run(&*handler, &drain).await;
                match ended {
                    End::Closed | End::Draining | End::Idle => {
                        debug!(%peer, ?ended, "MLLP connection closed")
                    }
                    _ => info!(%peer, ?ended, "MLLP connection dropped"),
                }
            });
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
}

/// Why a connection ended.
#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug, for the log")]
enum End {
    /// The peer closed it between two messages.
    Closed,
    /// Nothing came for a long time.
    Idle,
    /// We are stopping.
    Draining,
    /// The peer closed it inside a message.
    CutShort,
    /// A message did not end in time.
    Slow,
    /// What came is no MLLP, or too much of it.
    Frame(FrameError),
    /// The handler's answer cannot be framed.
    Answer(FrameError),
    /// The peer does not read its answer.
    Unread,
    /// The connection broke.
    Broken(std::io::ErrorKind),
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    settings: MllpServerSettings,
    framer: Framer,
    /// When the message that has begun must have ended.
    due: Option<Instant>,
    /// When the last message was answered. Noise is no sign of life.
    since: Instant,
}

impl Connection {
    fn new(stream: TcpStream, peer: SocketAddr, settings: MllpServerSettings) -> Self {
        let limits = FrameLimits { frame: settings.max_frame_bytes, ..FrameLimits::default() };
        Self { stream, peer, settings, framer: Framer::new(limits), due: None, since: Instant::now() }
    }

    async fn run<H, F>(mut self, handler: &H, drain: &Drain) -> End
    where
        H: Fn(Bytes, SocketAddr) -> F,
        F: Future<Output = Option<Vec<u8>>>,
    {
        let mut buffer = vec![0; READ];
        loop {
            let read = match self.read(&mut buffer, drain).await {
                Ok(0) if self.framer.is_inside() => return End::CutShort,
                Ok(0) => return End::Closed,
                Ok(read) => read,
                Err(end) => return end,
            };
            // Messages that were whole before a fault are answered before the connection is dropped.
            let pushed = self.framer.push(&buffer[..read]);
            while let Some(message) = self.framer.next_frame() {
                self.due = None;
                if let Some(answer) = handler(message, self.peer).await
                    && let Err(end) = self.write(&answer).await
                {
                    return end;
                }
                self.since = Instant::now();
            }
            if let Err(error) = pushed {
                return End::Frame(error);
            }
        }
    }

    /// The drain closes a connection only between two messages: one that has begun may end, in its time.
    async fn read(&mut self, buffer: &mut [u8], drain: &Drain) -> Result<usize, End> {
        let broken = |error: std::io::Error| End::Broken(error.kind());
        if self.framer.is_inside() {
            let due = *self.due.get_or_insert_with(|| Instant::now() + self.settings.frame_timeout);
            return match timeout_at(due, self.stream.read(buffer)).await {
                Ok(read) => read.map_err(broken),
                Err(_) => Err(End::Slow),
            };
        }
        self.due = None;
        tokio::select! {
            biased;
            read = timeout_at(self.since + self.settings.idle_timeout, self.stream.read(buffer)) => match read {
                Ok(read) => read.map_err(broken),
                Err(_) => Err(End::Idle),
            },
            () = drain.started() => Err(End::Draining),
        }
    }

    async fn write(&mut self, answer: &[u8]) -> Result<(), End> {
        let frame = mllp::encode(answer).map_err(End::Answer)?;
        match timeout(self.settings.write_timeout, self.stream.write_all(&frame)).await {
            Ok(written) => written.map_err(|error| End::Broken(error.kind())),
            Err(_) => Err(End::Unread),
        }
    }
}
