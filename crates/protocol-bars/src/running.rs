//! Wires a BaRS system to the kit.

use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_adapter::{Error, Kit, KitHandle};
use bulkhead_process::Drain;

use crate::face::{Face, FaceConfig};
use crate::{BarsSystem, Config};

/// A sidecar that runs.
#[derive(Debug)]
pub struct Running {
    /// The kit.
    pub kit: KitHandle,
    /// Where the local system finds us: the protocol and the address.
    pub listens: Vec<(&'static str, SocketAddr)>,
    face: Face,
}

impl Running {
    /// Waits until everything has stopped after a drain.
    pub async fn stopped(self) {
        self.face.stopped().await;
        self.kit.stopped().await;
    }
}

/// Starts the kit, the face and the client of a tenant whose system speaks BaRS. They stop when `drain` begins.
///
/// # Errors
/// When a file, a key or a port cannot be used.
pub async fn start(bars: Config, config: bulkhead_adapter::Config, drain: Drain) -> Result<Running, Error> {
    let system = Arc::new(BarsSystem::new(bars.clone(), config.tenant.clone()));
    let face = FaceConfig { tenant: config.tenant.clone(), max_bytes: config.spool.max_payload_bytes, bars };
    let protocol = face.bars.dialect.protocol.as_str();
    let kit = Kit::start(config, system.clone(), drain.clone()).await?;
    system.attach(kit.clone());
    let face = match Face::start(face, kit.clone(), drain.clone()).await {
        Ok(face) => face,
        Err(error) => {
            // What was started must not outlive the failure.
            drain.start();
            kit.stopped().await;
            return Err(error);
        }
    };
    Ok(Running { kit, listens: vec![(protocol, face.address())], face })
}
