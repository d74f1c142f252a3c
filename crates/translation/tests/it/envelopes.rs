//! What the broker reads of a referral is the same, whichever format it travels in.

use bulkhead_format_bars::{BarsMessage, SampleReferral, Syntax};
use bulkhead_model::{Kind, Priority};
use bulkhead_translation::{Item, bars_to_ref, envelope_of_bars, envelope_of_ref};

use crate::support::{DALRIADA, TRAKCARE, message, refs, sample, stamp, view};

#[test]
fn an_envelope_is_derived_from_a_bars_message() {
    let made = SampleReferral::new(10).sized(9_000);
    let document = sample(10);
    let headers = made.headers(Syntax::Json);
    let facts =
        envelope_of_bars(&BarsMessage::read(&document).unwrap(), &view(&document), &headers.ids).unwrap();
    assert_eq!(facts.message_id.as_str(), headers.ids.request.text());
    assert_eq!(facts.case_id.unwrap().as_str(), headers.ids.correlation.text());
    assert_eq!(
        (facts.kind, facts.priority, facts.deadline),
        (Kind::Request, Priority::Urgent, Some(made.facts().due))
    );
    assert!(facts.flags.is_empty() && facts.answers.is_none());
}

#[test]
fn urgency_and_deadline_are_those_of_the_original_in_every_profile() {
    for disposition in [
        ("Dx06", "six hours", 360),
        ("Dx09", "non-urgent", 9_000),
        ("Dx02", "one hour", 60),
        ("DxNew", "?", 45),
    ] {
        let made = SampleReferral { disposition: Some(disposition), ..SampleReferral::new(3).sized(9_000) };
        let document = made.build(Syntax::Json);
        let ids = made.headers(Syntax::Json).ids;
        let before =
            envelope_of_bars(&BarsMessage::read(&document).unwrap(), &view(&document), &ids).unwrap();
        for profile in refs() {
            let sent = bars_to_ref(&document, &profile, &stamp()).unwrap().document;
            let after = envelope_of_ref(&sent).unwrap();
            assert_eq!(
                (after.priority, after.deadline, after.kind),
                (before.priority, before.deadline, before.kind)
            );
        }
    }
}

#[test]
fn an_envelope_is_derived_from_an_hl7_referral() {
    let facts = envelope_of_ref(&message(TRAKCARE)).unwrap();
    assert_eq!(facts.message_id.as_str(), "TRAKCARE|S08000024|SCT-000001|20260801094500");
    assert_eq!(facts.case_id.unwrap().as_str(), "24029171");
    assert_eq!((facts.kind, facts.priority), (Kind::Request, Priority::Emergency));
    let facts = envelope_of_ref(&message(DALRIADA)).unwrap();
    assert_eq!(facts.case_id.unwrap().as_str(), "OOH-4711|DALRIADA");
    assert_eq!(facts.priority, Priority::Routine);
    let check = |letter: &str, expected| {
        let text = DALRIADA.replace("|R^Routine^HL70280|", &format!("|{letter}|"));
        assert_eq!(envelope_of_ref(&message(&text)).unwrap().priority, expected, "{letter}");
    };
    check("S", Priority::Emergency);
    check("A", Priority::Urgent);
    check("", Priority::Urgent);
    check("2WW^Two weeks^L", Priority::Urgent);
    for (event, kind) in [("I13", Kind::Update), ("I14", Kind::Cancel)] {
        let text = DALRIADA.replace("REF^I12", &format!("REF^{event}"));
        assert_eq!(envelope_of_ref(&message(&text)).unwrap().kind, kind);
    }
    let rri = DALRIADA.replace("REF^I12^REF_I12", "RRI^I12").replace("P^Pending", "A^Accepted");
    assert_eq!(envelope_of_ref(&message(&rri)).unwrap().kind, Kind::Response);
    let ack = message("MSH|^~\\&|||||1||ACK^I12|A1|P|2.4\rMSA|AA|M1\r");
    assert_eq!(envelope_of_ref(&ack).unwrap_err().item, Item::Kind);
}

#[test]
fn odd_numbers_are_flagged_and_refuse_nothing() {
    let text = TRAKCARE.replace("0101901240", "9902568876");
    let facts = envelope_of_ref(&message(&text)).unwrap();
    assert_eq!(facts.flags, ["chi-number-check-digit", "chi-number-range"]);
    let sent = bulkhead_translation::ref_to_bars(
        &message(&text),
        &bulkhead_translation::profiles::england_bars(),
        &stamp(),
    );
    assert_eq!(sent.unwrap().flags, facts.flags);
}

#[test]
fn a_due_time_without_a_zone_is_that_of_london() {
    let check = |written: &str, expected: &str| {
        let obx = format!("OBX|2|TS|DUE-BY^Due by^BULKHEAD||{written}||||||F\rNTE|1|");
        let text = DALRIADA.replace("NTE|1|", &obx);
        let due = envelope_of_ref(&message(&text)).unwrap().deadline.unwrap();
        assert_eq!(due.to_string(), expected, "{written}");
    };
    check("20260801120000", "2026-08-01T11:00:00Z");
    check("20261025005959", "2026-10-24T23:59:59Z");
    check("20261025013000", "2026-10-25T00:30:00Z");
    check("20261025013000+0000", "2026-10-25T01:30:00Z");
    check("20261025020000", "2026-10-25T02:00:00Z");
    check("20260329013000", "2026-03-29T01:30:00Z");
}

#[test]
fn an_update_is_one_in_either_format() {
    let update = message(&DALRIADA.replace("REF^I12^REF_I12", "REF^I13^REF_I12"));
    let england = bulkhead_translation::profiles::england_bars();
    let sent = bulkhead_translation::ref_to_bars(&update, &england, &stamp()).unwrap().document;
    let read = BarsMessage::read(&sent).unwrap();
    assert_eq!(read.kind, bulkhead_format_bars::MessageKind::Update);
    for profile in refs() {
        let back = bars_to_ref(&sent, &profile, &stamp()).unwrap().document;
        assert_eq!(back.header().field(9).component(2).text(), "I13");
    }
}
