//! Codes for the patient's details: FHIR's on the left, HL7's on the right.

/// `Patient.gender` and PID-8 (table 0001).
pub const GENDERS: &[(&str, &str)] = &[("male", "M"), ("female", "F"), ("other", "O"), ("unknown", "U")];
/// `HumanName.use` and XPN-7 (table 0200).
pub const NAME_USES: &[(&str, &str)] = &[
    ("official", "L"),
    ("usual", "D"),
    ("nickname", "N"),
    ("maiden", "M"),
    ("anonymous", "S"),
    ("temp", "TEMP"),
    ("old", "OLD"),
];
/// `Address.use` and XAD-7 (table 0190).
pub const ADDRESS_USES: &[(&str, &str)] =
    &[("home", "H"), ("work", "O"), ("temp", "C"), ("billing", "BI"), ("old", "OLD")];
/// `ContactPoint.system` and XTN-3 (table 0202).
pub const TELECOM_SYSTEMS: &[(&str, &str)] = &[
    ("phone", "PH"),
    ("fax", "FX"),
    ("pager", "BP"),
    ("email", "Internet"),
    ("sms", "SMS"),
    ("url", "URL"),
    ("other", "OTHER"),
];
/// `ContactPoint.use` and XTN-2 (table 0201). A mobile is `PRN` with `CP` in XTN-3.
pub const TELECOM_USES: &[(&str, &str)] =
    &[("home", "PRN"), ("work", "WPN"), ("temp", "VHN"), ("old", "OLD")];
/// `AllergyIntolerance.reaction.severity` and AL1-4 (table 0128).
pub const SEVERITIES: &[(&str, &str)] = &[("mild", "MI"), ("moderate", "MO"), ("severe", "SV")];
/// `Observation.status` and OBX-11 (table 0085).
pub const RESULT_STATUSES: &[(&str, &str)] = &[
    ("final", "F"),
    ("preliminary", "P"),
    ("corrected", "C"),
    ("cancelled", "X"),
    ("registered", "I"),
    ("amended", "A"),
    ("entered-in-error", "W"),
    ("unknown", "U"),
];
/// `Condition.verificationStatus` and DG1-6 (table 0052).
pub const DIAGNOSIS_TYPES: &[(&str, &str)] =
    &[("provisional", "W"), ("confirmed", "F"), ("differential", "D")];
/// DG1-6 where nothing is stated.
pub const DIAGNOSIS_TYPE_NOT_STATED: &str = "U";
/// `ServiceRequest.priority` and RF1-2 (table 0280). FHIR's `urgent` has no letter of its own: it is A.
pub const PRIORITIES: &[(&str, &str)] = &[("stat", "S"), ("asap", "A"), ("urgent", "A"), ("routine", "R")];

/// HL7's code for one of FHIR's.
pub fn to_hl7(table: &[(&str, &'static str)], code: &str) -> Option<&'static str> {
    table.iter().find(|(fhir, _)| *fhir == code).map(|row| row.1)
}

/// FHIR's code for one of HL7's.
pub fn to_fhir(table: &[(&'static str, &str)], code: &str) -> Option<&'static str> {
    table.iter().find(|(_, hl7)| hl7.eq_ignore_ascii_case(code.trim())).map(|row| row.0)
}
