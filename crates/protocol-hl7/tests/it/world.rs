//! A sidecar with its broker and its local system, and messages to send.

use std::net::SocketAddr;
use std::time::Duration;

use bulkhead_adapter::{AckPolicy, Config, InboxConfig, InboxSettings, SendMode, SpoolConfig, SpoolSettings};
use bulkhead_format_hl7::Version;
use bulkhead_model::{CaseId, Envelope, Kind, MessageId, Priority, ReferralId, ServiceAddress, TenantId};
use bulkhead_process::Drain;
use bulkhead_protocol_hl7::{Acknowledgement, Answers, Conventions, Running, Settings, start};
use bulkhead_testkit::sidecar::{Authority, Broker, Hosted, NAME};
use bulkhead_translation::profiles;
use bulkhead_wire::{envelope_to_wire, v1};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::line::{Line, Peer};

pub(crate) const TENANT: &str = "northern-ireland/gp-belfast";
/// Longer than anything that should happen takes.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// A patient whom no answer and no log line may name.
pub(crate) const PLANTED: [&str; 3] = ["Zebedee", "Quillfeather", "3200123451"];

/// What a test can change before it starts a sidecar.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) peer: Peer,
    pub(crate) hl7: Settings,
    pub(crate) conventions: Conventions,
    pub(crate) spool: SpoolSettings,
    authority: Authority,
    directory: TempDir,
}

/// A sidecar that runs.
pub(crate) struct Sidecar {
    pub(crate) running: Running,
    drain: Drain,
}

pub(crate) fn conventions() -> Conventions {
    Conventions {
        versions: vec![Version::V2_3_1, Version::V2_4, Version::V2_5, Version::V2_5_1],
        version: Version::V2_4,
        profile: |version| bulkhead_translation::Profile { version, ..profiles::ni_v24() },
        acknowledgement: Acknowledgement::AsAsked,
        answers: Answers::HL7,
        meaning: AckPolicy::default(),
        mode: SendMode::Persistent,
        own_name: ["BULKHEAD", "NI"],
        systems: vec![("DOS", "https://fhir.nhs.uk/Id/dos-service-id")],
        retired: vec![("OLD", "NEW")],
    }
}

/// `GONE` is nobody, `RYE` a BaRS system in England, `NWRI` one in Wales, `GP` this very tenant; all else takes
/// HL7 v2.4 in the same nation.
fn know_services(broker: &Broker) {
    let hosted =
        |tenant, protocol, version| Hosted { tenant, speaks: (protocol, version), max_bytes: 3_000_000 };
    broker.memory.services(|services| {
        services.set("GONE", None);
        services.set("RYE", Some(hosted("england/nhs111-north", "bars", "1.4.0")));
        services.set("NWRI", Some(hosted("wales/wast-111", "bars-wales", "1.2.0")));
        services.set("GP", Some(hosted(TENANT, "hl7v2", "2.4")));
        services.otherwise(hosted("northern-ireland/ooh-dalriada", "hl7v2", "2.4"));
    });
}

impl World {
    pub(crate) async fn new() -> Self {
        let peer = Peer::start().await;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let authority = Authority::new();
        let broker = Broker::start(&authority, TENANT).await;
        know_services(&broker);
        Self {
            broker,
            hl7: Settings::new(free, peer.address.to_string()),
            peer,
            conventions: conventions(),
            spool: SpoolSettings { patience: Some(Duration::from_millis(800)), ..SpoolSettings::default() },
            authority,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn start(&self) -> Sidecar {
        let quick = Duration::from_millis(20);
        let inbox = InboxSettings {
            retry_first: quick,
            retry_longest: quick,
            probe_first: quick,
            probe_longest: quick,
            ..InboxSettings::default()
        };
        let config = Config {
            tenant: TenantId::parse(TENANT).unwrap(),
            software: "test 1".to_owned(),
            brokers: vec![self.broker.address.to_string()],
            server_name: NAME.to_owned(),
            credentials: self.authority.issue(&format!("bulkhead://{TENANT}")),
            data_dir: self.directory.path().to_owned(),
            http: None,
            spool: SpoolConfig::from_settings(&self.spool).unwrap(),
            inbox: InboxConfig::from_settings(&inbox).unwrap(),
        };
        let hl7 = bulkhead_protocol_hl7::Config::from_settings(&self.hl7, &self.conventions).unwrap();
        let drain = Drain::new();
        let running = start(hl7, config, drain.clone()).await.unwrap();
        tokio::time::timeout(SOON, running.kit.health().ready()).await.expect("the sidecar is ready");
        Sidecar { running, drain }
    }
}

impl Sidecar {
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.listens[0].1
    }

    pub(crate) async fn line(&self) -> Line {
        Line::open(self.address()).await
    }

    pub(crate) async fn stop(self) {
        self.drain.start();
        tokio::time::timeout(SOON, self.running.stopped()).await.expect("the sidecar stops");
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A referral of v2.4 with that MSH-10, for `RYE2`, about the planted patient.
pub(crate) fn referral(control_id: &str) -> String {
    [
        &format!("MSH|^~\\&|GPSYS|BELFAST|BULKHEAD|DALRIADA|20260801231500||REF^I12^REF_I12|{control_id}|P|2.4"),
        "RF1|P^Pending^HL70283|R^Routine^HL70280|MED^Medical^HL70281|||OOH-4711^DALRIADA|20260801231500",
        "PRD|RP^Referring Provider^HL70286|Quinn^Sarah^^^Dr|||||GP^DOS",
        "PRD|RT^Referred to Provider^HL70286||||||RYE2^https://fhir.nhs.uk/Id/dos-service-id",
        "PID|1||3200123451^^^HSC^NH||Quillfeather^Zebedee^^^Mr||19620315|M|||2 Main Street^^Ballymena^^BT43 5AA^^H",
        "DG1|1||R07.4^Chest pain, unspecified^I10|||W",
        "NTE|1||Mr Quillfeather asks for a call",
        "",
    ]
    .join("\r")
}

/// The message id that the broker is given for [`referral`].
pub(crate) fn message_id(control_id: &str) -> String {
    format!("GPSYS|BELFAST|{control_id}|20260801231500")
}

/// What another tenant of the nation sent, offered.
pub(crate) fn offer(payload: impl Into<Vec<u8>>, kind: Kind, name: &str) -> v1::Offer {
    let envelope = Envelope {
        message_id: MessageId::parse(name).unwrap(),
        attempt: 1,
        to: ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", "GP").unwrap(),
        reply_to: Some(ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", "RYE2").unwrap()),
        kind,
        case_id: CaseId::parse("OOH-4711|DALRIADA").ok(),
        priority: Priority::Routine,
        deadline: None,
        content_type: "x-application/hl7-v2+er7".to_owned(),
        in_response_to: None,
        traceparent: None,
        flags: Vec::new(),
        spooled_at: None,
    };
    offer_of(payload, envelope, "northern-ireland/ooh-dalriada")
}

pub(crate) fn offer_of(payload: impl Into<Vec<u8>>, envelope: Envelope, tenant: &str) -> v1::Offer {
    let tenant = TenantId::parse(tenant).unwrap();
    let payload: Vec<u8> = payload.into();
    let digest = ring::digest::digest(&ring::digest::SHA256, &payload);
    v1::Offer {
        referral_id: ReferralId::derive(&tenant, &envelope.message_id).to_string(),
        attempt: 1,
        tenant: tenant.to_string(),
        envelope: Some(envelope_to_wire(&envelope)),
        payload: payload.into(),
        digest: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        accepted_at: Some(bulkhead_wire::time_to_wire(Timestamp::now())),
        possible_duplicate: false,
        claim: Some(v1::Claim { shard: 3, number: 5, node: "ni-1".to_owned() }),
        reply_addresses: Vec::new(),
        diverted: None,
    }
}
