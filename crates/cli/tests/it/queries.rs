//! `trace`, `list`, `status` and `watch` over several cells, some of which are silent or refuse.

use bulkhead_cli::Exit;
use bulkhead_model::Code;
use bulkhead_wire::v1;

use crate::cell::FakeCell;
use crate::world::{NOBODY, World};

fn referral(id: &str, message_id: &str, state: v1::State, event: &str) -> v1::Referral {
    let envelope = v1::Envelope { message_id: message_id.into(), case_id: "C".into(), ..Default::default() };
    let step = v1::Step { event: event.into(), counts: true, ..v1::Step::default() };
    v1::Referral {
        referral_id: id.into(),
        tenant: "england/nhs111-north".into(),
        envelope: Some(envelope),
        state: state as i32,
        destination: "wales/ooh-cardiff".into(),
        steps: vec![step],
        ..v1::Referral::default()
    }
}

/// England sent two, Wales has the first of them.
async fn two_nations() -> (World, FakeCell, FakeCell) {
    let first = referral("r1", "M1", v1::State::Carried, "carried");
    let england = FakeCell::knowing(vec![first, referral("r2", "M2", v1::State::Routed, "to-border")]);
    let wales = FakeCell::knowing(vec![referral("r1", "M1", v1::State::Acknowledged, "acknowledged")]);
    let mut world = World::new();
    world.serve("england", england.clone(), &[NOBODY]).await;
    world.serve("wales", wales.clone(), &[]).await;
    (world, england, wales)
}

#[tokio::test]
async fn a_trace_has_the_steps_of_both_nations() {
    let (world, england, wales) = two_nations().await;
    let ended = world.run("trace M1 --output json").await;
    assert_eq!(ended.exit, Exit::Done, "{ended:?}");
    let json = ended.json();
    assert_eq!(json["referral"]["state"], "acknowledged");
    let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|step| &step["nation"]).collect();
    assert_eq!(steps, ["england", "wales"]);
    // Each nation was asked by an operator of its own.
    assert_eq!(england.told().callers, ["bulkhead://england/operator/england-duty"]);
    assert_eq!(wales.told().callers, ["bulkhead://wales/operator/wales-duty"]);
    let text = world.run("trace M1").await;
    assert!(text.data.starts_with("DEMO  context dev\nreferral r1\n  acknowledged: stored by"), "{text:?}");
}

#[tokio::test]
async fn a_trace_of_several_or_none_ends_as_it_should() {
    let (mut world, _, wales) = two_nations().await;
    let several = world.run("trace C").await;
    assert_eq!(several.exit, Exit::Usage);
    assert!(several.data.contains("r1") && several.data.contains("r2"), "{several:?}");
    assert!(several.talk.contains("error: 2 referrals match \"C\"\nhint: "), "{several:?}");
    assert_eq!(world.run("trace nothing").await.exit, Exit::NotFound);
    assert_eq!(world.run("trace M1 --tenant wales/wast-111").await.exit, Exit::NotFound);
    // A nation that refuses to tell is no reason to doubt; one that is silent is.
    wales.told().refuses = Some(Code::NotGranted);
    let refused = world.run("trace nothing").await;
    assert_eq!(refused.exit, Exit::NotFound);
    assert!(refused.talk.contains("wales answers NOT_GRANTED"), "{refused:?}");
    world.name("scotland", &[NOBODY]);
    assert_eq!(world.run("trace nothing").await.exit, Exit::Unreachable);
    assert_eq!(world.run("trace M2").await.exit, Exit::Done);
}

#[tokio::test]
async fn a_list_has_each_once_and_says_who_is_silent() {
    let (mut world, _, _) = two_nations().await;
    world.name("scotland", &[NOBODY]);
    let json = world.run("list --output json").await.json();
    let mut ids: Vec<_> = json["referrals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["referral_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["r1", "r2"]);
    assert_eq!(json["unanswered"][0]["nation"], "scotland");
    let lines = world.run("list --output jsonl").await;
    assert_eq!((lines.exit, lines.data.lines().count()), (Exit::Done, 2));
    assert!(lines.data.lines().all(|line| line.starts_with("{\"demo\":true")), "{lines:?}");
    assert!(lines.talk.contains("scotland cannot be reached"), "{lines:?}");
}

#[tokio::test]
async fn an_operator_that_is_named_asks_everybody() {
    let (world, england, wales) = two_nations().await;
    assert_eq!(world.run("list --as wales-duty").await.exit, Exit::Done);
    let duty = ["bulkhead://wales/operator/wales-duty"];
    assert_eq!(
        (england.told().callers.as_slice(), wales.told().callers.as_slice()),
        (&duty.map(String::from)[..], &duty.map(String::from)[..])
    );
    let unknown = world.run("list --as nobody").await;
    assert_eq!(unknown.exit, Exit::Usage);
    assert!(unknown.talk.contains("hint: it has england-duty, wales-duty"), "{unknown:?}");
}

#[tokio::test]
async fn status_ends_with_what_a_script_needs() {
    let (mut world, england, wales) = two_nations().await;
    assert_eq!(world.run("status").await.exit, Exit::Done);
    england.told().alerts = vec![v1::Alert { code: "PARKED".into(), count: 1, ..v1::Alert::default() }];
    let alerted = world.run("status --output json").await;
    assert_eq!(alerted.exit, Exit::NeedsPerson);
    assert_eq!(alerted.json()["needs_person"], true);
    england.told().alerts.clear();
    world.name("scotland", &[NOBODY]);
    let silent = world.run("status").await;
    assert_eq!(silent.exit, Exit::NeedsPerson);
    assert!(silent.data.contains("scotland does not answer"), "{silent:?}");
    england.told().refuses = Some(Code::CredentialRevoked);
    wales.told().refuses = Some(Code::CredentialRevoked);
    assert_eq!(world.run("status").await.exit, Exit::Refused);
    let mut nobody = World::new();
    nobody.name("england", &[NOBODY]);
    assert_eq!(nobody.run("status").await.exit, Exit::Unreachable);
}

#[tokio::test]
async fn certificates_of_another_world_are_a_refusal_and_not_an_outage() {
    let (world, _, _) = two_nations().await;
    world.forget_the_ca();
    let ended = world.run("status").await;
    assert_eq!(ended.exit, Exit::Refused, "{ended:?}");
    assert!(ended.talk.contains("BH0103"), "{ended:?}");
}

#[tokio::test]
async fn a_watch_comes_back_after_each_connection() {
    let (mut world, _, wales) = two_nations().await;
    world.name("scotland", &[NOBODY]);
    let ended = world.run("watch --count 4 --output jsonl").await;
    assert_eq!(ended.exit, Exit::Done, "{ended:?}");
    assert_eq!(ended.data.lines().count(), 4);
    assert!(ended.talk.contains("watching wales (DEMO)"), "{ended:?}");
    assert!(ended.talk.contains("is back"), "{ended:?}");
    let one = world.run("watch nation:wales --count 1").await;
    assert!(one.data.starts_with("DEMO ") && one.data.contains("routed"), "{one:?}");
    wales.told().refuses = Some(Code::NotGranted);
    assert_eq!(world.run("watch nation:wales").await.exit, Exit::Refused);
    assert_eq!(world.run("watch nation:scotland --timeout 500ms").await.exit, Exit::Unreachable);
    assert_eq!(world.run("watch nation:northern-ireland").await.exit, Exit::Usage);
}
