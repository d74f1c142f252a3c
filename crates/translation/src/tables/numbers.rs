//! Patient numbers: by which names each kind is known in either format, and how far a number was verified.
//!
//! Of the three FHIR systems one is official: `https://fhir.nhs.uk/Id/nhs-number` is fixed in UKCore-Patient. UK
//! Core defines none for the CHI number; the OID here is the best supported of those in use. None exists for the
//! Health and Care number; the one here is used "provisionally". In HL7 `NHS^NH` and `CHI^NH` are those of HL7 UK
//! A.3; `HSC^NH` is provisional. The kind of a number is the one that its sender declared, whatever its digits
//! look like, and it never changes.

use bulkhead_format_bars::systems::same;
use bulkhead_format_hl7::referral::Authority;
use bulkhead_model::{NumberKind, PatientNumber};

/// The names of one kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberNames {
    /// The kind.
    pub kind: NumberKind,
    /// The FHIR system that is written.
    pub system: &'static str,
    /// Whether that system is official.
    pub official: bool,
    /// Other systems that are read.
    pub systems: &'static [&'static str],
    /// CX-4.1 that is written, with `NH` in CX-5.
    pub authority: &'static str,
    /// Other namespaces and universal ids that are read in CX-4.
    pub authorities: &'static [&'static str],
}

/// Every kind.
pub const NUMBERS: [NumberNames; 3] = [
    NumberNames {
        kind: NumberKind::Nhs,
        system: "https://fhir.nhs.uk/Id/nhs-number",
        official: true,
        systems: &["urn:oid:2.16.840.1.113883.2.1.4.1"],
        authority: "NHS",
        authorities: &["2.16.840.1.113883.2.1.4.1"],
    },
    NumberNames {
        kind: NumberKind::Chi,
        system: "urn:oid:2.16.840.1.113883.2.1.3.2.4.16.53",
        official: false,
        systems: &[
            "https://fhir.nhs.uk/Id/chi-number",
            "https://phfapi.digitalhealthplatform.net/fhir/chinumber",
            "https://fhir.hl7.org.uk/Id/chi-number",
        ],
        authority: "CHI",
        authorities: &["NHS Scotland", "2.16.840.1.113883.2.1.3.2.4.16.53"],
    },
    NumberNames {
        kind: NumberKind::HealthAndCare,
        system: "https://fhir.nhs.uk/Id/hsc-number",
        official: false,
        systems: &["urn:uuid:1479257a-ce8f-482a-89fa-429ac066c158", "https://fhir.hscni.net/Id/hcn"],
        authority: "HSC",
        authorities: &["DHSSPS"],
    },
];

/// The names of a kind.
pub fn names(kind: NumberKind) -> &'static NumberNames {
    match kind {
        NumberKind::Nhs => &NUMBERS[0],
        NumberKind::Chi => &NUMBERS[1],
        NumberKind::HealthAndCare => &NUMBERS[2],
    }
}

/// The kind that a FHIR system declares.
pub fn kind_of_system(system: &str) -> Option<NumberKind> {
    let row = |row: &&NumberNames| same(row.system, system) || row.systems.iter().any(|s| same(s, system));
    NUMBERS.iter().find(row).map(|row| row.kind)
}

/// The kind that an assigning authority and an identifier type declare: a national authority, and `NH` or no type
/// (HL7 UK A.3: both are mandatory; Welsh systems leave the type out at times).
pub fn kind_of_authority(authority: &Authority, identifier_type: &str) -> Option<NumberKind> {
    if !matches!(identifier_type, "NH" | "") {
        return None;
    }
    let named = |name: &str| {
        !name.is_empty()
            && [&authority.namespace, &authority.universal_id]
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name))
    };
    let row = |row: &&NumberNames| named(row.authority) || row.authorities.iter().any(|name| named(name));
    NUMBERS.iter().find(row).map(|row| row.kind)
}

/// What is odd about a number, as flags of the envelope. Nothing is refused for it.
pub fn flags(kind: NumberKind, value: &str) -> Vec<String> {
    PatientNumber::new(kind, value).warnings().into_iter().map(|warning| warning.flag(kind)).collect()
}

/// One verification status in its spellings: UK Core's two-digit code, BaRS's word, the DHCW guide's PID-32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// `01`: NHS Data Dictionary, NHS NUMBER STATUS INDICATOR CODE.
    pub code: &'static str,
    /// `number-present-and-verified`: the code system without a nation, which the BaRS guide uses.
    pub word: &'static str,
    /// `NSTS01`: the DHCW guide, PID-32.
    pub hl7: &'static str,
    /// In words.
    pub display: &'static str,
}

macro_rules! verifications {
    ($($code:literal $hl7:literal $word:literal $display:literal;)+) => {
        /// Every status.
        pub const VERIFICATIONS: &[Verification] =
            &[$(Verification { code: $code, word: $word, hl7: $hl7, display: $display }),+];
    };
}

verifications! {
    "01" "NSTS01" "number-present-and-verified" "Number present and verified";
    "02" "NSTS02" "number-present-but-not-traced" "Number present but not traced";
    "03" "NSTS03" "trace-required" "Trace required";
    "04" "NSTS04" "trace-attempted-no-match-or-multiple-match-found"
        "Trace attempted - No match or multiple match found";
    "05" "NSTS05" "trace-needs-to-be-resolved" "Trace needs to be resolved - (NHS Number or patient detail conflict)";
    "06" "NSTS06" "trace-in-progress" "Trace in progress";
    "07" "NSTS07" "number-not-present-and-trace-not-required" "Number not present and trace not required";
    "08" "NSTS08" "trace-postponed" "Trace postponed (baby under six weeks old)";
}

/// The status that a code means, in whichever spelling.
pub fn verification(code: &str) -> Option<&'static Verification> {
    let code = code.trim();
    let is = |spelling: &str| spelling.eq_ignore_ascii_case(code);
    VERIFICATIONS.iter().find(|row| is(row.code) || is(row.word) || is(row.hl7))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(namespace: &str) -> Authority {
        Authority { namespace: namespace.to_owned(), ..Authority::default() }
    }

    #[test]
    fn each_kind_reads_its_own_names_and_no_other() {
        for row in &NUMBERS {
            for system in std::iter::once(&row.system).chain(row.systems) {
                assert_eq!(kind_of_system(system), Some(row.kind), "{system}");
            }
            for name in std::iter::once(&row.authority).chain(row.authorities) {
                assert_eq!(kind_of_authority(&authority(name), "NH"), Some(row.kind), "{name}");
            }
            assert_eq!(names(row.kind), row);
        }
        assert_eq!(NUMBERS.iter().filter(|row| row.official).count(), 1);
        assert_eq!(kind_of_system("https://fhir.cavuhb.nhs.wales/Id/pas-identifier"), None);
        assert_eq!(kind_of_authority(&authority("NHS"), "MR"), None);
        assert_eq!(kind_of_authority(&authority(""), "NH"), None);
        assert_eq!(kind_of_authority(&authority("nhs"), ""), Some(NumberKind::Nhs));
    }

    #[test]
    fn a_status_is_read_in_every_spelling() {
        for row in VERIFICATIONS {
            for spelling in [row.code, row.word, row.hl7] {
                assert_eq!(verification(spelling), Some(row));
            }
        }
        assert_eq!(verification("09"), None);
    }

    #[test]
    fn warnings_are_flags_without_the_number() {
        assert_eq!(flags(NumberKind::Nhs, "3478526985"), ["nhs-number-check-digit", "nhs-number-range"]);
        assert!(flags(NumberKind::Nhs, "9476719931").is_empty());
    }
}
