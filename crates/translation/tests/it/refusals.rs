//! What must be shown and has no place refuses the whole.

use bulkhead_format_bars::{Document, Node, SampleReferral, Syntax};
use bulkhead_format_hl7::Version;
use bulkhead_model::{Nation, Protocol};
use bulkhead_translation::{
    Item, Profile, Shown, Shows, Target, bars_to_ref, check_bars, check_ref, profile_for, profiles,
    ref_to_bars,
};

use crate::support::{DALRIADA, TRAKCARE, message, sample, stamp};

fn without(change: impl Fn(&mut Shows)) -> Profile {
    let mut profile = profiles::ni_v24();
    change(&mut profile.shows);
    profile
}

fn scene(document: &Document) -> Document {
    let mut document = document.clone();
    for entry in document.root_mut().all_mut("entry") {
        let flag = entry.get_mut("resource").filter(|r| r.resource_type() == Some("Flag"));
        if let Some(code) = flag.and_then(|f| f.get_mut("category")?.get_mut("coding")?.get_mut("code")) {
            code.replace_value("SS");
        }
    }
    document
}

#[test]
fn each_item_without_a_place_refuses() {
    let document = sample(10);
    let check = |document: &Document, item, profile: Profile| {
        let error = bars_to_ref(document, &profile, &stamp()).unwrap_err();
        assert_eq!(error.item, item);
        assert_eq!(check_bars(document, &Target::Ref(profile)), Err(error.clone()));
        assert_eq!(error.reason().code, "NOT_TRANSLATABLE");
        assert!(error.to_string().starts_with(item.as_str()));
    };
    check(&document, Item::Identifiers, without(|shows| shows.identifiers = None));
    check(&document, Item::Verification, without(|shows| shows.verification = None));
    check(&document, Item::Callback, without(|shows| shows.callback = None));
    check(&document, Item::Safeguarding, without(|shows| shows.safeguarding = None));
    check(&scene(&document), Item::SceneSafety, without(|shows| shows.scene_safety = None));
    check(&document, Item::Allergies, without(|shows| shows.allergies = None));
    check(&document, Item::Disposition, without(|shows| shows.disposition = None));
    check(&document, Item::DueTime, without(|shows| shows.due = None));
    check(&document, Item::Callback, without(|shows| shows.callback = Shown::field("PID", 13, 5)));
    check(&document, Item::Disposition, without(|shows| shows.disposition = Shown::note(8)));
    // The size shows only when the document is made.
    let small = Profile { message: 1_000, ..profiles::ni_v24() };
    assert_eq!(bars_to_ref(&document, &small, &stamp()).unwrap_err().item, Item::Size);
}

#[test]
fn what_is_not_there_needs_no_place() {
    let nothing = without(|shows| {
        (shows.safeguarding, shows.scene_safety, shows.allergies) = (None, None, None);
    });
    let small = SampleReferral { safeguarding: false, ..SampleReferral::new(1).sized(2_000) };
    assert!(bars_to_ref(&small.build(Syntax::Json), &nothing, &stamp()).is_ok());
    // A cancellation is not held up by what it only repeats.
    let none = without(|shows| {
        *shows = Shows { identifiers: shows.identifiers.clone(), callback: None, due: None, ..shows.clone() }
    });
    assert!(bars_to_ref(&small.cancel(Syntax::Json), &none, &stamp()).is_ok());
}

#[test]
fn items_land_where_the_profile_shows_them() {
    let custom = |shows: &mut Shows| {
        shows.disposition = Shown::field("ZDX", 2, 100);
        shows.callback = Shown::note(100);
        shows.due = Shown::note(100);
    };
    let sent = bars_to_ref(&sample(10), &without(custom), &stamp()).unwrap().document;
    assert_eq!(sent.field("ZDX", 2).component(1).text(), SampleReferral::new(10).facts().disposition);
    let notes: Vec<String> = sent.all("NTE").map(|nte| nte.field(3).text().into_owned()).collect();
    let callback = format!("Call back on: {}", SampleReferral::new(10).facts().callback);
    assert!(notes.contains(&callback) && notes.iter().any(|note| note.starts_with("Due by: ")));
    assert!(notes[0].starts_with("Translated by Bulkhead: "));
}

#[test]
fn wales_takes_what_it_can_hold() {
    let wales = profiles::wales_bars();
    let refused = |text: &str| ref_to_bars(&message(text), &wales, &stamp()).unwrap_err().item;
    assert_eq!(refused(TRAKCARE), Item::Identifiers);
    assert_eq!(
        refused(&DALRIADA.replace("DG1|1||R07.4^Chest pain, unspecified^I10||202608012200|W\r", "")),
        Item::Structure
    );
    assert_eq!(refused(&DALRIADA.replace("REF^I12^REF_I12", "REF^I13^REF_I12")), Item::Kind);
    assert!(ref_to_bars(&message(DALRIADA), &wales, &stamp()).is_ok());
    assert!(
        ref_to_bars(&message(&DALRIADA.replace("REF^I12^REF_I12", "REF^I14^REF_I12")), &wales, &stamp())
            .is_ok()
    );
    let wpas = Target::Bars(profiles::wales_bars_wpas());
    assert_eq!(check_ref(&message(DALRIADA), &wpas).unwrap_err().item, Item::Callback);
}

#[test]
fn a_test_message_never_reaches_a_production_system() {
    for id in ["T", "D"] {
        let marked = message(&TRAKCARE.replace("|P|2.4|", &format!("|{id}|2.4|")));
        let refused = ref_to_bars(&marked, &profiles::england_bars(), &stamp());
        assert_eq!(refused.unwrap_err().item, Item::Test);
        let mut stamp = stamp();
        stamp.test = true;
        assert!(ref_to_bars(&marked, &profiles::england_bars(), &stamp).is_ok());
    }
}

#[test]
fn what_is_no_referral_is_refused() {
    let refused =
        |text: &str| ref_to_bars(&message(text), &profiles::england_bars(), &stamp()).unwrap_err().item;
    assert_eq!(refused(&TRAKCARE.replace("REF^I12", "REF^I15")), Item::Kind);
    assert_eq!(refused(&TRAKCARE.replace("REF^I12", "ADT^A28")), Item::Kind);
    assert_eq!(refused("MSH|^~\\&|||||1||ACK^I12|A1|P|2.4\rMSA|AA|M1\r"), Item::Answer);
    let empty = Document::new(Syntax::Json, Node::of_type("Bundle"));
    assert_eq!(bars_to_ref(&empty, &profiles::ni_v24(), &stamp()).unwrap_err().item, Item::Document);
}

#[test]
fn profiles_are_found_by_protocol_version_and_nation() {
    let check = |protocol, version, nation, name: Option<&str>| {
        assert_eq!(profile_for(protocol, version, nation).map(|target| target.name()), name);
    };
    check(Protocol::Bars, "1.4.0", Nation::England, Some("england-bars"));
    check(Protocol::BarsWales, "1.2.0", Nation::Wales, Some("wales-bars"));
    check(Protocol::BarsWales, "1.2.0-wpas", Nation::Wales, Some("wales-bars-wpas"));
    check(Protocol::Hl7v2, "2.5", Nation::Wales, Some("wales-ooh"));
    check(Protocol::Hl7v2, "2.4", Nation::Scotland, Some("scotland-trakcare"));
    check(Protocol::Hl7v2, "2.4", Nation::NorthernIreland, Some("ni-v24"));
    check(Protocol::Hl7v2, "2.5.1", Nation::NorthernIreland, Some("ni-v251"));
    check(Protocol::Hl7v2, "2.5", Nation::England, None);
    let Some(Target::Ref(profile)) = profile_for(Protocol::Hl7v2, "2.4", Nation::Wales) else { panic!() };
    assert_eq!((profile.version, profile.charset_name), (Version::V2_4, Some("UNICODE")));
}
