//! What comes in HL7 v2 becomes a message, and what belongs to it later finds it.

use bulkhead_adapter::{LocalSystem, Outcome};
use bulkhead_format_bars::{BarsMessage, MessageKind, ResponseKind};
use bulkhead_model::Code;
use bulkhead_translation::Remembered;

use super::local::Local;
use super::*;
use crate::BarsSystem;
use crate::memory::Sent;

const ER7: &str = "x-application/hl7-v2+er7";
const CASE: &str = "4711|TRAK";

fn text(event: &str, control: &str, first: &str) -> Vec<u8> {
    let lines = [
        &format!("MSH|^~\\&|TRAK|S08000024|BULKHEAD|ENGLAND|20260801120000+0000||{event}|{control}|P|2.4"),
        first,
        "PRD|RP|Kerr^Iona^^^Dr|12 Bank Street^^Lothby^^ZZ99 3AA||01632960111^WPN^PH||Z1^TRAK",
        "PRD|RT|Saltmouth Out of Hours",
        "PID|1||9990000018^^^NHS^NH||Fairweather^Ann||19700101|F|||1 High Street^^Lothby^^ZZ99 3AA||07700900123^PRN^CP",
        "NTE|1||Chest pain since this morning.",
    ];
    let mut text = lines.join("\r");
    text.push('\r');
    text.into_bytes()
}

fn from_scotland(kind: Kind, control: &str, payload: Vec<u8>) -> Delivery {
    let id = format!("TRAK|S08000024|{control}|20260801120000+0000");
    Delivery { tenant: TenantId::parse("scotland/nhs24").unwrap(), ..delivery(kind, &id, CASE, ER7, payload) }
}

async fn receiver() -> (Arc<Local>, Arc<Stub>, BarsSystem) {
    let (local, address) = Local::start().await;
    let stub = Stub::new();
    stub.host(&Identifier::dos(SENDER), TENANT, "bars", "1.4.0");
    let system = BarsSystem::new(england(&settings(address)), TenantId::parse(TENANT).unwrap());
    system.attach_broker(Broker::Stub(stub.clone()));
    (local, stub, system)
}

fn posted(local: &Local) -> BarsMessage {
    let posted = local.last();
    let document = Document::read(&posted.body, Syntax::Json, &Limits::default()).unwrap();
    let message = BarsMessage::read(&document).unwrap();
    let target = bulkhead_format_bars::target::decode(posted.header("nhsd-target-identifier").as_bytes());
    message.check_target(&target.unwrap(), bulkhead_format_bars::Profile::England).unwrap();
    message
}

#[tokio::test]
async fn a_referral_becomes_a_request_and_its_cancellation_names_it() {
    let (local, stub, system) = receiver().await;
    let referral = text("REF^I12", "M1", "RF1|P|S||||4711^TRAK");
    let request = from_scotland(Kind::Request, "M1", referral);
    let outcome = system.hand_over(&request).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    let message = posted(&local);
    assert_eq!(message.kind, MessageKind::NewReferral);
    assert_eq!(message.source.service.as_ref().unwrap().value, RECEIVER, "the address for answers");
    let first = local.last();
    let correlation = first.header("x-correlation-id").to_owned();
    // A response of the local system finds the original.
    let bundle = message.bundle_id.clone().unwrap();
    let answered = stub.memory.answered(&bundle, &correlation).await.unwrap();
    assert_eq!(answered.unwrap().message_id, request.envelope.message_id.as_str());
    // Another attempt makes the same request.
    assert!(matches!(system.hand_over(&request).await, Outcome::Delivered(_)));
    let second = local.last();
    assert_eq!((&first.body, first.header("x-request-id")), (&second.body, second.header("x-request-id")));

    let cancel = from_scotland(Kind::Cancel, "M2", text("REF^I14", "M2", "RF1|P|S||||4711^TRAK"));
    let outcome = system.hand_over(&cancel).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    let cancelled = posted(&local);
    assert_eq!(cancelled.kind, MessageKind::Cancel);
    assert_eq!(local.last().header("x-correlation-id"), correlation);
    let theirs = format!("own-{}", &message.request.full_url.unwrap().replace("urn:uuid:", "")[..8]);
    assert_eq!(cancelled.request.id, theirs, "the local system's own id");
}

#[tokio::test]
async fn a_clinical_answer_becomes_a_response_to_the_original_bundle() {
    let (local, stub, system) = receiver().await;
    let sample = sample(60);
    let ids = sample.headers(Syntax::Json).ids;
    let sent = BarsMessage::read(&sample.build(Syntax::Json)).unwrap();
    let about = Remembered::of_bars(&sent, ids.request.text(), ids.correlation.text());
    stub.memory.keep_sent(ids.request.text(), &Sent { digest: String::new(), about }).await.unwrap();

    let rejected = text("RRI^I12", "M3", "MSA|AA|X\rRF1|R|S||||4711^TRAK");
    let mut answer = from_scotland(Kind::Response, "M3", rejected);
    let unknown = system.hand_over(&answer).await;
    let refused =
        matches!(&unknown, Outcome::Refused(reason) if reason.known() == Some(Code::NotTranslatable));
    assert!(refused, "nobody knows what it answers: {unknown:?}");
    answer.envelope.in_response_to = MessageId::parse(ids.request.text()).ok();
    let outcome = system.hand_over(&answer).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    let message = posted(&local);
    assert_eq!(message.kind, MessageKind::Response(ResponseKind::Rejection));
    assert_eq!(message.response_to, sent.bundle_id);
    assert_eq!(local.last().header("x-correlation-id"), ids.correlation.text());
    assert_eq!(message.destination.service.unwrap().value, SENDER);
}

#[tokio::test]
async fn a_technical_answer_never_becomes_a_clinical_one() {
    let (local, _, system) = receiver().await;
    let ack = b"MSH|^~\\&|TRAK|S08|B|E|20260801||ACK^I12|M4|P|2.4\rMSA|AA|X\r".to_vec();
    let outcome = system.hand_over(&from_scotland(Kind::Response, "M4", ack)).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert!(local.posted.lock().unwrap().is_empty());
}
