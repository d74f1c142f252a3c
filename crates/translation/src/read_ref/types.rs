//! The types of HL7 as those of the view: CE, CX, XPN, XAD, XTN, TS (HL7 v2.5 chapter 2A).

use bulkhead_format_bars::When;
use bulkhead_format_bars::view::{Address, Coding, Concept, Identifier, Name, PatientIdentifier, Telecom};
use bulkhead_format_hl7::referral::Authority;
use bulkhead_format_hl7::{Field, Repetition};

use super::trail::Trail;
use crate::content::Assigned;
use crate::tables::{codes, demographics, numbers};
use crate::times;

/// CE: up to two codes with their words; words without a code are the concept's text.
pub(super) fn concept(trail: &Trail, value: &Repetition<'_>) -> Concept {
    let coding = |from: usize| {
        let [code, display] = [from, from + 1].map(|number| trail.component(value, number));
        let system = value.component(from + 2).subcomponent(1).value().and_then(|name| codes::address(&name));
        // A local name is no address: it is left over.
        if system.is_some() || code.is_none() {
            trail.component(value, from + 2);
        }
        Coding { system, code, display }
    };
    let (first, second) = (coding(1), coding(4));
    let mut concept = Concept::default();
    for coding in [first, second] {
        match coding {
            Coding { code: Some(_), .. } => concept.codings.push(coding),
            Coding { display: Some(words), .. } if concept.text.is_none() => concept.text = Some(words),
            Coding { .. } => {}
        }
    }
    concept
}

/// All repetitions of a coded field as one concept.
pub(super) fn merged(trail: &Trail, field: &Field<'_>) -> Concept {
    let mut all = Concept::default();
    for repetition in field.repetitions() {
        let one = concept(trail, &repetition);
        all.codings.extend(one.codings);
        all.text = all.text.or(one.text);
    }
    all
}

/// CX: the identifier in FHIR's terms, and what FHIR has no system for.
pub(super) fn identifier(trail: &Trail, value: &Repetition<'_>) -> Option<(PatientIdentifier, Assigned)> {
    let number = trail.component(value, 1)?;
    let authority_parts = value.component(4);
    let [namespace, universal_id, universal_id_type] =
        [1, 2, 3].map(|part| trail.take(&authority_parts.subcomponent(part)).unwrap_or_default());
    let authority = Authority { namespace, universal_id, universal_id_type };
    let kind = trail.component(value, 5);
    let (system, assigned) = match numbers::kind_of_authority(&authority, kind.as_deref().unwrap_or_default())
    {
        Some(kind) => {
            // The system says all of it.
            [1, 2, 3].iter().for_each(|part| trail.imply(&authority_parts.subcomponent(*part)));
            trail.imply(&value.component(5).subcomponent(1));
            (numbers::names(kind).system.to_owned(), Assigned::default())
        }
        None => {
            trail.imply(&authority_parts.subcomponent(3));
            let by = Some(authority.namespace.clone()).filter(|name| !name.is_empty());
            (system(&authority), Assigned { by, kind })
        }
    };
    Some((PatientIdentifier { id: Identifier { system, value: number }, verification: None }, assigned))
}

/// The FHIR system of an authority that has a universal id; empty for a local name, which is no address.
pub(super) fn system(authority: &Authority) -> String {
    let id = &authority.universal_id;
    match authority.universal_id_type.as_str() {
        _ if id.is_empty() => String::new(),
        "ISO" => format!("urn:oid:{id}"),
        "UUID" | "GUID" => format!("urn:uuid:{}", id.to_lowercase()),
        _ => id.clone(),
    }
}

/// XPN or XCN without its id.
pub(super) fn name(trail: &Trail, value: &Repetition<'_>) -> Option<Name> {
    let [family, given, further, suffix, prefix] =
        [1, 2, 3, 4, 5].map(|number| trail.component(value, number));
    let usage = value.component(7).value();
    let usage = usage.and_then(|code| demographics::to_fhir(demographics::NAME_USES, &code));
    if usage.is_some() {
        trail.imply(&value.component(7).subcomponent(1));
    }
    let name = Name {
        usage: usage.map(str::to_owned),
        text: None,
        family,
        given: given.into_iter().chain(further).collect(),
        prefix: prefix.into_iter().collect(),
        suffix: suffix.into_iter().collect(),
    };
    let said = name.family.is_some() || !name.given.is_empty() || !name.prefix.is_empty();
    said.then_some(name)
}

/// XAD.
pub(super) fn address(trail: &Trail, value: &Repetition<'_>) -> Option<Address> {
    let [street, other, city, district, postal_code, country] =
        [1, 2, 3, 4, 5, 6].map(|number| trail.component(value, number));
    let usage = value.component(7).value();
    let usage = usage.and_then(|code| demographics::to_fhir(demographics::ADDRESS_USES, &code));
    if usage.is_some() {
        trail.imply(&value.component(7).subcomponent(1));
    }
    let lines: Vec<String> = street.into_iter().chain(other).collect();
    let said =
        !lines.is_empty() || [&city, &district, &postal_code, &country].iter().any(|part| part.is_some());
    let usage = usage.map(str::to_owned);
    said.then_some(Address { usage, text: None, lines, city, district, postal_code, country })
}

/// XTN: the number in XTN-1, in XTN-12, or in the parts XTN-5 to 8; an e-mail address in XTN-4.
pub(super) fn telecom(trail: &Trail, value: &Repetition<'_>) -> Option<Telecom> {
    let text = |number: usize| value.component(number).value().map(|text| text.into_owned());
    let (usage, equipment) = (text(2).unwrap_or_default(), text(3).unwrap_or_default());
    let is_mail = usage == "NET" || equipment.eq_ignore_ascii_case("Internet");
    let parts = || {
        let parts: Vec<String> = (5..=8).filter_map(|number| trail.component(value, number)).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    let number = is_mail.then(|| trail.component(value, 4)).flatten();
    let number =
        number.or_else(|| trail.component(value, 1)).or_else(|| trail.component(value, 12)).or_else(parts)?;
    // FHIR has one word for a mobile telephone, whoever's it is: that of another use than the patient's own is left over.
    let mobile = equipment == "CP" && matches!(usage.as_str(), "" | "PRN");
    let listed = demographics::to_fhir(demographics::TELECOM_SYSTEMS, &equipment);
    let known = demographics::to_fhir(demographics::TELECOM_USES, &usage);
    if known.is_some() || usage == "NET" {
        trail.imply(&value.component(2).subcomponent(1));
    }
    if listed.is_some() || mobile {
        trail.imply(&value.component(3).subcomponent(1));
    }
    let system = if is_mail { Some("email") } else { listed };
    let known = if mobile { Some("mobile") } else { known };
    let system = system.unwrap_or("phone").to_owned();
    Some(Telecom { system: Some(system), value: Some(number), usage: known.map(str::to_owned), rank: None })
}

/// TS; what is no time stamp stays as it is written.
pub(super) fn when(trail: &Trail, field: &Field<'_>) -> Option<When> {
    let text = trail.component(&field.repetition(1), 1)?;
    Some(When::read(&times::to_fhir(&text).unwrap_or(text)))
}
