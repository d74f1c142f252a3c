//! What the local system is given, and what its answers mean.

use bulkhead_adapter::{Diverted, LocalSystem, Outcome, RefusedLater};
use bulkhead_format_bars::outcome::{ErrorKind, IssueType};
use bulkhead_format_bars::{BarsMessage, IdMap, MessageKind, Problem, ResponseKind};
use bulkhead_model::{Code, Reason, ServiceId, State};

use super::local::{Local, Then};
use super::*;
use crate::BarsSystem;

struct Receiver {
    local: Arc<Local>,
    stub: Arc<Stub>,
    system: BarsSystem,
}

impl Receiver {
    async fn start(config: impl FnOnce(&Settings) -> Config) -> Self {
        let (local, address) = Local::start().await;
        let stub = Stub::new();
        stub.host(&Identifier::dos(SENDER), TENANT, "bars", "1.4.0");
        let system = BarsSystem::new(config(&settings(address)), TenantId::parse(TENANT).unwrap());
        system.attach_broker(Broker::Stub(stub.clone()));
        Self { local, stub, system }
    }

    async fn england() -> Self {
        Self::start(england).await
    }
}

fn request(sample: &SampleReferral, syntax: Syntax) -> Delivery {
    let ids = sample.headers(syntax).ids;
    let payload = sample.build(syntax).write().unwrap();
    delivery(Kind::Request, ids.request.text(), ids.correlation.text(), syntax.media_type(), payload)
}

fn is_delivered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered(receipt) if !receipt.repeat && receipt.omissions.is_empty())
}

#[tokio::test]
async fn a_bars_message_goes_on_as_it_came_with_its_headers_rebuilt() {
    let receiver = Receiver::england().await;
    for (seed, syntax) in [(50, Syntax::Json), (51, Syntax::Xml)] {
        let sample = inward(seed);
        let delivery = request(&sample, syntax);
        let outcome = receiver.system.hand_over(&delivery).await;
        assert!(is_delivered(&outcome), "{outcome:?}");
        let posted = receiver.local.last();
        assert_eq!(posted.path, "/FHIR/R4/$process-message");
        assert_eq!(&posted.body, delivery.payload.bytes());
        let headers = sample.headers(syntax);
        assert_eq!(posted.header("x-request-id"), headers.ids.request.text());
        assert_eq!(posted.header("x-correlation-id"), headers.ids.correlation.text());
        let target = bulkhead_format_bars::target::decode(posted.header("nhsd-target-identifier").as_bytes());
        assert!(target.unwrap().same(&Identifier::dos(SENDER)));
        assert!(posted.header("content-type").starts_with(syntax.media_type()));
        assert_eq!(posted.header("use-context"), "a1t10|referral|servicerequest-request|new");
        assert!(!posted.header("nhsd-end-user-organisation").is_empty());
        let bundle = sample.bundle_id().to_string();
        let known = receiver.stub.memory.answered(&bundle, headers.ids.correlation.text()).await.unwrap();
        assert_eq!(known.unwrap().message_id, headers.ids.request.text());
    }
}

#[tokio::test]
async fn answers_mean_what_the_guide_says() {
    let receiver = Receiver::england().await;
    let delivery = request(&inward(52), Syntax::Json);
    let rec = |kind, issue| Then::Problem(Problem::rec(kind, issue, "because"));
    let check = async |then: Then, expected: &str| {
        let shown = format!("{then:?}");
        receiver.local.then([then]);
        let outcome = receiver.system.hand_over(&delivery).await;
        let word = match outcome {
            Outcome::Delivered(receipt) if receipt.repeat => "repeat".to_owned(),
            Outcome::Delivered(_) => "delivered".to_owned(),
            Outcome::Retry { .. } => "retry".to_owned(),
            Outcome::Refused(reason) => reason.to_string(),
            Outcome::Down { .. } => "down".to_owned(),
        };
        assert_eq!(word, expected, "{shown}");
    };
    check(Then::Echo, "delivered").await;
    check(Then::Problem(Problem::duplicate()), "repeat").await;
    check(Then::Problem(Problem::too_early()), "retry").await;
    check(rec(ErrorKind::TooManyRequests, IssueType::Throttled), "retry").await;
    check(rec(ErrorKind::Timeout, IssueType::Timeout), "retry").await;
    check(rec(ErrorKind::Unavailable, IssueType::Transient), "down").await;
    check(Then::Status(503), "down").await;
    check(Then::Status(500), "retry").await;
    check(Then::Status(200), "retry").await;
    check(Then::Close, "down").await;
    check(Then::After(Duration::from_secs(3)), "retry").await;
    let refused = "RECEIVER_REFUSED: 422 REC_UNPROCESSABLE_ENTITY not-supported";
    check(rec(ErrorKind::UnprocessableEntity, IssueType::NotSupported), refused).await;
    check(rec(ErrorKind::Conflict, IssueType::Conflict), "RECEIVER_REFUSED: 409 REC_CONFLICT conflict").await;
}

#[tokio::test]
async fn nobody_there_is_down() {
    let system = BarsSystem::new(england(&settings(nowhere())), TenantId::parse(TENANT).unwrap());
    let delivery = request(&inward(53), Syntax::Json);
    assert!(matches!(system.hand_over(&delivery).await, Outcome::Down { .. }), "not attached yet");
    system.attach_broker(Broker::Stub(Stub::new()));
    assert!(matches!(system.hand_over(&delivery).await, Outcome::Down { .. }));
    assert!(system.probe().await.is_err());
    let receiver = Receiver::england().await;
    assert_eq!(receiver.system.probe().await, Ok(()));
}

#[tokio::test]
async fn a_cancellation_speaks_of_the_request_by_the_receivers_ids() {
    let receiver = Receiver::england().await;
    let sample = inward(54);
    assert!(is_delivered(&receiver.system.hand_over(&request(&sample, Syntax::Json)).await));
    let echo = receiver.local.last();
    let echo = Document::read(&echo.body, Syntax::Json, &Limits::default()).unwrap();
    let url = BarsMessage::read(&echo).unwrap().request.full_url.unwrap();
    let theirs = format!("own-{}", &url.replace("urn:uuid:", "")[..8]);

    let correlation = sample.headers(Syntax::Json).ids.correlation;
    let mut cancel = sample.cancel(Syntax::Json);
    // The sender uses the ids of the echo that it was given.
    cancel = bulkhead_format_bars::echo(&cancel);
    let payload = cancel.write().unwrap();
    let id = "3d2c1b0a-0000-4000-8000-000000000054";
    let delivery = delivery(Kind::Cancel, id, correlation.text(), "application/fhir+json", payload);
    assert!(is_delivered(&receiver.system.hand_over(&delivery).await));
    let posted = receiver.local.last();
    let document = Document::read(&posted.body, Syntax::Json, &Limits::default()).unwrap();
    assert_eq!(BarsMessage::read(&document).unwrap().request.id, theirs);
    let known = receiver.stub.memory.request(&theirs).await.unwrap().unwrap();
    assert!(known.received && known.cancelled.is_some());

    // What was learned since does not change a message that the local system may have.
    let mut learned = IdMap::default();
    learned.insert("ServiceRequest", &url.replace("urn:uuid:", ""), "another");
    receiver.stub.memory.add_ids(delivery.tenant.as_str(), correlation.text(), &learned).await.unwrap();
    assert!(is_delivered(&receiver.system.hand_over(&delivery).await));
    assert_eq!(receiver.local.last().body, posted.body);
}

#[tokio::test]
async fn a_diverted_message_is_addressed_to_the_service_that_takes_it() {
    let receiver = Receiver::england().await;
    let sample = sample(55);
    let mut delivery = request(&sample, Syntax::Json);
    delivery.envelope.to = ServiceAddress::parse(&Identifier::dos(RECEIVER).system, RECEIVER).unwrap();
    receiver.stub.host(&Identifier::dos(RECEIVER), "england/ooh-mesh", "bars", "1.4.0");
    let outcome = receiver.system.hand_over(&delivery).await;
    assert!(matches!(&outcome, Outcome::Delivered(receipt) if receipt.omissions.len() == 1), "{outcome:?}");
    let posted = receiver.local.last();
    let document = Document::read(&posted.body, Syntax::Json, &Limits::default()).unwrap();
    let message = BarsMessage::read(&document).unwrap();
    let target = bulkhead_format_bars::target::decode(posted.header("nhsd-target-identifier").as_bytes());
    assert!(message.check_target(&target.unwrap(), bulkhead_format_bars::Profile::England).is_ok());
    assert_eq!(message.destination.service.unwrap().value, SENDER);
}

/// The broker says which of our services takes it, and for whom it was.
#[tokio::test]
async fn a_diverted_message_says_where_it_was_for() {
    let receiver = Receiver::england().await;
    for syntax in [Syntax::Json, Syntax::Xml] {
        let mut delivery = request(&sample(56), syntax);
        delivery.envelope.to = ServiceAddress::parse(&Identifier::dos(RECEIVER).system, RECEIVER).unwrap();
        let taking = Identifier::dos("2000011148");
        delivery.diverted = Some(Diverted {
            from: ServiceId::parse("england/riverside-ooh").unwrap(),
            to: ServiceId::parse("england/second-desk").unwrap(),
            addresses: vec![ServiceAddress::parse(&taking.system, &taking.value).unwrap()],
            code: None,
        });
        let outcome = receiver.system.hand_over(&delivery).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
        let posted = receiver.local.last();
        let target = bulkhead_format_bars::target::decode(posted.header("nhsd-target-identifier").as_bytes());
        assert_eq!(target.unwrap().value, taking.value);
        let document = Document::read(&posted.body, syntax, &Limits::default()).unwrap();
        let message = BarsMessage::read(&document).unwrap();
        assert_eq!(message.destination.service.unwrap().value, taking.value);
        let said = "Diverted by Bulkhead: sent to england/riverside-ooh, taken over by england/second-desk (as the \
                    earlier ones of its case)";
        assert!(String::from_utf8_lossy(&posted.body).contains(said));
    }
}

#[tokio::test]
async fn wales_takes_json_only() {
    let receiver = Receiver::start(wales).await;
    let mut sample = inward(56);
    sample.profile = bulkhead_format_bars::Profile::WalesNwri;
    let mut delivery = request(&sample, Syntax::Xml);
    delivery.tenant = TenantId::parse("wales/wast-111").unwrap();
    let outcome = receiver.system.hand_over(&delivery).await;
    assert!(is_delivered(&outcome), "{outcome:?}");
    let posted = receiver.local.last();
    assert_eq!(posted.header("accept"), "application/fhir+json; version=1.2.0");
    assert!(!posted.header("nhsd-requesting-software").is_empty());
    Document::read(&posted.body, Syntax::Json, &Limits::default()).unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_for_good() {
    let receiver = Receiver::england().await;
    let id = "3d2c1b0a-0000-4000-8000-000000000057";
    for (content_type, payload) in [
        ("application/fhir+json", "{\"resourceType\":"),
        ("application/fhir+xml", "<Bundle"),
        ("application/pdf", "%PDF"),
        ("x-application/hl7-v2+er7", "MSH|^~"),
    ] {
        let delivery = delivery(Kind::Request, id, id, content_type, payload.as_bytes().to_vec());
        let outcome = receiver.system.hand_over(&delivery).await;
        let is_unreadable =
            matches!(&outcome, Outcome::Refused(reason) if reason.known() == Some(Code::Unreadable));
        assert!(is_unreadable, "{content_type}: {outcome:?}");
    }
    assert!(receiver.local.posted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_test_message_never_reaches_a_live_system() {
    let receiver = Receiver::england().await;
    for purpose in ["T", "D", "t"] {
        let text = format!(
            "MSH|^~\\&|TRAK|S08000024|B|E|20260801120000+0000||REF^I12^REF_I12|M1|{purpose}|2.4\r\
             RF1|P|R||||4711^TRAK\rPRD|RP\rPID|1||9476719931^^^NHS^NH||Fairweather^Ann\r"
        );
        let delivery =
            delivery(Kind::Request, "TRAK|1", "4711", "x-application/hl7-v2+er7", text.into_bytes());
        let outcome = receiver.system.hand_over(&delivery).await;
        assert!(matches!(&outcome, Outcome::Refused(reason) if reason.text.contains("test")), "{outcome:?}");
    }
    assert!(receiver.local.posted.lock().unwrap().is_empty());
}

fn refused(kind: Kind, payload: Vec<u8>) -> RefusedLater {
    let ids = sample(58).headers(Syntax::Json).ids;
    let delivery =
        delivery(kind, ids.request.text(), ids.correlation.text(), "application/fhir+json", payload);
    RefusedLater {
        envelope: delivery.envelope,
        payload: delivery.payload,
        reason: Reason::new(Code::DestinationCut, ""),
        spooled_at: delivery.accepted_at,
        refused_at: delivery.accepted_at,
        told: false,
        state: None,
    }
}

#[tokio::test]
async fn what_was_refused_later_is_answered_as_rejected() {
    let receiver = Receiver::england().await;
    let sample = sample(58);
    let later = refused(Kind::Request, sample.build(Syntax::Json).write().unwrap());
    assert!(is_delivered(&receiver.system.tell_refusal(&later).await));
    let first = receiver.local.last();
    let document = Document::read(&first.body, Syntax::Json, &Limits::default()).unwrap();
    let message = BarsMessage::read(&document).unwrap();
    assert_eq!(message.kind, MessageKind::Response(ResponseKind::Rejection));
    assert_eq!(message.response_to, Some(sample.bundle_id().to_string()));
    assert_eq!(message.destination.service.unwrap().value, SENDER);
    assert_eq!(first.header("x-correlation-id"), sample.headers(Syntax::Json).ids.correlation.text());
    // Told again, it is the same message.
    assert!(is_delivered(&receiver.system.tell_refusal(&later).await));
    let second = receiver.local.last();
    assert!(String::from_utf8_lossy(&first.body).contains("Not accepted for delivery"));
    assert_eq!(
        (first.body, first.headers.get("x-request-id")),
        (second.body, second.headers.get("x-request-id"))
    );

    // Told of something else, it is another message, in the words for it.
    for (state, words) in [(State::Rejected, "Not taken by"), (State::ReturnPending, "Given back")] {
        let other = RefusedLater { state: Some(state), ..later.clone() };
        assert!(is_delivered(&receiver.system.tell_refusal(&other).await));
        let third = receiver.local.last();
        assert!(String::from_utf8_lossy(&third.body).contains(words), "{state:?}");
        assert_ne!(third.headers.get("x-request-id"), second.headers.get("x-request-id"));
    }

    // While people look at it at the receiver, nobody has rejected it.
    let parked = RefusedLater { state: Some(State::Parked), ..later };
    assert_eq!(receiver.system.tell_refusal(&parked).await, Outcome::Refused(parked.reason));
    let cancel = refused(Kind::Cancel, sample.cancel(Syntax::Json).write().unwrap());
    assert_eq!(receiver.system.tell_refusal(&cancel).await, Outcome::Refused(cancel.reason));
}

#[tokio::test]
async fn a_message_of_the_other_nation_is_made_to_fit() {
    for (start, tenant, profile) in [
        (wales as fn(&Settings) -> Config, "england/ooh-riverside", bulkhead_format_bars::Profile::WalesNwri),
        (england, "wales/wast-111", bulkhead_format_bars::Profile::England),
    ] {
        let receiver = Receiver::start(start).await;
        let mut sample = inward(59);
        if tenant.starts_with("wales") {
            sample.profile = bulkhead_format_bars::Profile::WalesNwri;
        }
        let mut delivery = request(&sample, Syntax::Json);
        delivery.tenant = TenantId::parse(tenant).unwrap();
        let outcome = receiver.system.hand_over(&delivery).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{tenant}: {outcome:?}");
        let document = Document::read(&receiver.local.last().body, Syntax::Json, &Limits::default()).unwrap();
        let rules = bulkhead_format_bars::Rules { profile, ..Default::default() };
        let message = BarsMessage::read_with(&document, &rules).unwrap();
        bulkhead_format_bars::profile::check(&document, &message, profile).unwrap();
    }
}
