//! What the sending system hears.

use bulkhead_model::Code;
use bulkhead_process::capture::Capture;
use bulkhead_protocol_hl7::{Acknowledgement, TellRefusals};
use bulkhead_testkit::sidecar::{OnSubmit, Submitted};
use bulkhead_wire::v1::{Notice, Reason, State};

use crate::world::{PLANTED, World, eventually, message_id, referral};

fn asking(control_id: &str, accept: &str, application: &str) -> String {
    referral(control_id).replacen("|P|2.4", &format!("|P|2.4|||{accept}|{application}"), 1)
}

#[tokio::test]
async fn taken_byte_for_byte_and_addressed() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let said = sidecar.line().await.ask(referral("M1")).await;
    assert_eq!(said.code(), ("AA".into(), "M1".into()));
    let Submitted { envelope, payload } = world.broker.memory.taken().remove(0);
    assert_eq!(payload, referral("M1").as_bytes());
    assert_eq!(envelope.message_id, message_id("M1"));
    assert_eq!(envelope.case_id, "OOH-4711|DALRIADA");
    assert_eq!(envelope.content_type, "x-application/hl7-v2+er7");
    let to = envelope.to.unwrap();
    assert_eq!((to.system.as_str(), to.value.as_str()), ("https://fhir.nhs.uk/Id/dos-service-id", "RYE2"));
    assert_eq!(envelope.reply_to.unwrap().value, "GP");
    sidecar.stop().await;
}

#[tokio::test]
async fn as_asked_or_as_configured() {
    for (configured, accept, application, expected) in [
        (Acknowledgement::AsAsked, "", "", Some("AA")),
        (Acknowledgement::AsAsked, "AL", "NE", Some("CA")),
        (Acknowledgement::AsAsked, "ER", "NE", None),
        (Acknowledgement::AsAsked, "SU", "", Some("CA")),
        (Acknowledgement::Original, "AL", "NE", Some("AA")),
        (Acknowledgement::Enhanced, "", "", Some("CA")),
        (Acknowledgement::Enhanced, "NE", "NE", None),
    ] {
        let mut world = World::new().await;
        world.hl7.acknowledgement = Some(configured);
        let sidecar = world.start().await;
        let mut line = sidecar.line().await;
        match expected {
            Some(code) => assert_eq!(line.ask(asking("M1", accept, application)).await.code().0, code),
            None => {
                let frame = bulkhead_format_hl7::mllp::encode(asking("M1", accept, application).as_bytes());
                line.write(&frame.unwrap()).await;
                line.silence().await;
            }
        }
        assert_eq!(world.broker.memory.taken().len(), 1);
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_repeat_is_good_while_the_first_is() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    for _ in 0..2 {
        assert_eq!(line.ask(referral("M1")).await.code().0, "AA");
    }
    assert_eq!(world.broker.memory.taken().len(), 1);
    let changed = referral("M1").replacen("asks for a call", "asks for two", 1);
    let said = line.ask(changed).await;
    assert_eq!(said.error(), ("AE".into(), 205), "{}", said.whole);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_repeat_of_what_went_wrong_is_a_no() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    assert_eq!(line.ask(referral("M1")).await.code().0, "AA");
    sidecar.stop().await;
    world.broker.memory.becomes(&message_id("M1"), State::Returned);
    let sidecar = world.start().await;
    let said = sidecar.line().await.ask(referral("M1")).await;
    assert_eq!(said.code().0, "AR", "{}", said.whole);
    assert!(said.text().contains("now returned"), "{}", said.whole);
    sidecar.stop().await;
}

#[tokio::test]
async fn refused_for_good() {
    for (code, expected, error) in [
        (Code::TenantCut, "AR", 207),
        (Code::DestinationCut, "AR", 207),
        (Code::NotGranted, "AR", 207),
        (Code::ServiceUnknown, "AR", 204),
        (Code::PayloadTooLarge, "AR", 207),
    ] {
        let world = World::new().await;
        world.broker.memory.on_submit(OnSubmit::Refuse(code));
        let sidecar = world.start().await;
        let said = sidecar.line().await.ask(referral("M1")).await;
        assert_eq!(said.error(), (expected.into(), error), "{}", said.whole);
        assert!(said.text().starts_with(code.as_str()), "{}", said.whole);
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn addressed_to_nobody() {
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    let said = line.ask(referral("M1").replacen("|RYE2^https://fhir.nhs.uk/Id/dos-service-id", "|", 1)).await;
    assert_eq!(said.error(), ("AR".into(), 204));
    let said = line.ask(referral("M2").replacen("|RYE2^", "|GONE^", 1)).await;
    assert_eq!(said.error(), ("AR".into(), 204), "{}", said.whole);
    assert!(world.broker.memory.taken().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn addressed_by_the_table() {
    let mut world = World::new().await;
    let address = |value: &str| format!("{value}^https://fhir.nhs.uk/Id/dos-service-id");
    world.hl7.addresses.insert("DALRIADA".to_owned(), address("BYFACILITY"));
    world.hl7.addresses.insert("10002^LOCAL".to_owned(), address("BYPRACTICE"));
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    let without = referral("M1").replacen("|RYE2^https://fhir.nhs.uk/Id/dos-service-id", "|", 1);
    assert_eq!(line.ask(without).await.code().0, "AA");
    let practice = referral("M2").replacen("RYE2^https://fhir.nhs.uk/Id/dos-service-id", "10002^LOCAL", 1);
    assert_eq!(line.ask(practice).await.code().0, "AA");
    assert_eq!(line.ask(referral("M3").replacen("RYE2^", "OLD^", 1)).await.code().0, "AA");
    let to: Vec<_> =
        world.broker.memory.taken().into_iter().map(|one| one.envelope.to.unwrap().value).collect();
    assert_eq!(to, ["BYFACILITY", "BYPRACTICE", "NEW"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn on_the_spools_strength_or_not() {
    let world = World::new().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    let said = line.ask(referral("M1")).await;
    assert_eq!(said.code().0, "AA", "{}", said.whole);
    assert!(said.text().contains("not confirmed"), "{}", said.whole);
    let urgent = referral("M2").replacen("R^Routine", "S^STAT", 1).replacen("OOH-4711", "OOH-4712", 1);
    let said = line.ask(urgent).await;
    assert_eq!(said.error(), ("AE".into(), 207), "{}", said.whole);
    assert!(said.text().contains("try again"), "{}", said.whole);
    sidecar.stop().await;
}

/// What was acknowledged on the spool's strength and refused later reaches the sending system.
#[tokio::test]
async fn told_later() {
    for form in [TellRefusals::Rri, TellRefusals::Ack] {
        let mut world = World::new().await;
        world.hl7.tell_refusals = Some(form);
        world.broker.memory.on_submit(OnSubmit::Silent);
        let sidecar = world.start().await;
        assert_eq!(sidecar.line().await.ask(referral("M1")).await.code().0, "AA");
        sidecar.stop().await;
        world.broker.memory.on_submit(OnSubmit::Refuse(Code::NotGranted));
        let sidecar = world.start().await;
        let told = world.peer.first().await;
        let kind = if form == TellRefusals::Rri { "RRI" } else { "ACK" };
        assert_eq!(told.field("MSH", 9).component(1).text(), kind);
        assert_eq!((&*told.field("MSA", 1).text(), &*told.field("MSA", 2).text()), ("AR", "M1"));
        assert!(told.field("MSA", 3).text().contains("NOT_GRANTED"));
        eventually("told", async || {
            sidecar
                .running
                .kit
                .refused_later()
                .await
                .unwrap()
                .iter()
                .any(|refused| refused.told)
                .then_some(())
        })
        .await;
        sidecar.stop().await;
    }
}

/// What the receiver refused, or nobody took, reaches the sending system; what is set aside is not called refused.
#[tokio::test]
async fn told_of_what_became_of_it() {
    for (form, state, told, sent) in [
        (TellRefusals::Rri, State::Rejected, true, 1),
        (TellRefusals::Rri, State::ReturnPending, true, 1),
        (TellRefusals::Ack, State::Rejected, true, 1),
        (TellRefusals::Ack, State::ReturnPending, false, 1),
        (TellRefusals::Rri, State::Parked, false, 0),
    ] {
        let mut world = World::new().await;
        world.hl7.tell_refusals = Some(form);
        let sidecar = world.start().await;
        let mut stream = world.broker.stream().await;
        assert_eq!(sidecar.line().await.ask(referral("M1")).await.code().0, "AA");
        let Submitted { envelope, payload } = world.broker.memory.taken().remove(0);
        let notice = Notice {
            referral_id: "7b1e0d52-6a57-4c39-9a3e-4cbb51c40e12".to_owned(),
            envelope: Some(envelope),
            payload,
            state: state as i32,
            reason: Some(Reason { code: "RECEIVER_REFUSED".to_owned(), text: String::new() }),
            version: 7,
            ..Notice::default()
        };
        assert_eq!(stream.tell(notice).await, told, "{form:?} {state:?}");
        assert_eq!(world.peer.received().len(), sent, "{form:?} {state:?}");
        if sent == 1 {
            let told = world.peer.first().await;
            assert_eq!((&*told.field("MSA", 1).text(), &*told.field("MSA", 2).text()), ("AR", "M1"));
        }
        sidecar.stop().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn no_log_line_names_the_patient() {
    let capture = Capture::new();
    let _guard = tracing::subscriber::set_default(capture.subscriber());
    let world = World::new().await;
    let sidecar = world.start().await;
    let mut line = sidecar.line().await;
    line.ask(referral("M1")).await;
    line.ask(referral("M1").replacen("asks for", "demands", 1)).await;
    line.ask(referral("M2").replacen("PID|", "PIX|", 1)).await;
    line.ask(referral("M3").replacen("|P|2.4", "|T|2.4", 1)).await;
    line.ask(referral("M4").replacen("|RYE2^", "|GONE^", 1)).await;
    line.ask(&referral("M5")[60..]).await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::TenantCut));
    line.ask(referral("M6")).await;
    sidecar.stop().await;
    assert!(capture.find("a message was not taken").is_some());
    capture.assert_absent(&PLANTED);
}
