//! A Welsh sidecar that runs, whichever of its two faces it has.

use std::net::SocketAddr;

use bulkhead_adapter::KitHandle;

/// A sidecar that runs.
#[derive(Debug)]
pub struct Running {
    /// The kit.
    pub kit: KitHandle,
    /// Where the local system finds us: the protocol and the address.
    pub listens: Vec<(&'static str, SocketAddr)>,
    face: Face,
}

#[derive(Debug)]
enum Face {
    Bars(bulkhead_protocol_bars::Running),
    Hl7(bulkhead_protocol_hl7::Running),
}

impl Running {
    pub(crate) fn bars(face: bulkhead_protocol_bars::Running) -> Self {
        Self { kit: face.kit.clone(), listens: face.listens.clone(), face: Face::Bars(face) }
    }

    pub(crate) fn hl7(face: bulkhead_protocol_hl7::Running) -> Self {
        Self { kit: face.kit.clone(), listens: face.listens.clone(), face: Face::Hl7(face) }
    }

    /// Waits until everything has stopped after a drain.
    pub async fn stopped(self) {
        match self.face {
            Face::Bars(face) => face.stopped().await,
            Face::Hl7(face) => face.stopped().await,
        }
    }
}
