//! A cell of one node, and the keys that everybody trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_ledger::{Ledger, Row};
use bulkhead_log::{Embedded, EmbeddedConfig, Log, Record, Topic};
use bulkhead_model::{
    CaseId, Cuts, Digest, Directory, Envelope, Kind, MessageId, Nation, OnDeadline, Order, Payload, Priority,
    Protocol, Pulses, Quota, ReferralId, Service, ServiceAddress, ServiceId, State, Supplier, SupplierId,
    TakesOver, Tenant, TenantId,
};
use bulkhead_process::{BootTime, Drain, Lease};
use bulkhead_routing::{Board, Config, FarCell, Layers, Parts, Routing};
use bulkhead_testkit::losing::Losing;
use bulkhead_testkit::meddled::Meddled;
use bulkhead_transport::{Acceptor, Connections, Credentials, Dialer, Limits, admit_all};
use bulkhead_wire::record::{In, Withdrawal};
use bulkhead_wire::v1::{border_server::BorderServer, delivery_server::DeliveryServer};
use bulkhead_wire::{Accepted, topics};
use bytes::Bytes;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) struct Keys {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let ca_pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), ca_pem }
    }

    pub(crate) fn issue(&self, uri: &str, dns: Option<String>) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::URI(uri.to_owned().try_into().unwrap()));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names.extend(dns.map(|dns| SanType::DnsName(dns.try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        Credentials {
            ca_pem: self.ca_pem.clone(),
            certificate_pem: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

pub(crate) fn server_name(nation: Nation) -> String {
    format!("{nation}.bulkhead.internal")
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// Senders and receivers in England and Wales, each with a service of its own name. What cannot be handed
/// over to the English receiver in time may be diverted to the English sender. `england/closed` takes from nobody.
pub(crate) fn directory(on_deadline: OnDeadline) -> Arc<Directory> {
    directory_with(on_deadline, Some(all_always()))
}

/// The sender takes over all that is for the receiver, always.
pub(crate) fn all_always() -> TakesOver {
    let from = ServiceId::parse("england/receiver").unwrap();
    TakesOver { from, kinds: None, priorities: None, hours: None }
}

/// The same directory with what the sender says of taking over, if anything.
pub(crate) fn directory_with(on_deadline: OnDeadline, word: Option<TakesOver>) -> Arc<Directory> {
    let supplier = SupplierId::parse("meridian").unwrap();
    let ids = ["england/sender", "england/receiver", "wales/receiver"];
    let tenants = ids.iter().map(|id| Tenant {
        id: tenant(id),
        supplier: supplier.clone(),
        successor_of: None,
        revoked: vec![],
        quota: Quota::default(),
        synthetic: false,
    });
    let service = |id: &str, host: &str, grants: Option<Vec<TenantId>>| Service {
        id: ServiceId::parse(id).unwrap(),
        host: tenant(host),
        identifiers: vec![ServiceAddress::parse("urn:test", &format!("of {id}")).unwrap()],
        protocol: Protocol::Bars,
        version: "1".into(),
        max_bytes: None,
        grants,
        on_deadline: on_deadline.clone(),
        fallback: (id == "england/receiver").then(|| ServiceId::parse("england/sender").unwrap()),
        takes_over: word.iter().filter(|_| id == "england/sender").cloned().collect(),
    };
    let closed = service("england/closed", "england/receiver", Some(vec![]));
    let services = ids.iter().map(|id| service(id, id, None)).chain([closed]);
    let suppliers = vec![Supplier { id: supplier.clone(), name: "Meridian".into() }];
    Arc::new(Directory::new(suppliers, tenants.collect(), services.collect(), vec![]).unwrap())
}

/// The same directory, whose tenants may each have so much that is not settled.
pub(crate) fn bounded(directory: &Directory, unsettled_bytes: u64) -> Arc<Directory> {
    let bounded = |tenant: &Tenant| Tenant {
        quota: Quota { unsettled_bytes, ..tenant.quota.clone() },
        ..tenant.clone()
    };
    let tenants = directory.tenants().map(bounded).collect();
    let suppliers = directory.suppliers().cloned().collect();
    let services = directory.services().cloned().collect();
    Arc::new(Directory::new(suppliers, tenants, services, vec![]).unwrap())
}

/// Longer than any test.
const LEASE: Duration = Duration::from_secs(600);

pub(crate) struct Cell {
    pub(crate) nation: Nation,
    pub(crate) address: String,
    pub(crate) log: Arc<dyn Log>,
    /// The same log, for tests that act in the middle of an append.
    pub(crate) meddled: Arc<Meddled>,
    /// The same log, for tests that take something from it.
    pub(crate) losing: Arc<Losing<Embedded>>,
    pub(crate) ledger: Ledger,
    pub(crate) board: Board,
    /// Held until a test lets it lapse.
    pub(crate) lease: Lease,
    pub(crate) pulses: watch::Sender<Arc<Pulses>>,
    pub(crate) cuts: watch::Sender<Arc<Cuts>>,
    pub(crate) orders: watch::Sender<Arc<Vec<Order>>>,
    /// Ends routing and its services.
    pub(crate) drain: Drain,
    tasks: tokio::task::JoinSet<()>,
    /// Ends the ledger, which goes on until they have ended.
    last: Drain,
    follower: tokio::task::JoinHandle<()>,
}

impl Cell {
    #[expect(clippy::too_many_arguments, reason = "a test world's whole set-up")]
    pub(crate) async fn start(
        keys: &Keys,
        nation: Nation,
        dir: &Path,
        directory: Arc<Directory>,
        far: Option<(&str, Nation)>,
        listener: TcpListener,
        layers: Layers,
        cuts: Arc<Cuts>,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let credentials =
            keys.issue(&format!("bulkhead://{nation}/cell/{nation}-1"), Some(server_name(nation)));
        let log = Embedded::open(EmbeddedConfig::new(dir.join("log"))).unwrap();
        let losing = Losing::new(log);
        let meddled = Meddled::new(losing.clone());
        let log: Arc<dyn Log> = meddled.clone();
        let config = bulkhead_ledger::Config { path: dir.join("ledger.sqlite"), nation };
        let (ledger, follower) = Ledger::open(config, log.clone()).await.unwrap();
        let (drain, last) = (Drain::new(), Drain::new());
        let mut tasks = tokio::task::JoinSet::new();
        let stop = last.clone();
        let follower =
            tokio::spawn(async move { follower.run(async move { stop.started().await }).await.unwrap() });
        let (_, directory) = watch::channel(directory);
        let (switch, cuts) = watch::channel(cuts);
        let mut config = Config::new(nation, format!("{nation}-1"));
        config.deadline_tick = Duration::from_millis(50);
        config.delivery_budget = 2;
        config.hello_timeout = Duration::from_millis(500);
        config.layers = layers;
        if let Some((address, far)) = far {
            let cell = FarCell { addresses: vec![address.to_owned()], server_name: server_name(far) };
            config.far.insert(far, cell);
        }
        let lease = Lease::new(LEASE);
        lease.renew(BootTime::now());
        let (pulses, pulses_seen) = watch::channel(Arc::default());
        let (orders, orders_seen) = watch::channel(Arc::default());
        let parts = Parts {
            log: log.clone(),
            ledger: ledger.clone(),
            directory,
            cuts,
            orders: orders_seen,
            pulses: pulses_seen,
            lease: lease.clone(),
            dialer: Dialer::new(&credentials).unwrap(),
        };
        let routing = Routing::new(config, parts).unwrap();
        let (delivery, door, board) = (routing.delivery(), routing.door(), routing.board());
        let run = drain.clone();
        // A directory that never changes closes its watch: the owner must go on all the same until the drain.
        tasks.spawn(async move { routing.run(run).await.unwrap() });
        let acceptor = Acceptor::new(bulkhead_transport::Config {
            node: format!("{nation}-1"),
            credentials,
            policy: admit_all(),
            connections: Connections::new(),
            limits: Limits::default(),
        })
        .unwrap();
        let stop = drain.clone();
        tasks.spawn(async move {
            bulkhead_transport::server()
                .add_service(DeliveryServer::new(delivery).max_decoding_message_size(6 << 20))
                .add_service(BorderServer::new(door).max_decoding_message_size(6 << 20))
                .serve_with_incoming_shutdown(acceptor.listen(listener), async move { stop.started().await })
                .await
                .unwrap();
        });
        Self {
            nation,
            address,
            log,
            meddled,
            losing,
            ledger,
            board,
            lease,
            pulses,
            cuts: switch,
            orders,
            drain,
            tasks,
            last,
            follower,
        }
    }

    /// As a clean stop does; the log is closed when this returns.
    pub(crate) async fn stop(mut self) {
        self.drain.start();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
        self.tasks.shutdown().await;
        self.last.start();
        self.follower.await.unwrap();
    }

    /// Appends to the sender's `in` what ingest would.
    pub(crate) async fn submit(&self, draft: &Draft) -> ReferralId {
        let accepted = draft.accepted();
        let id = accepted.id;
        self.append(&draft.tenant, In::Accepted(accepted).encode()).await;
        id
    }

    pub(crate) async fn withdraw(&self, draft: &Draft, up_to: u32) {
        let message_id = MessageId::parse(&draft.message).unwrap();
        let id = ReferralId::derive(&draft.tenant, &message_id);
        let withdrawal = Withdrawal { id, tenant: draft.tenant.clone(), message_id, up_to };
        self.append(&draft.tenant, In::Withdrawal(withdrawal).encode()).await;
    }

    pub(crate) async fn append(&self, tenant: &TenantId, value: Bytes) {
        let topic = Topic::new(&topics::inward(tenant)).unwrap();
        // The topic is made when routing starts.
        for _ in 0..200 {
            let record = Record { key: Bytes::new(), value: value.clone() };
            match self.log.append(&topic.partition(0), record).await {
                Ok(_) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("in.{tenant} was never made");
    }

    pub(crate) async fn until(&self, id: ReferralId, state: State) -> Row {
        self.until_so(id, |row| row.referral.lifecycle.state() == state).await
    }

    pub(crate) async fn until_so(&self, id: ReferralId, holds: impl Fn(&Row) -> bool) -> Row {
        for _ in 0..1000 {
            if let Some(row) = self.ledger.get(&id).unwrap().filter(&holds) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let last = self.ledger.get(&id).unwrap().map(|row| row.referral.lifecycle);
        panic!("{id} in {} never became so: {last:?}", self.nation);
    }

    pub(crate) fn state(&self, id: ReferralId) -> Option<State> {
        self.ledger.get(&id).unwrap().map(|row| row.referral.lifecycle.state())
    }
}

/// A referral to be made.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) tenant: TenantId,
    pub(crate) message: String,
    pub(crate) to: &'static str,
    pub(crate) kind: Kind,
    pub(crate) case: Option<&'static str>,
    pub(crate) priority: Priority,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) attempt: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) epoch: Option<u64>,
    pub(crate) spooled_at: Option<Timestamp>,
}

impl Draft {
    pub(crate) fn new(message: &str, to: &'static str) -> Self {
        Self {
            tenant: tenant("england/sender"),
            message: message.into(),
            to,
            kind: Kind::Request,
            case: None,
            priority: Priority::Urgent,
            deadline: None,
            attempt: 1,
            payload: format!("payload of {message}").into_bytes(),
            epoch: None,
            spooled_at: None,
        }
    }

    pub(crate) fn id(&self) -> ReferralId {
        self.accepted().id
    }

    /// As ingest appends it.
    pub(crate) fn record(&self) -> Record {
        Record { key: Bytes::new(), value: In::Accepted(self.accepted()).encode() }
    }

    pub(crate) fn accepted(&self) -> Accepted {
        let message_id = MessageId::parse(&self.message).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.payload);
        Accepted {
            id: ReferralId::derive(&self.tenant, &message_id),
            tenant: self.tenant.clone(),
            envelope: Envelope {
                message_id,
                attempt: self.attempt,
                to: ServiceAddress::parse("", self.to).unwrap(),
                reply_to: None,
                kind: self.kind,
                case_id: self.case.map(|case| CaseId::parse(case).unwrap()),
                priority: self.priority,
                deadline: self.deadline,
                content_type: "text/plain".into(),
                in_response_to: None,
                traceparent: None,
                flags: vec![],
                spooled_at: self.spooled_at,
            },
            payload: Payload::new(self.payload.clone().into()),
            digest: Digest::from_slice(digest.as_ref()).unwrap(),
            admitted_at: Timestamp::now(),
            node: "test".into(),
            epochs: self.epoch.map(|epoch| (self.tenant.nation(), epoch)).into_iter().collect(),
            accepted_at: None,
        }
    }
}

/// One English cell with its files, for tests of a compartment.
pub(crate) struct England {
    pub(crate) keys: Keys,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) cell: Cell,
    directory: Arc<Directory>,
}

impl England {
    pub(crate) async fn start(on_deadline: OnDeadline) -> Self {
        Self::start_with(on_deadline, Layers::default()).await
    }

    pub(crate) async fn start_with(on_deadline: OnDeadline, layers: Layers) -> Self {
        Self::start_in(directory(on_deadline), layers).await
    }

    pub(crate) async fn start_in(directory: Arc<Directory>, layers: Layers) -> Self {
        let (keys, dir) = (Keys::new(), tempfile::tempdir().unwrap());
        Self::open(keys, dir, directory, layers, Arc::default()).await
    }

    /// The same, which will know that directory when it starts again.
    pub(crate) fn knowing(self, directory: Arc<Directory>) -> Self {
        Self { directory, ..self }
    }

    /// It knows the same cuts as before.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    pub(crate) async fn restart_with(self, change: impl FnOnce(&watch::Sender<Arc<Cuts>>)) -> Self {
        let Self { keys, dir, cell, directory } = self;
        let cuts = watch::Sender::new(cell.cuts.borrow().clone());
        cell.stop().await;
        change(&cuts);
        let cuts = cuts.borrow().clone();
        Self::open(keys, dir, directory, Layers::default(), cuts).await
    }

    async fn open(
        keys: Keys,
        dir: tempfile::TempDir,
        directory: Arc<Directory>,
        layers: Layers,
        cuts: Arc<Cuts>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (nation, path) = (Nation::England, dir.path());
        let known = directory.clone();
        let cell = Cell::start(&keys, nation, path, known, None, listener, layers, cuts).await;
        Self { keys, dir, cell, directory }
    }
}
