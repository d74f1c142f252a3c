//! A cut at the tenants' door: refused before the append, set aside after it, severed, and back only with new keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bulkhead_model::{
    Code, Cut, CutFact, CutId, Cuts, Direction, FactId, OperatorId, Stamp, Step, TenantId, Word,
};
use bulkhead_transport::Credential;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{self, SubmitStreamRequest, submit_stream_response};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tonic_types::StatusExt;

use crate::harness::{DUTY, Layer, NORTH, RIVERSIDE, World, soon, submit};

pub(crate) fn id() -> CutId {
    CutId::parse("england/1").unwrap()
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

pub(crate) fn say(cuts: &mut Cuts, by: &str, word: Word, at: Timestamp) {
    let position = cuts.position + 1;
    cuts.position = position;
    let by = OperatorId::parse(by).unwrap();
    let fact = CutFact { fact: FactId([position as u8; 32]), cut: id(), by, word };
    cuts.hear(fact, Stamp::here(position, at));
}

pub(crate) fn cut(world: &World, tenant: &str, direction: Direction) {
    cut_on(&world.cuts, tenant, direction);
}

/// The same, on the watch itself.
pub(crate) fn cut_on(cuts: &watch::Sender<Arc<Cuts>>, tenant: &str, direction: Direction) {
    let cut = Cut {
        id: id(),
        by: OperatorId::parse("england/duty").unwrap(),
        scope: tenant.parse().unwrap(),
        tenants: TenantId::parse(tenant).into_iter().collect(),
        direction,
        since: seconds_ago(3_600),
        drain_clean: false,
        reason: "signs of an intruder".into(),
    };
    cuts.send_modify(|cuts| {
        say(Arc::make_mut(cuts), "england/duty", Word::Made(Box::new(cut)), seconds_ago(3_600));
    });
}

/// Open again since half an hour, with that certificate.
pub(crate) fn restore(world: &World, certificates: Vec<String>, ago: i64) {
    world.cuts.send_modify(|cuts| {
        let cuts = Arc::make_mut(cuts);
        let steps = [
            ("england/duty", Step::Proposed { certificates }),
            ("england/lead", Step::Approved),
            ("england/duty", Step::Canary { with: vec![] }),
            ("england/duty", Step::Limited { per_minute: 60 }),
            ("england/duty", Step::Full),
        ];
        for (by, step) in steps {
            say(cuts, by, Word::Step(step), seconds_ago(ago));
        }
    });
}

async fn until_total(world: &World, total: usize) {
    for _ in 0..500 {
        if world.connections.total() == total {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} connections are open and not {total}", world.connections.total());
}

#[tokio::test]
async fn one_that_may_still_receive_is_refused_with_the_cuts_name_and_no_retry() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    client.submit(submit("m-1", "x")).await.unwrap();
    cut(&world, NORTH, Direction::From);
    let status = client.submit(submit("m-2", "x")).await.unwrap_err();
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["cut"].as_str()), ("TENANT_CUT", "england/1"));
    assert!(details.retry_info().is_none() && Problem::from(&status).is_refusal());
    // A known id is no way round it.
    let status = client.submit(submit("m-1", "x")).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::TenantCut));
    let withdraw = v1::WithdrawRequest { message_id: "m-1".into(), up_to_attempt: 1 };
    let status = client.withdraw(withdraw).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::TenantCut));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn r12_streams_and_idle_connections_are_severed_and_the_others_notice_nothing() {
    let world = World::new().await;
    let (mut idle, mut other) = (world.ingest(NORTH), world.ingest(RIVERSIDE));
    idle.submit(submit("m-1", "x")).await.unwrap();
    let mut streaming = world.ingest(NORTH);
    let (say, said) = tokio::sync::mpsc::channel(4);
    say.send(SubmitStreamRequest { submit: Some(submit("m-2", "x")) }).await.unwrap();
    let requests = tokio_stream::wrappers::ReceiverStream::new(said);
    let mut answers = streaming.submit_stream(requests).await.unwrap().into_inner();
    let answer = soon(answers.message()).await.unwrap().unwrap().answer.unwrap();
    assert!(matches!(answer, submit_stream_response::Answer::Accepted(_)));
    other.withdraw(v1::WithdrawRequest { message_id: "o".into(), up_to_attempt: 1 }).await.unwrap();
    assert_eq!(world.connections.total(), 3);

    cut(&world, NORTH, Direction::Both);
    assert!(soon(answers.message()).await.is_err(), "the stream goes on");
    until_total(&world, 1).await;
    other.withdraw(v1::WithdrawRequest { message_id: "o".into(), up_to_attempt: 2 }).await.unwrap();

    // It may come back only to be told.
    let status = idle.submit(submit("m-3", "x")).await.unwrap_err();
    let status = match Problem::from(&status).code {
        Some(_) => status,
        // The connection that was severed under it.
        None => idle.submit(submit("m-3", "x")).await.unwrap_err(),
    };
    assert_eq!(Problem::from(&status).code, Some(Code::TenantCut));
    until_total(&world, 1).await;
    assert_eq!(world.inward(NORTH).await.len(), 2);
}

#[tokio::test]
async fn each_layer_of_the_door_holds_alone() {
    for alone in [Layer::Policy, Layer::Gate] {
        let world = World::only(alone).await;
        let mut client = world.ingest(NORTH);
        client.submit(submit("m-1", "x")).await.unwrap();
        cut(&world, NORTH, Direction::Both);
        let status = client.submit(submit("m-2", "x")).await.unwrap_err();
        assert_eq!(Problem::from(&status).code, Some(Code::TenantCut), "{alone:?}: {status:?}");
        assert_eq!(world.inward(NORTH).await.len(), 1, "{alone:?}");
    }
    let world = World::only(Layer::Severing).await;
    let mut open = world.ingest(NORTH);
    open.submit(submit("m-1", "x")).await.unwrap();
    assert_eq!(world.connections.total(), 1);
    cut(&world, NORTH, Direction::Both);
    until_total(&world, 0).await;
}

/// Passes on what a client says, up to its first words; the rest when it is told to.
async fn held_back(to: String) -> (String, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ((holding, held), (go_on, told)) = (oneshot::channel(), oneshot::channel());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut node = TcpStream::connect(to).await.unwrap();
        let mut words = vec![0; 64 << 10];
        let hello = client.read(&mut words).await.unwrap();
        node.write_all(&words[..hello]).await.unwrap();
        let answer = node.read(&mut words).await.unwrap();
        client.write_all(&words[..answer]).await.unwrap();
        client.readable().await.unwrap();
        holding.send(()).unwrap();
        told.await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut node).await.ok();
    });
    (address, held, go_on)
}

#[tokio::test]
async fn r12_a_handshake_that_began_before_the_cut_opens_nothing_after_it() {
    let world = World::new().await;
    let (address, held, go_on) = held_back(world.address.clone()).await;
    let mut client = IngestClient::new(world.channel_through(&world.authority.issue(NORTH, 1), &address));
    let submitting = tokio::spawn(async move { client.submit(submit("m-1", "x")).await });
    soon(held).await.unwrap();
    cut(&world, NORTH, Direction::Both);
    go_on.send(()).unwrap();
    let status = soon(submitting).await.unwrap().unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::TenantCut), "{status:?}");
    until_total(&world, 0).await;
    assert!(world.inward(NORTH).await.is_empty());
}

#[tokio::test]
async fn only_the_new_credential_opens_a_session_after_the_restore() {
    let world = World::new().await;
    let [old, new] = [NORTH, NORTH].map(|tenant| world.authority.issue(tenant, 1));
    let print = Credential::from_pem(&new.certificate_pem).unwrap().fingerprint.to_string();
    cut(&world, NORTH, Direction::Both);
    restore(&world, vec![print], 1_800);
    let mut back = v1::ingest_client::IngestClient::new(world.channel(&new));
    back.submit(submit("m-1", "x")).await.unwrap();
    let mut former = v1::ingest_client::IngestClient::new(world.channel(&old));
    let status = former.submit(submit("m-2", "x")).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::CredentialRevoked));
}

#[tokio::test]
async fn the_spool_of_the_cut_period_is_taken_and_quarantined() {
    let world = World::new().await;
    let new = world.authority.issue(NORTH, 1);
    let print = Credential::from_pem(&new.certificate_pem).unwrap().fingerprint.to_string();
    cut(&world, NORTH, Direction::Both);
    restore(&world, vec![print], 1_800);
    let mut back = v1::ingest_client::IngestClient::new(world.channel(&new));
    for (message, spooled, state) in
        [("m-1", 2_000, v1::State::Quarantined), ("m-2", 60, v1::State::Accepted)]
    {
        let mut request = submit(message, "x");
        let spooled_at = bulkhead_wire::time_to_wire(seconds_ago(spooled));
        request.envelope.as_mut().unwrap().spooled_at = Some(spooled_at);
        let response = back.submit(request).await.unwrap().into_inner();
        assert_eq!(response.state, state as i32, "{message}");
    }
}

#[tokio::test]
async fn within_the_skew_of_a_restore_it_is_asked_to_come_again() {
    let world = World::new().await;
    cut(&world, NORTH, Direction::From);
    let new = world.authority.issue(NORTH, 1);
    let print = Credential::from_pem(&new.certificate_pem).unwrap().fingerprint.to_string();
    restore(&world, vec![print], 0);
    let mut back = v1::ingest_client::IngestClient::new(world.channel(&new));
    let status = back.submit(submit("m-1", "x")).await.unwrap_err();
    let problem = Problem::from(&status);
    assert_eq!((problem.code, problem.is_refusal()), (Some(Code::NodeUnsure), false));
    assert!(problem.retry_after.is_some());
}

#[tokio::test]
async fn what_cannot_wait_is_refused_for_a_cut_service() {
    let world = World::new().await;
    cut(&world, RIVERSIDE, Direction::Both);
    let mut client = world.ingest(NORTH);
    let with = |message: &str, priority: v1::Priority| {
        let mut request = submit(message, "x");
        request.envelope.as_mut().unwrap().priority = priority as i32;
        request
    };
    let status = client.submit(with("m-1", v1::Priority::Emergency)).await.unwrap_err();
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["cut"].as_str()), ("DESTINATION_CUT", "england/1"));
    assert!(details.retry_info().is_none());
    client.submit(with("m-2", v1::Priority::Routine)).await.unwrap();
}

#[tokio::test]
async fn one_on_its_way_back_sends_so_many_a_minute_and_a_flood_is_told() {
    let world = World::new().await;
    cut(&world, NORTH, Direction::Both);
    world.cuts.send_modify(|cuts| {
        let cuts = Arc::make_mut(cuts);
        let steps = [
            ("england/duty", Step::Proposed { certificates: vec![] }),
            ("england/lead", Step::Approved),
            ("england/duty", Step::Canary { with: vec![] }),
            ("england/duty", Step::Limited { per_minute: 3 }),
        ];
        for (by, step) in steps {
            say(cuts, by, Word::Step(step), seconds_ago(60));
        }
    });
    let new = world.authority.issue(NORTH, 10);
    let mut client = IngestClient::new(world.channel(&new));
    for number in 0..3 {
        client.submit(submit(&format!("m-{number}"), "x")).await.unwrap();
    }
    let status = client.submit(submit("m-3", "x")).await.unwrap_err();
    let problem = Problem::from(&status);
    assert_eq!(problem.code, Some(Code::QuotaExceeded), "{status:?}");
    assert!(problem.retry_after.is_some());
    // What went in is answered for as before, and others are as free as ever.
    assert!(client.submit(submit("m-2", "x")).await.unwrap().into_inner().duplicate);
    for number in 0..150 {
        client.submit(submit("m-3", &format!("x{number}"))).await.unwrap_err();
    }
    assert_eq!(world.floods.load(Ordering::Relaxed), 0, "one referral again and again");
    for number in 4..150 {
        client.submit(submit(&format!("m-{number}"), "x")).await.unwrap_err();
    }
    assert_eq!(world.floods.load(Ordering::Relaxed), 1);
    assert_eq!(world.inward(NORTH).await.len(), 3);
}

#[tokio::test]
async fn a_status_shows_a_cut_to_operators_and_says_that_it_needs_a_person() {
    let world = World::new().await;
    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    let status = async |who: &str| {
        world.referrals(who).get_status(v1::GetStatusRequest {}).await.unwrap().into_inner()
    };
    assert!(status(DUTY).await.cuts.is_empty());
    cut(&world, NORTH, Direction::Both);
    let told = status(DUTY).await;
    let shown = told.cuts[0].cut.as_ref().unwrap();
    assert_eq!(
        (shown.cut_id.as_str(), shown.scope.as_str(), shown.stage.as_str()),
        ("england/1", NORTH, "in-force")
    );
    assert!(told.cuts[0].next.contains("restore england/1 propose"), "{}", told.cuts[0].next);
    let codes: Vec<_> = told.alerts.iter().map(|alert| alert.code.as_str()).collect();
    assert!(codes.contains(&"CUT_IN_FORCE"), "{codes:?}");
    let north = told.tenants.iter().find(|tenant| tenant.tenant == NORTH).unwrap();
    assert_eq!(north.cut, "england/1");
    // Another tenant learns of it by a notice, not here.
    assert!(status(RIVERSIDE).await.cuts.is_empty());
    restore(&world, vec![], 1_800);
    let codes = status(DUTY).await.alerts;
    assert!(codes.iter().all(|alert| alert.code != "CUT_IN_FORCE"), "{codes:?}");
}

#[tokio::test]
async fn a_wide_cut_alarms_until_a_second_person_stands_by_it() {
    let world = World::new().await;
    cut(&world, "nation:wales", Direction::Both);
    let codes = async || {
        let status = world.referrals(DUTY).get_status(v1::GetStatusRequest {}).await.unwrap().into_inner();
        status.alerts.into_iter().map(|alert| alert.code).collect::<Vec<_>>()
    };
    assert_eq!(codes().await[0], "CUT_UNCONFIRMED");
    let confirm = |cuts: &mut Arc<Cuts>| {
        say(Arc::make_mut(cuts), "england/lead", Word::Confirmed, seconds_ago(60));
    };
    world.cuts.send_modify(confirm);
    assert_eq!(codes().await, ["CUT_IN_FORCE"]);
}

#[tokio::test]
async fn who_watches_hears_of_a_cut_and_of_each_of_its_stages() {
    let world = World::new().await;
    let request = v1::WatchEventsRequest { tenant: String::new() };
    let mut events = world.referrals(DUTY).watch_events(request.clone()).await.unwrap().into_inner();
    let mut own = world.referrals(RIVERSIDE).watch_events(request).await.unwrap().into_inner();
    cut(&world, NORTH, Direction::Both);
    let stage = async |events: &mut tonic::Streaming<v1::WatchEventsResponse>| {
        soon(events.message()).await.unwrap().unwrap().cut.unwrap().stage
    };
    assert_eq!(stage(&mut events).await, "in-force");
    restore(&world, vec![], 1_800);
    assert_eq!(stage(&mut events).await, "restored");
    let silence = tokio::time::timeout(std::time::Duration::from_millis(200), own.message()).await;
    assert!(silence.is_err(), "a tenant heard of a cut: {silence:?}");
}
