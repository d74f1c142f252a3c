//! Wires an HL7 v2 system to the kit.

use std::net::SocketAddr;

use bulkhead_adapter::{Error, KitHandle};
use bulkhead_process::Drain;

use crate::Config;

/// A sidecar that runs.
#[derive(Debug)]
pub struct Running {
    /// The kit.
    pub kit: KitHandle,
    /// Where the local system finds us: the protocol and the address.
    pub listens: Vec<(&'static str, SocketAddr)>,
}

impl Running {
    /// Waits until everything has stopped after a drain.
    pub async fn stopped(self) {
        self.kit.stopped().await;
    }
}

/// Starts the kit, the face and the client of a tenant whose system speaks HL7 v2. They stop when `drain` begins.
///
/// # Errors
/// When a file, a key or a port cannot be used.
pub async fn start(hl7: Config, config: bulkhead_adapter::Config, drain: Drain) -> Result<Running, Error> {
    let _ = (hl7, config, drain);
    Err(Error::config("system.hl7", "is being built"))
}
