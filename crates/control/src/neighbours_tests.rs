//! A closing that reaches a node which the log does not reach, and what that node has of it after a crash.

use std::time::Duration;

use bulkhead_ledger::{Config as LedgerConfig, Ledger};
use bulkhead_log::{Embedded, EmbeddedConfig, Log};
use bulkhead_model::Pulse;
use bulkhead_transport::Credentials;
use ring::signature::Ed25519KeyPair;
use tempfile::TempDir;

use super::*;
use crate::samples::{Ca, NATION, cut, directory, operator, serve, tenant};
use crate::{Audit, Closer, Follower, Following, Service, ServiceParts, publish_directory};

const SOON: Duration = Duration::from_secs(5);

/// A node that knows the directory and hears nothing more of the log.
struct Deaf {
    following: Following,
    closer: Closer,
    address: String,
    log: Arc<dyn Log>,
    dir: TempDir,
}

impl Deaf {
    async fn start(credentials: &Credentials) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> =
            Arc::new(Embedded::open(EmbeddedConfig::new(dir.path().join("log"))).unwrap());
        publish_directory(&log, NATION, "directory.toml", &directory()).await.unwrap();
        Self::begin(dir, log, credentials).await
    }

    /// Killed, and started again on what is on its disk and in the log.
    async fn again(self, credentials: &Credentials) -> Self {
        let Self { dir, log, following, closer, .. } = self;
        drop((following, closer));
        Self::begin(dir, log, credentials).await
    }

    async fn begin(dir: TempDir, log: Arc<dyn Log>, credentials: &Credentials) -> Self {
        let (follower, mut following) = Follower::new(log.clone(), NATION);
        let hearing = Drain::new();
        tokio::spawn(follower.run(hearing.clone()));
        timeout(SOON, following.caught_up()).await.unwrap();
        hearing.start();
        let config = LedgerConfig { path: dir.path().join("ledger.sqlite"), nation: NATION };
        let (ledger, _follower) = Ledger::open(config, log.clone()).await.unwrap();
        let (service, closer) = Service::new(ServiceParts {
            log: log.clone(),
            ledger,
            book: following.book.clone(),
            pulses: following.pulses.clone(),
            node: "wales-2".into(),
            nation: NATION,
            data_dir: dir.path().to_owned(),
            audit: Audit::open(dir.path(), "wales-2").unwrap(),
            neighbours: neighbours(credentials, "wales-2", &[]),
        })
        .await
        .unwrap();
        let address = serve(&service, "wales-2", credentials).await;
        Self { following, closer, address, log, dir }
    }

    fn is_closed(&self) -> bool {
        self.following.cuts.borrow().covers_from(&tenant()).is_some()
    }

    async fn is_kept(&self) {
        timeout(SOON, async {
            while std::fs::read_dir(self.dir.path().join("closings")).unwrap().count() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it is kept");
    }
}

/// In force, as this one follows cuts.
async fn closes(following: &mut Following) {
    let closed = following.cuts.wait_for(|cuts| cuts.covers_from(&tenant()).is_some());
    timeout(SOON, closed).await.expect("in time").unwrap();
}

fn neighbours(credentials: &Credentials, node: &str, others: &[(&str, &str)]) -> Neighbours {
    let mut pulses = Pulses::default();
    for (node, address) in others {
        let pulse = Pulse {
            node: (*node).to_owned(),
            address: (*address).to_owned(),
            run: 1,
            number: 1,
            position: 0,
            cuts: [0; 16],
            claims: Default::default(),
            at: Timestamp::now(),
            audit: None,
        };
        pulses.hear(pulse, Timestamp::now());
    }
    let dialer = Dialer::new(credentials).unwrap();
    Neighbours::new(dialer, NATION, node.to_owned(), watch::channel(Arc::new(pulses)).1)
}

#[tokio::test]
async fn a_node_that_hears_nothing_closes_when_it_is_pushed_and_keeps_it() {
    let credentials = Ca::new().cell(NATION);
    let mut deaf = Deaf::start(&credentials).await;
    let neighbours =
        neighbours(&credentials, "wales-1", &[("wales-1", "127.0.0.1:1"), ("wales-2", &deaf.address)]);
    assert_eq!(neighbours.channels().len(), 1, "not to itself");

    let forged = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    neighbours.push(&cut(&forged, 1), Timestamp::now());
    let told = neighbours.channels()[0].clone();
    let request = PushRequest { fact: Some(cut(&forged, 1).to_wire()), taken_at: None };
    ControlClient::new(told).push(request).await.unwrap_err();
    assert!(!deaf.is_closed(), "a forged one closes nothing");

    neighbours.push(&cut(&operator(), 1), Timestamp::now());
    closes(&mut deaf.following).await;
    deaf.is_kept().await;
}

#[tokio::test]
async fn what_was_taken_before_a_crash_is_in_force_again_and_reaches_the_log() {
    let credentials = Ca::new().cell(NATION);
    let deaf = Deaf::start(&credentials).await;
    let neighbours = neighbours(&credentials, "wales-1", &[("wales-2", &deaf.address)]);
    neighbours.push(&cut(&operator(), 1), Timestamp::now());
    deaf.is_kept().await;

    let deaf = deaf.again(&credentials).await;
    assert!(deaf.is_closed(), "before it serves, though nobody but its disk knows");
    let Deaf { mut following, closer, log, dir: _dir, .. } = deaf;
    tokio::spawn(closer.run(Drain::new()));
    closes(&mut following).await;
    let (follower, mut another) = Follower::new(log, NATION);
    tokio::spawn(follower.run(Drain::new()));
    closes(&mut another).await;
}
