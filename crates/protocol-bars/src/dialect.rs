//! What a nation's BaRS is: its rules, its headers, what it answers, what it takes.

use bulkhead_format_bars::accept::Version;
use bulkhead_format_bars::capability::Definition;
use bulkhead_format_bars::{HeaderRules, Party, Rules, Syntax};
use bulkhead_model::Protocol;
use bulkhead_translation::BarsProfile;

/// A nation's BaRS. All of it is data; an adapter may change what its deployment wants otherwise.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// What the directory calls it.
    pub protocol: Protocol,
    /// How messages are read and checked.
    pub rules: Rules,
    /// What the headers must have.
    pub headers: HeaderRules,
    /// At whose door a fault of the headers is laid.
    pub header_blame: Party,
    /// At whose door it is laid that something is not implemented.
    pub missing_blame: Party,
    /// Whether `GET /ServiceRequest` is served. Else 501.
    pub reads_service_requests: bool,
    /// Whether answers carry an `X-Operation-Id`.
    pub operation_id: bool,
    /// The version that the local system is asked for in `Accept`.
    pub api_version: Version,
    /// The only syntax that the local system takes; `None`: either.
    pub syntax: Option<Syntax>,
    /// Who publishes the CapabilityStatement.
    pub publisher: String,
    /// The version in the CapabilityStatement.
    pub capability_version: String,
    /// What the CapabilityStatement and the MessageDefinitions offer.
    pub receives: Vec<Definition>,
    /// What the local system shows, for what is translated for it.
    pub profile: BarsProfile,
}

impl Dialect {
    /// The BaRS guide, as England has it.
    pub fn england(profile: BarsProfile) -> Self {
        Self {
            protocol: Protocol::Bars,
            rules: Rules::default(),
            headers: HeaderRules::england(),
            header_blame: Party::Rec,
            missing_blame: Party::Rec,
            reads_service_requests: true,
            operation_id: false,
            api_version: Version(1, 4, 0),
            syntax: None,
            publisher: "Bulkhead".to_owned(),
            capability_version: "1.4.0".to_owned(),
            receives: Definition::ALL.to_vec(),
            profile,
        }
    }

    /// The Welsh eReferrals service (NWRI): JSON, `Accept` with exactly version 1.2.0, more headers, literal names
    /// of organisations, no updates, and 501 for `GET /ServiceRequest`.
    pub fn wales(profile: BarsProfile) -> Self {
        Self {
            protocol: Protocol::BarsWales,
            rules: Rules::wales_nwri(),
            headers: HeaderRules::wales_nwri(),
            header_blame: Party::Send,
            missing_blame: Party::Proxy,
            reads_service_requests: false,
            operation_id: true,
            api_version: Version(1, 2, 0),
            syntax: Some(Syntax::Json),
            publisher: "NHS Wales".to_owned(),
            capability_version: "1.3.0".to_owned(),
            receives: vec![Definition::Referral, Definition::Cancelled],
            profile,
        }
    }
}
