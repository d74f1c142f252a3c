//! Code systems: the address that FHIR writes and the short name of HL7's coded elements (CE-3, table 0396).
//!
//! `SCT`, `LN`, `I10` and `UCUM` are of table 0396. The names that begin with `NHS-` are ours, for systems that no
//! table names. A system that is not listed is written by its whole address, so it survives as it is.

use bulkhead_format_bars::System;
use bulkhead_format_bars::systems::same;

/// Address and short name.
const SYSTEMS: &[(&str, &str)] = &[
    ("http://snomed.info/sct", "SCT"),
    ("http://loinc.org", "LN"),
    ("http://hl7.org/fhir/sid/icd-10", "I10"),
    ("http://hl7.org/fhir/sid/icd-10-uk", "I10-UK"),
    ("http://unitsofmeasure.org", "UCUM"),
    ("https://dmd.nhs.uk", "NHS-DMD"),
    ("https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars", "NHS-SAFEGUARDING"),
    ("https://fhir.nhs.uk/CodeSystem/scene-safety-codes-bars", "NHS-SCENE-SAFETY"),
    ("https://fhir.nhs.uk/CodeSystem/reasonable-adjustment-codes-bars", "NHS-ADJUSTMENT"),
    ("https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage", "NHS-LANGUAGE"),
    ("https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategory", "NHS-ETHNIC"),
    ("https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland", "NHS-ETHNIC-ENGLAND"),
    ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "HL7-ROLE"),
    ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HL7-ACT"),
    ("http://terminology.hl7.org/CodeSystem/condition-clinical", "FHIR-CONDITION"),
    ("http://terminology.hl7.org/CodeSystem/condition-ver-status", "FHIR-CONDITION-VERIFICATION"),
    ("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "FHIR-ALLERGY"),
    ("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "FHIR-ALLERGY-VERIFICATION"),
    ("http://terminology.hl7.org/CodeSystem/observation-category", "FHIR-OBSERVATION"),
];

/// Systems of BaRS with spellings of their own, and their short names.
const OF_BARS: &[(System, &str)] = &[
    (System::Dx, "NHS-DX"),
    (System::Sd, "NHS-SD"),
    (System::Sg, "NHS-SG"),
    (System::Pathway, "NHS-PATHWAY"),
    (System::Arp, "NHS-ARP"),
    (System::FlagCategory, "NHS-FLAG"),
    (System::MessageCategory, "NHS-CATEGORY"),
    (System::UseCase, "NHS-USE-CASE"),
    (System::RejectedReason, "NHS-REJECTED"),
];

/// Identifier systems of organisations, services and people, and the type in PRD-7.2.
const IDENTIFIERS: &[(System, &str)] = &[
    (System::DosServiceId, "DOS"),
    (System::OdsOrganization, "ODS"),
    (System::WalesOrganization, "WALES-ODS"),
    (System::WalesUkOrganization, "WALES-UK-ODS"),
    (System::SdsRole, "SDS"),
];

/// Other identifier systems of people and sites (UK Core: gmc-number, gmp-number, gdc-number, ods-site-code).
const PEOPLE: &[(&str, &str)] = &[
    ("https://fhir.hl7.org.uk/Id/gmc-number", "GMC"),
    ("https://fhir.hl7.org.uk/Id/gmp-number", "GMP"),
    ("https://fhir.hl7.org.uk/Id/gdc-number", "GDC"),
    ("https://fhir.nhs.uk/Id/ods-site-code", "ODS-SITE"),
];

/// Where HL7's own tables are: `v2-0281` is `HL70281`.
const TABLES: &str = "http://terminology.hl7.org/CodeSystem/v2-";

/// The name of a code system in a coded element.
pub fn short(system: &str) -> String {
    if let Some(number) = system.strip_prefix(TABLES).filter(|number| is_table(number)) {
        return format!("HL7{number}");
    }
    let known = SYSTEMS.iter().find(|(address, _)| same(address, system)).map(|row| row.1);
    let of_bars = || OF_BARS.iter().find(|(bars, _)| bars.is(system)).map(|row| row.1);
    known.or_else(of_bars).unwrap_or(system).to_owned()
}

/// The address of a code system that a coded element names; `None` for a local name.
pub fn address(short: &str) -> Option<String> {
    if let Some(number) = short.strip_prefix("HL7").filter(|number| is_table(number)) {
        return Some(format!("{TABLES}{number}"));
    }
    let known = SYSTEMS.iter().find(|(_, name)| *name == short).map(|row| row.0);
    let of_bars = || OF_BARS.iter().find(|(_, name)| *name == short).map(|(bars, _)| bars.uri());
    let is_address = || short.contains(':').then_some(short);
    let other = || match short {
        "SNM3" | "SNOMED" | "SNOMED-CT" => Some("http://snomed.info/sct"),
        "I10P" => Some("http://hl7.org/fhir/sid/icd-10"),
        _ => None,
    };
    known.or_else(of_bars).or_else(other).or_else(is_address).map(str::to_owned)
}

fn is_table(number: &str) -> bool {
    number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The type of an identifier in PRD-7.2.
pub fn identifier_type(system: &str) -> String {
    let of_bars = IDENTIFIERS.iter().find(|(bars, _)| bars.is(system)).map(|row| row.1);
    let person = || PEOPLE.iter().find(|(address, _)| same(address, system)).map(|row| row.1);
    of_bars.or_else(person).unwrap_or(system).to_owned()
}

/// The system of an identifier whose type stands in PRD-7.2; a local type is kept as it is.
pub fn identifier_system(kind: &str) -> String {
    let of_bars = IDENTIFIERS.iter().find(|(_, name)| *name == kind).map(|(bars, _)| bars.uri());
    let person = || PEOPLE.iter().find(|(_, name)| *name == kind).map(|row| row.0);
    of_bars.or_else(person).unwrap_or(kind).to_owned()
}

/// Whether identifiers of that system name a service or an organisation rather than a person.
pub fn is_of_organization(system: &str) -> bool {
    use System::{DosServiceId, OdsOrganization, WalesOrganization, WalesUkOrganization};
    [DosServiceId, OdsOrganization, WalesOrganization, WalesUkOrganization].iter().any(|s| s.is(system))
        || same("https://fhir.nhs.uk/Id/ods-site-code", system)
        || system == "GPPRACTICE"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_address() {
        for (system, name) in SYSTEMS {
            assert_eq!((short(system).as_str(), address(name).as_deref()), (*name, Some(*system)));
        }
        for (system, name) in OF_BARS {
            assert_eq!((short(system.uri()).as_str(), address(name).as_deref()), (*name, Some(system.uri())));
        }
        for (system, name) in IDENTIFIERS {
            assert_eq!(
                (identifier_type(system.uri()).as_str(), identifier_system(name).as_str()),
                (*name, system.uri())
            );
        }
    }

    #[test]
    fn what_is_not_listed_survives() {
        assert_eq!(short("https://example.org/cs"), "https://example.org/cs");
        assert_eq!(address("https://example.org/cs").as_deref(), Some("https://example.org/cs"));
        assert_eq!(address("HL70281").as_deref(), Some("http://terminology.hl7.org/CodeSystem/v2-0281"));
        assert_eq!(short("http://terminology.hl7.org/CodeSystem/v2-0281"), "HL70281");
        assert_eq!(address("L"), None);
        assert_eq!(
            identifier_system(&identifier_type("https://example.org/Id/x")),
            "https://example.org/Id/x"
        );
    }
}
