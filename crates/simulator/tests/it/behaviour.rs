//! Simulators that answer as they are told.

use std::time::{Duration, Instant};

use bulkhead_format_bars::Syntax;
use bulkhead_simulator::{Answer, Behaviour};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn bars_answers_as_told() {
    let simulator = start("england/ooh-riverside", bars()).await;
    let (headers, body) = referral(1, Syntax::Json);
    for (answer, status) in [(Answer::Retry, 503), (Answer::Reject, 422)] {
        behave(&simulator, Behaviour::of(answer).next(2)).await;
        for _ in 0..2 {
            assert_eq!(post(&simulator, &headers, &body).await.status, status);
        }
    }
    behave(&simulator, Behaviour::of(Answer::Close).next(1)).await;
    let path = "/FHIR/R4/$process-message";
    assert!(try_http(simulator.listen(), "POST", path, &headers, body.clone()).await.is_err());
    assert!(received(&simulator).await.is_empty());

    // The answer is lost, the message is not.
    behave(&simulator, Behaviour { store: true, ..Behaviour::of(Answer::Silent).next(1) }).await;
    let waiting = post(&simulator, &headers, &body);
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    assert_eq!(received(&simulator).await.len(), 1);
    assert_eq!(post(&simulator, &headers, &body).await.status, 409);
    // What is known is not rejected.
    behave(&simulator, Behaviour::of(Answer::Reject)).await;
    assert_eq!(post(&simulator, &headers, &body).await.status, 409);
}

#[tokio::test]
async fn a_slow_bars_receiver_says_too_early_and_goes_on_alone() {
    let simulator = start("england/ooh-riverside", bars()).await;
    let (headers, body) = referral(1, Syntax::Json);
    behave(&simulator, Behaviour { delay_ms: 500, ..Behaviour::default() }).await;
    let began = Instant::now();
    let waiting = post(&simulator, &headers, &body);
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    assert_eq!(post(&simulator, &headers, &body).await.status, 425);
    assert!(began.elapsed() < Duration::from_millis(500));
    while post(&simulator, &headers, &body).await.status == 425 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(received(&simulator).await.iter().filter(|item| item["repeat"] == false).count(), 1);
}

#[tokio::test]
async fn mllp_answers_as_told() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let mut line = Line::to(&simulator).await;
    let sent = message("I12", "M1", "1", "");
    for (answer, code) in [(Answer::Retry, "AE"), (Answer::Reject, "AR")] {
        behave(&simulator, Behaviour::of(answer).next(1)).await;
        assert!(line.ask(&sent).await.starts_with(&format!("MSA|{code}|M1")));
    }
    behave(&simulator, Behaviour { only: Some("M1".into()), ..Behaviour::of(Answer::Silent) }).await;
    line.send(&sent).await;
    assert!(line.is_quiet().await);
    assert_eq!(line.ask(&message("I12", "M2", "2", "")).await, "MSA|AA|M2");
    behave(&simulator, Behaviour { store: true, ..Behaviour::of(Answer::Close) }).await;
    line.send(&sent).await;
    assert!(line.answer().await.is_empty());
    behave(&simulator, Behaviour { delay_ms: 200, ..Behaviour::default() }).await;
    let began = Instant::now();
    assert_eq!(Line::to(&simulator).await.ask(&sent).await, "MSA|AA|M1");
    assert!(began.elapsed() >= Duration::from_millis(200));
    let list = received(&simulator).await;
    let repeats: Vec<_> = list.iter().map(|item| item["repeat"].as_bool().unwrap()).collect();
    assert_eq!(repeats, [false, false, true]);
}

#[tokio::test]
async fn down_refuses_connections_until_it_is_up() {
    let simulator = start("northern-ireland/ooh-dalriada", hl7()).await;
    let mut line = Line::to(&simulator).await;
    behave(&simulator, Behaviour::of(Answer::Down)).await;
    assert!(line.answer().await.is_empty());
    assert!(TcpStream::connect(simulator.listen()).await.is_err());
    assert_eq!(get(simulator.http(), "/readyz").await.status, 200);
    behave(&simulator, Behaviour::default()).await;
    let mut line = Line::to(&simulator).await;
    assert_eq!(line.ask(&message("I12", "M1", "1", "")).await, "MSA|AA|M1");
}
