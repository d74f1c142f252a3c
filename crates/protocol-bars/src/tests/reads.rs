//! What the local system may read.

use super::*;

#[tokio::test]
async fn what_is_served_says_so() {
    let world = World::start().await;
    for base in ["", "/FHIR/R4", "/booking-and-referral/FHIR/R4"] {
        let response = world.get(&format!("{base}/metadata")).await;
        assert_eq!(response.document(Syntax::Json).resource_type(), "CapabilityStatement");
    }
    let xml = [("accept", "application/fhir+xml".to_owned())];
    let response = world.send(Method::GET, "/metadata", &xml, Bytes::new()).await;
    assert_eq!(response.document(Syntax::Xml).resource_type(), "CapabilityStatement");
}

#[tokio::test]
async fn definitions_are_those_of_services_that_are_known() {
    let world = World::start().await;
    let count = async |query: &str| {
        let response = world.get(&format!("/MessageDefinition{query}")).await;
        response.document(Syntax::Json).root().path_text("total").unwrap().to_owned()
    };
    let context = |value: &str| format!("context=https://fhir.nhs.uk/Id/dos-service-id%7C{value}");
    let use_case =
        |code: &str| format!("context=https://fhir.nhs.uk/CodeSystem/usecases-categories-bars%7C{code}");
    assert_eq!(count("").await, "6");
    assert_eq!(count(&format!("?{}", context(RECEIVER))).await, "6");
    assert_eq!(count(&format!("?{}&{}", context(SENDER), use_case("A1T10"))).await, "6");
    assert_eq!(count(&format!("?{}&{}", context(SENDER), use_case("a5t1"))).await, "0");
    assert_eq!(count(&format!("?{}", context("1"))).await, "0");
}

#[tokio::test]
async fn a_request_is_read_before_and_after_it_is_cancelled() {
    let world = World::start().await;
    let sample = sample(30);
    let (headers, body) = message(&sample, Syntax::Json);
    let echo = world.post(&headers, body).await.document(Syntax::Json);
    let resources = echo.root().path_all("entry.resource");
    let request = resources.iter().find(|r| r.resource_type() == Some("ServiceRequest")).unwrap();
    let id = request.text("id").unwrap();
    let read = async || {
        let response = world.get(&format!("/ServiceRequest/{id}")).await;
        let document = response.document(Syntax::Json);
        assert_eq!(document.resource_type(), "ServiceRequest");
        assert_eq!(document.root().text("id"), Some(id));
        document.root().text("status").unwrap().to_owned()
    };
    assert_eq!(read().await, "active");
    world.stub.set_state(&headers[0].1, bulkhead_model::State::Held);
    assert_eq!(read().await, "on-hold");
    let cancel = sample.cancel(Syntax::Json).write().unwrap();
    let cancelled = world.post(&again(sample.headers(Syntax::Json), 30), cancel).await;
    assert_eq!(cancelled.status, 200, "{:?}", cancelled.body);
    assert_eq!(world.stub.submitted().pop().unwrap().envelope.kind, Kind::Cancel);
    assert_eq!(read().await, "revoked");

    let found = world.get(&format!("/ServiceRequest?_id={id},unknown")).await.document(Syntax::Json);
    assert_eq!(found.root().text("total"), Some("1"));
    assert_eq!(world.get("/ServiceRequest/unknown").await.words(), "404 REC_NOT_FOUND not-found");
    let by_patient = world.get("/ServiceRequest?patient:identifier=x%7C9990000018").await;
    assert_eq!(by_patient.words(), "501 REC_NOT_IMPLEMENTED not-supported");
}
