//! What a pack says in English and in Welsh, for people who have never seen Bulkhead.

use bulkhead_model::State;

/// The same in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) english: &'static str,
    pub(super) welsh: &'static str,
}

const fn words(english: &'static str, welsh: &'static str) -> Words {
    Words { english, welsh }
}

/// A time or a priority that the sender left out.
pub(super) const NOT_STATED: Words = words("not stated", "heb ei nodi");

/// There is no document to read.
pub(super) const NO_DOCUMENT: Words = words(
    "Its document cannot be read: ask its sender.",
    "Ni ellir darllen ei ddogfen: gofynnwch i'w anfonwr.",
);

/// There is one that no reader understands, or one without a patient.
pub(super) const NO_PATIENT: Words = words(
    "No patient can be read from its document: ask its sender.",
    "Ni ellir darllen claf o'i ddogfen: gofynnwch i'w anfonwr.",
);

/// Beside a code that no command takes.
pub(super) const NOT_MARKED: Words =
    words("not to be marked: it is not set aside", "dim i'w farcio: nid yw wedi'i neilltuo");

/// What the state means for whoever phones.
pub(super) fn state(name: &str) -> Words {
    match State::parse(name) {
        Some(State::Held) => words(
            "Held until the cut ends: nobody has it.",
            "Wedi'i ddal nes daw'r toriad i ben: nid yw gan neb.",
        ),
        Some(State::Parked) => words(
            "Set aside, it cannot be processed: nobody has it.",
            "Wedi'i neilltuo, ni ellir ei brosesu: nid yw gan neb.",
        ),
        Some(State::Quarantined) => words(
            "Suspect, it came from an environment that is cut off: check it before anybody acts on it.",
            "Amheus, daeth o amgylchedd sydd wedi'i dorri i ffwrdd: gwiriwch cyn i neb weithredu arno.",
        ),
        Some(State::ReturnPending) => words(
            "Given back to its sender, and nobody has confirmed that: phone now.",
            "Wedi'i ddychwelyd i'w anfonwr, a neb wedi cadarnhau hynny: ffoniwch nawr.",
        ),
        Some(State::Unknown) => words(
            "May have arrived: phone its receiver too.",
            "Efallai ei fod wedi cyrraedd: ffoniwch ei dderbynnydd hefyd.",
        ),
        Some(State::Offered) => words(
            "Being handed over, may have arrived: phone its receiver too.",
            "Yn cael ei drosglwyddo, efallai ei fod wedi cyrraedd: ffoniwch ei dderbynnydd hefyd.",
        ),
        Some(State::Delivered) => words(
            "Delivered, unconfirmed: its receiver has it and may not have seen it. Phone its receiver.",
            "Wedi'i gyflwyno, heb ei gadarnhau: mae gan ei dderbynnydd, ond efallai heb ei weld. Ffoniwch ei dderbynnydd.",
        ),
        Some(State::Accepted | State::Routed | State::Carried | State::Diverted) => {
            words("On its way: nobody has confirmed it yet.", "Ar ei ffordd: neb wedi'i gadarnhau eto.")
        }
        Some(State::Acknowledged | State::Rejected | State::Returned | State::Cancelled) | None => {
            words("Settled, or not known to this version.", "Wedi'i setlo, neu'n anhysbys i'r fersiwn hwn.")
        }
    }
}

/// How urgent it is.
pub(super) fn priority(name: &str) -> Option<Words> {
    match name {
        "emergency" => Some(words("emergency", "argyfwng")),
        "urgent" => Some(words("urgent", "brys")),
        "routine" => Some(words("routine", "arferol")),
        _ => None,
    }
}
