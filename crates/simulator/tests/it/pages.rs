//! The pages for people and tests.

use bulkhead_simulator::{Config, Error, Simulator};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn received_is_listed_from_any_place() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    assert_eq!(get(simulator.http(), "/received").await.json(), json!([]));
    let mut line = Line::to(&simulator).await;
    for n in 0..600 {
        line.ask(&message("I12", &format!("M{n}"), "1", "")).await;
    }
    assert_eq!(received(&simulator).await.len(), 600);
    let tail = get(simulator.http(), "/received?since=598").await.json();
    assert_eq!((tail[0]["message_id"].as_str(), tail[1]["sequence"].as_u64()), (Some("M598"), Some(599)));
    assert_eq!(get(simulator.http(), "/received?since=600").await.json(), json!([]));
    assert_eq!(get(simulator.http(), "/received?since=999").await.json(), json!([]));
    assert_eq!(get(simulator.http(), "/received/600").await.status, 404);
    assert_eq!(simulator.received(), 600);
}

#[tokio::test]
async fn health_and_metrics() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    Line::to(&simulator).await.ask(&message("I12", "M1", "1", "")).await;
    assert_eq!(get(simulator.http(), "/livez").await.text(), "ok\n");
    assert_eq!(get(simulator.http(), "/readyz").await.text(), "ready\n");
    let metrics = get(simulator.http(), "/metrics").await.text();
    for line in ["simulator_accepted_total", "simulator_kept", "simulator_listening"] {
        assert!(
            metrics.contains(&format!("{line}{{tenant=\"northern-ireland/ooh-dalriada\"}} 1\n")),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn behaviour_is_shown_and_checked() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let put = async |body: &'static str| http(simulator.http(), "PUT", "/behaviour", &Vec::new(), body).await;
    assert_eq!(put(r#"{"answer":"reject","next":2}"#).await.json()["next"], 2);
    assert_eq!(get(simulator.http(), "/behaviour").await.json()["answer"], "reject");
    for bad in ["", "{", r#"{"answer":"no"}"#, r#"{"answer":"down","next":1}"#, r#"{"delay_ms":600001}"#] {
        assert_eq!(put(bad).await.status, 400, "{bad}");
    }
    assert_eq!(get(simulator.http(), "/behaviour").await.json()["answer"], "reject");
}

#[tokio::test]
async fn a_taken_port_is_said_and_a_stopped_one_is_free() {
    let first = start("northern-ireland/ooh-dalriada", hl7()).await;
    let again = || Config { listen: first.listen(), ..config("northern-ireland/ooh-dalriada", hl7()) };
    assert!(
        matches!(Simulator::start(again()).await, Err(Error::Listen { address, .. }) if address == first.listen())
    );
    first.shutdown().await;
    Simulator::start(again()).await.unwrap();
}
