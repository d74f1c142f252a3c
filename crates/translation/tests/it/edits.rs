//! Within one format: as little is changed as the other side demands.

use bulkhead_format_bars::{BarsMessage, Rules, SampleReferral, Syntax};
use bulkhead_translation::{Original, bars_to_bars, bars_to_ref, profiles, ref_to_bars, ref_to_ref};

use crate::support::{DALRIADA, TRAKCARE, again, message, stamp, texts_of, view};

#[test]
fn england_and_wales_read_one_another() {
    let sample = SampleReferral::new(10).sized(9_000);
    let english = sample.build(Syntax::Json);
    let welsh = bars_to_bars(&english, &profiles::wales_bars(), &stamp()).unwrap();
    assert!(welsh.omissions.is_empty());
    let seen = view(&again(&welsh.document));
    let names = [&seen.sender, &seen.receiver].map(|o| o.as_ref().unwrap().name.clone().unwrap());
    assert_eq!(names, ["Sender Organization", "Receiving/performing Organization"]);
    let texts = texts_of(&welsh.document);
    for text in texts_of(&english).lines() {
        assert!(texts.contains(text) || text.contains("dos-service-id|"), "{text}");
    }
    assert!(BarsMessage::read_with(&welsh.document, &Rules::wales_nwri()).is_ok());
    let back = bars_to_bars(&welsh.document, &profiles::england_bars(), &stamp()).unwrap();
    let seen = view(&again(&back.document));
    assert_eq!(seen.sender.unwrap().name, view(&english).sender.unwrap().name);
    let cancel = sample.cancel(Syntax::Xml);
    assert!(bars_to_bars(&cancel, &profiles::wales_bars(), &stamp()).is_ok());
}

#[test]
fn segments_that_a_peer_does_not_take_go_into_the_notes() {
    let sent = ref_to_ref(&message(TRAKCARE), &profiles::ni_v24(), &stamp()).unwrap();
    assert_eq!(sent.omissions, ["PD1", "ZRF"]);
    let notes: Vec<String> = sent.document.all("NTE").map(|nte| nte.field(3).text().into_owned()).collect();
    assert_eq!(notes[0], "Translated by Bulkhead: 2 items not carried: PD1, ZRF");
    assert!(notes.iter().any(|note| note.contains("ZRF-2: opaque-site-data")));
    assert_eq!(notes.last().map(String::as_str), Some("Key safe by the back door"));
    assert_eq!(sent.document.field("RF1", 6).raw(), b"24029171^^^^REFID");
    let kept = ref_to_ref(&message(TRAKCARE), &profiles::scotland_trakcare(), &stamp()).unwrap();
    assert!(kept.omissions.is_empty());
    assert_eq!(kept.document.field("ZRF", 2).text(), "opaque-site-data");
}

#[test]
fn a_peer_that_reads_no_clinical_segments_gets_them_in_words() {
    let sent = ref_to_ref(&message(DALRIADA), &profiles::scotland_trakcare(), &stamp()).unwrap().document;
    let notes: Vec<String> = sent.all("NTE").map(|nte| nte.field(3).text().into_owned()).collect();
    assert!(notes.iter().any(|note| note == "ALLERGY: Amoxicillin [SCT 372687004]"), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("Condition: Chest pain")));
    assert_eq!(sent.field("AL1", 3).component(2).text(), "Amoxicillin");
}

#[test]
fn text_is_carried_in_the_charset_of_the_peer() {
    let welsh = TRAKCARE.replace("Mairi", "Siân Ŵyn");
    let sent = ref_to_ref(&message(&welsh), &profiles::ni_v24(), &stamp()).unwrap().document;
    assert_eq!(sent.field("PID", 5).component(2).text(), "Siân Ŵyn");
    assert!(sent.as_bytes().windows(3).any(|bytes| bytes == b"Si\xE2"));
    assert!(String::from_utf8_lossy(sent.field("PID", 5).raw()).contains("\\XC5B4\\"));
    let sent = ref_to_ref(&message(&welsh), &profiles::wales_ooh(), &stamp()).unwrap().document;
    assert_eq!(sent.field("PID", 5).component(2).text(), "Siân Ŵyn");
    assert_eq!(sent.header().field(18).text(), "UNICODE UTF-8");
}

#[test]
fn the_original_is_attached_where_the_profile_wants_it() {
    let original =
        || Original { bytes: b"the bytes that came".to_vec(), media_type: "application/fhir+json".into() };
    let document = SampleReferral::new(1).sized(7_000).build(Syntax::Json);
    let with = stamp().with_original(original());
    let sent = bars_to_ref(&document, &profiles::ni_v251(), &with).unwrap().document;
    let attached = sent.all("OBX").find(|obx| obx.field(2).text() == "ED").unwrap();
    assert_eq!(attached.field(5).component(5).text(), "dGhlIGJ5dGVzIHRoYXQgY2FtZQ==");
    let without = bars_to_ref(&document, &profiles::ni_v24(), &with).unwrap().document;
    assert!(without.all("OBX").all(|obx| obx.field(2).text() != "ED"));
    let sent = ref_to_bars(&message(DALRIADA), &profiles::england_bars(), &with).unwrap().document;
    assert!(texts_of(&sent).contains("dGhlIGJ5dGVzIHRoYXQgY2FtZQ=="));
    // Too large with it: it goes without, and says so.
    let mut small = profiles::ni_v251();
    small.message = without.as_bytes().len() + 500;
    let large = Original { bytes: vec![b'x'; 2_000], ..original() };
    let sent = bars_to_ref(&document, &small, &stamp().with_original(large)).unwrap();
    assert!(sent.omissions.contains(&"attachment of the original".to_owned()));
}
