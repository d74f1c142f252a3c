//! The service as operators and cells call it, over TLS, with a log that may be away and an audit that is read.

use bulkhead_ledger::Config as LedgerConfig;
use bulkhead_log::{Embedded, EmbeddedConfig};
use bulkhead_model::{CutId, Cuts, OperatorId, Pulse, Scope, TenantId};
use bulkhead_process::Drain;
use bulkhead_testkit::meddled::Meddled;
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::audit::verify;
use bulkhead_wire::fact::{Command, Header, HeaderScope, Statement};
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::control_client::ControlClient;
use bulkhead_wire::v1::cut_response::News;
use bulkhead_wire::v1::{CarriedFact, CutInForce, CutSummary, HomePlace};
use jiff::Timestamp;
use ring::signature::Ed25519KeyPair;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::transport::Channel;

use super::*;
use crate::samples::{Ca, NATION, lead, operator, serve, sign};
use crate::{Audit, Follower, Following};

const SOON: Duration = Duration::from_secs(10);

/// The operators, and tenants t1 to t6.
fn directory() -> String {
    let tenants = (1..=6).map(|n| format!("[[tenants]]\nid = \"wales/t{n}\"\nsupplier = \"meridian\"\n"));
    crate::samples::directory() + &tenants.collect::<String>()
}

/// A node's desk: killed and started again on its disk as often as a test likes.
struct Desk {
    ca: Ca,
    log: Arc<Meddled>,
    inner: Arc<dyn Log>,
    following: Following,
    audit: Audit,
    address: String,
    running: Drain,
    nonce: u8,
    dir: TempDir,
}

impl Desk {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Log> =
            Arc::new(Embedded::open(EmbeddedConfig::new(dir.path().join("log"))).unwrap());
        crate::publish_directory(&inner, NATION, "directory.toml", &directory()).await.unwrap();
        Self::begin(Ca::new(), inner, dir, 0).await
    }

    async fn again(self) -> Self {
        self.running.start();
        let Self { ca, inner, dir, nonce, .. } = self;
        Self::begin(ca, inner, dir, nonce).await
    }

    /// On another log, as when a backup of it was put back.
    async fn again_on(self, inner: Arc<dyn Log>) -> Self {
        Self { inner, ..self }.again().await
    }

    async fn begin(ca: Ca, inner: Arc<dyn Log>, dir: TempDir, nonce: u8) -> Self {
        let log = Meddled::new(inner.clone());
        let running = Drain::new();
        let (follower, mut following) = Follower::new(log.clone(), NATION);
        tokio::spawn(follower.run(running.clone()));
        timeout(SOON, following.caught_up()).await.unwrap();
        let audit = Audit::open(dir.path(), "wales-1").unwrap();
        following.note_refusals(audit.clone());
        let (service, closer) =
            Service::new(parts(&ca, &log, &following, &audit, dir.path()).await).await.unwrap();
        tokio::spawn(closer.run(running.clone()));
        let address = serve(&service, "wales-1", &ca.cell(NATION)).await;
        Self { ca, log, inner, following, audit, address, running, nonce, dir }
    }

    fn called_by(&self, credentials: &Credentials) -> ControlClient<Channel> {
        let channel = Dialer::new(credentials).unwrap().channel(&self.address, "wales.bulkhead.internal");
        ControlClient::new(channel.unwrap())
    }

    fn duty(&self) -> ControlClient<Channel> {
        self.called_by(&self.ca.credentials(NATION, "operator/duty"))
    }

    fn cuts(&self) -> Arc<Cuts> {
        self.following.cuts.borrow().clone()
    }

    fn is_closed(&self, tenant: &str) -> bool {
        self.cuts().covers_from(&TenantId::parse(tenant).unwrap()).is_some()
    }

    fn kept(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("closings")).unwrap().count()
    }

    async fn listed(&self) -> Vec<CutSummary> {
        self.duty().list_cuts(ListCutsRequest {}).await.unwrap().into_inner().cuts
    }

    fn signed(&mut self, scope: &str, command: Command) -> SignedFact {
        self.signed_by(&operator(), "wales/duty", scope, command)
    }

    fn signed_by(&mut self, key: &Ed25519KeyPair, who: &str, scope: &str, command: Command) -> SignedFact {
        self.nonce += 1;
        let header = Header {
            kind: command.kind(),
            nation: NATION,
            scope: HeaderScope::Of(scope.parse::<Scope>().unwrap()),
            signed_at: Timestamp::now(),
            expires_at: Timestamp::now() + jiff::SignedDuration::from_secs(60),
            seen: self.cuts().position,
            nonce: [self.nonce; 16],
            operator: OperatorId::parse(who).unwrap(),
        };
        Statement { header, command }.sign(key)
    }

    async fn planned(&self, scope: &str) -> Result<PlanResponse, Status> {
        let request = PlanRequest { scope: scope.into(), ..Default::default() };
        Ok(self.duty().plan(request).await?.into_inner())
    }

    /// A cut of that scope as it was planned.
    fn cut_of(&mut self, plan: &PlanResponse) -> SignedFact {
        let command = Command::Cut {
            direction: bulkhead_model::Direction::Both,
            since: bulkhead_wire::time_from_wire(plan.since.unwrap()).unwrap(),
            drain_clean: false,
            reason: "signs of an intruder".into(),
            plan: plan.plan[..].try_into().unwrap(),
            tenants: plan.tenants.iter().map(|one| TenantId::parse(&one.tenant).unwrap()).collect(),
        };
        self.signed(&plan.scope.clone(), command)
    }

    async fn cut(&mut self, scope: &str) -> tonic::Streaming<CutResponse> {
        let plan = self.planned(scope).await.unwrap();
        let fact = self.cut_of(&plan).to_wire();
        self.duty().cut(CutRequest { fact: Some(fact) }).await.unwrap().into_inner()
    }

    async fn commanded(&mut self, key: &Ed25519KeyPair, who: &str, command: Command) -> CommandResponse {
        let fact = self.signed_by(key, &format!("wales/{who}"), "wales/t1", command);
        let mut client = self.called_by(&self.ca.credentials(NATION, &format!("operator/{who}")));
        client.command(CommandRequest { fact: Some(fact.to_wire()) }).await.unwrap().into_inner()
    }

    /// Said at another node, which the log reaches.
    async fn elsewhere(&mut self, fact: &SignedFact) {
        let scribe =
            Scribe::open(self.inner.clone(), NATION, self.following.book.clone(), "wales-2").await.unwrap();
        scribe.settle(fact, None).await.unwrap();
    }

    async fn records(&self) -> u64 {
        crate::follow::Control::open(&*self.inner, NATION).await.unwrap().end(&*self.inner).await.unwrap()
    }

    /// The audit, whole.
    async fn audited(&self) -> String {
        let text: String = self.audit.export(1).await.unwrap().into_iter().map(|line| line + "\n").collect();
        verify(&text).unwrap();
        text
    }
}

async fn parts(
    ca: &Ca,
    log: &Arc<Meddled>,
    following: &Following,
    audit: &Audit,
    dir: &Path,
) -> ServiceParts {
    let log: Arc<dyn Log> = log.clone();
    let config = LedgerConfig { path: dir.join("ledger.sqlite"), nation: NATION };
    let (ledger, _follower) = Ledger::open(config, log.clone()).await.unwrap();
    // Another node was heard just now, and is heard no more.
    let mut pulses = Pulses::default();
    let pulse = Pulse {
        node: "wales-2".into(),
        address: "127.0.0.1:1".into(),
        run: 1,
        number: 1,
        position: 0,
        cuts: [0; 16],
        claims: Default::default(),
        at: Timestamp::now(),
        audit: None,
    };
    pulses.hear(pulse, Timestamp::now());
    let pulses = watch::channel(Arc::new(pulses)).1;
    let dialer = Dialer::new(&ca.cell(NATION)).unwrap();
    ServiceParts {
        log,
        ledger,
        book: following.book.clone(),
        pulses: pulses.clone(),
        node: "wales-1".into(),
        nation: NATION,
        data_dir: dir.to_owned(),
        audit: audit.clone(),
        neighbours: Neighbours::new(dialer, NATION, "wales-1".into(), pulses),
    }
}

async fn next(news: &mut tonic::Streaming<CutResponse>) -> News {
    timeout(SOON, news.message()).await.expect("in time").unwrap().unwrap().news.unwrap()
}

/// Whether it closed nothing because its maker's budget is spent.
async fn waits(news: &mut tonic::Streaming<CutResponse>) -> bool {
    match next(news).await {
        News::Taken(taken) => taken.pending,
        other => panic!("{other:?}"),
    }
}

/// Reads on to what is of that kind.
async fn until<T>(news: &mut tonic::Streaming<CutResponse>, wanted: impl Fn(News) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(next(news).await) {
            return found;
        }
    }
}

async fn comes(mut holds: impl AsyncFnMut() -> bool) {
    let comes = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, comes).await.expect("in time");
}

#[tokio::test]
async fn r18_what_is_closed_early_spends_the_budget_while_the_log_is_away() {
    let mut desk = Desk::open().await;
    desk.log.stop("control.");
    let mut all = vec![];
    for n in 1..=4 {
        let mut news = desk.cut(&format!("wales/t{n}")).await;
        assert_eq!(waits(&mut news).await, n == 4, "cut {n}");
        all.push(news);
    }
    assert!(desk.is_closed("wales/t3") && !desk.is_closed("wales/t4"));
    assert_eq!(desk.planned("wales/t5").await.unwrap().budget_left, 0);
    desk.log.go_on();
    // The log's order is its own: one of the four waits, and what was closed stays so.
    let mut waiting = 0;
    for news in &mut all {
        let logged = until(news, |news| match news {
            News::Logged(logged) => Some(logged),
            _ => None,
        });
        waiting += usize::from(logged.await.pending);
    }
    assert_eq!(waiting, 1);
    assert!((1..=3).all(|n| desk.is_closed(&format!("wales/t{n}"))));
    let stages: Vec<_> = desk.listed().await.into_iter().map(|cut| cut.stage).collect();
    assert_eq!(stages.iter().filter(|stage| *stage == "in-force").count(), 3);
    assert_eq!(stages.iter().filter(|stage| *stage == "pending").count(), 1);
}

#[tokio::test]
async fn r18_what_the_log_judges_over_budget_stays_closed_where_it_was_until_two_open_it() {
    let mut desk = Desk::open().await;
    // It closes here, and three others by the same operator come before it in the log.
    desk.log.stop("control.");
    let mut news = desk.cut("wales/t1").await;
    assert!(!waits(&mut news).await);
    for n in 2..=4 {
        let plan = desk.planned(&format!("wales/t{n}")).await.unwrap();
        let fact = desk.cut_of(&plan);
        desk.elsewhere(&fact).await;
    }
    desk.log.go_on();
    let told = until(&mut news, |news| match news {
        News::Logged(logged) => Some(logged),
        _ => None,
    });
    assert!(told.await.pending, "the command says so");
    let account = until(&mut news, |news| match news {
        News::Account(account) => Some(account),
        _ => None,
    });
    let cut = account.await.cut.unwrap();
    assert_eq!((cut.stage.as_str(), cut.active), ("pending", true));
    assert_eq!(desk.listed().await.iter().filter(|one| one.cut_id == cut.cut_id).count(), 1);

    // A start changes nothing, whatever the log says of it.
    let mut desk = desk.again().await;
    assert!(desk.is_closed("wales/t1"));
    assert_eq!(desk.kept(), 4);
    let cut = CutId::parse(&cut.cut_id).unwrap();
    let withdraw = || Command::Withdraw { cut: cut.clone(), reason: "the wrong one".into() };
    assert!(desk.commanded(&operator(), "duty", withdraw()).await.pending);
    assert!(desk.is_closed("wales/t1"), "one opens nothing");
    assert!(!desk.commanded(&lead(), "lead", withdraw()).await.pending);
    assert!(!desk.is_closed("wales/t1"));
    comes(async || desk.kept() == 3).await;
    let desk = desk.again().await;
    assert!(!desk.is_closed("wales/t1") && desk.is_closed("wales/t2"));
}

#[tokio::test]
async fn a_closing_that_the_log_refuses_is_opened_with_a_word_in_the_audit() {
    let mut desk = Desk::open().await;
    desk.log.stop("control.");
    let mut news = desk.cut("wales/t1").await;
    assert!(!waits(&mut news).await && desk.is_closed("wales/t1"));
    // Another command of the same nonce comes before it.
    desk.nonce -= 1;
    let plan = desk.planned("wales/t2").await.unwrap();
    let other = desk.cut_of(&plan);
    desk.elsewhere(&other).await;
    desk.log.go_on();
    comes(async || !desk.is_closed("wales/t1")).await;
    comes(async || desk.audited().await.contains("is open again")).await;
    assert!(desk.is_closed("wales/t2"));
    comes(async || desk.kept() == 1).await;
}

#[tokio::test]
async fn while_the_log_is_away_it_is_told_when_each_other_node_stops() {
    let mut desk = Desk::open().await;
    desk.log.stop("control.");
    let mut news = desk.cut("wales/t1").await;
    let News::Taken(taken) = next(&mut news).await else { panic!() };
    let forced = |news| match news {
        News::InForce(forced) => Some(forced),
        _ => None,
    };
    let own: CutInForce = until(&mut news, forced).await;
    assert!(own.answered && own.node == "wales-1");
    let other: CutInForce = until(&mut news, forced).await;
    let stops =
        bulkhead_wire::time_from_wire(taken.at.unwrap()).unwrap() + jiff::SignedDuration::from_secs(1);
    assert_eq!(
        (other.node.as_str(), other.answered, other.at),
        ("wales-2", false, Some(time_to_wire(stops)))
    );
    // And when the log is back, where it lies.
    desk.log.go_on();
    until(&mut news, |news| matches!(news, News::Logged(_)).then_some(())).await;
}

#[tokio::test]
async fn an_older_log_finds_closed_what_was_cut() {
    let mut desk = Desk::open().await;
    let mut news = desk.cut("wales/t1").await;
    until(&mut news, |news| matches!(news, News::Logged(_)).then_some(())).await;
    // Taken by the log alone.
    let plan = desk.planned("wales/t2").await.unwrap();
    let other = desk.cut_of(&plan);
    desk.elsewhere(&other).await;
    comes(async || desk.kept() == 2).await;

    let backup = tempfile::tempdir().unwrap();
    let older: Arc<dyn Log> = Arc::new(Embedded::open(EmbeddedConfig::new(backup.path())).unwrap());
    crate::publish_directory(&older, NATION, "directory.toml", &directory()).await.unwrap();
    let desk = desk.again_on(older.clone()).await;
    assert!(desk.is_closed("wales/t1") && desk.is_closed("wales/t2"), "before it serves");
    // And in that log, for every other node.
    let (follower, mut another) = Follower::new(older, NATION);
    tokio::spawn(follower.run(Drain::new()));
    let both = another.cuts.wait_for(|cuts| cuts.active().count() == 2);
    timeout(SOON, both).await.expect("in time").unwrap();
}

#[tokio::test]
async fn a_plan_that_is_not_true_any_more_is_refused_and_counts_are_no_part_of_it() {
    let mut desk = Desk::open().await;
    let plan = desk.planned("wales/t1").await.unwrap();
    // Budgets and positions move; the plan holds.
    let other = desk.planned("wales/t2").await.unwrap();
    let other = desk.cut_of(&other);
    desk.elsewhere(&other).await;
    let stale = desk.cut_of(&plan);
    let heir = "[[tenants]]\nid = \"wales/t7\"\nsupplier = \"meridian\"\nsuccessor_of = \"wales/t1\"\n";
    let moved = desk.cut_of(&plan);
    desk.duty().cut(CutRequest { fact: Some(stale.to_wire()) }).await.unwrap();
    assert!(desk.is_closed("wales/t1"));

    crate::publish_directory(&desk.inner, NATION, "directory.toml", &(directory() + heir)).await.unwrap();
    comes(async || desk.following.directory.borrow().tenants().count() == 8).await;
    let refused = desk.duty().cut(CutRequest { fact: Some(moved.to_wire()) }).await.unwrap_err();
    assert!(refused.message().contains("look at it again"), "{refused:?}");
    assert!(desk.audited().await.contains("PLAN_CHANGED"));
}

#[tokio::test]
async fn a_plan_and_an_account_name_whom_it_reaches_at_the_border_and_whom_not_at_all() {
    let mut desk = Desk::open().await;
    let more = "[[suppliers]]\nid = \"castell\"\n[[tenants]]\nid = \"england/e1\"\nsupplier = \"castell\"\n\
                [[tenants]]\nid = \"wales/w1\"\nsupplier = \"castell\"\n";
    crate::publish_directory(&desk.inner, NATION, "directory.toml", &(directory() + more)).await.unwrap();
    comes(async || desk.following.directory.borrow().tenants().count() == 9).await;
    let plan = desk.planned("supplier:castell").await.unwrap();
    let at_the_border = plan.tenants.iter().filter(|one| one.border_only).map(|one| one.tenant.as_str());
    assert_eq!(at_the_border.collect::<Vec<_>>(), ["england/e1"]);
    assert!(plan.not_covered.is_empty() && !plan.foreign);
    let check = async |scope: &str, desk: &mut Desk, border: usize, others: usize| {
        let mut news = desk.cut(scope).await;
        let account = until(&mut news, |news| match news {
            News::Account(account) => Some(account),
            _ => None,
        });
        let account = account.await;
        assert_eq!((account.border_only.len(), account.not_covered.len()), (border, others), "{scope}");
    };
    check("wales/w1", &mut desk, 0, 1).await;
    check("supplier:castell", &mut desk, 1, 0).await;
}

#[tokio::test]
async fn every_refusal_is_in_the_audit() {
    let mut desk = Desk::open().await;
    let noted = async |desk: &Desk, words: &[&str]| {
        let has = async || {
            let text = desk.audited().await;
            text.lines().any(|line| words.iter().all(|word| line.contains(word)))
        };
        timeout(SOON, async {
            while !has().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{words:?} is not in the audit"));
    };
    desk.planned("wales/nobody").await.unwrap_err();
    noted(&desk, &["refused", "wales/duty", "\"plan\"", "wales/nobody", "SCOPE_UNKNOWN"]).await;
    let mut news = desk.cut("wales/t1").await;
    until(&mut news, |news| matches!(news, News::Logged(_)).then_some(())).await;
    let again = PlanRequest {
        scope: "wales/t1".into(),
        since: Some(time_to_wire(Timestamp::now())),
        ..Default::default()
    };
    desk.duty().plan(again).await.unwrap_err();
    noted(&desk, &["refused", "\"plan\"", "wales/t1", "ALREADY_CUT"]).await;
    desk.duty().show_cut(ShowCutRequest { cut_id: "wales/000000000000".into() }).await.unwrap_err();
    noted(&desk, &["refused", "\"show\"", "wales/000000000000", "SCOPE_UNKNOWN"]).await;
    let without = directory().replace("[[tenants]]\nid = \"wales/t1\"\nsupplier = \"meridian\"\n", "");
    desk.duty().plan_directory(PlanDirectoryRequest { toml: without }).await.unwrap_err();
    noted(&desk, &["refused", "plan directory", "wales/t1", "TENANT_CUT"]).await;

    // What cells bring, and what lies in the log.
    let intruder = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let forged = |number| {
        let command =
            Command::Withdraw { cut: CutId::parse("wales/000000000000").unwrap(), reason: "x".into() };
        sign(&intruder, "wales/duty", 0, number, command)
    };
    let mut node = desk.called_by(&desk.ca.cell(NATION));
    let pushed = forged(1);
    for _ in 0..3 {
        node.push(PushRequest { fact: Some(pushed.to_wire()), taken_at: None }).await.unwrap_err();
        node.push(PushRequest::default()).await.unwrap_err();
    }
    noted(&desk, &["refused", "\"push\"", "wales/wast-111", "SIGNATURE_INVALID"]).await;
    let text = desk.audited().await;
    assert_eq!(text.matches("\"push\"").count(), 1, "once, and a greeting never: {text}");
    let england = bulkhead_model::Nation::England;
    let mut far = desk.called_by(&desk.ca.cell(england));
    let at = Some(time_to_wire(Timestamp::now()));
    let home = Some(HomePlace { nation: england.to_string(), position: 3, at });
    let facts = vec![CarriedFact { fact: Some(forged(2).to_wire()), home }];
    far.carry(CarryFactsRequest { facts, aborts: vec![] }).await.unwrap();
    noted(&desk, &["refused", "carried", "england", "NOT_GRANTED"]).await;
    far.push(PushRequest { fact: Some(forged(3).to_wire()), taken_at: None }).await.unwrap_err();
    noted(&desk, &["refused", "\"push\"", "england", "NOT_GRANTED"]).await;
    desk.elsewhere(&forged(4)).await;
    noted(&desk, &["refused", "\"record\"", "wales/wast-111", "SIGNATURE_INVALID"]).await;
}

#[tokio::test]
async fn whatever_is_changed_in_a_command_it_is_refused_audited_and_appended_nowhere() {
    let mut desk = Desk::open().await;
    let plan = desk.planned("wales/t1").await.unwrap();
    let whole = [
        desk.cut_of(&plan).to_wire(),
        desk.signed("wales/t1", Command::Confirm { cut: CutId::parse("wales/000000000000").unwrap() })
            .to_wire(),
    ];
    let records = desk.records().await;
    let mut sent = 0;
    for (n, fact) in whole.iter().enumerate() {
        for (part, len) in [(0, fact.header.len()), (1, fact.body.len()), (2, fact.signature.len())] {
            for at in (0..len).step_by(len.div_ceil(8)) {
                let mut changed = fact.clone();
                let bytes = match part {
                    0 => &mut changed.header,
                    1 => &mut changed.body,
                    _ => &mut changed.signature,
                };
                let mut other = bytes.to_vec();
                other[at] ^= 0x41;
                // Torn as well as changed, in turn.
                other.truncate(if at % 2 == 0 { len } else { at });
                *bytes = other.into();
                let refused = match n {
                    0 => desk.duty().cut(CutRequest { fact: Some(changed) }).await.map(drop),
                    _ => desk.duty().command(CommandRequest { fact: Some(changed) }).await.map(drop),
                };
                let refused = refused.expect_err("it is not what was signed");
                assert!(!refused.message().is_empty());
                sent += 1;
            }
        }
    }
    for nothing in [
        desk.duty().cut(CutRequest::default()).await.map(drop),
        desk.duty().command(CommandRequest::default()).await.map(drop),
    ] {
        nothing.unwrap_err();
        sent += 1;
    }
    assert_eq!(desk.records().await, records);
    assert_eq!(desk.cuts().all().count(), 0);
    assert_eq!(desk.audited().await.matches("\"refused\"").count(), sent);
    // And it still takes what is whole.
    desk.duty().cut(CutRequest { fact: Some(whole[0].clone()) }).await.unwrap();
    assert!(desk.is_closed("wales/t1"));
}
