//! Every bad input is refused at the edge, each in its way, and nothing of it is submitted.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bulkhead_format_bars::target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Sends a good message with one header changed, or left out.
async fn with_header(world: &World, name: &str, value: Option<&str>) -> Response {
    let (headers, body) = message(&sample(20), Syntax::Json);
    let mut headers: Vec<_> =
        headers.into_iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name)).collect();
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    headers.extend(value.map(|value| (name, value.to_owned())));
    world.post(&headers, body).await
}

#[tokio::test]
async fn headers() {
    let world = World::start().await;
    let check = async |name: &str, value: Option<&str>, expected: &str| {
        let response = with_header(&world, name, value).await;
        assert_eq!(response.words(), expected, "{name}: {value:?}");
        for id in ["x-request-id", "x-correlation-id"] {
            match (id.eq_ignore_ascii_case(name), value) {
                (true, value) => assert_eq!(response.header(id), value.unwrap_or_default()),
                (false, _) => assert_eq!(response.header(id).len(), 36, "{name}"),
            }
        }
    };
    let encoded = |json: &str| BASE64_STANDARD.encode(json);
    check("X-Request-Id", None, "400 REC_BAD_REQUEST required").await;
    check("X-Correlation-Id", None, "400 REC_BAD_REQUEST required").await;
    check("X-Request-Id", Some("42"), "400 REC_BAD_REQUEST invalid").await;
    check("X-Correlation-Id", Some("not-a-uuid"), "400 REC_BAD_REQUEST invalid").await;
    let target = "NHSD-Target-Identifier";
    check(target, None, "400 REC_BAD_REQUEST required").await;
    check(target, Some("{\"system\":\"x\"}"), "400 PROXY_BAD_REQUEST value").await;
    check(target, Some("eyJ-_A"), "400 PROXY_BAD_REQUEST value").await;
    check(target, Some(&encoded("not json")), "400 PROXY_BAD_REQUEST structure").await;
    check(target, Some(&encoded("{\"value\":\"1\"}")), "400 PROXY_BAD_REQUEST structure").await;
    check(target, Some(&encoded("{\"system\":\"x\"}")), "400 PROXY_BAD_REQUEST structure").await;
    check("Content-Type", None, "400 REC_BAD_REQUEST required").await;
    check("Content-Type", Some("text/plain"), "400 REC_BAD_REQUEST not-supported").await;
    check("Accept", Some("application/fhir+json; version=9.0.0"), "406 REC_NOT_ACCEPTABLE not-supported")
        .await;
    let other = target::encode(&Identifier::dos("2000099999"));
    check(target, Some(&other), "400 REC_BAD_REQUEST invariant").await;
    assert!(world.stub.submitted().is_empty());
}

#[tokio::test]
async fn a_service_that_nobody_knows() {
    let world = World::start().await;
    let mut sample = sample(21);
    sample.destination.dos = "2000099444".to_owned();
    let (headers, body) = message(&sample, Syntax::Json);
    assert_eq!(world.post(&headers, body).await.words(), "404 PROXY_NOT_FOUND not-found");
    assert!(world.stub.submitted().is_empty());
}

#[tokio::test]
async fn bodies() {
    let world = World::start().await;
    let good = |syntax| String::from_utf8(message(&sample(22), syntax).1).unwrap();
    let (json, xml) = (good(Syntax::Json), good(Syntax::Xml));
    let structure = "400 REC_BAD_REQUEST structure";
    let invariant = "400 REC_BAD_REQUEST invariant";
    let check = async |syntax, body: &[u8], expected: &str| {
        let response = world.post(&sample(22).headers(syntax).encode(), body.to_vec()).await;
        assert_eq!(response.words(), expected, "{}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        assert_eq!(response.header("x-request-id").len(), 36);
    };
    check(Syntax::Json, b"", structure).await;
    check(Syntax::Json, &json.as_bytes()[..json.len() / 2], structure).await;
    check(Syntax::Json, format!("{json}}}").as_bytes(), structure).await;
    check(Syntax::Json, "[".repeat(100_000).as_bytes(), structure).await;
    let deep = format!("{{\"resourceType\":\"Bundle\",\"x\":{}", "{\"x\":".repeat(10_000));
    check(Syntax::Json, deep.as_bytes(), structure).await;
    let mut latin = json.clone().into_bytes();
    latin[200] = 0xE9;
    check(Syntax::Json, &latin, structure).await;
    check(Syntax::Json, xml.as_bytes(), structure).await;
    check(Syntax::Xml, json.as_bytes(), structure).await;
    check(Syntax::Xml, &xml.as_bytes()[..xml.len() / 2], structure).await;
    let entity = format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{xml}");
    check(Syntax::Xml, entity.as_bytes(), structure).await;
    check(Syntax::Xml, "<a>".repeat(50_000).as_bytes(), structure).await;
    check(Syntax::Json, b"{\"resourceType\":\"Patient\"}", structure).await;
    check(Syntax::Json, b"{\"resourceType\":\"Bundle\",\"type\":\"message\"}", invariant).await;
    let version = json.replace("\"versionId\":\"1.", "\"versionId\":\"9.");
    check(Syntax::Json, version.as_bytes(), "422 REC_UNPROCESSABLE_ENTITY not-supported").await;
    let status = json.replace("\"status\":\"active\",\"intent\"", "\"status\":\"draft\",\"intent\"");
    assert_ne!(status, json);
    check(Syntax::Json, status.as_bytes(), invariant).await;
    let without = json.replace("\"resourceType\":\"CarePlan\"", "\"resourceType\":\"Basic\"");
    check(Syntax::Json, without.as_bytes(), invariant).await;
    assert!(world.stub.submitted().is_empty());
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_and_not_kept() {
    let world = World::start().await;
    for size in [LIMIT + 1, 4 * LIMIT, 12 << 20] {
        let response = world.post(&sample(23).headers(Syntax::Json).encode(), vec![b' '; size]).await;
        assert_eq!(response.words(), "400 REC_BAD_REQUEST processing", "{size}");
        assert_eq!(response.header("x-request-id").len(), 36);
    }
    assert!(world.stub.submitted().is_empty());
}

#[tokio::test]
async fn paths_and_verbs() {
    let world = World::start().await;
    let (headers, _) = message(&sample(24), Syntax::Json);
    for (method, path, expected, allow) in [
        (Method::GET, "/$process-message", "405 REC_METHOD_NOT_ALLOWED not-supported", "POST"),
        (Method::PUT, "/FHIR/R4/$process-message", "405 REC_METHOD_NOT_ALLOWED not-supported", "POST"),
        (Method::POST, "/metadata", "405 REC_METHOD_NOT_ALLOWED not-supported", "GET"),
        (Method::DELETE, "/ServiceRequest/1", "405 REC_METHOD_NOT_ALLOWED not-supported", "GET"),
        (Method::GET, "/booking-and-referral/FHIR/R4/Slot", "501 REC_NOT_IMPLEMENTED not-supported", ""),
        (Method::POST, "/Appointment", "501 REC_NOT_IMPLEMENTED not-supported", ""),
        (Method::GET, "/nothing", "404 REC_NOT_FOUND not-found", ""),
    ] {
        let response = world.send(method, path, &headers, Bytes::new()).await;
        assert_eq!((response.words().as_str(), response.header("allow")), (expected, allow), "{path}");
        assert_eq!(response.header("x-correlation-id"), headers[1].1);
    }
}

#[tokio::test]
async fn half_a_request_ends_with_its_connection() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.face.address()).await.unwrap();
    let head = "POST /$process-message HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"resource";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection ends");
    assert!(world.stub.submitted().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let mut settings = settings(nowhere());
    settings.read_timeout = Duration::from_millis(100);
    let world = World::with(england(&settings)).await;
    let mut stream = TcpStream::connect(world.face.address()).await.unwrap();
    let head = "POST /$process-message HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"resource";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
}
