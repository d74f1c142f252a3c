//! There and back again: what must be shown is the same as before.

use bulkhead_format_bars::view::{Coding, Flag};
use bulkhead_format_bars::{BarsMessage, Document, Node, ReferralView, SampleReferral, Syntax};
use bulkhead_model::Priority;
use bulkhead_translation::{
    Profile, bars_to_ref, deadline_of, priority_of_bars, profiles, ref_to_bars, ref_to_ref,
};
use proptest::prelude::*;

use crate::support::{DALRIADA, again, message, refs, stamp, view};

/// What must survive.
#[derive(Debug, PartialEq)]
struct Kept {
    identifiers: Vec<(String, String, Option<String>)>,
    callback: Option<String>,
    dispositions: Vec<Coding>,
    due: Option<String>,
    flags: Vec<(Vec<Option<String>>, Option<String>)>,
    allergies: Vec<(Option<String>, Vec<Option<String>>)>,
    priority: Priority,
    deadline: Option<String>,
    kind: String,
    birth: Option<String>,
    texts: Vec<String>,
}

fn kept(document: &Document) -> Kept {
    let view = view(document);
    let patient = view.patient.as_ref().unwrap();
    let codes = |flag: &Flag| flag.code.codings.iter().map(|c| c.code.clone()).collect::<Vec<_>>();
    let identifiers =
        patient.identifiers.iter().map(|n| (n.id.system.clone(), n.id.value.clone(), n.verification.clone()));
    let summaries = view.texts.iter().filter(|t| t.path.starts_with("CarePlan"));
    Kept {
        identifiers: identifiers.collect(),
        callback: view.callback.as_ref().and_then(|callback| callback.value.clone()),
        dispositions: view.dispositions.clone(),
        due: view.end.as_ref().and_then(|when| when.at()).map(|at| at.to_string()),
        flags: view.flags.iter().map(|flag| (codes(flag), flag.code.label().map(str::to_owned))).collect(),
        allergies: view
            .allergies
            .iter()
            .map(|a| {
                (a.code.label().map(str::to_owned), a.code.codings.iter().map(|c| c.code.clone()).collect())
            })
            .collect(),
        priority: priority_of_bars(&view),
        deadline: deadline_of(&view).map(|at| at.to_string()),
        kind: format!("{:?}", BarsMessage::read(document).unwrap().kind),
        birth: patient.birth_date.clone(),
        texts: summaries.map(|t| t.text.trim().to_owned()).collect(),
    }
}

fn there_and_back(document: &Document, profile: &Profile) -> Document {
    let there = bars_to_ref(document, profile, &stamp()).unwrap_or_else(|e| panic!("{}: {e}", profile.name));
    let sent = message(&String::from_utf8_lossy(there.document.as_bytes()));
    let sent = if sent.as_bytes() == there.document.as_bytes() { sent } else { there.document };
    let back = ref_to_bars(&sent, &profiles::england_bars(), &stamp());
    again(&back.unwrap_or_else(|e| panic!("{}: {e}", profile.name)).document)
}

fn flagged(view: &ReferralView) -> [bool; 2] {
    ["SG", "SS"].map(|category| view.is_flagged(category))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_must_be_shown_survives(
        seed in 0_u64..100_000,
        size in prop_oneof![Just(2_000_usize), 7_000_usize..40_000],
        safeguarding: bool,
        disposition in prop_oneof![
            Just(None),
            Just(Some(("Dx06", "To contact a Primary Care Service within 6 hours", 360))),
            Just(Some(("Dx9999", "Something [nobody] knows | yet ^ & ~ \\", 90))),
            Just(Some(("Dx02", "Emergency treatment centre", 60))),
        ],
        which in 0_usize..4,
        syntax in prop_oneof![Just(Syntax::Json), Just(Syntax::Xml)],
    ) {
        let sample = SampleReferral { safeguarding, disposition, ..SampleReferral::new(seed).sized(size) };
        let document = sample.build(syntax);
        let back = there_and_back(&document, &refs()[which]);
        prop_assert_eq!(kept(&back), kept(&document));
        prop_assert_eq!(flagged(&view(&back)), flagged(&view(&document)));
        prop_assert_eq!(flagged(&view(&back))[0], safeguarding);
    }

    #[test]
    fn the_same_attempt_makes_the_same_bytes(seed in 0_u64..1_000, which in 0_usize..4) {
        let document = SampleReferral::new(seed).sized(8_000).build(Syntax::Json);
        let make = || bars_to_ref(&document, &refs()[which], &stamp()).unwrap().document;
        prop_assert_eq!(make(), make());
        let sent = make();
        let make = || ref_to_bars(&sent, &profiles::england_bars(), &stamp()).unwrap().document;
        prop_assert_eq!(make().write().unwrap(), make().write().unwrap());
    }
}

#[test]
fn a_large_referral_goes_both_ways() {
    let document = SampleReferral::new(3).sized(437 * 1024).build(Syntax::Xml);
    for profile in refs() {
        assert_eq!(kept(&there_and_back(&document, &profile)), kept(&document), "{}", profile.name);
    }
}

#[test]
fn a_cancellation_stays_one() {
    let cancel = SampleReferral::new(4).cancel(Syntax::Json);
    for profile in refs() {
        let there = bars_to_ref(&cancel, &profile, &stamp()).unwrap();
        assert_eq!(there.document.header().field(9).component(2).text(), "I14");
        let back = ref_to_bars(&there.document, &profiles::england_bars(), &stamp()).unwrap();
        assert_eq!(kept(&back.document).kind, "Cancel");
        assert_eq!(kept(&back.document).identifiers, kept(&cancel).identifiers);
        let reasons = view(&back.document).reasons;
        assert_eq!(reasons[0].text.as_deref(), Some("Revoked as the patient has been seen elsewhere."));
    }
}

#[test]
fn all_messages_of_a_case_have_the_same_number() {
    let sample = SampleReferral::new(4).sized(7_000);
    let mut later = stamp();
    later.referral = bulkhead_model::ReferralId::parse("00000000-0000-4000-8000-000000000001").unwrap();
    for profile in refs() {
        let first = bars_to_ref(&sample.build(Syntax::Json), &profile, &stamp()).unwrap().document;
        let second = bars_to_ref(&sample.cancel(Syntax::Json), &profile, &later).unwrap().document;
        assert_eq!(first.field("RF1", 6).raw(), second.field("RF1", 6).raw());
        assert_ne!(first.header().field(10).raw(), second.header().field(10).raw());
        let control = first.header().field(10).text().into_owned();
        assert!(control.len() <= 20 && control.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}

#[test]
fn a_referral_of_northern_ireland_keeps_what_it_says() {
    let original = message(DALRIADA);
    let there = ref_to_bars(&original, &profiles::england_bars(), &stamp()).unwrap();
    let seen = view(&again(&there.document));
    let patient = seen.patient.as_ref().unwrap();
    let ids: Vec<_> =
        patient.identifiers.iter().map(|n| (n.id.system.as_str(), n.id.value.as_str())).collect();
    let systems = ["https://fhir.nhs.uk/Id/hsc-number", "https://fhir.nhs.uk/Id/nhs-number"];
    assert_eq!(ids, [(systems[0], "3200123451"), (systems[1], "9990000018")]);
    assert_eq!(patient.identifiers[1].verification.as_deref(), Some("number-present-and-verified"));
    assert_eq!(seen.callback.as_ref().unwrap().value.as_deref(), Some("07700 900111"));
    assert_eq!(seen.allergies[0].severity.as_deref(), Some("severe"));
    let back = bars_to_ref(&there.document, &profiles::ni_v24(), &stamp()).unwrap().document;
    for (segment, number) in
        [("PID", 3), ("PID", 7), ("PID", 8), ("PID", 11), ("PID", 32), ("DG1", 3), ("AL1", 3)]
    {
        let same = |m: &bulkhead_format_hl7::Message| m.field(segment, number).raw().to_vec();
        assert_eq!(same(&back), same(&original), "{segment}-{number}");
    }
    // BaRS does not use the priority of a request, and nothing else says "routine": then it is not believed, and said.
    assert_eq!(back.field("RF1", 2).component(1).text(), "A");
    assert_eq!(seen_priority(&there.document).as_deref(), Some("routine"));
}

#[test]
fn between_versions_a_message_stays_what_it_is() {
    let original = message(DALRIADA);
    let there = ref_to_ref(&original, &profiles::ni_v251(), &stamp()).unwrap();
    assert_eq!(there.omissions, [""; 0]);
    assert_eq!(there.document.header().field(12).text(), "2.5.1");
    let back = ref_to_ref(&there.document, &profiles::ni_v24(), &stamp()).unwrap().document;
    let rest =
        |m: &bulkhead_format_hl7::Message| m.segments().skip(1).map(|s| s.raw().to_vec()).collect::<Vec<_>>();
    assert_eq!(rest(&back), rest(&original));
}

fn seen_priority(document: &Document) -> Option<String> {
    let resources = document.root().path_all("entry.resource");
    resources.into_iter().find_map(|node| node.text("priority")).map(str::to_owned)
}

/// The same referral, where a carer is to be called.
fn with_a_carer(mut document: Document) -> Document {
    for entry in document.root_mut().all_mut("entry") {
        let patient = entry.get_mut("resource").filter(|r| r.resource_type() == Some("Patient"));
        let Some(contact) = patient.and_then(|patient| patient.get_mut("contact")) else { continue };
        contact.push("name", Node::new().with_text("family", "Applegarth").with_text("given", "Iris"));
        let coding = contact.get_mut("relationship").and_then(|r| r.get_mut("coding")).unwrap();
        coding.set_text("system", "http://terminology.hl7.org/CodeSystem/v2-0131");
        coding.set_text("code", "C");
        coding.set_text("display", "Emergency Contact");
    }
    document
}

#[test]
fn the_number_of_a_carer_is_not_made_the_patients_own() {
    let document = with_a_carer(SampleReferral::new(2).sized(9_000).build(Syntax::Json));
    for profile in refs() {
        let back = view(&there_and_back(&document, &profile));
        let first = back.patient.as_ref().unwrap().contacts.first().cloned().unwrap();
        assert_eq!(back.callback, view(&document).callback, "{}", profile.name);
        assert!(!first.is_patient() && first.rank == Some(1), "{}", profile.name);
        assert_eq!(first.telecoms.first(), back.callback.as_ref(), "{}", profile.name);
    }
}
