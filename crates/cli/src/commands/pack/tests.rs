//! A pack that a stranger can read.

use super::html::{escaped, page};
use super::item::Item;
use crate::desk::Desked;
use crate::samples::{at, world};

fn desk() -> Desked {
    Desked { world: world(true), nation: "wales".into(), operator: "wales/wales-duty".into() }
}

fn item(to: &str, due: Option<&str>, patient: &str) -> Item {
    Item {
        code: "6F1F0C1E6A".into(),
        to: to.into(),
        due: due.map(at),
        is_readable: true,
        patient: patient.into(),
        callback: "020 7946 0000".into(),
        disposition: "Dx06 within 6 hours".into(),
        ..Item::default()
    }
}

#[test]
fn earliest_due_comes_first_in_each_destination() {
    let items = [
        item("wales/a", None, "Fourth"),
        item("wales/a", Some("12:00:00"), "Second"),
        item("wales/b", Some("09:00:00"), "Third"),
        item("wales/a", Some("10:00:00"), "First"),
    ];
    let page = page("wales/wast-111", &desk(), &items, at("11:00:00"));
    let place = |text: &str| page.find(text).unwrap();
    assert!(place("First") < place("Second") && place("Second") < place("Fourth"));
    assert!(place("Fourth") < place("<h2>wales/b"), "{page}");
    for text in
        ["4 referrals", "4 atgyfeiriad", "DEMO", "020 7946 0000", "Dx06", "6F1F0C1E6A", "class=\"late\""]
    {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn each_state_is_explained_in_both_languages_and_only_what_can_be_marked_has_a_box() {
    let of = |state: &str, is_markable| Item {
        state: state.into(),
        priority: "urgent".into(),
        is_markable,
        ..item("wales/a", None, "Somebody")
    };
    let check = |state: &str, is_markable: bool, said: [&str; 2]| {
        let page = page("wales/wast-111", &desk(), &[of(state, is_markable)], at("11:00:00"));
        for text in said.into_iter().chain(["not stated", "heb ei nodi", "brys", "Ffoniwch, nodwch hynny"]) {
            assert!(page.contains(text), "{state}: {text}: {page}");
        }
        assert_eq!(page.contains("<span class=\"box\">"), is_markable, "{state}");
    };
    check("unknown", true, ["May have arrived", "Efallai ei fod wedi cyrraedd"]);
    check("delivered", false, ["Delivered, unconfirmed", "heb ei gadarnhau"]);
    check("return-pending", true, ["phone now", "ffoniwch nawr"]);
    check("quarantined", true, ["Suspect", "Amheus"]);
}

#[test]
fn a_referral_without_a_patient_says_so_in_both_languages() {
    let none = Item::of(&bulkhead_wire::v1::OpenSetAsideResponse::default());
    let unread = Item::of(&bulkhead_wire::v1::OpenSetAsideResponse {
        payload: "nothing that a reader knows".into(),
        ..Default::default()
    });
    let page = page("wales/wast-111", &desk(), &[none, unread], at("11:00:00"));
    for text in ["document cannot be read", "darllen ei ddogfen", "No patient can be read", "darllen claf"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn a_document_writes_no_html() {
    let items = [item("wales/a", None, "<script>alert('x')</script>")];
    let page = page("wales/wast-111", &desk(), &items, at("11:00:00"));
    assert!(!page.contains("<script>"));
    assert_eq!(escaped("a\u{7}<b>&\"'"), "a &lt;b&gt;&amp;&quot;&#39;");
}
