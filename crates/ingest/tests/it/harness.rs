//! One node of England's door on loopback: a real log, a real ledger, real certificates. The owner of the
//! shards is played by the test, which writes the events that an owner would.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bulkhead_ingest::{Config, Parts, Service, allowance, policy, sever};
use bulkhead_ledger::Ledger;
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Start, Topic};
use bulkhead_model::{
    Claim, Cuts, Directory, Event, Nation, Numbered, OnDeadline, Operator, OperatorId, Place, Presence,
    Protocol, Quota, ReferralId, ServiceAddress, ServiceId, Supplier, SupplierId, Tenant, TenantId, shard_of,
};
use bulkhead_process::capture::Capture;
use bulkhead_process::{BootTime, Drain, Lease};
use bulkhead_testkit::losing::Losing;
use bulkhead_testkit::meddled::Meddled;
use bulkhead_transport as transport;
use bulkhead_transport::{Acceptor, Connections, Credentials, Dialer, Policy};
use bulkhead_wire::record::In;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use bulkhead_wire::v1::{self, SubmitRequest};
use bulkhead_wire::{Author, EventRecord, Facts, ReadEvent, topics};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Channel;

/// Longer than any test.
const LEASE: Duration = Duration::from_secs(600);
const NAME: &str = "england.bulkhead.internal";
pub(crate) const HOME: Nation = Nation::England;
/// The sender of most tests.
pub(crate) const NORTH: &str = "england/nhs111-north";
/// Hosts `england/riverside`.
pub(crate) const RIVERSIDE: &str = "england/ooh-riverside";
/// Allowed two connections, two calls a second and documents of 1 KiB.
pub(crate) const SMALL: &str = "england/small";
/// Allowed 4 KiB that are not settled.
pub(crate) const BOUNDED: &str = "england/bounded";
pub(crate) const ABROAD: &str = "wales/wast-111";
pub(crate) const DUTY: &str = "england/operator/duty";

/// What all tests of this process log and trace; in force before the first of them does.
pub(crate) fn capture() -> &'static Capture {
    static CAPTURE: LazyLock<Capture> = LazyLock::new(|| {
        let capture = Capture::new();
        tracing::subscriber::set_global_default(capture.subscriber()).unwrap();
        capture
    });
    &CAPTURE
}

pub(crate) fn tenant_id(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn directory(revoked: &[String]) -> Directory {
    let supplier = SupplierId::parse("meridian").unwrap();
    let tenant = |id: &str, quota: Quota| Tenant {
        id: tenant_id(id),
        supplier: supplier.clone(),
        successor_of: None,
        revoked: if id == NORTH { revoked.to_vec() } else { vec![] },
        quota,
        synthetic: false,
    };
    let small = Quota { payload_bytes: 1024, calls_per_second: 2, connections: 2, ..Quota::default() };
    let tenants = vec![
        tenant(NORTH, Quota { calls_per_second: 100_000, ..Quota::default() }),
        tenant(RIVERSIDE, Quota::default()),
        tenant(SMALL, small),
        tenant(BOUNDED, Quota { unsettled_bytes: 4096, ..Quota::default() }),
        tenant(ABROAD, Quota::default()),
    ];
    let service = |id: &str, host: &str, dos: &str| bulkhead_model::Service {
        id: ServiceId::parse(id).unwrap(),
        host: tenant_id(host),
        identifiers: vec![ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", dos).unwrap()],
        protocol: Protocol::Bars,
        version: "1.1.0".into(),
        max_bytes: None,
        grants: None,
        on_deadline: OnDeadline::Return,
        fallback: None,
        takes_over: vec![],
    };
    let services = vec![service("england/riverside", RIVERSIDE, "1"), service("england/north", NORTH, "2")];
    let operators = vec![Operator {
        id: OperatorId::parse("england/duty").unwrap(),
        public_key: String::new(),
        supplier: None,
        cuts_per_hour: Operator::CUTS_PER_HOUR,
    }];
    let suppliers = vec![Supplier { id: supplier.clone(), name: "Meridian".into() }];
    Directory::new(suppliers, tenants, services, operators).unwrap()
}

pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, identity: &str, days_left: i64) -> Credentials {
        let uri = format!("bulkhead://{identity}");
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            vec![SanType::URI(uri.as_str().try_into().unwrap()), SanType::DnsName(NAME.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let end = Timestamp::now().as_second() + days_left * 24 * 3600;
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.try_into().unwrap());
        params.not_before = params.not_after - Duration::from_secs(10 * 24 * 3600);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credentials {
            ca_pem: self.pem.clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

pub(crate) struct World {
    pub(crate) log: Arc<dyn Log>,
    /// The same log, for tests that act in the middle of an append.
    pub(crate) meddled: Arc<Meddled>,
    /// The same log, for tests that take something from it.
    pub(crate) losing: Arc<Losing<Embedded>>,
    /// Held until a test lets it lapse.
    pub(crate) lease: Lease,
    pub(crate) ledger: Ledger,
    pub(crate) authority: Authority,
    pub(crate) directory: watch::Sender<Arc<Directory>>,
    pub(crate) cuts: watch::Sender<Arc<Cuts>>,
    pub(crate) connections: Connections,
    pub(crate) ready: Arc<AtomicBool>,
    /// Floods that it was told of.
    pub(crate) floods: Arc<AtomicU32>,
    pub(crate) drain: Drain,
    pub(crate) address: String,
    claims: AtomicU32,
    /// What layers follow that hear of no cut.
    _no_cuts: watch::Sender<Arc<Cuts>>,
    _files: TempDir,
}

/// What stands between a tenant that is cut off and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Whom the port lets in, at every call.
    Policy,
    /// What is open is ended.
    Severing,
    /// Before and after the append.
    Gate,
}

/// A node that soon says that it is not sure.
pub(crate) fn impatient() -> Config {
    Config { patience: Duration::from_millis(300), ..Config::default() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(impatient()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::asking(config, |_| true).await
    }

    /// Of which only that one hears of cuts.
    pub(crate) async fn only(alone: Layer) -> Self {
        Self::asking(impatient(), |layer| layer == alone).await
    }

    async fn asking(config: Config, hears: impl Fn(Layer) -> bool) -> Self {
        capture();
        let files = tempfile::tempdir().unwrap();
        let log = Embedded::open(EmbeddedConfig::new(files.path().join("log"))).unwrap();
        let losing = Losing::new(log);
        let meddled = Meddled::new(losing.clone());
        let log: Arc<dyn Log> = meddled.clone();
        let lease = Lease::new(LEASE);
        lease.renew(BootTime::now());
        let drain = Drain::new();
        let path = files.path().join("ledger.sqlite");
        let (ledger, follower) =
            Ledger::open(bulkhead_ledger::Config { path, nation: HOME }, log.clone()).await.unwrap();
        let stop = drain.clone();
        tokio::spawn(follower.run(async move { stop.started().await }));
        let (directory, directory_seen) = watch::channel(Arc::new(directory(&[])));
        let none = || watch::channel(Arc::new(Cuts::none_up_to(7)));
        let ((cuts, cuts_seen), (no_cuts, nothing_seen)) = (none(), none());
        for cuts in [&cuts, &no_cuts] {
            cuts.send_modify(|cuts| Arc::make_mut(cuts).follow(directory.borrow().clone()));
        }
        let seen_by = |layer| if hears(layer) { cuts_seen.clone() } else { nothing_seen.clone() };
        let connections = Connections::new();
        tokio::spawn(sever(connections.clone(), seen_by(Layer::Severing)));
        let ready = Arc::new(AtomicBool::new(true));
        let may_act = ready.clone();
        let floods = Arc::new(AtomicU32::new(0));
        let flooded = floods.clone();
        let parts = Parts {
            log: log.clone(),
            ledger: ledger.clone(),
            directory: directory_seen.clone(),
            cuts: seen_by(Layer::Gate),
            node: "england-1".into(),
            nation: HOME,
            pending_cuts: Arc::new(Vec::new),
            audits_behind: Arc::new(std::collections::BTreeMap::new),
            presence: Arc::new(|| {
                let presence = Presence { connected: true, taking: false, ..Presence::default() };
                HashMap::from([(tenant_id(RIVERSIDE), presence)])
            }),
            lease: lease.clone(),
            pulses: watch::channel(Arc::default()).1,
            flooded: Arc::new(move |_, _| {
                flooded.fetch_add(1, Ordering::Relaxed);
            }),
            ready: Arc::new(move || may_act.load(Ordering::Relaxed)),
            shards: Arc::new(|| 32),
            drain: drain.clone(),
        };
        let authority = Authority::new();
        let service = Service::new(config, parts);
        let address = {
            let policy = policy(directory_seen.clone(), seen_by(Layer::Policy));
            serve(&authority, &service, directory_seen, policy, &connections).await
        };
        tokio::spawn(service.run());
        let claims = AtomicU32::new(0);
        Self {
            log,
            meddled,
            losing,
            lease,
            ledger,
            authority,
            directory,
            cuts,
            connections,
            ready,
            floods,
            drain,
            address,
            claims,
            _no_cuts: no_cuts,
            _files: files,
        }
    }

    pub(crate) fn ingest(&self, identity: &str) -> IngestClient<Channel> {
        IngestClient::new(self.channel(&self.authority.issue(identity, 1)))
    }

    pub(crate) fn referrals(&self, identity: &str) -> ReferralsClient<Channel> {
        ReferralsClient::new(self.channel(&self.authority.issue(identity, 1)))
    }

    pub(crate) fn channel(&self, credentials: &Credentials) -> Channel {
        self.channel_through(credentials, &self.address)
    }

    /// By way of somebody else, who passes on what is said.
    pub(crate) fn channel_through(&self, credentials: &Credentials, address: &str) -> Channel {
        Dialer::new(credentials).unwrap().channel(address, NAME).unwrap()
    }

    /// What lies in `in.<tenant>`.
    pub(crate) async fn inward(&self, tenant: &str) -> Vec<(Place, In)> {
        let name = topics::inward(&tenant_id(tenant));
        let partition = Topic::new(&name).unwrap().partition(0);
        let Ok(kept) = self.log.bounds(&partition).await else { return vec![] };
        let start = Start { partition, offset: kept.start };
        let mut reader = self.log.reader(vec![start], Default::default()).await.unwrap();
        let mut records = Vec::new();
        while kept.start + (records.len() as u64) < kept.end {
            for entry in soon(reader.next()).await.unwrap() {
                let place = Place { topic: name.clone(), partition: 0, offset: entry.offset };
                assert_eq!(entry.record.key.len(), 16);
                records.push((place, In::decode(entry.record.value).unwrap()));
            }
        }
        records
    }

    /// Decides about a record of `in` as its owner would.
    pub(crate) async fn decide(&self, source: &Place, record: &In, custody: u32, event: Event) {
        let (tenant, id, facts) = match record {
            In::Accepted(accepted) => {
                let facts = Facts {
                    tenant: accepted.tenant.clone(),
                    envelope: accepted.envelope.clone(),
                    digest: accepted.digest,
                    payload_bytes: accepted.payload.len() as u64,
                    accepted_at: accepted.admitted_at,
                    admitted_at: accepted.admitted_at,
                    epochs: accepted.epochs.clone(),
                    predecessor: None,
                    from_nation: None,
                };
                (accepted.tenant.clone(), accepted.id, Some(Box::new(facts)))
            }
            In::Withdrawal(withdrawal) => (withdrawal.tenant.clone(), withdrawal.id, None),
            In::Carried(_) | In::Report(_) => panic!("nothing crosses a border here"),
        };
        let numbered = Numbered { custody, event };
        let decision = EventRecord::Decision { id, numbered, facts, source: Some(source.clone()) };
        self.write(&tenant, decision).await;
    }

    /// Writes what the owner of a tenant decides about a referral.
    pub(crate) async fn event(&self, owner: &str, id: ReferralId, custody: u32, event: Event) {
        let numbered = Numbered { custody, event };
        let decision = EventRecord::Decision { id, numbered, facts: None, source: None };
        self.write(&tenant_id(owner), decision).await;
    }

    async fn write(&self, owner: &TenantId, decision: EventRecord) {
        let shard = shard_of(owner);
        let number = u64::from(self.claims.fetch_add(1, Ordering::Relaxed)) + 1;
        let claim = Claim { shard, number, node: "england-1".into() };
        let partition = Topic::new(&topics::events(HOME)).unwrap().partition(shard);
        for record in [EventRecord::Claimed, decision] {
            let author = Author { claim: claim.clone(), at: Timestamp::now() };
            let value = ReadEvent { author, record }.encode();
            self.log.append(&partition, Record { key: Default::default(), value }).await.unwrap();
        }
        soon(self.ledger.caught_up()).await.unwrap();
    }
}

async fn serve(
    authority: &Authority,
    service: &Service,
    directory: watch::Receiver<Arc<Directory>>,
    policy: Policy,
    connections: &Connections,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = transport::Config {
        node: "england-1".into(),
        credentials: authority.issue("england/cell/england-1", 1),
        policy,
        connections: connections.clone(),
        limits: transport::Limits::default(),
    };
    let incoming = Acceptor::new(config).unwrap().allowing(allowance(directory)).listen(listener);
    let (ingest, referrals) = (service.ingest_server(), service.referrals_server());
    tokio::spawn(async move {
        let router = transport::server().add_service(ingest).add_service(referrals);
        router.serve_with_incoming(incoming).await.unwrap();
    });
    address
}

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("in time")
}

pub(crate) fn envelope(message_id: &str) -> v1::Envelope {
    v1::Envelope {
        message_id: message_id.into(),
        attempt: 1,
        to: Some(v1::ServiceAddress { system: String::new(), value: "england/riverside".into() }),
        kind: v1::Kind::Request as i32,
        content_type: "application/fhir+json".into(),
        ..Default::default()
    }
}

pub(crate) fn submit(message_id: &str, payload: &str) -> SubmitRequest {
    SubmitRequest { envelope: Some(envelope(message_id)), payload: payload.as_bytes().to_vec().into() }
}

pub(crate) fn routed() -> Event {
    let bytes = Place { topic: topics::outward(&tenant_id(RIVERSIDE)), partition: 1, offset: 0 };
    Event::Routed { to: tenant_id(RIVERSIDE), bytes }
}
