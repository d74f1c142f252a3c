//! A patient's name and number never come out in a refusal or a log line.

use bulkhead_format_bars::Problem;
use bulkhead_process::capture::Capture;

use super::local::{Local, Then};
use super::*;
use crate::BarsSystem;
use bulkhead_adapter::{LocalSystem, Outcome};

const NAME: &str = "Quillfeather";
const NUMBER: &str = "9476719931";

/// A sample about that patient.
fn planted(sample: &SampleReferral, syntax: Syntax) -> String {
    let facts = sample.facts();
    let text = String::from_utf8(sample.build(syntax).write().unwrap()).unwrap();
    let planted = text.replace(facts.family, NAME).replace(&facts.nhs_number, NUMBER);
    assert!(planted.contains(NAME) && planted.contains(NUMBER));
    planted
}

#[tokio::test]
async fn in_no_refusal_and_no_log() {
    let capture = Capture::new();
    let _guard = tracing::subscriber::set_default(capture.subscriber());
    let world = World::start().await;
    let mut bodies = Vec::new();
    for syntax in [Syntax::Json, Syntax::Xml] {
        let good = planted(&sample(40), syntax);
        let at = good.find(NAME).unwrap();
        bodies.push((syntax, good[..at + 6].to_owned()));
        bodies.push((syntax, good.replace("servicerequest-request", NAME)));
        bodies.push((syntax, good.replace("CarePlan", NAME)));
        bodies.push((syntax, good.replace("\"status\"", &format!("\"{NAME}\""))));
        bodies.push((syntax, good.replace(RECEIVER, NUMBER)));
        bodies.push((syntax, format!("{good}{NAME}")));
        bodies.push((syntax, good.replace("urn:uuid", &format!("{NAME} {NUMBER}"))));
        bodies.push((syntax, good.replace("1.1.", &format!("{NUMBER}."))));
        bodies.push((syntax, good));
    }
    for (index, (syntax, body)) in bodies.into_iter().enumerate() {
        let headers = again(sample(40).headers(syntax), index as u128);
        let response = world.post(&headers, body.clone()).await;
        if response.status != 200 {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            assert!(!text.contains(NAME) && !text.contains(NUMBER), "{index}: {text}");
        }
    }
    for path in
        [format!("/{NAME}"), format!("/ServiceRequest/{NUMBER}"), format!("/ServiceRequest?x={NUMBER}")]
    {
        let response = world.get(&path).await;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert!(response.status >= 400 && !text.contains(NAME) && !text.contains(NUMBER), "{text}");
    }
    world.stop().await;
    hand_over().await;
    capture.assert_absent(&[NAME, NUMBER]);
    assert!(capture.find("a message came").is_some());
}

/// The peer's own words may speak of the patient: they are not repeated.
async fn hand_over() {
    let (local, address) = Local::start().await;
    let system = BarsSystem::new(england(&settings(address)), TenantId::parse(TENANT).unwrap());
    system.attach_broker(Broker::Stub(Stub::new()));
    let problem =
        |problem: Problem| Then::Problem(Problem { diagnostics: format!("{NAME} {NUMBER}"), ..problem });
    local.then([
        problem(Problem::invariant("")),
        problem(Problem::too_early()),
        Then::Status(500),
        Then::Echo,
    ]);
    let payload = planted(&inward(41), Syntax::Json).into_bytes();
    let id = "3d2c1b0a-0000-4000-8000-000000000001";
    let mut delivery = delivery(Kind::Request, id, id, "application/fhir+json", payload);
    for attempt in 1..=4 {
        delivery.attempt = attempt;
        let outcome = system.hand_over(&delivery).await;
        assert_eq!(matches!(outcome, Outcome::Delivered(_)), attempt == 4, "{outcome:?}");
        let text = format!("{outcome:?}");
        assert!(!text.contains(NAME) && !text.contains(NUMBER), "{text}");
    }
    let cut = delivery.payload.bytes().slice(..delivery.payload.len() / 2);
    delivery.payload = Payload::new(cut);
    let text = format!("{:?}", system.hand_over(&delivery).await);
    assert!(text.contains("UNREADABLE") && !text.contains(NAME) && !text.contains(NUMBER), "{text}");
}
