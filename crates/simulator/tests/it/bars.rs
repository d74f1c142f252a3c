//! BaRS, received.

use bulkhead_format_bars::{Document, IdMap, Limits, Profile, SampleReferral, Syntax};
use bulkhead_simulator::{Behaviour, Protocol};

use crate::support::*;

fn code(answer: &Answer) -> String {
    let outcome = answer.json();
    let issue = &outcome["issue"][0];
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    format!(
        "{} {} {}",
        answer.status,
        issue["details"]["coding"][0]["code"].as_str().unwrap(),
        issue["code"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_referral_is_kept_and_echoed_with_other_ids() {
    let simulator = start("england/ooh-riverside", bars()).await;
    for (seed, syntax) in [(1, Syntax::Json), (2, Syntax::Xml)] {
        let (headers, body) = referral(seed, syntax);
        let answer = post(&simulator, &headers, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("X-")) {
            assert_eq!(answer.headers[*name], value.as_str());
        }
        let echo = Document::read(&answer.body, syntax, &Limits::default()).unwrap();
        assert_eq!(echo.root().text("id"), Some(sample(seed).bundle_id().to_string().as_str()));
        let map = IdMap::from_answer(&echo).unwrap();
        assert_eq!(map.len(), echo.root().all("entry").count(), "an id is the sender's");
        let list = received(&simulator).await;
        let item = &list[list.len() - 1];
        assert_eq!(item["message_id"], headers[0].1);
        assert_eq!(item["case"], headers[1].1);
        assert_eq!((item["kind"].as_str(), item["repeat"].as_bool()), (Some("request"), Some(false)));
        assert_eq!(item["length"], body.len());
        let n = item["sequence"].as_u64().unwrap();
        assert_eq!(get(simulator.http(), &format!("/received/{n}")).await.body, body);
        let kept = get(simulator.http(), &format!("/received/{n}/headers")).await.json();
        assert_eq!(kept["x-request-id"], headers[0].1);
    }
}

#[tokio::test]
async fn a_repeat_is_a_duplicate_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let (mut headers, body) = referral(1, Syntax::Json);
    for turn in 0..3 {
        let simulator = start_kept("england/ooh-riverside", bars(), &journal).await;
        let answer = post(&simulator, &headers, &body).await;
        match turn {
            0 => assert_eq!(answer.status, 200),
            _ => assert_eq!(code(&answer), "409 REC_CONFLICT duplicate"),
        }
        let upper = headers[0].1.to_ascii_uppercase();
        set(&mut headers, "X-Request-Id", &upper);
        let changed = [&body[..], b" "].concat();
        assert_eq!(code(&post(&simulator, &headers, &changed).await), "409 REC_CONFLICT duplicate");
        let list = received(&simulator).await;
        assert_eq!(list.iter().filter(|item| item["repeat"] == false).count(), 1);
        assert_eq!(list.iter().filter(|item| item["changed"] == true).count(), turn + 1);
        assert_eq!(get(simulator.http(), "/received/0").await.body, body);
        simulator.shutdown().await;
    }
}

#[tokio::test]
async fn later_messages_may_use_our_ids_or_the_case() {
    let simulator = start("england/ooh-riverside", bars()).await;
    behave(&simulator, Behaviour { strict: true, ..Behaviour::default() }).await;
    let sample = sample(1);
    let (mut headers, body) = referral(1, Syntax::Json);
    let mut cancel = sample.cancel(Syntax::Json);
    set(&mut headers, "X-Request-Id", &uuid::Uuid::new_v4().to_string());
    assert_eq!(
        code(&post(&simulator, &headers, &cancel.write().unwrap()).await),
        "404 REC_NOT_FOUND not-found"
    );
    set(&mut headers, "X-Request-Id", &uuid::Uuid::new_v4().to_string());
    let answer = post(&simulator, &headers, &body).await;
    let echo = Document::read(&answer.body, Syntax::Json, &Limits::default()).unwrap();
    let request = echo
        .root()
        .path_all("entry.resource")
        .into_iter()
        .find(|r| r.resource_type() == Some("ServiceRequest"));
    let id = request.unwrap().text("id").unwrap().to_owned();
    let ids: Headers = headers.iter().filter(|(name, _)| name.starts_with("X-")).cloned().collect();
    let read = async |id: &str| {
        http(simulator.listen(), "GET", &format!("/FHIR/R4/ServiceRequest/{id}"), &ids, "").await
    };
    let found = read(&id).await.json();
    assert_eq!((found["id"].as_str(), found["status"].as_str()), (Some(id.as_str()), Some("active")));
    assert_eq!(code(&read("unknown").await), "404 REC_NOT_FOUND not-found");

    // As a sidecar does that keeps the map: in another case, by our id alone.
    set(&mut headers, "X-Request-Id", &uuid::Uuid::new_v4().to_string());
    let mut elsewhere = headers.clone();
    set(&mut elsewhere, "X-Correlation-Id", &uuid::Uuid::new_v4().to_string());
    for resource in cancel.root_mut().all_mut("entry").filter_map(|entry| entry.get_mut("resource")) {
        if resource.resource_type() == Some("ServiceRequest") {
            resource.set_text("id", &id);
        }
    }
    let answer = post(&simulator, &elsewhere, &cancel.write().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(read(&id).await.json()["status"], "revoked");
    assert_eq!(received(&simulator).await[1]["kind"], "cancel");
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_not_kept() {
    let simulator = start("england/ooh-riverside", bars()).await;
    let (good, body) = referral(1, Syntax::Json);
    let check = async |name: &'static str, value: &str, body: &[u8], expected: &str| {
        let mut headers = good.clone();
        if !name.is_empty() {
            set(&mut headers, name, value);
        }
        assert_eq!(code(&post(&simulator, &headers, body).await), expected, "{name} {value}");
    };
    check("X-Request-Id", "", &body, "400 REC_BAD_REQUEST required").await;
    check("X-Correlation-Id", "4711", &body, "400 REC_BAD_REQUEST invalid").await;
    check("NHSD-Target-Identifier", "", &body, "400 REC_BAD_REQUEST required").await;
    check("NHSD-Target-Identifier", "e30=", &body, "400 PROXY_BAD_REQUEST structure").await;
    check("Accept", "application/fhir+json; version=9.0.0", &body, "406 REC_NOT_ACCEPTABLE not-supported")
        .await;
    check("Content-Type", "text/plain", &body, "400 REC_BAD_REQUEST not-supported").await;
    check("", "", b"{", "400 REC_BAD_REQUEST structure").await;
    check("", "", br#"{"resourceType":"Patient"}"#, "400 REC_BAD_REQUEST structure").await;
    let text = String::from_utf8(body.clone()).unwrap();
    check(
        "",
        "",
        text.replace("\"versionId\":\"1.1.0\"", "\"versionId\":\"9\"").as_bytes(),
        "422 REC_UNPROCESSABLE_ENTITY not-supported",
    )
    .await;
    check("", "", text.replace("\"Consent\"", "\"Basic\"").as_bytes(), "400 REC_BAD_REQUEST invariant").await;
    let elsewhere = bulkhead_format_bars::target::encode(&bulkhead_format_bars::Identifier::dos("1"));
    check("NHSD-Target-Identifier", &elsewhere, &body, "400 REC_BAD_REQUEST invariant").await;
    let there = text.replace("dos-service-id|2000099222", "dos-service-id|1");
    check("NHSD-Target-Identifier", &elsewhere, there.as_bytes(), "404 REC_NOT_FOUND not-found").await;
    assert!(received(&simulator).await.is_empty());
    assert_eq!(post(&simulator, &good, &body).await.status, 200);

    let plain =
        async |method: &str, path: &str| code(&http(simulator.listen(), method, path, &Vec::new(), "").await);
    assert_eq!(plain("GET", "/$process-message").await, "405 REC_METHOD_NOT_ALLOWED not-supported");
    assert_eq!(plain("GET", "/FHIR/R4/Slot").await, "501 REC_NOT_IMPLEMENTED not-supported");
    assert_eq!(plain("GET", "/elsewhere").await, "404 REC_NOT_FOUND not-found");
    let statement = get(simulator.listen(), "/metadata").await.json();
    assert_eq!(statement["resourceType"], "CapabilityStatement");
}

#[tokio::test]
async fn wales_has_its_own_rules() {
    let simulator = start("wales/wast-111", Protocol::BarsWales).await;
    let sample = SampleReferral { profile: Profile::WalesNwri, ..sample(3) };
    let body = sample.build(Syntax::Json).write().unwrap();
    let mut headers = sample.headers(Syntax::Json).encode();
    assert_eq!(code(&post(&simulator, &headers, &body).await), "400 SEND_BAD_REQUEST required");
    for name in ["NHSD-End-User-Organisation", "NHSD-Requesting-Software", "use-context"] {
        set(&mut headers, name, "e30=");
    }
    let answer = post(&simulator, &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.headers.contains_key("x-operation-id"));
    set(&mut headers, "Accept", "application/fhir+json; version=1.4.0");
    set(&mut headers, "X-Request-Id", &uuid::Uuid::new_v4().to_string());
    assert_eq!(code(&post(&simulator, &headers, &body).await), "406 SEND_NOT_ACCEPTABLE not-supported");
    let read = http(simulator.listen(), "GET", "/FHIR/R4/ServiceRequest/1", &Vec::new(), "").await;
    assert_eq!(code(&read), "501 PROXY_NOT_IMPLEMENTED not-supported");
}
