//! The public samples, when `BULKHEAD_SAMPLES` says where they are: each goes through a sidecar to another
//! nation's sidecar and clinical system, and its answer comes back; or it is refused, for a reason with a name.
//!
//! Only what addresses a sample is changed before it is sent: the endpoints of the MessageHeader and the X-headers,
//! or PRD-7 of the PRD with role RT.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod common_samples;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common_samples::{DOS, World, eventually, sha256};
use serde_json::json;
use uuid::Uuid;

/// One sample on its way.
struct Way {
    sample: &'static str,
    from: &'static str,
    to: &'static str,
    /// BaRS: what has the same name is one case, so that an update follows its request. Else a case of its own.
    case: &'static str,
    expected: Expected,
}

/// What is to come of it.
enum Expected {
    /// The receiving system has stored it; then a person there answers.
    Stored(Answer),
    /// The sender hears a refusal at once that says all of this, and no cell knows the message.
    Refused { says: &'static [&'static str] },
    /// The broker has accepted it, and the receiving system refuses it.
    Rejected { says: &'static str },
}

/// What is to come of the clinical answer.
enum Answer {
    /// Nobody answers an update, a cancellation, or an answer.
    None,
    /// The sender's system has it.
    Arrives,
}

use Answer::{Arrives, None as Unanswered};
use Expected::{Refused, Rejected, Stored};

const NHS111: &str = "england/nhs111-north";
const RIVERSIDE: &str = "england/ooh-riverside";
const WAST: &str = "wales/wast-111";
const CARDIFF: &str = "wales/ooh-cardiff";
const NHS24: &str = "scotland/nhs24";
const LOTHIAN: &str = "scotland/ooh-lothian";
const DALRIADA: &str = "northern-ireland/ooh-dalriada";
const GP_BELFAST: &str = "northern-ireland/gp-belfast";

const TO_ED: &str = "england/bars-ig/refreq01-111-to-ed-new.xml";
const TO_PHARMACY: &str = "england/bars-ig/refreq03-primary-care-to-pharmacy-new.xml";
const CAD: &str = "england/bars-ig/refreq08a-cad-out-of-area-c1-initial.xml";
const CAD_UPDATE: &str = "england/bars-ig/refreq08b-cad-out-of-area-c1-update.xml";
const CANCEL: &str = "england/bars-ig/servreq01-cancel-revoked.xml";
const DNA_RESPONSE: &str = "england/bars-ig/refresp01-ed-to-111-dna-response.xml";
const REJECTION: &str = "england/bars-ig/refresp02-mutual-aid-rejection.xml";
const HTTP_200: &str = "england/bars-ig/valresp01-http-200-acknowledgement.xml";
const VALIDATION: &str = "england/bars-api/servicerequest-request-validation-999-to-cas.json";
const WALES_CREATE: &str = "wales/bars-referral-create.json";
const WALES_CANCEL: &str = "wales/bars-referral-cancel-revoked.json";
const MS_REF: &str = "hl7v2/ms-ref-i12-01.hl7";
const MS_CANCEL: &str = "hl7v2/ms-ref-i14-01-cancel.hl7";
const HAPI_REF: &str = "hl7v2/hapi-ref-i12-nte-tail.hl7";
const SCOTTISH: &str = "scotland/constructed-ref-i12-v24.hl7";
const NORTHERN_IRISH: &str = "northern-ireland/constructed-ref-i12-v24.hl7";

/// NHS Wales's e-referrals service (its `README` and validators) takes what creates and what cancels a referral, and
/// answers 400 to all else. A create must hold a Condition, and a Patient with an NHS number.
const NWRI_NO_CONDITION: Expected = Refused {
    says: &["422", "REC_UNPROCESSABLE_ENTITY", "not-supported", "takes no referral without a condition"],
};
const NWRI_NO_NUMBER: Expected = Refused {
    says: &["422", "REC_UNPROCESSABLE_ENTITY", "not-supported", "takes no patient without an NHS number"],
};
const NWRI_NO_UPDATE: Expected = Refused {
    says: &["422", "REC_UNPROCESSABLE_ENTITY", "not-supported", "takes new requests and cancellations only"],
};
/// The same in HL7 v2: who knows no NHS number of a patient cannot refer there.
const NWRI_NO_NUMBER_HL7: Expected = Refused {
    says: &[
        "MSA|CR|",
        "NOT_TRANSLATABLE: patient identifiers",
        "takes no patient without an NHS number",
        "207",
    ],
};
/// BaRS guide, Bundle processing: a response whose `response.identifier` is unknown is 404 REC_NOT_FOUND.
const NO_SUCH_REQUEST: Expected = Refused {
    says: &["404", "REC_NOT_FOUND", "not-found", "names no message of this case that was received"],
};
/// The body of an HTTP 200: the request with a second, planned Encounter. BaRS guide: a message to process has one.
const NO_MESSAGE: Expected =
    Refused { says: &["400", "REC_BAD_REQUEST", "invariant", "Encounter (1..1, found 2)"] };
/// Version 2.8 in MSH-12: none of the nations publishes anything above 2.5.1. Table 0357, 203.
const VERSION_28: Expected = Refused {
    says: &["MSA|AR|MSG00112|the version is not supported", "MSH^1^12|203^Unsupported version id"],
};
/// No MSH-10 and no MSH-11, which HL7 v2.5 requires (2.15.9): nothing tells a repeat from another message. 101.
const NO_CONTROL_ID: Expected =
    Refused { says: &["MSA|AR||", "MSH^1^10|101^Required field missing", "MSH^1^11|101^"] };
/// An update or a cancellation of what the receiver does not know: table 0357, 204, unknown key identifier. Only the
/// receiver can know that: the broker does not look into cases.
const NEVER_REQUESTED: Expected = Rejected { says: "AR with error 204" };

const fn way(
    sample: &'static str,
    from: &'static str,
    to: &'static str,
    case: &'static str,
    expected: Expected,
) -> Way {
    Way { sample, from, to, case, expected }
}

#[rustfmt::skip]
const WAYS: &[Way] = &[
    way(TO_ED,          NHS111,   CARDIFF,    "to cardiff",    Stored(Arrives)),
    way(CANCEL,         NHS111,   CARDIFF,    "to cardiff",    Stored(Unanswered)),
    way(TO_ED,          NHS111,   NHS24,      "to nhs24",      Stored(Arrives)),
    way(CANCEL,         NHS111,   NHS24,      "to nhs24",      Stored(Unanswered)),
    way(TO_ED,          NHS111,   DALRIADA,   "to dalriada",   Stored(Arrives)),
    way(CANCEL,         NHS111,   DALRIADA,   "to dalriada",   Stored(Unanswered)),
    way(TO_ED,          NHS111,   WAST,       "",              NWRI_NO_CONDITION),
    way(TO_PHARMACY,    NHS111,   CARDIFF,    "",              Stored(Arrives)),
    way(TO_PHARMACY,    NHS111,   NHS24,      "",              Stored(Arrives)),
    way(TO_PHARMACY,    NHS111,   DALRIADA,   "",              Stored(Arrives)),
    way(TO_PHARMACY,    NHS111,   WAST,       "to wast",       Stored(Arrives)),
    way(CANCEL,         NHS111,   WAST,       "to wast",       Stored(Unanswered)),
    way(CAD,            NHS111,   CARDIFF,    "cad cardiff",   Stored(Arrives)),
    way(CAD_UPDATE,     NHS111,   CARDIFF,    "cad cardiff",   Stored(Unanswered)),
    way(CAD,            NHS111,   NHS24,      "cad nhs24",     Stored(Arrives)),
    way(CAD_UPDATE,     NHS111,   NHS24,      "cad nhs24",     Stored(Unanswered)),
    way(CAD,            NHS111,   DALRIADA,   "cad dalriada",  Stored(Arrives)),
    way(CAD_UPDATE,     NHS111,   DALRIADA,   "cad dalriada",  Stored(Unanswered)),
    way(CAD,            NHS111,   WAST,       "",              NWRI_NO_NUMBER),
    way(CAD_UPDATE,     NHS111,   WAST,       "",              NWRI_NO_UPDATE),
    way(VALIDATION,     NHS111,   CARDIFF,    "",              Stored(Arrives)),
    way(VALIDATION,     NHS111,   NHS24,      "",              Stored(Arrives)),
    way(VALIDATION,     NHS111,   DALRIADA,   "",              Stored(Arrives)),
    way(VALIDATION,     NHS111,   WAST,       "",              NWRI_NO_CONDITION),
    way(CANCEL,         NHS111,   NHS24,      "",              NEVER_REQUESTED),
    way(DNA_RESPONSE,   NHS111,   CARDIFF,    "",              NO_SUCH_REQUEST),
    way(DNA_RESPONSE,   NHS111,   WAST,       "",              NO_SUCH_REQUEST),
    way(REJECTION,      NHS111,   NHS24,      "",              NO_SUCH_REQUEST),
    way(HTTP_200,       NHS111,   DALRIADA,   "",              NO_MESSAGE),
    // Where its request came from, which can only be England: there it is good.
    way(TO_ED,          NHS111,   RIVERSIDE,  "at home",       Stored(Unanswered)),
    way(DNA_RESPONSE,   RIVERSIDE, NHS111,    "at home",       Stored(Unanswered)),
    way(WALES_CREATE,   WAST,     RIVERSIDE,  "from wast",     Stored(Arrives)),
    way(WALES_CANCEL,   WAST,     RIVERSIDE,  "from wast",     Stored(Unanswered)),
    way(WALES_CREATE,   WAST,     NHS24,      "wast to nhs24", Stored(Arrives)),
    way(WALES_CANCEL,   WAST,     NHS24,      "wast to nhs24", Stored(Unanswered)),
    way(WALES_CREATE,   WAST,     GP_BELFAST, "wast to gp",    Stored(Arrives)),
    way(WALES_CANCEL,   WAST,     GP_BELFAST, "wast to gp",    Stored(Unanswered)),
    way(MS_REF,         CARDIFF,  NHS111,     "",              VERSION_28),
    way(MS_CANCEL,      CARDIFF,  NHS111,     "",              VERSION_28),
    way(HAPI_REF,       CARDIFF,  NHS111,     "",              NO_CONTROL_ID),
    way(SCOTTISH,       NHS24,    WAST,       "",              NWRI_NO_NUMBER_HL7),
    way(SCOTTISH,       NHS24,    RIVERSIDE,  "",              Stored(Arrives)),
    way(NORTHERN_IRISH, DALRIADA, WAST,       "",              NWRI_NO_NUMBER_HL7),
    way(NORTHERN_IRISH, DALRIADA, LOTHIAN,    "",              Stored(Arrives)),
];

#[tokio::test]
async fn every_public_sample_goes_to_another_nation_and_its_answer_back_or_is_refused_by_name() {
    let Some(folder) = std::env::var_os("BULKHEAD_SAMPLES").map(PathBuf::from) else {
        println!("skipped: BULKHEAD_SAMPLES is not set");
        return;
    };
    assert_all_have_a_way(&folder);
    let all = async {
        let world = World::start().await;
        world.strict().await;
        let mut cases = HashMap::new();
        for way in WAYS {
            let case = match way.case {
                "" => Uuid::new_v4(),
                name => *cases.entry(name).or_insert_with(Uuid::new_v4),
            };
            go(&world, &folder, way, &case.to_string()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), all).await.expect("all samples in time");
}

/// No sample is forgotten: of the folders of messages every file, of the others what is named a referral.
fn assert_all_have_a_way(folder: &Path) {
    type IsOne = fn(&str) -> bool;
    let kinds: [(&str, IsOne); 6] = [
        ("england/bars-ig", |_| true),
        ("england/bars-api", |name| name.starts_with("servicerequest-")),
        ("wales", |name| name.starts_with("bars-referral-")),
        ("hl7v2", |name| name.contains("-ref-") && name.ends_with(".hl7")),
        ("scotland", |name| name.ends_with(".hl7")),
        ("northern-ireland", |name| name.ends_with(".hl7")),
    ];
    for (part, is_one) in kinds {
        for file in fs::read_dir(folder.join(part)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let path = format!("{part}/{name}");
            assert!(!is_one(&name) || WAYS.iter().any(|way| way.sample == path), "{path} has no way");
        }
    }
}

/// Sends one sample, and looks at everything that is to come of it.
async fn go(world: &World, folder: &Path, way: &Way, case: &str) {
    let Way { sample, from, to, .. } = way;
    let what = format!("{sample} from {from} to {to}");
    let bytes = addressed(world, folder, way);
    let digest = sha256(&bytes);
    let case = referral_number(&bytes).unwrap_or_else(|| case.to_owned());
    let before = world.received(to, 0).await.len();
    let (message_id, accepted, said) = send(world, way, &case, bytes).await;
    match &way.expected {
        Refused { says } => {
            for part in *says {
                assert!(!accepted && said.contains(part), "{what}: {part} in {said}");
            }
            assert!(world.trace(None, from, &message_id).await.is_none(), "{what}: it is known");
            assert!(world.received(to, before).await.is_empty(), "{what}: it arrived");
        }
        Rejected { says } => {
            assert!(accepted, "{what}: {said}");
            ends(world, &what, way, &message_id, ("rejected", &digest)).await;
            let life = world.trace(None, from, &message_id).await.unwrap();
            let reason = life["referral"]["reason"].to_string();
            assert!(reason.contains("RECEIVER_REFUSED") && reason.contains(says), "{what}: {reason}");
        }
        Stored(answer) => {
            assert!(accepted, "{what}: {said}");
            ends(world, &what, way, &message_id, ("acknowledged", &digest)).await;
            let arrived = world.received(to, before).await;
            assert_eq!(arrived.len(), 1, "{what}: {arrived:?}");
            let place = usize::try_from(arrived[0]["sequence"].as_u64().unwrap()).unwrap();
            respond(world, &what, way, (place, &case), answer).await;
        }
    }
}

/// The sample's bytes with the receiver's address, and the sender's as the one that an answer goes to.
fn addressed(world: &World, folder: &Path, way: &Way) -> Vec<u8> {
    let text = fs::read_to_string(folder.join(way.sample)).unwrap();
    let [from, to] = [way.from, way.to].map(|tenant| world.service(tenant));
    if way.sample.ends_with(".hl7") {
        return with_prd_7(&text, &format!("{to}^{DOS}")).into_bytes();
    }
    let text = with_endpoint(&text, "destination", &format!("{DOS}|{to}"));
    with_endpoint(&text, "source", &format!("{DOS}|{from}")).into_bytes()
}

/// Puts an address into the first endpoint of `element`, in XML or JSON.
fn with_endpoint(text: &str, element: &str, address: &str) -> String {
    let element = [format!("<{element}>"), format!("\"{element}\":")];
    let start = element.iter().find_map(|element| text.find(element)).expect("the element is there");
    let endpoint = ["endpoint value=\"", "\"endpoint\": \""];
    let value = endpoint.iter().find_map(|name| Some(start + text[start..].find(name)? + name.len()));
    let value = value.expect("it has an endpoint");
    let end = value + text[value..].find('"').expect("a string ends");
    [&text[..value], address, &text[end..]].concat()
}

fn with_prd_7(text: &str, address: &str) -> String {
    let segment = |segment: &str| {
        if !segment.trim_start().starts_with("PRD|RT") {
            return segment.to_owned();
        }
        let end = segment.len() - segment.chars().rev().take_while(|c| c.is_whitespace()).count();
        let mut fields: Vec<_> = segment[..end].split('|').collect();
        fields.resize(fields.len().max(8), "");
        fields[7] = address;
        fields.join("|") + &segment[end..]
    };
    text.split_inclusive(['\r', '\n']).map(segment).collect()
}

/// The number in RF1-6, by which HL7 v2 knows a case.
fn referral_number(message: &[u8]) -> Option<String> {
    let segments = message.split(|byte| matches!(byte, b'\r' | b'\n'));
    let segment = segments.into_iter().find(|segment| segment.starts_with(b"RF1|"))?;
    let field = std::str::from_utf8(segment).ok()?.split('|').nth(6)?;
    field.split('^').next().map(str::to_owned)
}

/// The message id, whether it was accepted, and the answer in full.
async fn send(world: &World, way: &Way, case: &str, bytes: Vec<u8>) -> (String, bool, String) {
    if way.sample.ends_with(".hl7") {
        let said = world.mllp(way.from, &bytes).await;
        let header = String::from_utf8(bytes).unwrap();
        let header: Vec<_> = header.lines().next().unwrap().split(['|', '\r']).collect();
        let message_id = [2, 3, 9, 6].map(|place| header[place]).join("|");
        let accepted = said.contains("\nMSA|AA|") || said.contains("\nMSA|CA|");
        return (message_id, accepted, said);
    }
    let message_id = Uuid::new_v4().to_string();
    let syntax = if way.sample.ends_with(".xml") { "xml" } else { "json" };
    let answer = world.process_message((way.from, way.to), (&message_id, case), syntax, bytes).await;
    (message_id, answer.status == 200, format!("{} {}", answer.status, answer.text))
}

/// Waits for a state in the ledgers of both nations; the receiving sidecar was given the very bytes that were sent.
async fn ends(world: &World, what: &str, way: &Way, message_id: &str, (state, digest): (&str, &str)) {
    let nation = |tenant: &'static str| tenant.split_once('/').unwrap().0;
    let at_both = eventually(&format!("{what} is {state}"), async || {
        let life = world.trace(None, way.from, message_id).await?;
        let states: HashMap<_, _> = life["cells"]
            .as_array()?
            .iter()
            .map(|cell| {
                (cell["nation"].as_str().unwrap().to_owned(), cell["state"].as_str().unwrap().to_owned())
            })
            .collect();
        states.values().all(|known| known == state).then_some(states)
    })
    .await;
    assert!(
        [way.from, way.to].iter().all(|tenant| at_both.contains_key(nation(tenant))),
        "{what}: {at_both:?}"
    );
    let there = world.trace(Some(nation(way.to)), way.from, message_id).await.unwrap();
    let referral = &there["referral"];
    assert_eq!(referral["digest"], digest, "{what}: the bytes changed on their way");
    assert_eq!(referral["destination"].as_str(), Some(way.to), "{what}");
}

/// A person at the receiver answers message `place`, and the sender's system has the answer, in the same case.
async fn respond(world: &World, what: &str, way: &Way, (place, case): (usize, &str), answer: &Answer) {
    if matches!(answer, Unanswered) {
        return;
    }
    let before = world.received(way.from, 0).await.len();
    let order = json!({"to_message": place, "reject": place % 2 == 1}).to_string();
    let sent = world.simulator(way.to, "POST", "/respond", &order).await;
    assert_eq!(sent["outcome"], "accepted", "the answer to {what}: {sent}");
    let arrived = eventually(&format!("the answer to {what}"), async || {
        world.received(way.from, before).await.into_iter().find(|one| one["kind"] == "response")
    })
    .await;
    let in_case = arrived["case"].as_str().and_then(|text| text.split('^').next());
    assert_eq!(in_case, Some(case), "the answer to {what}");
    let digest = sent["sha256"].as_str().unwrap();
    eventually(&format!("the answer to {what} is acknowledged"), async || {
        world.listed(digest).await.filter(|referral| referral["state"] == "acknowledged")
    })
    .await;
}
