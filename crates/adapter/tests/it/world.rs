//! A sidecar with its broker and its local system, and samples.

use std::path::PathBuf;
use std::time::Duration;

use bulkhead_adapter::{
    Config, InboxConfig, InboxSettings, Kit, KitHandle, SpoolConfig, SpoolSettings, Submission,
};
use bulkhead_model::{CaseId, Envelope, Kind, MessageId, Priority, ReferralId, ServiceAddress, TenantId};
use bulkhead_process::Drain;
use bulkhead_testkit::sidecar::{Authority, Broker, Hosted, NAME};
use bulkhead_wire::{envelope_to_wire, v1};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::system::System;

pub(crate) const TENANT: &str = "wales/ooh-cardiff";
/// Longer than anything that should happen takes.
pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const PATIENCE: Duration = Duration::from_millis(600);

/// What a test can change before it starts a sidecar.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) system: System,
    pub(crate) spool: SpoolSettings,
    pub(crate) inbox: InboxSettings,
    authority: Authority,
    directory: TempDir,
}

/// A sidecar that runs.
pub(crate) struct Sidecar {
    pub(crate) kit: KitHandle,
    drain: Drain,
}

impl World {
    /// It knows one service.
    async fn broker(authority: &Authority) -> Broker {
        let broker = Broker::start(authority, TENANT).await;
        let hosted = Hosted { tenant: "england/ooh-riverside", speaks: ("bars", "1.0"), max_bytes: 0 };
        broker.memory.services(|services| services.set("2000011147", Some(hosted)));
        broker
    }

    pub(crate) async fn new() -> Self {
        let authority = Authority::new();
        let quick = Duration::from_millis(20);
        Self {
            broker: Self::broker(&authority).await,
            system: System::new(),
            spool: SpoolSettings { patience: Some(PATIENCE), ..SpoolSettings::default() },
            inbox: InboxSettings {
                retry_first: quick,
                retry_longest: quick,
                probe_first: quick,
                probe_longest: quick,
                ..InboxSettings::default()
            },
            authority,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            tenant: TenantId::parse(TENANT).unwrap(),
            software: "test 1".to_owned(),
            brokers: vec![self.broker.address.to_string()],
            server_name: NAME.to_owned(),
            credentials: self.authority.issue(&format!("bulkhead://{TENANT}")),
            data_dir: self.data_dir(),
            http: Some("127.0.0.1:0".parse().unwrap()),
            spool: SpoolConfig::from_settings(&self.spool).unwrap(),
            inbox: InboxConfig::from_settings(&self.inbox).unwrap(),
        }
    }

    pub(crate) async fn start(&self) -> Sidecar {
        let drain = Drain::new();
        let system = std::sync::Arc::new(self.system.clone());
        let kit = Kit::start(self.config(), system, drain.clone()).await.unwrap();
        Sidecar { kit, drain }
    }

    /// Starts a sidecar and waits until it is connected.
    pub(crate) async fn connected(&self) -> Sidecar {
        let sidecar = self.start().await;
        tokio::time::timeout(SOON, sidecar.kit.health().ready()).await.expect("the sidecar is ready");
        sidecar
    }
}

impl Sidecar {
    pub(crate) async fn stop(self) {
        self.drain.start();
        tokio::time::timeout(SOON, self.kit.stopped()).await.expect("the sidecar stops");
    }

    pub(crate) fn unmet(&self, name: &str) -> Option<String> {
        self.kit.health().unmet().into_iter().find(|unmet| unmet.name == name).map(|unmet| unmet.reason)
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.kit.http().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
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

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    eventually(what, async || holds().then_some(())).await;
}

pub(crate) fn envelope(message_id: &str, priority: Priority, case: Option<&str>) -> Envelope {
    Envelope {
        message_id: MessageId::parse(message_id).unwrap(),
        attempt: 7,
        to: ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", "2000011147").unwrap(),
        reply_to: None,
        kind: Kind::Request,
        case_id: case.map(|case| CaseId::parse(case).unwrap()),
        priority,
        deadline: None,
        content_type: "application/fhir+json".to_owned(),
        in_response_to: None,
        traceparent: None,
        flags: Vec::new(),
        spooled_at: None,
    }
}

pub(crate) fn submission(message_id: &str, priority: Priority) -> Submission {
    let payload = format!("payload of {message_id}").into();
    Submission { envelope: envelope(message_id, priority, None), payload }
}

pub(crate) fn offer(message_id: &str, attempt: u32, case: Option<&str>) -> v1::Offer {
    let tenant = TenantId::parse("england/nhs111-north").unwrap();
    let payload = format!("payload of {message_id}");
    let digest = ring::digest::digest(&ring::digest::SHA256, payload.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    v1::Offer {
        referral_id: ReferralId::derive(&tenant, &MessageId::parse(message_id).unwrap()).to_string(),
        attempt,
        tenant: tenant.to_string(),
        envelope: Some(envelope_to_wire(&envelope(message_id, Priority::Urgent, case))),
        payload: payload.into(),
        digest: hex,
        accepted_at: Some(bulkhead_wire::time_to_wire(Timestamp::now())),
        possible_duplicate: false,
        claim: Some(v1::Claim { shard: 3, number: 5, node: "wales-1".to_owned() }),
        reply_addresses: Vec::new(),
        diverted: None,
    }
}
