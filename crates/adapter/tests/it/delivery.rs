//! From the broker to the local system: what is handed over, when, and what the broker hears of it.

use std::time::Duration;

use bulkhead_model::{Code, Priority};
use bulkhead_wire::v1;
use bulkhead_wire::v1::outcome::Result as Answered;
use bulkhead_wire::v1::receive_request::Frame as Up;
use bulkhead_wire::v1::receive_response::Frame as Down;

use crate::system::{System, down, refused, retry};
use crate::world::{World, offer, until};

fn is_delivered(outcome: &v1::Outcome) -> bool {
    matches!(outcome.result, Some(Answered::Delivered(_)))
}

fn is_acknowledged(outcome: &v1::Outcome) -> bool {
    matches!(outcome.result, Some(Answered::Acknowledged(_)))
}

const A_WHILE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_delivery_from_offer_to_acknowledgement() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let Up::Hello(hello) = stream.next().await else { panic!("the first frame is a hello") };
    assert!(!hello.inbox_id.is_empty() && hello.software == "test 1");
    let credit = stream.credit().await;
    assert_eq!((credit.any, credit.emergency, credit.taking), (16, 1, true));
    let offer = offer("m1", 1, None);
    stream.deliver(&offer).await;
    let delivered = stream.outcome().await;
    let Some(Answered::Delivered(v1::Delivered { digest })) = &delivered.result else {
        panic!("{delivered:?}")
    };
    assert_eq!(digest, &offer.digest);
    let acknowledged = stream.outcome().await;
    let Some(Answered::Acknowledged(answer)) = &acknowledged.result else { panic!("{acknowledged:?}") };
    assert_eq!((answer.answer.as_str(), acknowledged.attempt), ("AA", 1));
    let delivery = world.system.deliveries().remove(0);
    assert_eq!(delivery.id.to_string(), offer.referral_id);
    assert_eq!((&delivery.payload.bytes()[..], delivery.attempt), (&b"payload of m1"[..], 1));
    assert!(!delivery.possible_duplicate);
    sidecar.stop().await;
    // The inbox keeps its name over a restart.
    let sidecar = world.connected().await;
    let Up::Hello(again) = world.broker.stream().await.next().await else { panic!("no hello") };
    assert_eq!(again.inbox_id, hello.inbox_id);
    sidecar.stop().await;
}

#[tokio::test]
async fn for_whom_it_was_is_known_also_after_a_restart() {
    let mut world = World::new().await;
    world.system.answers([down()]);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let diverted = v1::Diversion {
        from: "wales/wast-111-triage".into(),
        to: "wales/cardiff-ooh".into(),
        to_addresses: vec![v1::ServiceAddress { system: "urn:x".into(), value: "7A4BV".into() }],
        reason: Some(v1::Reason { code: "DESTINATION_CUT".into(), text: "cut off".into() }),
    };
    let offer = v1::Offer { diverted: Some(diverted), ..offer("m1", 1, None) };
    stream.deliver(&offer).await;
    stream.outcome().await;
    until("it is offered", || !world.system.deliveries().is_empty()).await;
    sidecar.stop().await;
    let sidecar = world.connected().await;
    until("it is offered again", || world.system.deliveries().len() > 1).await;
    for delivery in world.system.deliveries() {
        let diverted = delivery.diverted.unwrap();
        assert_eq!(diverted.addresses[0].value(), "7A4BV");
        let said = "Diverted by Bulkhead: sent to wales/wast-111-triage, taken over by wales/cardiff-ooh \
                    (DESTINATION_CUT)";
        assert_eq!(diverted.said(), said);
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn without_its_last_frame_an_offer_counts_for_nothing() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let first = offer("m1", 1, None);
    stream.send(Down::Offer(first.clone())).await;
    // Another attempt's last frame is not this one's; a recalled offer has none.
    stream.hand_over(&offer("m1", 2, None)).await;
    stream.no_outcome().await;
    let recall = v1::Recall { referral_id: first.referral_id.clone(), ..Default::default() };
    stream.send(Down::Recall(recall)).await;
    stream.hand_over(&first).await;
    stream.no_outcome().await;
    // Nor does it outlive its stream.
    stream.send(Down::Offer(first.clone())).await;
    drop(stream);
    let mut stream = world.broker.stream().await;
    stream.hand_over(&first).await;
    stream.no_outcome().await;
    assert!(world.system.handed().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn an_older_claim_is_refused_also_after_a_restart() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    stream.deliver(&offer("m1", 1, None)).await;
    assert!(is_delivered(&stream.outcome().await) && is_acknowledged(&stream.outcome().await));
    let mut old = offer("m2", 1, None);
    old.claim.as_mut().unwrap().number = 4;
    stream.deliver(&old).await;
    stream.no_outcome().await;
    sidecar.stop().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    assert!(is_delivered(&stream.outcome().await) && is_acknowledged(&stream.outcome().await));
    stream.deliver(&old).await;
    stream.no_outcome().await;
    assert_eq!(world.system.handed(), ["m1"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_refused() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let mut spoiled = offer("m1", 1, None);
    spoiled.payload = "payload of m2".into();
    stream.deliver(&spoiled).await;
    let outcome = stream.outcome().await;
    let Some(Answered::Refused(v1::Refused { reason: Some(reason) })) = outcome.result else {
        panic!("{outcome:?}")
    };
    assert_eq!(Code::parse(&reason.code), Some(Code::DigestMismatch));
    assert!(world.system.handed().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_known_is_not_handed_over_twice() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    for attempt in 1..=2 {
        stream.deliver(&offer("m1", attempt, None)).await;
        for is in [is_delivered, is_acknowledged] {
            let outcome = stream.outcome().await;
            assert!(is(&outcome) && outcome.attempt == attempt, "{outcome:?}");
        }
    }
    assert_eq!(world.system.handed(), ["m1"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn outcomes_are_repeated_until_they_are_settled() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    stream.deliver(&offer("m1", 1, None)).await;
    let (delivered, acknowledged) = (stream.outcome().await, stream.outcome().await);
    drop(stream);
    let mut stream = world.broker.stream().await;
    assert_eq!((stream.outcome().await, stream.outcome().await), (delivered.clone(), acknowledged.clone()));
    stream.settle(&delivered, false).await;
    tokio::time::sleep(A_WHILE).await;
    drop(stream);
    let mut stream = world.broker.stream().await;
    assert_eq!(stream.outcome().await, acknowledged);
    stream.settle(&acknowledged, true).await;
    tokio::time::sleep(A_WHILE).await;
    drop(stream);
    let mut stream = world.broker.stream().await;
    stream.no_outcome().await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_system_that_is_down_pauses_all_and_spends_nothing() {
    let mut world = World::new().await;
    world.inbox.budget = 1;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    assert!(stream.credit().await.taking);
    world.system.is_up(false);
    world.system.answers([down(), down()]);
    stream.deliver(&offer("m1", 1, None)).await;
    assert!(is_delivered(&stream.outcome().await));
    let credit = stream.credit().await;
    assert_eq!((credit.any, credit.emergency, credit.taking), (0, 0, false));
    assert!(sidecar.unmet("local-system").unwrap().contains("as told"));
    // What crosses that word has no credit any longer.
    stream.deliver(&offer("m2", 1, None)).await;
    let outcome = stream.outcome().await;
    assert!(matches!(outcome.result, Some(Answered::Retry(v1::Retry { spends_budget: false, .. }))));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(world.system.handed(), ["m1"]);
    world.system.is_up(true);
    assert!(is_acknowledged(&stream.outcome().await));
    assert_eq!(world.system.handed(), ["m1", "m1", "m1"]);
    until("the system is up", || sidecar.unmet("local-system").is_none()).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_system_that_is_down_at_the_start_gets_no_credit() {
    let mut world = World::new().await;
    world.system.is_up(false);
    let sidecar = world.start().await;
    let mut stream = world.broker.stream().await;
    assert!(!stream.credit().await.taking);
    world.system.is_up(true);
    let credit = stream.credit().await;
    assert_eq!((credit.any, credit.taking), (16, true));
    sidecar.stop().await;
}

#[tokio::test]
async fn one_referral_that_brings_the_system_down_does_not_stop_the_others() {
    let mut world = World::new().await;
    world.system.answers_to("poison", down());
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    stream.deliver(&offer("poison", 1, None)).await;
    assert!(is_delivered(&stream.outcome().await));
    // As a broker does: it offers again what was not taken.
    let (mut number, mut attempt) = (0, 1);
    stream.deliver(&offer("m0", 1, None)).await;
    let exhausted = loop {
        let outcome = stream.outcome().await;
        match outcome.result {
            Some(Answered::Exhausted(answer)) => break answer,
            Some(Answered::Acknowledged(_)) => (number, attempt) = (number + 1, 1),
            Some(Answered::Retry(_)) => attempt += 1,
            _ => continue,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        stream.deliver(&offer(&format!("m{number}"), attempt, None)).await;
    };
    assert_eq!(exhausted.tries, 5);
    sidecar.stop().await;
}

#[tokio::test]
async fn bad_answers_spend_the_budget_and_set_the_case_aside() {
    let mut world = World::new().await;
    world.inbox.budget = 3;
    world.system.answers_to("m1", retry());
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    stream.deliver(&offer("m1", 1, Some("case"))).await;
    stream.deliver(&offer("m2", 1, Some("case"))).await;
    let outcomes = [stream.outcome().await, stream.outcome().await, stream.outcome().await];
    let Some(Answered::Exhausted(answer)) = &outcomes[2].result else { panic!("{outcomes:?}") };
    assert_eq!((answer.tries, answer.reason.as_ref().unwrap().code.as_str()), (3, "BUDGET_SPENT"));
    assert_eq!(world.system.handed(), ["m1", "m1", "m1"]);
    // Its case waits, others do not.
    stream.deliver(&offer("other", 1, None)).await;
    assert!(is_delivered(&stream.outcome().await) && is_acknowledged(&stream.outcome().await));
    // Offered again, it starts anew, and its case goes on behind it.
    world.system.answers_to("nothing", retry());
    stream.deliver(&offer("m1", 2, Some("case"))).await;
    assert!(is_delivered(&stream.outcome().await));
    for _ in 0..2 {
        assert!(is_acknowledged(&stream.outcome().await));
    }
    assert_eq!(world.system.handed()[3..], ["other", "m1", "m2"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_refusal_by_the_local_system_is_a_rejection() {
    let mut world = World::new().await;
    world.system.answers([refused()]);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    stream.deliver(&offer("m1", 1, None)).await;
    assert!(is_delivered(&stream.outcome().await));
    let outcome = stream.outcome().await;
    assert!(matches!(outcome.result, Some(Answered::Rejected(_))), "{outcome:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn order_is_kept_within_a_case_and_cases_go_in_parallel() {
    let mut world = World::new().await;
    world.system = System::closed();
    let sidecar = world.connected().await;
    let stream = world.broker.stream().await;
    for id in ["a1", "a2", "b1"] {
        stream.deliver(&offer(id, 1, Some(&id[..1]))).await;
    }
    until("one of each case is handed over", || world.system.handed().len() == 2).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(world.system.handed(), ["a1", "b1"]);
    world.system.open();
    until("the second follows", || world.system.handed() == ["a1", "b1", "a2"]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn lanes_go_first() {
    let mut world = World::new().await;
    world.system = System::closed();
    world.inbox.parallel = 1;
    let sidecar = world.connected().await;
    let stream = world.broker.stream().await;
    for (id, priority) in
        [("first", Priority::Urgent), ("routine", Priority::Routine), ("911", Priority::Emergency)]
    {
        let mut offer = offer(id, 1, None);
        offer.envelope.as_mut().unwrap().priority = bulkhead_wire::priority_to_wire(priority) as i32;
        stream.deliver(&offer).await;
        if id == "first" {
            until("the first is handed over", || world.system.handed() == ["first"]).await;
        }
    }
    tokio::time::sleep(A_WHILE).await;
    world.system.open();
    until("all are handed over", || world.system.handed() == ["first", "911", "routine"]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_full_inbox_is_handed_over_after_a_crash() {
    let mut world = World::new().await;
    world.system = System::closed();
    world.inbox.window = 3;
    let (config, system) = (world.config(), world.system.clone());
    let crashing =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let kit = crashing.spawn(async move {
        let system = std::sync::Arc::new(system);
        bulkhead_adapter::Kit::start(config, system, bulkhead_process::Drain::new()).await.unwrap()
    });
    let kit = kit.await.unwrap();
    let mut stream = world.broker.stream().await;
    assert_eq!(stream.credit().await.any, 3);
    for id in ["m1", "m2", "m3"] {
        stream.deliver(&offer(id, 1, None)).await;
        assert!(is_delivered(&stream.outcome().await));
    }
    until("they are being handed over", || world.system.handed().len() == 3).await;
    crashing.shutdown_background();
    drop(kit);
    drop(stream);
    world.system = System::new();
    let sidecar = crate::world::eventually("the files are free", async || {
        let (system, drain) = (std::sync::Arc::new(world.system.clone()), bulkhead_process::Drain::new());
        bulkhead_adapter::Kit::start(world.config(), system, drain).await.ok()
    })
    .await;
    until("they are handed over again", || world.system.handed().len() == 3).await;
    assert!(world.system.deliveries().iter().all(|delivery| delivery.possible_duplicate));
    drop(sidecar);
}

#[tokio::test]
async fn what_is_recalled_is_given_up_unless_the_local_system_may_have_it() {
    let mut world = World::new().await;
    world.system = System::closed();
    world.inbox.parallel = 1;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let [first, second] = ["a1", "a2"].map(|id| offer(id, 1, None));
    stream.deliver(&first).await;
    assert!(is_delivered(&stream.outcome().await));
    until("the first is being handed over", || world.system.handed() == ["a1"]).await;
    stream.deliver(&second).await;
    assert!(is_delivered(&stream.outcome().await));
    let had = stream.recall(&first, "england/1").await;
    assert!(!had.recalled, "{had:?}");
    let given_up = stream.recall(&second, "england/1").await;
    assert_eq!((given_up.recalled, given_up.cut.as_str()), (true, "england/1"));
    world.system.open();
    assert!(is_acknowledged(&stream.outcome().await));
    let had = stream.recall(&first, "england/1").await;
    assert_eq!((had.recalled, had.answer.as_str()), (false, "acknowledged AA"));
    // Released by a person it comes again, and is a new one.
    stream.deliver(&offer("a2", 2, None)).await;
    let outcome = stream.outcome().await;
    assert!(is_delivered(&outcome), "{outcome:?}");
    until("the second follows", || world.system.handed() == ["a1", "a2"]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn two_sidecars_that_displace_each_other_are_told_on_the_page() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    for _ in 0..3 {
        let stream = world.broker.stream().await;
        stream.displace().await;
    }
    crate::world::until("the rival is told", || sidecar.unmet("alone").is_some()).await;
    let page = sidecar.page("/readyz").await;
    assert!(
        page.starts_with("HTTP/1.1 503") && page.contains("another sidecar uses the certificate"),
        "{page}"
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn a_service_that_is_off_is_shown_until_it_is_back_and_turns_nothing_red() {
    use bulkhead_wire::v1::receive_response::Frame;

    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let stream = world.broker.stream().await;
    let notice = |off: bool| v1::ServiceNotice {
        tenant: "wales/wast-111".into(),
        off,
        text: "wales/wast-111 is cut off since 2026-07-01 09:00 UTC. Phone it.".into(),
        text_cy: "Mae wales/wast-111 wedi'i ddatgysylltu.".into(),
        ..Default::default()
    };
    // One that says nothing harms nobody.
    stream.send(Frame::ServiceNotice(v1::ServiceNotice::default())).await;
    stream.send(Frame::ServiceNotice(notice(true))).await;
    let page = crate::world::eventually("it is shown", async || {
        let page = sidecar.page("/readyz").await;
        page.contains("wales/wast-111 is off").then_some(page)
    })
    .await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("ddatgysylltu"), "{page}");
    stream.send(Frame::ServiceNotice(notice(false))).await;
    crate::world::eventually("it is back", async || {
        (!sidecar.page("/readyz").await.contains("wast-111")).then_some(())
    })
    .await;
    sidecar.stop().await;
}
