//! `send`: many files, outages, refusals, and following what was accepted.

use bulkhead_cli::Exit;

use crate::cell::FakeCell;
use crate::world::{NOBODY, World};

const FHIR: &str = "{\"resourceType\": \"Bundle\"}";

async fn england(cell: &FakeCell, before: &[&str]) -> World {
    let mut world = World::new();
    world.serve("england", cell.clone(), before).await;
    world
}

fn send(files: &str, to: &str, more: &str) -> String {
    format!("send {files} --from england/nhs111-north --to {to} {more}")
}

#[tokio::test]
async fn one_file_is_accepted() {
    let world = england(&FakeCell::default(), &[]).await;
    let file = world.file("a.json", FHIR);
    let ended = world.run(&send(&file.display().to_string(), "wales/triage", "--message-id M")).await;
    assert_eq!(ended.exit, Exit::Done, "{ended:?}");
    assert!(ended.data.starts_with("accepted      wales/triage#M  "), "{ended:?}");
    assert_eq!(
        ended.talk,
        "DEMO  context dev, nation england: as england/nhs111-north, 1 file to wales/triage\n"
    );
}

#[tokio::test]
async fn a_thousand_files_go_through_outages_within_the_window() {
    let cell = FakeCell::default();
    cell.told().ends_after = vec![300, 7, 0];
    // The first node that the context names is not there.
    let world = england(&cell, &[NOBODY]).await;
    let files: Vec<String> =
        (0..1_000).map(|n| world.file(&format!("{n}.json"), FHIR).display().to_string()).collect();
    let ended = world.run(&send(&files.join(" "), "wales/triage", "--message-id M --output json")).await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.talk);
    let json = ended.json();
    assert_eq!(json["demo"], true);
    let sent = json["files"].as_array().unwrap();
    assert_eq!(sent.len(), 1_000);
    assert!(sent.iter().all(|one| one["ok"] == true && one["duplicate"] == false));
    assert_eq!(sent[999]["message_id"], "M-1000", "in the order of the files");
    let told = cell.told();
    assert_eq!(told.received.len(), 1_000);
    assert!((2..=16).contains(&told.most_unanswered), "{}", told.most_unanswered);
    assert!(ended.talk.contains("england cannot be reached"), "{}", ended.talk);
}

#[tokio::test]
async fn referrals_of_one_case_go_one_by_one() {
    let cell = FakeCell::default();
    let world = england(&cell, &[]).await;
    let files: Vec<String> =
        (0..5).map(|n| world.file(&format!("{n}.json"), FHIR).display().to_string()).collect();
    let ended = world.run(&send(&files.join(" "), "wales/triage", "--case C")).await;
    assert_eq!(ended.exit, Exit::Done, "{ended:?}");
    assert_eq!(cell.told().most_unanswered, 1);
}

#[tokio::test]
async fn a_refusal_is_final_and_an_overload_is_not() {
    let cell = FakeCell::default();
    let world = england(&cell, &[]).await;
    let file = world.file("a.json", FHIR).display().to_string();
    let refused = world.run(&send(&file, "wales/cut", "--message-id cut")).await;
    assert_eq!(refused.exit, Exit::Refused);
    assert!(
        refused.talk.contains("a.json was not accepted: answers DESTINATION_CUT: wales/cut is cut off"),
        "{refused:?}"
    );
    assert!(refused.talk.ends_with("hint: `bulkhead explain BH0002` says what to check\n"), "{refused:?}");
    for to in ["wales/busy", "wales/unsure"] {
        let later = world.run(&send(&file, to, &format!("--message-id {to}"))).await;
        assert_eq!(later.exit, Exit::Done, "{later:?}");
        assert_eq!(cell.told().received[to], 2);
    }
    assert_eq!(cell.told().received["cut"], 1);
    let never = world.run(&send(&file, "wales/always-busy", "--timeout 700ms")).await;
    assert_eq!(never.exit, Exit::Failed);
    assert!(never.talk.contains("QUOTA_EXCEEDED") && never.talk.contains("BH0009"), "{never:?}");
}

#[tokio::test]
async fn some_files_fail_and_are_named() {
    let world = england(&FakeCell::default(), &[]).await;
    let good = world.file("good.hl7", "MSH|^~\\&|A").display().to_string();
    let odd = world.file("odd.bin", "what is this").display().to_string();
    let missing = world.path("missing.json").display().to_string();
    let ended = world.run(&send(&format!("{odd} {good} {missing}"), "wales/triage", "--output jsonl")).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert_eq!(ended.data.lines().count(), 3);
    assert!(ended.talk.contains("2 of 3 files were not accepted"), "{ended:?}");
    assert!(ended.talk.contains("odd.bin") && ended.talk.contains("missing.json"), "{ended:?}");
    assert!(!ended.talk.contains("good.hl7"), "{ended:?}");
}

#[tokio::test]
async fn nobody_there_ends_within_the_time_out() {
    let mut world = World::new();
    world.name("england", &[NOBODY]);
    let file = world.file("a.json", FHIR).display().to_string();
    let ended = world.run(&send(&file, "wales/triage", "--timeout 600ms")).await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(ended.talk.contains("BH0101"), "{ended:?}");
}

#[tokio::test]
async fn following_ends_where_it_was_asked_to() {
    let world = england(&FakeCell::default(), &[]).await;
    let file = world.file("a.json", FHIR).display().to_string();
    let stored = world.run(&send(&file, "2000011147", "--wait acknowledged")).await;
    assert_eq!(stored.exit, Exit::Done, "{stored:?}");
    assert!(stored.data.starts_with("acknowledged"), "{stored:?}");
    assert!(stored.data.contains("not yet seen by a clinician"), "{stored:?}");

    let late = world.run(&send(&file, "wales/slow", "--wait delivered --timeout 700ms --output json")).await;
    assert_eq!(late.exit, Exit::Failed);
    assert_eq!(late.json()["files"][0]["state"], "routed");
    assert!(late.talk.contains("BH0107"), "{late:?}");

    let stuck = world.run(&send(&file, "wales/refusing", "--wait acknowledged")).await;
    assert_eq!(stuck.exit, Exit::Failed);
    assert!(stuck.talk.contains("it is rejected: refused by the receiving system"), "{stuck:?}");
}

#[tokio::test]
async fn a_tenant_or_service_that_the_context_does_not_know_is_wrong_usage() {
    let world = england(&FakeCell::default(), &[]).await;
    let file = world.file("a.json", FHIR).display().to_string();
    let tenant = world.run(&format!("send {file} --from wales/wast-111 --to wales/triage")).await;
    assert_eq!(tenant.exit, Exit::Usage);
    assert!(tenant.talk.contains("hint: it has england/nhs111-north"), "{tenant:?}");
    let service = world.run(&send(&file, "4711", "")).await;
    assert_eq!(service.exit, Exit::Usage);
}
