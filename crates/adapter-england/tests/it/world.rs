//! A sidecar with its broker and its local system, and samples.

use std::time::Duration;

use bulkhead_adapter::{Config, InboxConfig, InboxSettings, SpoolConfig, SpoolSettings};
use bulkhead_adapter_england::{BarsSettings, Running, ServiceSettings, SystemSettings, serve};
use bulkhead_format_bars::{Identifier, SampleReferral, Syntax};
use bulkhead_model::{CaseId, Envelope, Kind, MessageId, Priority, ReferralId, ServiceAddress, TenantId};
use bulkhead_process::Drain;
use bulkhead_simulator::{Address, Handle, Protocol, Sending, Simulator};
use bulkhead_testkit::sidecar::{Authority, Broker, Hosted, NAME};
use bulkhead_wire::{envelope_to_wire, v1};
use jiff::Timestamp;
use tempfile::TempDir;

pub(crate) const TENANT: &str = "england/nhs111-north";
/// The only service that the broker knows.
pub(crate) const FAR: &str = "2000011147";
pub(crate) const OWN: &str = "2000099111";
/// Longer than anything that should happen takes.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) system: Handle,
    pub(crate) patience: Duration,
    authority: Authority,
    directory: TempDir,
}

pub(crate) struct Sidecar {
    pub(crate) running: Running,
    drain: Drain,
}

impl World {
    /// It knows one service.
    async fn broker(authority: &Authority) -> Broker {
        let broker = Broker::start(authority, TENANT).await;
        let hosted = Hosted { tenant: "england/ooh-riverside", speaks: ("bars", "1.0"), max_bytes: 0 };
        broker.memory.services(|services| services.set(FAR, Some(hosted)));
        broker
    }

    pub(crate) async fn new() -> Self {
        let authority = Authority::new();
        let tenant = TenantId::parse(TENANT).unwrap();
        let protocol = Protocol::Bars { syntax: Syntax::Json };
        let config = bulkhead_simulator::Config {
            services: vec![Identifier::dos(OWN)],
            ..bulkhead_simulator::Config::new(tenant, protocol)
        };
        Self {
            broker: Self::broker(&authority).await,
            system: Simulator::start(config).await.unwrap(),
            patience: Duration::from_secs(2),
            authority,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn config(&self) -> Config {
        let quick = Duration::from_millis(20);
        let spool = SpoolSettings { patience: Some(self.patience), ..SpoolSettings::default() };
        let inbox = InboxSettings {
            retry_first: quick,
            retry_longest: quick,
            probe_first: quick,
            probe_longest: quick,
            ..InboxSettings::default()
        };
        Config {
            tenant: TenantId::parse(TENANT).unwrap(),
            software: "test 1".to_owned(),
            brokers: vec![self.broker.address.to_string()],
            server_name: NAME.to_owned(),
            credentials: self.authority.issue(&format!("bulkhead://{TENANT}")),
            data_dir: self.directory.path().to_owned(),
            http: None,
            spool: SpoolConfig::from_settings(&spool).unwrap(),
            inbox: InboxConfig::from_settings(&inbox).unwrap(),
        }
    }

    /// Starts a sidecar and waits until it is ready.
    pub(crate) async fn sidecar(&self) -> Sidecar {
        let base = format!("http://{}/FHIR/R4", self.system.listen());
        let mut bars = BarsSettings::new("127.0.0.1:0".parse().unwrap(), base);
        let service = ServiceSettings {
            system: Identifier::dos(OWN).system,
            value: OWN.to_owned(),
            use_cases: Vec::new(),
        };
        bars.services = vec![service];
        let drain = Drain::new();
        let running = serve(SystemSettings { bars }, self.config(), drain.clone()).await.unwrap();
        let (protocol, address) = running.listens[0];
        assert_eq!(protocol, "bars");
        self.system.set_sidecar(address);
        tokio::time::timeout(SOON, running.kit.health().ready()).await.expect("the sidecar is ready");
        Sidecar { running, drain }
    }
}

impl Sidecar {
    pub(crate) async fn stop(self) {
        self.drain.start();
        tokio::time::timeout(SOON, self.running.stopped()).await.expect("the sidecar stops");
    }
}

/// A referral of the local system's.
pub(crate) fn sending(message_id: &str) -> Sending {
    let to = Address { system: Identifier::dos(FAR).system, value: FAR.to_owned() };
    Sending { bytes: 20_000, message_id: Some(message_id.to_owned()), ..Sending::new(to) }
}

/// A referral for the local system.
pub(crate) fn offer(seed: u64) -> v1::Offer {
    let mut sample = SampleReferral::new(seed).sized(20_000);
    sample.source.dos = FAR.to_owned();
    sample.destination.dos = OWN.to_owned();
    let ids = sample.headers(Syntax::Json).ids;
    let tenant = TenantId::parse("england/ooh-riverside").unwrap();
    let message_id = MessageId::parse(ids.request.text()).unwrap();
    let payload = sample.build(Syntax::Json).write().unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &payload);
    let address = |value: &str| ServiceAddress::parse(&Identifier::dos(value).system, value).unwrap();
    let envelope = Envelope {
        message_id: message_id.clone(),
        attempt: 1,
        to: address(OWN),
        reply_to: Some(address(FAR)),
        kind: Kind::Request,
        case_id: CaseId::parse(ids.correlation.text()).ok(),
        priority: Priority::Urgent,
        deadline: None,
        content_type: "application/fhir+json".to_owned(),
        in_response_to: None,
        traceparent: None,
        flags: Vec::new(),
        spooled_at: None,
    };
    v1::Offer {
        referral_id: ReferralId::derive(&tenant, &message_id).to_string(),
        attempt: 1,
        tenant: tenant.to_string(),
        envelope: Some(envelope_to_wire(&envelope)),
        payload: payload.into(),
        digest: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        accepted_at: Some(bulkhead_wire::time_to_wire(Timestamp::now())),
        possible_duplicate: false,
        claim: Some(v1::Claim { shard: 3, number: 5, node: "england-1".to_owned() }),
        reply_addresses: Vec::new(),
        diverted: None,
    }
}
