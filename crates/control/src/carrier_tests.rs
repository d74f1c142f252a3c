//! Two nations: what Wales says about its own tenant, and what its cell broke off by itself, as England has it.

use std::path::Path;
use std::sync::Arc;

use bulkhead_ledger::{Config as LedgerConfig, Ledger};
use bulkhead_log::{Embedded, EmbeddedConfig, Log};
use bulkhead_model::{CutId, Pulses, Stage, TenantId};
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::fact::{Advance, Command, SignedFact};
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::{AnomalyFact, HomePlace};
use jiff::Timestamp;
use ring::signature::Ed25519KeyPair;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Code;

use super::*;
use crate::samples::{Ca, NATION, cut, directory, lead, operator, serve, sign, tenant};
use crate::scribe::Scribe;
use crate::{Alarm, Anomaly, Audit, Follower, Following, Neighbours, Sentry, Service, ServiceParts};

const SOON: Duration = Duration::from_secs(10);
const FAR: Nation = Nation::England;

/// A nation's only node.
struct Cell {
    nation: Nation,
    log: Arc<dyn Log>,
    following: Following,
    address: String,
    running: Drain,
    dir: TempDir,
}

impl Cell {
    async fn start(ca: &Ca, nation: Nation) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> =
            Arc::new(Embedded::open(EmbeddedConfig::new(dir.path().join("log"))).unwrap());
        crate::publish_directory(&log, nation, "directory.toml", &directory()).await.unwrap();
        Self::begin(ca, nation, log, dir).await
    }

    /// Killed, and started again on its log.
    async fn again(self, ca: &Ca) -> Self {
        self.running.start();
        Self::begin(ca, self.nation, self.log, self.dir).await
    }

    async fn begin(ca: &Ca, nation: Nation, log: Arc<dyn Log>, dir: TempDir) -> Self {
        let (running, node) = (Drain::new(), format!("{nation}-1"));
        let following = follow(&log, nation, running.clone()).await;
        let service = service(ca, &following, &log, nation, dir.path()).await;
        let address = serve(&service, &node, &ca.cell(nation)).await;
        Self { nation, log, following, address, running, dir }
    }

    fn stage(&self, cut: &CutId) -> Option<Stage> {
        self.following.cuts.borrow().course(cut).map(|course| course.stage())
    }

    fn is_closed(&self) -> bool {
        self.following.cuts.borrow().covers_from(&tenant()).is_some()
    }

    async fn comes_to(&mut self, cut: &CutId, stage: Stage) {
        let comes = self.following.cuts.wait_for(|cuts| cuts.course(cut).is_some_and(|c| c.stage() == stage));
        timeout(SOON, comes).await.unwrap_or_else(|_| panic!("not {stage:?} in time")).unwrap();
    }

    /// How many records its control log has.
    async fn records(&self) -> u64 {
        let control = crate::follow::Control::open(&*self.log, self.nation).await.unwrap();
        control.end(&*self.log).await.unwrap()
    }

    /// One who calls it.
    fn called_by(&self, credentials: &Credentials) -> ControlClient<Channel> {
        let dialer = Dialer::new(credentials).unwrap();
        let name = format!("{}.bulkhead.internal", self.nation);
        ControlClient::new(dialer.channel(&self.address, &name).unwrap())
    }
}

async fn follow(log: &Arc<dyn Log>, nation: Nation, drain: Drain) -> Following {
    let (follower, mut following) = Follower::new(log.clone(), nation);
    tokio::spawn(follower.run(drain));
    timeout(SOON, following.caught_up()).await.unwrap();
    following
}

async fn service(ca: &Ca, following: &Following, log: &Arc<dyn Log>, nation: Nation, dir: &Path) -> Service {
    let node = format!("{nation}-1");
    let (ledger, _follower) =
        Ledger::open(LedgerConfig { path: dir.join("ledger.sqlite"), nation }, log.clone()).await.unwrap();
    let dialer = Dialer::new(&ca.cell(nation)).unwrap();
    let nobody = watch::channel(Arc::new(Pulses::default())).1;
    let parts = ServiceParts {
        log: log.clone(),
        ledger,
        book: following.book.clone(),
        pulses: following.pulses.clone(),
        node: node.clone(),
        nation,
        data_dir: dir.to_owned(),
        audit: Audit::open(dir, &node).unwrap(),
        neighbours: Neighbours::new(dialer, nation, node, nobody),
    };
    Service::new(parts).await.unwrap().0
}

/// Wales and its operators, with England as far as it is told.
struct Border {
    ca: Ca,
    home: Cell,
    far: Cell,
    alarm: Alarm,
    said: u8,
}

impl Border {
    async fn open() -> Self {
        let ca = Ca::new();
        let (home, far) = (Cell::start(&ca, NATION).await, Cell::start(&ca, FAR).await);
        let (sentry, alarm) =
            Sentry::new(home.log.clone(), NATION, "wales-1".into(), home.following.book.clone());
        tokio::spawn(sentry.run(Drain::new()));
        let border = Self { ca, home, far, alarm, said: 0 };
        border.carries(&border.home.following);
        border
    }

    /// A carrier that has carried nothing, as after a start.
    fn carries(&self, following: &Following) {
        let channel = Dialer::new(&self.ca.cell(NATION)).unwrap();
        let channel = channel.channel(&self.far.address, &format!("{FAR}.bulkhead.internal")).unwrap();
        let far = FarDesk { nation: FAR, nodes: vec![channel] };
        tokio::spawn(Carrier::new(following.book.clone(), NATION, far).run(Drain::new()));
    }

    async fn append(&self, fact: &SignedFact) {
        let book = self.home.following.book.clone();
        let scribe = Scribe::open(self.home.log.clone(), NATION, book, "wales-1").await.unwrap();
        scribe.settle(fact, None).await.unwrap().effect.unwrap();
    }

    async fn say(&mut self, key: &Ed25519KeyPair, operator: &str, command: Command) {
        self.said += 1;
        let seen = self.home.following.cuts.borrow().position;
        self.append(&sign(key, operator, seen, 100 + self.said, command)).await;
    }

    async fn approved(&mut self, id: &CutId) {
        let propose = Command::Propose {
            cut: id.clone(),
            evidence: "rebuilt".into(),
            certificates: vec!["ab".repeat(32)],
            inbox: "inbox-2".into(),
        };
        self.say(&operator(), "wales/duty", propose).await;
        let proposal = self
            .home
            .following
            .book
            .ask(|authority| authority.timeline(id).unwrap().proposal.clone().unwrap().fact);
        self.say(&lead(), "wales/lead", Command::Approve { cut: id.clone(), proposal }).await;
    }

    /// Cut off and on its way back, in both nations.
    async fn limited(&mut self) -> CutId {
        let made = cut(&operator(), 1);
        self.append(&made).await;
        let id = bulkhead_wire::fact::cut_id(NATION, &made.id());
        self.approved(&id).await;
        let with = vec![TenantId::parse("wales/ooh").unwrap()];
        for to in [Advance::Canary { with }, Advance::Limited { per_minute: 10 }] {
            self.say(&operator(), "wales/duty", Command::Advance { cut: id.clone(), to }).await;
        }
        self.far.comes_to(&id, Stage::Limited).await;
        assert!(!self.far.is_closed());
        id
    }

    fn flood(&self, cut: &CutId) {
        self.alarm.raise(Anomaly { cut: cut.clone(), what: "300 in a minute".into() });
    }
}

/// An abort as somebody might say it.
fn abort(cut: &str, home: Nation, position: u64) -> CarryFactsRequest {
    let anomaly = AnomalyFact {
        node: "wales-1".into(),
        cut_id: cut.into(),
        what: "300 in a minute".into(),
        home: None,
    };
    let at = Some(time_to_wire(Timestamp::now()));
    let home = Some(HomePlace { nation: home.to_string(), position, at });
    let aborts = vec![CarriedAbort { anomaly: Some(anomaly), home }];
    CarryFactsRequest { facts: vec![], aborts }
}

#[tokio::test]
async fn what_breaks_a_restore_off_at_home_closes_the_other_nations_border_again_for_good() {
    let mut border = Border::open().await;
    let id = border.limited().await;
    border.flood(&id);
    border.far.comes_to(&id, Stage::InForce).await;
    assert!(border.far.is_closed() && border.home.is_closed());
    let entry = border.far.following.book.ask(|known| known.timeline(&id).unwrap().entries.last().cloned());
    let entry = entry.unwrap();
    assert_eq!((entry.what.as_str(), entry.by.as_str()), ("automatic abort", "wales/wales-1"));

    // A start changes nothing on either side, and what is carried again is there already.
    let Border { ca, home, far, alarm, said } = border;
    let (home, far) = (home.again(&ca).await, far.again(&ca).await);
    assert!(far.is_closed(), "it is in its own log");
    let before = far.records().await;
    let mut border = Border { ca, home, far, alarm, said };
    border.carries(&border.home.following);

    // The way back begins anew, in both nations.
    border.approved(&id).await;
    border.far.comes_to(&id, Stage::Approved).await;
    assert!(border.far.is_closed());
    assert_eq!(border.far.records().await, before + 2);
}

#[tokio::test]
async fn only_a_node_of_the_cuts_own_nation_breaks_a_restore_off_elsewhere() {
    let mut border = Border::open().await;
    let id = border.limited().await;
    let records = border.far.records().await;
    for (nation, who, home) in [
        (Nation::Scotland, "cell/scotland-1", Nation::Wales),
        (Nation::Scotland, "cell/scotland-1", Nation::Scotland),
        (Nation::England, "cell/england-1", Nation::Wales),
        (Nation::Wales, "operator/duty", Nation::Wales),
        (Nation::Wales, "wast-111", Nation::Wales),
    ] {
        let mut client = border.far.called_by(&border.ca.credentials(nation, who));
        let refused = client.carry(abort(id.as_str(), home, 1_000)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{nation}/{who}: {refused:?}");
    }
    // Wales itself about what is not Wales's, or without a place of its own.
    let mut wales = border.far.called_by(&border.ca.cell(NATION));
    for request in
        [abort("england/0123456789ab", Nation::Wales, 1_000), abort(id.as_str(), Nation::England, 1_000)]
    {
        assert_eq!(wales.carry(request).await.unwrap_err().code(), Code::PermissionDenied);
    }
    // And what lies before the newest step that England knows.
    let durable = wales.carry(abort(id.as_str(), Nation::Wales, 1)).await.unwrap().into_inner().durable;
    assert_eq!(durable, 0);
    assert_eq!((border.far.stage(&id), border.far.is_closed()), (Some(Stage::Limited), false));
    assert_eq!(border.far.records().await, records, "none of it is in the log");
}
