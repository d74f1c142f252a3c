//! The commands against a world that runs.

use std::fs;

use serde_json::Value;

use crate::support::{country, eventually};

const FROM: &str = "england/nhs111-north";
const TO: &str = "england/ooh-riverside";

#[tokio::test(flavor = "multi_thread")]
async fn send_trace_list_status_and_watch() {
    let country = country().await;
    // A document that the receiver reads: one that it has received.
    country.send(FROM, TO).await;
    country.until_received(TO, 1).await;
    let file = country.place.path().join("referral.xml");
    fs::write(&file, country.bytes(TO, 0).await).unwrap();
    let file = file.display().to_string();

    let send = ["send", &file, "--from", FROM, "--to", "england/riverside-ooh", "--wait", "acknowledged"];
    let sent = country.asked(&send).await;
    assert_eq!((&sent["files"][0]["ok"], &sent["demo"]), (&true.into(), &true.into()), "{sent}");
    assert_eq!(sent["files"][0]["state"], "acknowledged");
    let id = sent["files"][0]["referral_id"].as_str().unwrap();

    let traced = country.asked(&["trace", id]).await;
    let referral = &traced["referral"];
    assert_eq!(
        (&referral["referral_id"], &referral["state"]),
        (&id.into(), &"acknowledged".into()),
        "{traced}"
    );
    let events: Vec<_> =
        traced["steps"].as_array().unwrap().iter().map(|step| step["event"].clone()).collect();
    for event in ["routed", "offered", "delivered", "acknowledged"] {
        assert!(events.contains(&event.into()), "{event} in {events:?}");
    }
    let by_message = country.asked(&["trace", sent["files"][0]["message_id"].as_str().unwrap()]).await;
    assert_eq!(by_message["referral"]["referral_id"], id);

    let listed = country.asked(&["list", "--tenant", FROM]).await;
    let ids: Vec<_> =
        listed["referrals"].as_array().unwrap().iter().map(|one| one["referral_id"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&id.into()), "{ids:?}");

    let status = country.bulkhead(&["status", "--output", "json"]).await;
    assert_eq!(status.code, 0, "nothing needs a person: {}{}", status.stdout, status.stderr);
    assert!(serde_json::from_str::<Value>(&status.stdout).is_ok());

    let nothing = country.bulkhead(&["trace", "00000000-0000-4000-8000-000000000000"]).await;
    assert_eq!(nothing.code, 4, "{}", nothing.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_after_its_count() {
    let country = country().await;
    let watch = country.bulkhead(&["watch", "--count", "3", "--output", "jsonl"]);
    let send = async {
        // The watch may begin after the first; another one follows.
        eventually("the watch has seen something", async || {
            country.send(FROM, TO).await;
            None::<()>
        })
        .await
    };
    let said = tokio::select! {
        said = watch => said,
        () = send => unreachable!("it sends on"),
    };
    assert_eq!(said.code, 0, "{}", said.stderr);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
}
