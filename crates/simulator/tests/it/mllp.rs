//! HL7 v2 over MLLP, received.

use bulkhead_simulator::{Acknowledgement, Behaviour, Mllp, Protocol};

use crate::support::*;

fn protocol(change: impl FnOnce(&mut Mllp)) -> Protocol {
    let mut mllp = Mllp::new("2.4", "GPOOH", "DALRIADA");
    change(&mut mllp);
    Protocol::Mllp(mllp)
}

#[tokio::test]
async fn referrals_are_kept_and_acknowledged() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let mut line = Line::to(&simulator).await;
    let first = message("I12", "M1", "OOH-1", "");
    line.send(&first).await;
    let answer = line.answer().await;
    assert!(answer[0].starts_with("MSH|^~\\&|GPOOH|DALRIADA|APP|FAC|"), "{}", answer[0]);
    assert_eq!(answer[1], "MSA|AA|M1");
    for (event, id) in [("I13", "M2"), ("I14", "M3")] {
        assert_eq!(line.ask(&message(event, id, "OOH-1", "")).await, format!("MSA|AA|{id}"));
    }
    let response = first.replace("REF^I12^REF_I12|M1", "RRI^I12^RRI_I12|M4");
    assert_eq!(line.ask(&response).await, "MSA|AA|M4");
    // Nobody acknowledges an acknowledgement.
    line.send("MSH|^~\\&|A|F|B|C|20260801||ACK^I12|M9|P|2.4\rMSA|AA|X\r").await;
    assert!(line.is_quiet().await);
    let list = received(&simulator).await;
    let kinds: Vec<_> = list.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["request", "update", "cancel", "response"]);
    assert!(list.iter().all(|item| item["case"] == "OOH-1^APP"));
    assert_eq!(get(simulator.http(), "/received/0").await.body, first);
}

#[tokio::test]
async fn a_repeat_is_known_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let sent = message("I12", "M1", "OOH-1", "");
    for turn in 0..3_usize {
        let simulator = start_kept("northern-ireland/ooh-dalriada", hl7(), &journal).await;
        let mut line = Line::to(&simulator).await;
        assert_eq!(line.ask(&sent).await, "MSA|AA|M1");
        assert_eq!(line.ask(&sent.replace("|APP|FAC|", "|APP|OTHER|")).await, "MSA|AA|M1");
        let list = received(&simulator).await;
        assert_eq!(list.len(), 2 * (turn + 1));
        assert_eq!(list.iter().filter(|item| item["repeat"] == false).count(), 2);
        simulator.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let mut line = Line::to(&simulator).await;
    let good = message("I12", "M1", "OOH-1", "");
    for (from, to, err) in [
        ("PRD|R", "ZRD|R", "ERR|PRD^1^^100&a required segment is missing&HL70357"),
        (
            "|P|2.4",
            "|P|2.9",
            "ERR||MSH^1^12|203^Unsupported version id^HL70357|E||||the version is not supported",
        ),
        ("OOH-1^APP", "", "ERR|RF1^1^6^101&a required field is missing&HL70357"),
        ("REF^I12^REF_I12", "ADT^A28", "ERR|MSH^1^9^200&the message type is not REF or RRI&HL70357"),
        ("REF^I12^REF_I12", "REF^I15", "ERR|MSH^1^9^201&the event is not taken here&HL70357"),
    ] {
        line.send(&good.replace(from, to)).await;
        let answer = line.answer().await;
        assert!(answer[1].starts_with("MSA|AR|M1"), "{}", answer[1]);
        assert_eq!(answer[2], err);
    }
    assert!(received(&simulator).await.is_empty());
    behave(&simulator, Behaviour { strict: true, ..Behaviour::default() }).await;
    let unknown = line.ask(&message("I14", "M2", "OOH-9", "")).await;
    assert!(unknown.starts_with("MSA|AR|M2"), "{unknown}");
    assert_eq!(line.ask(&good).await, "MSA|AA|M1");
    assert_eq!(line.ask(&message("I14", "M3", "OOH-1", "")).await, "MSA|AA|M3");
    // What is no message at all is not answered.
    line.send("GET / HTTP/1.1").await;
    assert!(line.answer().await.is_empty());
}

#[tokio::test]
async fn enhanced_mode_commits() {
    let enhanced = protocol(|mllp| mllp.acknowledgement = Acknowledgement::Enhanced);
    let simulator = start("scotland/ooh-lothian", enhanced).await;
    let mut line = Line::to(&simulator).await;
    assert_eq!(line.ask(&message("I12", "M1", "1", "|||AL|NE")).await, "MSA|CA|M1");
    assert_eq!(line.ask(&message("I12", "M2", "2", "|||AL|AL")).await, "MSA|CA|M2");
    assert_eq!(line.answer().await[1], "MSA|AA|M2");
    assert_eq!(line.ask(&message("I12", "M3", "3", "")).await, "MSA|AA|M3");
    let bad = message("I12", "M4", "4", "|||AL|NE").replace("PID|", "ZID|");
    assert!(line.ask(&bad).await.starts_with("MSA|CR|M4"));
    line.send(&message("I12", "M5", "5", "|||NE|NE")).await;
    assert!(line.is_quiet().await);
    assert_eq!(received(&simulator).await.len(), 4);
}

#[tokio::test]
async fn one_message_per_connection() {
    let simulator = start("wales/ooh-cardiff", protocol(|mllp| mllp.one_per_connection = true)).await;
    for id in ["M1", "M2"] {
        let mut line = Line::to(&simulator).await;
        assert_eq!(line.ask(&message("I12", id, "1", "")).await, format!("MSA|AA|{id}"));
        assert!(line.answer().await.is_empty(), "the connection is still open");
    }
}

#[tokio::test]
async fn frames_that_come_together_are_answered_apart() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let mut line = Line::to(&simulator).await;
    let two = format!("{}\x1C\r\x0B{}", message("I12", "M1", "1", ""), message("I12", "M2", "2", ""));
    assert_eq!(line.ask(&two).await, "MSA|AA|M1");
    assert_eq!(line.answer().await[1], "MSA|AA|M2");
}
