//! Stamps, peers and messages for the tests. Everybody in them is invented.

use bulkhead_format_bars::{Document, Limits, Node, ReferralView, SampleReferral, Syntax};
use bulkhead_format_hl7::{Message, Rules};
use bulkhead_model::{CaseId, MessageId, ReferralId, ServiceAddress};
use bulkhead_translation::{BarsProfile, Party, Profile, Stamp, profiles};

pub(crate) fn party(dos: &str, ods: &str) -> Party {
    let address = |system: &str, value: &str| ServiceAddress::parse(system, value).unwrap();
    Party::of(&[
        address("https://fhir.nhs.uk/Id/dos-service-id", dos),
        address("https://fhir.nhs.uk/Id/ods-organization-code", ods),
    ])
}

pub(crate) fn stamp() -> Stamp {
    let id = ReferralId::parse("7b1e0d52-6a57-4c39-9a3e-4cbb51c40e11").unwrap();
    let message = MessageId::parse("3d2c1b0a-0000-4000-8000-000000000001").unwrap();
    Stamp::new(id, message, "2026-08-01T10:00:00Z".parse().unwrap())
        .in_case(CaseId::parse("3d2c1b0a-0000-4000-8000-000000000002").ok())
        .between(party("2000011147", "NZ111").named("Marling Vale NHS 111"), party("2000072489", "NZ222"))
}

pub(crate) fn refs() -> [Profile; 4] {
    [profiles::wales_ooh(), profiles::scotland_trakcare(), profiles::ni_v24(), profiles::ni_v251()]
}

pub(crate) fn bars() -> [BarsProfile; 3] {
    [profiles::england_bars(), profiles::wales_bars(), profiles::wales_bars_wpas()]
}

pub(crate) fn sample(seed: u64) -> Document {
    SampleReferral::new(seed).sized(9_000).build(Syntax::Json)
}

pub(crate) fn view(document: &Document) -> ReferralView {
    ReferralView::read(document).unwrap()
}

/// A document as another system would read it.
pub(crate) fn again(document: &Document) -> Document {
    let bytes = document.write().unwrap();
    Document::read(&bytes, document.syntax(), &Limits::default()).unwrap()
}

pub(crate) fn message(text: &str) -> Message {
    Message::parse_with(text.to_owned(), &Rules::any_version()).unwrap()
}

/// A Scottish referral in TrakCare's shape, with more in it.
pub(crate) const TRAKCARE: &str = "MSH|^~\\&|TRAKCARE|S08000024|BULKHEAD|S08000031|20260801094500||REF^I12|SCT-000001|P|2.4|||AL|NE|||EN^english^ISO639\r\
    RF1|P^Pending^HL70283|S^STAT^HL70280|MED^Medical^HL70281|||24029171^^^^REFID|20260801094500\r\
    PRD|RP^Referring Provider^HL70286|Murray^Ann^^^Dr|||||1234567^GMC\r\
    PRD|RT^Referred to Provider^HL70286|||||| 10002^GPPRACTICE\r\
    PID|1||0101901240^^^CHI^NH~700001^^^S08000024^MR||MacDonald^Mairi^^^Ms||19900101|F|||1 High Street^^Edinburgh^^EH1 1AA^^H||0131 496 0000^PRN\r\
    PD1||||1234567^Murray^Ann\r\
    ZRF|1|opaque-site-data\r\
    NTE|1||Key safe by the back door\r";

/// A Northern Irish referral with clinical segments.
pub(crate) const DALRIADA: &str = "MSH|^~\\&|GPOOH|DALRIADA|BULKHEAD|BHSCT|20260801231500||REF^I12^REF_I12|NI-000001|P|2.4|||AL|NE\r\
    RF1|P^Pending^HL70283|R^Routine^HL70280|MED^Medical^HL70281|||OOH-4711^DALRIADA|20260801231500|||^Needs a second look|EXT-9^DALRIADA\r\
    PRD|RP^Referring Provider^HL70286|Quinn^Sarah^^^Dr|7 Quay Road^^Larne^^BT40 1AA|^^^^^^^^Dalriada Urgent Care|028 9601 0000^WPN^PH||Q-77^LOCAL\r\
    PRD|RT^Referred to Provider^HL70286\r\
    PID|1||3200123451^^^HSC^NH~9990000018^^^NHS^NH||O'Neill^Patrick^Sean^^Mr^^L||19620315|M|||2 Main Street^Flat 3^Ballymena^Antrim^BT43 5AA^^H||07700 900111^PRN^CP~^NET^Internet^pat@example.org||ga^Irish^HL70296|||||||||||||||||NSTS01\r\
    NK1|1|O'Neill^Una|SPO^Spouse^HL70063||07700 900222^PRN^CP\r\
    DG1|1||R07.4^Chest pain, unspecified^I10||202608012200|W\r\
    AL1|1|DA|372687004^Amoxicillin^SCT|SV^Severe^HL70128|Wheeze|20200101\r\
    OBR|1|||OOH^Out of hours summary^L\r\
    OBX|1|TX|OOH^Out of hours summary^L||Seen 23:05. BP 150/90.||||||F\r\
    NTE|1||Please contact patient before 09:00\r";

/// Every text of a document, and of a message.
pub(crate) fn texts_of(document: &Document) -> String {
    fn walk(node: &Node, out: &mut String) {
        out.extend(node.value().map(|value| format!("{value}\n")));
        node.children().for_each(|(_, child)| walk(child, out));
    }
    let mut out = String::new();
    walk(document.root(), &mut out);
    out
}

pub(crate) fn texts_of_message(message: &Message) -> String {
    let mut out = String::new();
    for segment in message.segments() {
        let numbered = !matches!(segment.name(), b"RF1" | b"PRD");
        for field in segment.fields().skip(usize::from(numbered)) {
            for component in field.repetitions().flat_map(|r| r.components().collect::<Vec<_>>()) {
                component.subcomponents().for_each(|part| out.push_str(&format!("{}\n", part.text())));
            }
        }
    }
    out
}
