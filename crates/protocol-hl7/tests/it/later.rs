//! The application acknowledgement of enhanced mode.

use std::time::Duration;

use bulkhead_format_hl7::{Message, Rules};
use bulkhead_protocol_hl7::TellRefusals;
use bulkhead_testkit::sidecar::{Memory, Submitted};
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::{Notice, Reason, State};
use jiff::Timestamp;

use crate::line::Does;
use crate::world::{World, message_id, referral};

async fn acknowledged(asked: &str, state: State) -> (String, String) {
    let world = World::new().await;
    let sidecar = world.start().await;
    let message = referral("M1").replacen("|P|2.4", &format!("|P|2.4|||AL|{asked}"), 1);
    assert_eq!(sidecar.line().await.ask(message).await.code().0, "CA");
    // What is owed is still owed after a restart.
    sidecar.stop().await;
    let sidecar = world.start().await;
    world.broker.memory.becomes(&message_id("M1"), state);
    let ack = world.peer.first().await;
    assert_eq!(ack.field("MSH", 9).text(), "ACK^I12^ACK");
    assert_ne!(ack.field("MSH", 10).text(), "M1");
    sidecar.stop().await;
    let text = |number| ack.field("MSA", number).text().into_owned();
    assert_eq!(text(2), "M1");
    (text(1), text(3))
}

#[tokio::test]
async fn comes_when_the_receiver_has_stored_it() {
    assert_eq!(acknowledged("AL", State::Acknowledged).await, ("AA".into(), "acknowledged".into()));
}

#[tokio::test]
async fn comes_when_its_return_was_confirmed_before_it_was_told() {
    assert_eq!(acknowledged("ER", State::Returned).await, ("AR".into(), "returned".into()));
}

fn notice(memory: &Memory, state: State, version: u64) -> Notice {
    let Submitted { envelope, payload } = memory.taken().remove(0);
    Notice {
        referral_id: "7b1e0d52-6a57-4c39-9a3e-4cbb51c40e12".to_owned(),
        envelope: Some(envelope),
        payload,
        state: state as i32,
        reason: Some(Reason { code: "RECEIVER_REFUSED".to_owned(), text: String::new() }),
        version,
        at: Some(time_to_wire(Timestamp::from_second(1_785_000_000 + version as i64).unwrap())),
        ..Notice::default()
    }
}

/// Whatever it asked for and whatever is configured, a system hears of one notice in one message, and the answer to
/// the notice says whether it did.
#[tokio::test]
async fn what_went_wrong_is_heard_once() {
    for (form, asked, state, told, kinds) in [
        (None, "AL", State::Rejected, true, &["ACK"][..]),
        (None, "ER", State::ReturnPending, false, &["ACK"]),
        (None, "SU", State::Rejected, false, &[]),
        (None, "NE", State::Rejected, false, &[]),
        (Some(TellRefusals::Rri), "AL", State::Rejected, true, &["RRI"]),
        (Some(TellRefusals::Rri), "AL", State::ReturnPending, true, &["RRI"]),
        (Some(TellRefusals::Ack), "AL", State::Rejected, true, &["ACK"]),
        (Some(TellRefusals::Rri), "NE", State::Rejected, true, &["RRI"]),
    ] {
        let mut world = World::new().await;
        world.hl7.tell_refusals = form;
        let sidecar = world.start().await;
        let mut stream = world.broker.stream().await;
        let message = referral("M1").replacen("|P|2.4", &format!("|P|2.4|||AL|{asked}"), 1);
        assert_eq!(sidecar.line().await.ask(message).await.code().0, "CA");
        let memory = &world.broker.memory;
        memory.becomes(&message_id("M1"), state);
        assert_eq!(stream.tell(notice(memory, state, 7)).await, told, "{form:?} {asked} {state:?}");
        if state == State::ReturnPending {
            memory.becomes(&message_id("M1"), State::Returned);
        }
        // Longer than what is owed is asked about.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let heard: Vec<_> = heard(&world).iter().map(|message| text(message, "MSH", 9)).collect();
        let heard: Vec<_> = heard.iter().map(|kind| &kind[..3]).collect();
        assert_eq!(heard, kinds, "{form:?} {asked} {state:?}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn each_notice_has_a_control_id_of_its_own() {
    let mut world = World::new().await;
    world.hl7.tell_refusals = Some(TellRefusals::Rri);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    assert_eq!(sidecar.line().await.ask(referral("M1")).await.code().0, "AA");
    // The first attempt is not answered.
    world.peer.does([Does::Close]);
    for version in [7, 9] {
        assert!(stream.tell(notice(&world.broker.memory, State::Rejected, version)).await);
    }
    let ids: Vec<_> = heard(&world).iter().map(|message| text(message, "MSH", 10)).collect();
    assert_eq!((ids.len(), &ids[0]), (3, &ids[1]));
    assert_ne!(ids[1], ids[2]);
    sidecar.stop().await;
}

fn heard(world: &World) -> Vec<Message> {
    let all = world.peer.received().into_iter();
    all.map(|bytes| Message::parse_with(bytes, &Rules::any_version()).unwrap()).collect()
}

fn text(message: &Message, segment: &str, field: usize) -> String {
    message.field(segment, field).text().into_owned()
}
