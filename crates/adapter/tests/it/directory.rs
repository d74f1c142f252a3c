//! What an adapter can ask of the broker.

use bulkhead_model::{Code, Priority, ServiceAddress, State};

use crate::world::{World, submission};

fn address(value: &str) -> ServiceAddress {
    ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", value).unwrap()
}

#[tokio::test]
async fn a_service_is_resolved_and_remembered() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let resolved = sidecar.kit.resolve(&address("2000011147")).await.unwrap();
    assert_eq!(
        (resolved.service.as_str(), resolved.protocol.as_str()),
        ("england/ooh-riverside-service", "bars")
    );
    assert_eq!(resolved.max_bytes, None);
    let unknown = sidecar.kit.resolve(&address("1")).await.unwrap_err();
    assert_eq!(unknown.code, Some(Code::ServiceUnknown));
    world.broker.stop().await;
    assert!(sidecar.kit.resolve(&address("2000011147")).await.is_ok());
    assert!(!sidecar.kit.resolve(&address("1")).await.unwrap_err().is_refusal());
    sidecar.stop().await;
}

#[tokio::test]
async fn a_referral_is_found_by_its_message_id() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    sidecar.kit.submit(submission("m1", Priority::Urgent)).await;
    world.broker.memory.becomes("m1", bulkhead_wire::v1::State::Delivered);
    let found = sidecar.kit.state_of("m1").await.unwrap();
    assert_eq!((found[0].message_id.as_str(), found[0].state), ("m1", State::Delivered));
    assert_eq!(sidecar.kit.state_of("m2").await.unwrap_err().grpc, tonic::Code::NotFound as i32);
    sidecar.stop().await;
}
