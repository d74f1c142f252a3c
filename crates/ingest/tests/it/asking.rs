//! Asking where a referral is, and watching it.

use std::time::{Duration, Instant};

use bulkhead_model::{Code, Event};
use bulkhead_wire::record::In;
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::{
    self, GetReferralRequest, GetStatusRequest, ListReferralsRequest, ResolveServiceRequest,
    WatchEventsRequest, WatchReferralRequest,
};
use tonic::Code as GrpcCode;

use crate::harness::{DUTY, NORTH, RIVERSIDE, SMALL, World, routed, soon, submit};

fn by(id: &str) -> GetReferralRequest {
    GetReferralRequest { id: id.into(), tenant: String::new() }
}

async fn state(world: &World, who: &str, id: &str) -> Result<v1::State, GrpcCode> {
    match world.referrals(who).get_referral(by(id)).await {
        Ok(response) => Ok(response.into_inner().referrals.remove(0).state()),
        Err(status) => Err(status.code()),
    }
}

/// Submits, and routes it as its owner would.
async fn route(world: &World, message_id: &str) -> bulkhead_model::ReferralId {
    world.ingest(NORTH).submit(submit(message_id, "x")).await.unwrap();
    let (place, record) = world.inward(NORTH).await.pop().unwrap();
    world.decide(&place, &record, 0, routed()).await;
    let In::Accepted(accepted) = record else { panic!("a referral") };
    accepted.id
}

#[tokio::test]
async fn what_was_just_accepted_is_found_at_once() {
    let world = World::new().await;
    let id = world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap().into_inner().referral_id;
    for who in [NORTH, DUTY] {
        assert_eq!(state(&world, who, &id).await, Ok(v1::State::Accepted));
        assert_eq!(state(&world, who, "m-1").await, Ok(v1::State::Accepted));
    }
    let shown = world.referrals(NORTH).get_referral(by(&id)).await.unwrap().into_inner().referrals.remove(0);
    assert_eq!((shown.tenant.as_str(), shown.payload_bytes), (NORTH, 1));
    assert_eq!(shown.envelope.unwrap().message_id, "m-1");

    // Nobody else's, and it does not show that it exists.
    assert_eq!(state(&world, SMALL, &id).await, Err(GrpcCode::NotFound));
}

#[tokio::test]
async fn not_found_is_only_said_when_all_is_decided() {
    let world = World::new().await;
    let began = Instant::now();
    assert_eq!(state(&world, NORTH, "m-unknown").await, Err(GrpcCode::NotFound));
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());

    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    let status = world.referrals(NORTH).get_referral(by("m-unknown")).await.unwrap_err();
    let problem = Problem::from(&status);
    assert_eq!((status.code(), problem.code), (GrpcCode::Unavailable, Some(Code::NodeUnsure)));
    assert!(problem.retry_after.is_some());

    let (place, record) = world.inward(NORTH).await.remove(0);
    world.decide(&place, &record, 0, routed()).await;
    assert_eq!(state(&world, NORTH, "m-unknown").await, Err(GrpcCode::NotFound));
    assert_eq!(state(&world, DUTY, "m-unknown").await, Err(GrpcCode::NotFound));
}

#[tokio::test]
async fn sender_receiver_and_operator_see_its_life_and_nobody_else() {
    let world = World::new().await;
    let id = route(&world, "m-1").await.to_string();
    for who in [NORTH, RIVERSIDE, DUTY] {
        let found = world.referrals(who).get_referral(by(&id)).await.unwrap().into_inner();
        let referral = &found.referrals[0];
        assert_eq!((referral.state(), referral.destination.as_str()), (v1::State::Routed, RIVERSIDE));
        assert_eq!(referral.steps.last().unwrap().event, "routed");
    }
    assert_eq!(state(&world, SMALL, &id).await, Err(GrpcCode::NotFound));
    let cell = world.referrals("england/cell/england-2").get_referral(by(&id)).await.unwrap_err();
    assert_eq!(cell.code(), GrpcCode::PermissionDenied);

    let listed = async |who: &str| {
        let list = world.referrals(who).list_referrals(ListReferralsRequest::default()).await;
        list.unwrap().into_inner().total
    };
    assert_eq!((listed(NORTH).await, listed(RIVERSIDE).await, listed(DUTY).await), (1, 1, 1));
    assert_eq!(listed(SMALL).await, 0);
}

#[tokio::test]
async fn a_list_is_asked_for_page_by_page() {
    let world = World::new().await;
    for number in 0..5 {
        route(&world, &format!("m-{number}")).await;
    }
    let mut request = ListReferralsRequest { limit: 2, ..Default::default() };
    let (mut ids, mut pages) = (std::collections::HashSet::new(), 0);
    loop {
        let page = world.referrals(NORTH).list_referrals(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.total, 5);
        ids.extend(page.referrals.into_iter().map(|one| one.referral_id));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((ids.len(), pages), (5, 3));
}

#[tokio::test]
async fn a_watch_shows_the_present_state_then_each_change_and_ends() {
    let world = World::new().await;
    world.ingest(NORTH).submit(submit("m-1", "x")).await.unwrap();
    let (place, record) = world.inward(NORTH).await.remove(0);
    let In::Accepted(accepted) = &record else { panic!("a referral") };
    let request = WatchReferralRequest { referral_id: accepted.id.to_string() };
    let mut watch = world.referrals(NORTH).watch_referral(request).await.unwrap().into_inner();
    let mut next = async || soon(watch.message()).await.unwrap().map(|said| said.referral.unwrap().state());

    assert_eq!(next().await, Some(v1::State::Accepted));
    world.decide(&place, &record, 0, routed()).await;
    assert_eq!(next().await, Some(v1::State::Routed));
    world.event(RIVERSIDE, accepted.id, 1, Event::Offered { attempt: 1 }).await;
    assert_eq!(next().await, Some(v1::State::Offered));
    world.event(RIVERSIDE, accepted.id, 1, Event::Delivered { attempt: 1, inbox: "i".into() }).await;
    assert_eq!(next().await, Some(v1::State::Delivered));
    let stored = Event::Acknowledged { answer: "AA".into(), omissions: vec!["NTE".into()] };
    world.event(RIVERSIDE, accepted.id, 1, stored).await;
    assert_eq!(next().await, Some(v1::State::Acknowledged));
    assert_eq!(next().await, None);

    let unknown = WatchReferralRequest { referral_id: "m-1".into() };
    let status = world.referrals(NORTH).watch_referral(unknown).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::InvalidArgument);
}

#[tokio::test]
async fn events_are_seen_by_those_whom_they_concern() {
    let world = World::new().await;
    let watch = async |who: &str| {
        world.referrals(who).watch_events(WatchEventsRequest::default()).await.unwrap().into_inner()
    };
    let (mut receiver, mut other) = (watch(RIVERSIDE).await, watch(SMALL).await);
    let id = route(&world, "m-1").await;
    let event = soon(receiver.message()).await.unwrap().unwrap();
    assert_eq!((event.referral_id, event.tenant.as_str()), (id.to_string(), NORTH));
    assert_eq!(event.step.unwrap().event, "routed");
    let nothing = tokio::time::timeout(Duration::from_millis(50), other.message()).await;
    assert!(nothing.is_err());
}

#[tokio::test]
async fn a_sender_learns_what_a_service_takes() {
    let world = World::new().await;
    let resolve = async |value: &str| {
        let system = "http://fhir.nhs.uk/Id/dos-service-id".to_owned();
        let address = Some(v1::ServiceAddress { system, value: value.into() });
        world.referrals(NORTH).resolve_service(ResolveServiceRequest { address }).await
    };
    let service = resolve("1").await.unwrap().into_inner();
    assert_eq!((service.service_id.as_str(), service.tenant.as_str()), ("england/riverside", RIVERSIDE));
    assert_eq!((service.protocol.as_str(), service.max_bytes), ("bars", 0));
    let status = resolve("99").await.unwrap_err();
    assert_eq!(Problem::from(&status).code, Some(Code::ServiceUnknown));
}

#[tokio::test]
async fn status_shows_what_waits_and_what_to_do() {
    let world = World::new().await;
    route(&world, "m-1").await;
    let status =
        async |who: &str| world.referrals(who).get_status(GetStatusRequest {}).await.unwrap().into_inner();
    let all = status(DUTY).await;
    assert_eq!((all.nation.as_str(), all.nodes[0].shards, all.nodes[0].ready), ("england", 32, true));
    assert_eq!(all.tenants.len(), 4);
    let riverside = all.tenants.iter().find(|tenant| tenant.tenant == RIVERSIDE).unwrap();
    assert!(riverside.connected && !riverside.taking);
    assert_eq!(riverside.waiting_urgent, 1);
    let received = &riverside.received[0];
    assert_eq!((received.state(), received.count), (v1::State::Routed, 1));
    let alert = &all.alerts[0];
    assert_eq!((alert.code.as_str(), alert.subject.as_str()), ("NOT_TAKING", RIVERSIDE));

    let own = status(NORTH).await;
    assert_eq!(own.tenants.iter().map(|tenant| tenant.tenant.as_str()).collect::<Vec<_>>(), [NORTH]);
    assert!(own.alerts.is_empty());
}
