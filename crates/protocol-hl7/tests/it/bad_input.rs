//! What must not be taken, and what must be although it is odd.

use std::time::Duration;

use bulkhead_format_hl7::mllp::encode;
use bulkhead_protocol_hl7::Answers;

use crate::line::{Line, Said};
use crate::world::{World, referral};

async fn asked(message: impl AsRef<[u8]>) -> Said {
    let world = World::new().await;
    let sidecar = world.start().await;
    let said = sidecar.line().await.ask(message).await;
    assert!(said.code().0.ends_with('A') || world.broker.memory.taken().is_empty());
    sidecar.stop().await;
    said
}

/// MSA-1 and the first error's code, under HL7's own letters and under those of the DHCW guide.
async fn check(message: impl AsRef<[u8]>, expected: (&str, u16), in_wales: &str) {
    let said = asked(&message).await;
    assert_eq!((said.error().0.as_str(), said.error().1), expected, "{}", said.whole);
    let mut world = World::new().await;
    world.hl7.answers = Some(Answers::DHCW);
    let sidecar = world.start().await;
    assert_eq!(sidecar.line().await.ask(&message).await.code().0, in_wales);
    sidecar.stop().await;
}

#[tokio::test]
async fn without_a_header() {
    let message = referral("M1");
    let said = asked(&message[message.find("RF1").unwrap()..]).await;
    assert_eq!((said.code(), said.error().1), (("AE".into(), String::new()), 100));
}

#[tokio::test]
async fn another_version() {
    check(referral("M1").replacen("|P|2.4", "|P|2.9", 1), ("AR", 203), "AR").await;
    check(referral("M1").replacen("|P|2.4", "|P|", 1), ("AR", 203), "AR").await;
}

#[tokio::test]
async fn an_unsupported_version_is_refused_in_the_mode_that_it_asks_for() {
    let said = asked(referral("M1").replacen("|P|2.4", "|P|2.9|||AL|NE", 1)).await;
    assert_eq!(said.error(), ("CR".into(), 203));
}

#[tokio::test]
async fn another_type_or_event() {
    check(referral("M1").replacen("REF^I12^REF_I12", "ADT^A28", 1), ("AR", 200), "AR").await;
    check(referral("M1").replacen("REF^I12^REF_I12", "REF^I99", 1), ("AR", 201), "AR").await;
    check(referral("M1").replacen("REF^I12^REF_I12", "REF^I15", 1), ("AR", 201), "AR").await;
}

#[tokio::test]
async fn a_batch() {
    let batch = format!("BHS|^~\\&|GPSYS|BELFAST|||20260801||||B1\r{}BTS|1\r", referral("M1"));
    check(batch, ("AR", 200), "AR").await;
}

#[tokio::test]
async fn test_messages_for_a_production_system() {
    check(referral("M1").replacen("|P|2.4", "|T|2.4", 1), ("AR", 202), "AR").await;
    check(referral("M1").replacen("|P|2.4", "|D|2.4", 1), ("AR", 202), "AR").await;
}

#[tokio::test]
async fn something_required_is_missing() {
    let without = |name: &str| {
        let kept: Vec<_> =
            referral("M1").split('\r').filter(|line| !line.starts_with(name)).map(str::to_owned).collect();
        kept.join("\r")
    };
    check(without("PRD"), ("AE", 100), "AR").await;
    check(without("PID"), ("AE", 100), "AR").await;
    check(referral("M1").replacen("OOH-4711^DALRIADA", "", 1), ("AE", 101), "AR").await;
    let said = asked(referral("")).await;
    assert_eq!((said.code(), said.error().1), (("AE".into(), String::new()), 101));
}

#[tokio::test]
async fn two_messages_in_one_frame() {
    check(format!("{}{}", referral("M1"), referral("M2")), ("AE", 100), "AR").await;
}

#[tokio::test]
async fn a_line_end_inside_a_text() {
    check(referral("M1").replacen("asks for", "asks\rfor", 1), ("AE", 100), "AR").await;
}

#[tokio::test]
async fn odd_delimiters_are_taken_and_answered_alike() {
    let odd: String = referral("M1")
        .chars()
        .map(|c| match c {
            '|' => '#',
            '^' => '@',
            '&' => '!',
            other => other,
        })
        .collect();
    let said = asked(odd).await;
    assert!(said.whole.starts_with("MSH#@~\\!#BULKHEAD#DALRIADA#GPSYS#BELFAST#"), "{}", said.whole);
    assert_eq!(said.code(), ("AA".into(), "M1".into()));
}

#[tokio::test]
async fn delimiters_that_divide_nothing() {
    let said = asked(referral("M1").replacen("^~\\&", "^^^^", 1)).await;
    assert_eq!(said.error(), ("AE".into(), 102));
}

#[tokio::test]
async fn two_megabytes_in_one_field_arrive_whole() {
    let message = referral("M1").replacen("asks for a call", &"x".repeat(2 << 20), 1);
    let world = World::new().await;
    let sidecar = world.start().await;
    assert_eq!(sidecar.line().await.ask(&message).await.code().0, "AA");
    assert_eq!(world.broker.memory.taken()[0].payload, message.as_bytes());
    sidecar.stop().await;
}

#[tokio::test]
async fn more_than_the_receiver_takes() {
    let message = referral("M1").replacen("asks for a call", &"x".repeat(3 << 20), 1);
    let said = asked(message).await;
    assert!(said.text().starts_with("PAYLOAD_TOO_LARGE"), "{}", said.whole);
}

#[tokio::test]
async fn frames_that_do_not_end() {
    let mut world = World::new().await;
    world.hl7.receive.frame_timeout = Duration::from_millis(300);
    world.hl7.receive.max_frame_bytes = 100_000;
    let sidecar = world.start().await;
    let frame = encode(referral("M1").as_bytes()).unwrap();
    let unended = &frame[..frame.len() - 2];

    let mut cut_short = sidecar.line().await;
    cut_short.write(unended).await;
    cut_short.finish().await;
    assert!(cut_short.answer().await.is_none());

    let mut slow = sidecar.line().await;
    slow.write(unended).await;
    assert!(slow.answer().await.is_none());

    let mut endless = sidecar.line().await;
    endless.write(&[&[0x0B][..], &[b'x'; 100_001]].concat()).await;
    assert!(endless.answer().await.is_none());

    assert!(world.broker.memory.taken().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn noise_before_a_frame() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    line.write(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(line.ask(referral("M1")).await.code().0, "AA");
    let mut noisy = sidecar.line().await;
    noisy.write(&[b'x'; 4096]).await;
    assert!(noisy.answer().await.is_none());
    sidecar.stop().await;
}

#[tokio::test]
async fn pieces_pipelines_and_forgotten_ends() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line: Line = sidecar.line().await;
    for byte in encode(referral("M1").as_bytes()).unwrap() {
        line.write(&[byte]).await;
    }
    assert_eq!(line.answer().await.unwrap().code(), ("AA".into(), "M1".into()));
    let last_cr_missing = referral("M3").trim_end_matches('\r').to_owned();
    let both =
        [encode(referral("M2").as_bytes()).unwrap(), encode(last_cr_missing.as_bytes()).unwrap()].concat();
    line.write(&both).await;
    for expected in ["M2", "M3"] {
        assert_eq!(line.answer().await.unwrap().code(), ("AA".into(), expected.into()));
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_is_not_acknowledged() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    let ack =
        "MSH|^~\\&|GPSYS|BELFAST|BULKHEAD|NI|20260801||ACK^I12^ACK|A1|P|2.4\rMSA|AE|M0|Mr Quillfeather\r";
    line.write(&encode(ack.as_bytes()).unwrap()).await;
    line.silence().await;
    assert_eq!(line.ask(referral("M1")).await.code().0, "AA");
    sidecar.stop().await;
}
