//! The application acknowledgement of enhanced mode.

use bulkhead_wire::v1::State;

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
async fn comes_when_it_was_given_back() {
    assert_eq!(acknowledged("ER", State::ReturnPending).await, ("AR".into(), "return-pending".into()));
}
