//! One trace of OpenTelemetry, from the sender's submit over the border to the receiver's answer, as a
//! collector gets it.

use bulkhead_testkit::campaign::collector::Collector;
use bulkhead_testkit::campaign::http;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use crate::support::{Country, eventually, started};

const BARS: &str = "england/nhs111-north";
const HL7: &str = "wales/ooh-cardiff";
/// From the local system's submit to the hand-over to the other nation's, each the child of the one before.
const WAY: [&str; 7] = ["local_submit", "submit", "route", "carry", "route", "deliver", "local_hand_over"];

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_submit_over_the_border_to_the_answer() {
    let collector = Collector::start().await.unwrap();
    let endpoint = collector.endpoint();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "200")];
    let country = started("trace", &variables).await;
    // In the one direction BaRS is answered by HL7 v2, in the other HL7 v2 by BaRS.
    for (from, to) in [(BARS, HL7), (HL7, BARS)] {
        let before = country.received(to).await.len();
        country.send(from, to).await;
        country.until_received(to, before + 1).await;
        let there = eventually("the way there is one trace", async || way(&collector, from, None)).await;
        let root = there.first().unwrap();
        assert!(root.parent_span_id.is_empty(), "it begins with the sender: {root:?}");
        let referral = attribute(&there[1], "referral");
        assert_eq!(referral.as_ref().map(String::len), Some(36), "{referral:?}");
        for span in &there[2..] {
            assert_eq!(attribute(span, "referral"), referral, "{span:?}");
        }

        let before = country.received(from).await.len();
        let simulator = country.dev().tenant(to).unwrap().simulator.http;
        let answer = json!({ "to_message": country.received(to).await.len() - 1 });
        let answered = http::post(simulator, "/respond", &answer).await.unwrap();
        assert_eq!(answered.status, 200, "{}", answered.text());
        country.until_received(from, before + 1).await;
        let handed_over = there.last();
        let back = eventually("the way back is below it", async || way(&collector, to, handed_over)).await;
        assert_eq!(back[0].trace_id, root.trace_id);
    }
    let planted = patient(&country).await;
    assert!(country.world.stop().await.unwrap().success());
    for bytes in collector.bytes() {
        for word in &planted {
            assert!(!holds(&bytes, word), "{word:?} is in a span: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// The spans of [`WAY`] one under the other, the first of them a child of `above`, from that tenant's door.
fn way(collector: &Collector, from: &str, above: Option<&Span>) -> Option<Vec<Span>> {
    let traces = collector.traces();
    traces.values().find_map(|spans| {
        let mut way: Vec<Span> = Vec::new();
        for name in WAY {
            let parent = way.last().or(above).map(|span| span.span_id.as_slice()).unwrap_or_default();
            way.push(spans.iter().find(|span| span.name == name && span.parent_span_id == parent)?.clone());
        }
        (attribute(&way[1], "tenant").as_deref() == Some(from)).then_some(way)
    })
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// The first patient's number, family name and telephone, as the Welsh system got them.
async fn patient(country: &Country) -> Vec<String> {
    let message = String::from_utf8_lossy(&country.bytes(HL7, 0).await).into_owned();
    let patient = message.split('\r').find(|line| line.starts_with("PID")).unwrap();
    let field = |number: usize| patient.split('|').nth(number).unwrap().split('^').next().unwrap().to_owned();
    let planted = [3, 5, 13].map(field);
    assert!(planted.iter().all(|word| word.len() >= 4), "too short to look for: {planted:?}");
    planted.into()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
