//! What a simulator is: whose system it plays, which protocol it speaks, and where.

use std::net::SocketAddr;
use std::path::PathBuf;

use bulkhead_format_bars::{Identifier, Syntax};
use bulkhead_model::TenantId;

/// The configuration of one simulator.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tenant whose system this is. Its nation decides which number a patient has.
    pub tenant: TenantId,
    /// What is spoken with the sidecar.
    pub protocol: Protocol,
    /// Where the sidecar's referrals are received. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the pages for people and tests are served. Port 0 takes a free one.
    pub http: SocketAddr,
    /// The identifiers of the service that is played, by which it may be addressed. The first is the return
    /// address of what is sent. A BaRS message to another one is refused; without any, none is.
    pub services: Vec<Identifier>,
    /// Where the sidecar listens. It can also be said later, with [`Handle::set_sidecar`](crate::Handle).
    pub sidecar: Option<SocketAddr>,
    /// The file that keeps what was received; the bytes stand in a second one beside it, `<journal>.bytes`.
    /// Without it nothing outlives the process.
    pub journal: Option<PathBuf>,
}

impl Config {
    /// A simulator on free ports of loopback, with nothing kept.
    pub fn new(tenant: TenantId, protocol: Protocol) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            tenant,
            protocol,
            listen: loopback,
            http: loopback,
            services: Vec::new(),
            sidecar: None,
            journal: None,
        }
    }
}

/// What is spoken with the sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// BaRS as England's guide has it.
    Bars {
        /// What is sent is written in it. Both are received.
        syntax: Syntax,
    },
    /// BaRS as the Welsh service has it: JSON, version 1.2.0, no updates.
    BarsWales,
    /// HL7 v2 over MLLP.
    Mllp(Mllp),
}

/// How HL7 v2 is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mllp {
    /// The version that is sent, such as `2.4`. 2.3.1 to 2.5.1 are received.
    pub version: String,
    /// Which acknowledgement is given, and asked for.
    pub acknowledgement: Acknowledgement,
    /// Whether a connection is closed after its first message, as the Welsh Integration Hub does.
    pub one_per_connection: bool,
    /// MSH-3 of what is sent.
    pub application: String,
    /// MSH-4 of what is sent.
    pub facility: String,
}

impl Mllp {
    /// Original acknowledgements on lasting connections.
    pub fn new(version: &str, application: &str, facility: &str) -> Self {
        Self {
            version: version.to_owned(),
            acknowledgement: Acknowledgement::Original,
            one_per_connection: false,
            application: application.to_owned(),
            facility: facility.to_owned(),
        }
    }
}

/// The acknowledgement modes of HL7 v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// AA, AE, AR, whatever MSH-15 and MSH-16 say.
    Original,
    /// CA, CE, CR to a message that fills MSH-15 or MSH-16, on its conditions; AA, AE, AR to others.
    Enhanced,
}
