//! Side doors at the tenants' door: each is open before the cut and tried after it. A cut tenant is let through none of
//! them, and learns nothing by any.

use bulkhead_model::{Code, Direction};
use bulkhead_wire::status::Problem;
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use bulkhead_wire::v1::{self, SubmitStreamRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use crate::cuts::cut;
use crate::harness::{NORTH, World, soon, submit};

/// How the cut tenant fares.
enum Fares {
    /// It heard no.
    Refused(Status),
    /// What it had open was ended.
    Ended,
    /// It was let through.
    LetThrough,
}

fn fares<T>(answer: Result<T, Status>) -> Fares {
    match answer {
        Ok(_) => Fares::LetThrough,
        Err(status) => Fares::Refused(status),
    }
}

macro_rules! doors {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let world = World::new().await;
                world.ingest(NORTH).submit(submit("m-0", "x")).await.unwrap();
                let fares = doors::$name(&world).await;
                let records = world.inward(NORTH).await.len();
                assert_eq!(records, 1, "{} appended something", stringify!($name));
                match fares {
                    Fares::LetThrough => panic!("{} is open", stringify!($name)),
                    Fares::Ended => {}
                    // Severed under the call, or told why.
                    Fares::Refused(status) => {
                        let code = Problem::from(&status).code;
                        let told = matches!(code, Some(Code::TenantCut | Code::CredentialRevoked));
                        assert!(told || code.is_none(), "{}: {status:?}", stringify!($name));
                    }
                }
            }
        )*
    };
}

doors![
    an_idle_connection,
    a_second_connection,
    a_new_connection,
    a_new_certificate_before_the_restore,
    an_open_stream,
    a_stream_that_was_opened_and_said_nothing,
    a_known_message_id,
    a_withdrawal,
    a_look_at_its_referrals,
    a_list_of_its_referrals,
    its_status,
    a_service_that_it_looks_up,
    a_watch_of_events,
    a_watch_of_one_referral,
];

mod doors {
    use super::*;

    fn cut_off(world: &World) {
        cut(world, NORTH, Direction::Both);
    }

    async fn submitted(mut client: IngestClient<Channel>, message: &str) -> Fares {
        fares(client.submit(submit(message, "x")).await)
    }

    pub(super) async fn an_idle_connection(world: &World) -> Fares {
        let mut client = world.ingest(NORTH);
        client.submit(submit("m-0", "x")).await.unwrap();
        cut_off(world);
        submitted(client, "m-1").await
    }

    pub(super) async fn a_second_connection(world: &World) -> Fares {
        let (mut first, mut second) = (world.ingest(NORTH), world.ingest(NORTH));
        for client in [&mut first, &mut second] {
            client.submit(submit("m-0", "x")).await.unwrap();
        }
        cut_off(world);
        let _ = submitted(first, "m-1").await;
        submitted(second, "m-2").await
    }

    pub(super) async fn a_new_connection(world: &World) -> Fares {
        cut_off(world);
        submitted(world.ingest(NORTH), "m-1").await
    }

    pub(super) async fn a_new_certificate_before_the_restore(world: &World) -> Fares {
        cut_off(world);
        let new = world.authority.issue(NORTH, 1);
        submitted(IngestClient::new(world.channel(&new)), "m-1").await
    }

    pub(super) async fn an_open_stream(world: &World) -> Fares {
        let (say, said) = mpsc::channel(4);
        say.send(SubmitStreamRequest { submit: Some(submit("m-0", "x")) }).await.unwrap();
        let mut client = world.ingest(NORTH);
        let mut answers = client.submit_stream(ReceiverStream::new(said)).await.unwrap().into_inner();
        soon(answers.message()).await.unwrap().unwrap();
        cut_off(world);
        say.send(SubmitStreamRequest { submit: Some(submit("m-1", "x")) }).await.ok();
        ended(&mut answers).await
    }

    pub(super) async fn a_stream_that_was_opened_and_said_nothing(world: &World) -> Fares {
        let (say, said) = mpsc::channel(4);
        let mut client = world.ingest(NORTH);
        let mut answers = client.submit_stream(ReceiverStream::new(said)).await.unwrap().into_inner();
        cut_off(world);
        say.send(SubmitStreamRequest { submit: Some(submit("m-1", "x")) }).await.ok();
        ended(&mut answers).await
    }

    async fn ended(answers: &mut tonic::Streaming<v1::SubmitStreamResponse>) -> Fares {
        use v1::submit_stream_response::Answer;
        match soon(answers.message()).await {
            Ok(Some(answer)) => match answer.answer {
                Some(Answer::Refused(_)) => Fares::Ended,
                _ => Fares::LetThrough,
            },
            Ok(None) => Fares::Ended,
            Err(status) => Fares::Refused(status),
        }
    }

    pub(super) async fn a_known_message_id(world: &World) -> Fares {
        cut_off(world);
        submitted(world.ingest(NORTH), "m-0").await
    }

    pub(super) async fn a_withdrawal(world: &World) -> Fares {
        cut_off(world);
        let withdraw = v1::WithdrawRequest { message_id: "m-0".into(), up_to_attempt: 1 };
        fares(world.ingest(NORTH).withdraw(withdraw).await)
    }

    fn asking(world: &World) -> ReferralsClient<Channel> {
        world.referrals(NORTH)
    }

    pub(super) async fn a_look_at_its_referrals(world: &World) -> Fares {
        let mut client = asking(world);
        let request = v1::GetReferralRequest { id: "m-0".into(), ..Default::default() };
        client.get_referral(request.clone()).await.unwrap();
        cut_off(world);
        fares(client.get_referral(request).await)
    }

    pub(super) async fn a_list_of_its_referrals(world: &World) -> Fares {
        cut_off(world);
        fares(asking(world).list_referrals(v1::ListReferralsRequest::default()).await)
    }

    pub(super) async fn its_status(world: &World) -> Fares {
        cut_off(world);
        fares(asking(world).get_status(v1::GetStatusRequest {}).await)
    }

    pub(super) async fn a_service_that_it_looks_up(world: &World) -> Fares {
        cut_off(world);
        let address = v1::ServiceAddress { system: String::new(), value: "england/riverside".into() };
        let request = v1::ResolveServiceRequest { address: Some(address) };
        fares(asking(world).resolve_service(request).await)
    }

    pub(super) async fn a_watch_of_events(world: &World) -> Fares {
        let mut client = asking(world);
        let mut events = client.watch_events(v1::WatchEventsRequest::default()).await.unwrap().into_inner();
        cut_off(world);
        let (source, record) = world.inward(NORTH).await.remove(0);
        world.decide(&source, &record, 0, crate::harness::routed()).await;
        fares(soon(events.message()).await.and_then(|event| event.ok_or_else(|| Status::cancelled("ended"))))
    }

    pub(super) async fn a_watch_of_one_referral(world: &World) -> Fares {
        let (source, record) = world.inward(NORTH).await.remove(0);
        world.decide(&source, &record, 0, crate::harness::routed()).await;
        let mut client = asking(world);
        let bulkhead_wire::record::In::Accepted(accepted) = &record else { panic!("it was submitted") };
        let request = v1::WatchReferralRequest { referral_id: accepted.id.to_string() };
        let mut states = client.watch_referral(request).await.unwrap().into_inner();
        soon(states.message()).await.unwrap().unwrap();
        cut_off(world);
        fares(soon(states.message()).await.and_then(|state| state.ok_or_else(|| Status::cancelled("ended"))))
    }
}
