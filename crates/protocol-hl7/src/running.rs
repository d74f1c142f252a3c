//! Wires an HL7 v2 system to the kit.

use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_adapter::{Error, Kit, KitHandle, MllpClient, MllpServer};
use bulkhead_process::Drain;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info;

use crate::Config;
use crate::face::Face;
use crate::later::Later;
use crate::memory::Memory;
use crate::system::Hl7System;
use crate::technical;

/// Messages that come on a connection of ours besides the answer: this many wait to be noted. More are dropped.
const OTHERS: usize = 64;

/// A sidecar that runs.
#[derive(Debug)]
pub struct Running {
    /// The kit.
    pub kit: KitHandle,
    /// Where the local system finds us: the protocol and the address.
    pub listens: Vec<(&'static str, SocketAddr)>,
    parts: JoinSet<()>,
}

impl Running {
    /// Waits until everything has stopped after a drain.
    pub async fn stopped(self) {
        self.parts.join_all().await;
        self.kit.stopped().await;
    }
}

/// Starts the kit, the face and the client of a tenant whose system speaks HL7 v2. They stop when `drain` begins.
///
/// # Errors
/// When a file, a key or a port cannot be used.
pub async fn start(hl7: Config, config: bulkhead_adapter::Config, drain: Drain) -> Result<Running, Error> {
    let (hl7, tenant) = (Arc::new(hl7), config.tenant.clone());
    let server = MllpServer::bind(hl7.receive.clone()).await?;
    let address = server.address();
    let (others, unasked) = mpsc::channel(OTHERS);
    let client = MllpClient::new(hl7.send.clone()).with_others(others);
    let system = Arc::new(Hl7System::new(hl7.clone(), tenant.clone(), client));
    let kit = Kit::start(config, system.clone(), drain.clone()).await?;
    let memory = Memory::new(kit.notes().clone());
    system.remember_in(memory.clone());
    let later = Later::open(hl7.clone(), tenant.clone(), kit.clone()).await?;
    system.settle_in(later.clone());
    let face = Arc::new(Face {
        config: hl7,
        tenant: tenant.clone(),
        kit: kit.clone(),
        memory,
        later: later.clone(),
    });
    info!(%tenant, %address, "serving HL7 v2 over MLLP");
    let mut parts = JoinSet::new();
    parts.spawn(later.run(drain.clone()));
    let stop = drain.clone();
    parts.spawn(async move {
        // Both branches are safe to cancel: what is lost here was only to be logged.
        tokio::select! {
            () = stop.started() => {}
            () = technical::note_all(tenant, unasked) => {}
        }
    });
    parts.spawn(server.serve(
        move |frame, peer| {
            let face = face.clone();
            async move { face.answer(frame, peer).await }
        },
        drain,
    ));
    Ok(Running { kit, listens: vec![("hl7v2", address)], parts })
}
