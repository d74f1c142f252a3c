//! Starting a simulator, and the handle to a running one.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Protocol};
use crate::door::{Door, Porter};
use crate::journal::Journal;
use crate::receive::{bars, mllp};
use crate::send::times::Times;
use crate::send::{self, Respond, SendError, Sending, Sent};
use crate::system::System;
use crate::{Behaviour, Error, pages};

/// How long a journal is waited for that another simulator of this process just gave up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A simulated clinical system.
#[derive(Debug)]
pub struct Simulator;

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    system: Arc<System>,
    http: SocketAddr,
    tasks: Mutex<JoinSet<()>>,
}

impl Simulator {
    /// Starts a simulator; it listens when this returns.
    ///
    /// # Errors
    /// When an address or the journal cannot be had.
    pub async fn start(config: Config) -> Result<Handle, Error> {
        let journal = open(config.journal.as_deref()).await?;
        let listen = |address| move |error: std::io::Error| Error::Listen { address, kind: error.kind() };
        let (door, porter) = Door::open_at(config.listen).map_err(listen(config.listen))?;
        let listener = TcpListener::bind(config.http).await.map_err(listen(config.http))?;
        let http = listener.local_addr().map_err(listen(config.http))?;
        let times = Times::open(config.journal.as_deref())?;
        let system = System::new(&config, journal, times, door, CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(attend(system.clone(), porter, config.protocol));
        tasks.spawn(until(system.stop.clone(), pages::serve(listener, system.clone())));
        tracing::debug!(tenant = %system.tenant, listen = %system.door.address(), %http, "simulator started");
        Ok(Handle { system, http, tasks: Mutex::new(tasks) })
    }
}

async fn open(path: Option<&Path>) -> Result<Journal, Error> {
    let began = Instant::now();
    loop {
        match Journal::open(path) {
            Err(Error::InUse { .. }) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

async fn attend(system: Arc<System>, porter: Porter, protocol: Protocol) {
    let stop = system.stop.clone();
    match protocol {
        Protocol::Mllp(config) => {
            porter.run(stop, |stream| mllp::serve(system.clone(), config.clone(), stream)).await;
        }
        Protocol::Bars { .. } | Protocol::BarsWales => {
            porter.run(stop, |stream| bars::serve(system.clone(), stream)).await;
        }
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

impl Handle {
    /// Where the sidecar's referrals are received.
    pub fn listen(&self) -> SocketAddr {
        self.system.door.address()
    }

    /// Where the pages are.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Says where the sidecar listens.
    pub fn set_sidecar(&self, address: SocketAddr) {
        self.system.set_sidecar(address);
    }

    /// How messages are answered now.
    pub fn behaviour(&self) -> Behaviour {
        self.system.conduct.behaviour()
    }

    /// Changes how messages are answered; it is in force when this returns.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn behave(&self, behaviour: Behaviour) -> Result<(), SendError> {
        pages::behave(&self.system, behaviour).await
    }

    /// How many messages were received, repeats included.
    pub fn received(&self) -> u64 {
        self.system.journal.extent().messages
    }

    /// Sends a referral to the sidecar, once.
    ///
    /// # Errors
    /// When nothing could be sent. No answer, or a bad one, is not an error.
    pub async fn send(&self, send: &Sending) -> Result<Sent, SendError> {
        send::send(&self.system, send).await
    }

    /// Sends the clinical answer to a referral that was received, once.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub async fn respond(&self, respond: &Respond) -> Result<Sent, SendError> {
        send::respond(&self.system, respond).await
    }

    /// Stops listening, drops its connections and gives up the journal. What was answered is kept.
    pub async fn shutdown(&self) {
        self.system.stop.cancel();
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.system.stop.cancel();
    }
}
