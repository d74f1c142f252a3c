//! Taking attempts back, and beginning again.

use bulkhead_ingest::Config;
use bulkhead_model::{Code, Event, Reason};
use bulkhead_wire::record::In;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::{self, SubmitRequest, WithdrawRequest, WithdrawResponse};

use crate::harness::{NORTH, RIVERSIDE, World, impatient, routed, submit};

fn attempt(number: u32) -> SubmitRequest {
    let mut request = submit("m-1", "x");
    request.envelope.as_mut().unwrap().attempt = number;
    request
}

async fn withdraw(world: &World, up_to_attempt: u32) -> WithdrawResponse {
    let request = WithdrawRequest { message_id: "m-1".into(), up_to_attempt };
    world.ingest(NORTH).withdraw(request).await.unwrap().into_inner()
}

fn cancelled() -> Event {
    Event::Cancelled { reason: Reason::new(Code::Withdrawn, "its sender was told no") }
}

#[tokio::test]
async fn what_never_arrived_can_be_withdrawn_once() {
    let world = World::new().await;
    let response = withdraw(&world, 2).await;
    assert!(!response.sent_after_all);
    let records = world.inward(NORTH).await;
    let [(_, In::Withdrawal(withdrawal))] = &records[..] else { panic!("{records:?}") };
    assert_eq!((withdrawal.id.to_string(), withdrawal.up_to), (response.referral_id, 2));

    world.decide(&records[0].0, &records[0].1, 0, Event::Withdrawn { up_to: 2 }).await;
    withdraw(&world, 1).await;
    assert_eq!(world.inward(NORTH).await.len(), 1);
    let late = Problem::from(&world.ingest(NORTH).submit(attempt(2)).await.unwrap_err());
    assert_eq!(late.code, Some(Code::Withdrawn));
    world.ingest(NORTH).submit(attempt(3)).await.unwrap();

    let status = world.ingest(NORTH).withdraw(WithdrawRequest::default()).await.unwrap_err();
    assert_eq!(Problem::from(&status).field.as_deref(), Some("message_id"));
}

#[tokio::test]
async fn what_was_offered_is_sent_after_all() {
    let world = World::new().await;
    world.ingest(NORTH).submit(attempt(1)).await.unwrap();
    let (place, record) = world.inward(NORTH).await.remove(0);
    let In::Accepted(accepted) = &record else { panic!() };
    world.decide(&place, &record, 0, routed()).await;
    assert!(!withdraw(&world, 1).await.sent_after_all);
    world.event(RIVERSIDE, accepted.id, 1, Event::Offered { attempt: 1 }).await;
    assert!(withdraw(&world, 1).await.sent_after_all);
}

#[tokio::test]
async fn a_new_attempt_after_a_withdrawal_is_welcome() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    client.submit(attempt(1)).await.unwrap();
    withdraw(&world, 1).await;

    // As long as nobody knows whether the first went on, the second is neither a repeat nor new.
    let undecided = Problem::from(&client.submit(attempt(2)).await.unwrap_err());
    assert_eq!(undecided.code, Some(Code::NodeUnsure));

    let records = world.inward(NORTH).await;
    let [(first, referral), (second, withdrawal)] = &records[..] else { panic!("{records:?}") };
    world.decide(first, referral, 0, routed()).await;
    world.decide(second, withdrawal, 0, Event::Withdrawn { up_to: 1 }).await;
    let undecided = Problem::from(&client.submit(attempt(2)).await.unwrap_err());
    assert_eq!(undecided.code, Some(Code::NodeUnsure));

    let In::Accepted(accepted) = referral else { panic!() };
    world.event(RIVERSIDE, accepted.id, 1, cancelled()).await;
    let repeat = client.submit(attempt(1)).await.unwrap().into_inner();
    assert_eq!((repeat.duplicate, repeat.state), (true, v1::State::Cancelled as i32));
    let again = client.submit(attempt(2)).await.unwrap().into_inner();
    assert_eq!((again.duplicate, again.state), (false, v1::State::Accepted as i32));
    assert_eq!(again.referral_id, repeat.referral_id);
    assert_eq!(world.inward(NORTH).await.len(), 3);

    // Until the ledger shows the new attempt, it is this node that knows of it.
    let repeat = client.submit(attempt(2)).await.unwrap().into_inner();
    assert_eq!((repeat.duplicate, repeat.state), (true, v1::State::Accepted as i32));
    let request = v1::GetReferralRequest { id: again.referral_id, tenant: String::new() };
    let shown = world.referrals(NORTH).get_referral(request).await.unwrap().into_inner().referrals.remove(0);
    assert_eq!(shown.state, v1::State::Accepted as i32);
}

#[tokio::test]
async fn a_later_attempt_waits_for_what_lies_in_the_log_and_nobody_here_remembers() {
    let world = World::with(Config { recent: 0, ..impatient() }).await;
    let mut client = world.ingest(NORTH);
    client.submit(attempt(1)).await.unwrap();
    withdraw(&world, 1).await;
    let undecided = Problem::from(&client.submit(attempt(2)).await.unwrap_err());
    assert_eq!(undecided.code, Some(Code::NodeUnsure));

    let records = world.inward(NORTH).await;
    let [(first, referral), (second, withdrawal)] = &records[..] else { panic!("{records:?}") };
    world.decide(first, referral, 0, routed()).await;
    world.decide(second, withdrawal, 0, Event::Withdrawn { up_to: 1 }).await;
    let In::Accepted(accepted) = referral else { panic!() };
    world.event(RIVERSIDE, accepted.id, 1, cancelled()).await;
    let again = client.submit(attempt(2)).await.unwrap().into_inner();
    assert_eq!((again.duplicate, again.state), (false, v1::State::Accepted as i32));
}

#[tokio::test]
async fn what_its_cancel_overtook_never_begins_again() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    client.submit(attempt(1)).await.unwrap();
    let (place, record) = world.inward(NORTH).await.remove(0);
    let In::Accepted(accepted) = &record else { panic!() };
    world.decide(&place, &record, 0, routed()).await;
    world.event(RIVERSIDE, accepted.id, 1, cancelled()).await;
    let repeat = client.submit(attempt(2)).await.unwrap().into_inner();
    assert_eq!((repeat.duplicate, repeat.state), (true, v1::State::Cancelled as i32));
}

#[tokio::test]
async fn a_later_attempt_of_what_went_on_is_a_repeat_and_hides_nothing() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    // Another node has accepted the first, which this one has not heard of yet.
    let again = client.submit(attempt(2)).await.unwrap().into_inner();
    withdraw(&world, 2).await;
    let records = world.inward(NORTH).await;
    let [(first, In::Accepted(second)), (withdrawn, withdrawal)] = &records[..] else {
        panic!("{records:?}")
    };
    let mut accepted = second.clone();
    accepted.envelope.attempt = 1;
    let id = accepted.id;
    world.decide(first, &In::Accepted(accepted), 0, routed()).await;
    world.decide(withdrawn, withdrawal, 0, Event::Withdrawn { up_to: 2 }).await;
    world.event(RIVERSIDE, id, 1, Event::Offered { attempt: 1 }).await;
    let answered = Event::Acknowledged { answer: "AA".into(), omissions: vec![] };
    for event in [Event::Delivered { attempt: 1, inbox: "i".into() }, answered] {
        world.event(RIVERSIDE, id, 1, event).await;
    }

    let request = v1::GetReferralRequest { id: again.referral_id, tenant: String::new() };
    let shown = world.referrals(NORTH).get_referral(request).await.unwrap().into_inner().referrals.remove(0);
    assert_eq!(shown.state, v1::State::Acknowledged as i32);
    let repeat = client.submit(attempt(3)).await.unwrap().into_inner();
    assert_eq!((repeat.duplicate, repeat.state), (true, v1::State::Acknowledged as i32));
}
