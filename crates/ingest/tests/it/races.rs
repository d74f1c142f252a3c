//! The races of a cut at the tenants' door. Their numbers are those of docs/guides/races.md.

use bulkhead_model::{Code, Direction, Event};
use bulkhead_process::BootTime;
use bulkhead_transport::Credential;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{State, SubmitStreamRequest, submit_stream_response};

use crate::cuts::{cut, cut_on, restore};
use crate::harness::{NORTH, World, soon, submit};

/// The tenant's own topic.
const INWARD: &str = "in.england.nhs111-north";

#[tokio::test]
async fn r1_a_cut_between_the_append_and_the_second_look_is_accepted_and_quarantined() {
    let world = World::new().await;
    let cuts = world.cuts.clone();
    world.meddled.once_durable(INWARD, move || cut_on(&cuts, NORTH, Direction::From));
    let response = world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap().into_inner();
    assert!(world.meddled.is_done());
    // Neither a plain yes nor a no: it is durable, and it goes nowhere.
    assert_eq!((response.state(), response.duplicate), (State::Quarantined, false));
    assert_eq!(world.inward(NORTH).await.len(), 1);
    let refused = world.ingest(NORTH).submit(submit("m-2", "x")).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Some(Code::TenantCut));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn r1_a_severed_connection_under_the_append_loses_nothing_and_takes_nothing_twice() {
    let world = World::new().await;
    let cuts = world.cuts.clone();
    world.meddled.once_durable(INWARD, move || cut_on(&cuts, NORTH, Direction::Both));
    // Whether the answer is still heard does not matter: what is durable is one record.
    let _ = world.ingest(NORTH).submit(submit("m-1", "x")).await;
    assert!(world.meddled.is_done());
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn r2_a_node_whose_lease_ends_while_the_log_takes_it_says_neither_yes_nor_no() {
    let world = World::new().await;
    let lease = world.lease.clone();
    world.meddled.once_durable(INWARD, move || lease.lapse());
    let status = world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap_err();
    let problem = Problem::from(&status);
    assert_eq!((problem.code, problem.is_refusal()), (Some(Code::NodeUnsure), false));
    let status = world.ingest(NORTH).submit(submit("m-2", "x")).await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::NodeUnsure));
    assert_eq!(world.inward(NORTH).await.len(), 1, "it was appended without the right to");
    // Sent again it is the same one.
    world.lease.renew(BootTime::now());
    let (source, record) = world.inward(NORTH).await.remove(0);
    world.decide(&source, &record, 0, crate::harness::routed()).await;
    let again = world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap().into_inner();
    assert!(again.duplicate);
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn r13_a_retry_after_the_restore_finds_what_was_sent_before_the_cut() {
    let world = World::new().await;
    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    let (source, record) = world.inward(NORTH).await.remove(0);
    cut(&world, NORTH, Direction::From);
    let reason = bulkhead_model::Reason::new(Code::TenantCut, "sent while the sender was under a cut");
    let quarantined = Event::Quarantined { to: None, cut: crate::cuts::id(), reason };
    world.decide(&source, &record, 0, quarantined).await;

    let new = world.authority.issue(NORTH, 1);
    let print = Credential::from_pem(&new.certificate_pem).unwrap().fingerprint.to_string();
    restore(&world, vec![print], 1_800);
    let mut back = IngestClient::new(world.channel(&new));
    let again = back.submit(submit("m-1", "x")).await.unwrap().into_inner();
    assert_eq!((again.state(), again.duplicate), (State::Quarantined, true));
    let other = back.submit(submit("m-1", "other bytes")).await.unwrap_err();
    assert_eq!(Problem::from(&other).code, Some(Code::ConflictingDuplicate));
    assert_eq!(world.inward(NORTH).await.len(), 1);
}

#[tokio::test]
async fn r14_many_on_one_stream_are_taken_and_refused_one_by_one() {
    let world = World::new().await;
    let mut client = world.ingest(NORTH);
    let (say, said) = tokio::sync::mpsc::channel(8);
    let requests = tokio_stream::wrappers::ReceiverStream::new(said);
    let mut state = Vec::new();
    for message in ["m-1", "m-2"] {
        say.send(SubmitStreamRequest { submit: Some(submit(message, "x")) }).await.unwrap();
    }
    let mut answers = client.submit_stream(requests).await.unwrap().into_inner();
    for number in 1..=4 {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        state.push((
            answer.message_id,
            match answer.answer.unwrap() {
                submit_stream_response::Answer::Accepted(_) => None,
                submit_stream_response::Answer::Refused(refusal) => Problem::from(&refusal).code,
            },
        ));
        if number == 2 {
            cut(&world, NORTH, Direction::From);
            for message in ["m-3", "m-4"] {
                say.send(SubmitStreamRequest { submit: Some(submit(message, "x")) }).await.unwrap();
            }
        }
    }
    state.sort();
    let cut = Some(Code::TenantCut);
    let expected = [("m-1", None), ("m-2", None), ("m-3", cut), ("m-4", cut)];
    assert_eq!(state, expected.map(|(message, code)| (message.to_owned(), code)));
    assert_eq!(world.inward(NORTH).await.len(), 2);
}
