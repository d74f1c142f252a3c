//! What went wrong after the broker had accepted it: the local system is told once, the broker hears of it.

use bulkhead_adapter::Outcome;
use bulkhead_model::{Code, MessageId, Priority, ReferralId, State, TenantId};
use bulkhead_testkit::sidecar::Stream;
use bulkhead_wire::{envelope_to_wire, time_to_wire, v1};
use jiff::Timestamp;

use crate::system::{down, refused, retry};
use crate::world::{TENANT, World, envelope, until};

fn notice(message_id: &str, version: u64) -> v1::Notice {
    let tenant = TenantId::parse(TENANT).unwrap();
    v1::Notice {
        referral_id: ReferralId::derive(&tenant, &MessageId::parse(message_id).unwrap()).to_string(),
        envelope: Some(envelope_to_wire(&envelope(message_id, Priority::Urgent, None))),
        payload: format!("payload of {message_id}").into(),
        state: v1::State::Rejected as i32,
        reason: Some(v1::Reason { code: "RECEIVER_REFUSED".to_owned(), text: "AR".to_owned() }),
        version,
        at: Some(time_to_wire(Timestamp::now())),
        accepted_at: Some(time_to_wire(Timestamp::UNIX_EPOCH)),
    }
}

fn taken(notice: &v1::Notice, told: bool, answer: &str) -> v1::NoticeTaken {
    let (referral_id, version) = (notice.referral_id.clone(), notice.version);
    v1::NoticeTaken { referral_id, version, told, answer: answer.to_owned() }
}

async fn say(stream: &Stream, notice: &v1::Notice) {
    stream.send(v1::receive_response::Frame::Notice(notice.clone())).await;
}

#[tokio::test]
async fn the_local_system_is_told_once_and_the_broker_hears_it_as_often_as_it_asks() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let first = notice("m1", 4);
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, taken(&first, true, "AR"));
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, taken(&first, true, "AR"));
    let told = world.system.told();
    assert_eq!((told.len(), told[0].state), (1, Some(State::Rejected)));
    assert_eq!(&told[0].payload.bytes()[..], b"payload of m1");
    assert_eq!(told[0].reason.known(), Some(Code::ReceiverRefused));
    assert_eq!(told[0].spooled_at, Timestamp::UNIX_EPOCH);
    // Another version of the same is other news.
    let second = v1::Notice { state: v1::State::ReturnPending as i32, ..notice("m1", 7) };
    say(&stream, &second).await;
    assert_eq!(stream.notice_taken().await, taken(&second, true, "AR"));
    assert_eq!(world.system.told()[1].state, Some(State::ReturnPending));
    let page = sidecar.page("/readyz").await;
    assert!(page.contains("200 OK") && page.contains("then rejected at"), "{page}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_notice_outlives_the_sidecar() {
    let mut world = World::new().await;
    world.system.is_up(false);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    let first = notice("m1", 4);
    say(&stream, &first).await;
    crate::world::eventually("it is listed", async || {
        let listed = sidecar.kit.refused_later().await.unwrap();
        (listed.len() == 1 && !listed[0].told).then_some(())
    })
    .await;
    // Asked again while it waits, it is the same one, and there is no answer yet.
    say(&stream, &first).await;
    stream.no_notice_taken().await;
    sidecar.stop().await;
    assert!(world.system.told().is_empty());
    world.system.is_up(true);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    until("the local system is told", || world.system.told().len() == 1).await;
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, taken(&first, true, "AR"));
    sidecar.stop().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, taken(&first, true, "AR"));
    assert_eq!((world.system.told().len(), sidecar.kit.refused_later().await.unwrap().len()), (1, 1));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_system_that_cannot_be_told_is_a_no_to_the_broker() {
    let mut world = World::new().await;
    world.system.on_refusals([refused()]);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let first = notice("m1", 4);
    say(&stream, &first).await;
    let answer = stream.notice_taken().await;
    assert_eq!((answer.told, answer.version), (false, 4));
    assert!(answer.answer.contains("as told"), "{answer:?}");
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, answer);
    assert_eq!(world.system.told().len(), 1);
    assert!(sidecar.page("/readyz").await.contains("the local system was not told"));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_system_that_is_away_or_busy_is_told_when_it_is_back() {
    let mut world = World::new().await;
    world.system.on_refusals([down(), retry()] as [Outcome; 2]);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let first = notice("m1", 4);
    say(&stream, &first).await;
    assert_eq!(stream.notice_taken().await, taken(&first, true, "AR"));
    assert_eq!(world.system.told().len(), 3);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_is_answered_no() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let first = v1::Notice { envelope: None, ..notice("m1", 4) };
    say(&stream, &first).await;
    assert!(!stream.notice_taken().await.told);
    assert!(world.system.told().is_empty());
    sidecar.stop().await;
}
