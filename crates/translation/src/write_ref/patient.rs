//! PID and NK1: the patient, and whom to contact.

use bulkhead_format_bars::view::{Address, Contact, Name, Patient, Telecom};
use bulkhead_format_hl7::{Draft, Item, Value};

use super::coded;
use crate::content::{Assigned, Content};
use crate::facts::{Facts, Name as Fact};
use crate::notes::{self, Note};
use crate::profile::{Place, Profile};
use crate::tables::{demographics as codes, numbers};
use crate::times;

/// PID. The first telephone number is the one to call back.
pub(super) fn pid(content: &Content, profile: &Profile) -> Draft {
    let nobody = Patient::default();
    let patient = content.view.patient.as_ref().unwrap_or(&nobody);
    let identifiers = patient.identifiers.iter().enumerate().map(|(index, number)| {
        let assigned = content.numbers.get(index).cloned().unwrap_or_default();
        identifier(&number.id.system, &number.id.value, &assigned)
    });
    let names = patient.names.iter().map(|own| {
        let usage = own.usage.as_deref().and_then(|usage| codes::to_hl7(codes::NAME_USES, usage));
        name(own, usage)
    });
    let birth = patient.birth_date.as_deref();
    let gender = patient.gender.as_deref().and_then(|code| codes::to_hl7(codes::GENDERS, code));
    let statuses = patient.identifiers.iter().filter_map(|number| number.verification.as_deref());
    let statuses = statuses.map(|code| Value::text(numbers::verification(code).map_or(code, |row| row.hl7)));
    let in_pid =
        profile.shows.verification.as_ref().is_some_and(|shown| shown.place == Place::Field("PID", 32));
    Draft::new("PID")
        .set(1, "1")
        .set_if(3, identifiers.reduce(Value::and))
        .set_if(5, names.reduce(Value::and))
        .set_if(7, birth.and_then(times::date_to_hl7))
        .set_if(8, gender)
        .set_if(11, patient.addresses.iter().map(address).reduce(Value::and))
        .set_if(13, telecoms(&own_telecoms(content)))
        .set_if(15, patient.languages.first().map(coded::one))
        .set_if(22, patient.ethnic_category.as_ref().map(coded::one))
        .set_if(32, statuses.reduce(Value::and).filter(|_| in_pid))
}

/// CX: the value, who assigned it, and its type. A national number has its own authority and `NH` (HL7 UK A.3).
fn identifier(system: &str, value: &str, assigned: &Assigned) -> Value {
    let cx = |authority: Item, kind: &str| {
        Value::components([Item::text(value), Item::text(""), Item::text(""), authority, Item::text(kind)])
    };
    if let Some(kind) = numbers::kind_of_system(system) {
        return cx(Item::text(numbers::names(kind).authority), "NH");
    }
    let by = assigned.by.clone().unwrap_or_default();
    let kind = assigned.kind.as_deref().unwrap_or("PI");
    match (system.strip_prefix("urn:oid:"), system) {
        (Some(oid), _) => cx(Item::subcomponents([by.as_str(), oid, "ISO"]), kind),
        (None, "") => cx(Item::text(by), kind),
        (None, address) => cx(Item::subcomponents([by.as_str(), address, "URI"]), kind),
    }
}

/// The patient's own telecoms: the callback first, then those of the contact that is the patient, then the rest.
fn own_telecoms(content: &Content) -> Vec<Telecom> {
    let patient = content.view.patient.iter();
    let contacts = patient.clone().flat_map(|p| p.contacts.iter().filter(|contact| contact.is_patient()));
    let mut ranked: Vec<&Telecom> =
        contacts.flat_map(|c| &c.telecoms).chain(patient.flat_map(|p| &p.telecoms)).collect();
    ranked.sort_by_key(|telecom| telecom.rank.unwrap_or(u32::MAX));
    let mut all: Vec<Telecom> = Vec::new();
    for telecom in content.view.callback.iter().chain(ranked) {
        if !all.iter().any(|other| other.value == telecom.value && other.system == telecom.system) {
            all.push(telecom.clone());
        }
    }
    all
}

/// XTN: number, use, equipment; an e-mail address stands in XTN-4. The number is in XTN-1, which every version reads.
pub(super) fn telecoms(telecoms: &[Telecom]) -> Option<Value> {
    let one = |telecom: &Telecom| {
        let value = telecom.value.as_deref().unwrap_or_default();
        let system = telecom.system.as_deref();
        let kind =
            system.and_then(|system| codes::to_hl7(codes::TELECOM_SYSTEMS, system)).unwrap_or_default();
        let usage = telecom
            .usage
            .as_deref()
            .and_then(|usage| codes::to_hl7(codes::TELECOM_USES, usage))
            .unwrap_or_default();
        match (system, telecom.usage.as_deref()) {
            (Some("email"), _) => Value::components(["", "NET", "Internet", value]),
            (_, Some("mobile")) => Value::components([value, "PRN", "CP"]),
            _ => Value::components([value, usage, kind]),
        }
    };
    telecoms.iter().filter(|telecom| telecom.value.is_some()).map(one).reduce(Value::and)
}

/// XPN: family, given, further given, suffix, prefix, and the use in XPN-7.
pub(super) fn name(name: &Name, usage: Option<&str>) -> Value {
    let joined = |texts: &[String]| texts.join(" ");
    let given = name.given.first().cloned().unwrap_or_default();
    let further = joined(name.given.get(1..).unwrap_or_default());
    let family = name.family.clone().or_else(|| name.text.clone()).unwrap_or_default();
    Value::components([
        family,
        given,
        further,
        joined(&name.suffix),
        joined(&name.prefix),
        String::new(),
        usage.unwrap_or_default().to_owned(),
    ])
}

/// XAD: street, other lines, town, county, postcode, country, use.
pub(super) fn address(address: &Address) -> Value {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let usage = address.usage.as_deref().and_then(|usage| codes::to_hl7(codes::ADDRESS_USES, usage));
    let has_parts = !address.lines.is_empty() || address.city.is_some() || address.postal_code.is_some();
    let street = address.lines.first().cloned();
    Value::components([
        street.or_else(|| address.text.clone().filter(|_| !has_parts)).unwrap_or_default(),
        address.lines.get(1..).unwrap_or_default().join(", "),
        text(&address.city),
        text(&address.district),
        text(&address.postal_code),
        text(&address.country),
        usage.unwrap_or_default().to_owned(),
    ])
}

/// Those whom to contact, the one to call first in front.
fn contacts(content: &Content) -> Vec<&Contact> {
    let patient = content.view.patient.iter();
    let mut others: Vec<&Contact> =
        patient.flat_map(|p| &p.contacts).filter(|contact| !contact.is_patient()).collect();
    others.sort_by_key(|contact| contact.rank.unwrap_or(u32::MAX));
    others
}

/// NK1: name, relationship, telephone numbers, sex.
pub(super) fn nk1s(content: &Content) -> Vec<Draft> {
    let one = |(index, contact): (usize, &Contact)| {
        let gender = contact.gender.as_deref().and_then(|code| codes::to_hl7(codes::GENDERS, code));
        Draft::new("NK1")
            .set(1, (index + 1).to_string())
            .set_if(2, contact.name.as_ref().map(|own| name(own, None)))
            .set_if(3, contact.relationships.first().map(coded::one))
            .set_if(5, telecoms(&contact.telecoms))
            .set_if(15, gender)
    };
    contacts(content).into_iter().enumerate().map(one).collect()
}

/// The same in words, for a peer that does not read NK1.
pub(crate) fn contacts_in_words(content: &Content) -> Vec<Note> {
    let one = |(index, contact): (usize, &Contact)| {
        let name = contact.name.as_ref().map(name_in_words).unwrap_or_default();
        let relationship =
            contact.relationships.iter().filter_map(|r| r.label()).collect::<Vec<_>>().join(", ");
        let numbers: Vec<&str> = contact.telecoms.iter().filter_map(|t| t.value.as_deref()).collect();
        let said: Vec<String> =
            [name, relationship, numbers.join(", ")].into_iter().filter(|part| !part.is_empty()).collect();
        Note::new(notes::TEXT, "Patient.contact", index + 1, format!("Contact: {}", said.join("; ")))
    };
    contacts(content).into_iter().enumerate().map(one).collect()
}

/// A name as it is spoken.
pub(super) fn name_in_words(name: &Name) -> String {
    let parts = name.prefix.iter().chain(&name.given).chain(&name.family).chain(&name.suffix);
    let words = parts.map(String::as_str).collect::<Vec<_>>().join(" ");
    if words.is_empty() { name.text.clone().unwrap_or_default() } else { words }
}

/// What must be shown of the patient and has no field of PID.
pub(crate) fn facts(content: &Content, profile: &Profile, facts: &mut Facts) {
    let Some(patient) = &content.view.patient else { return };
    let in_pid = |shown: &Option<crate::profile::Shown>| {
        shown.as_ref().is_some_and(|shown| matches!(shown.place, Place::Field("PID", _)))
    };
    if !in_pid(&profile.shows.verification) {
        for code in patient.identifiers.iter().filter_map(|number| number.verification.as_deref()) {
            let row = numbers::verification(code);
            let coding = bulkhead_format_bars::view::Coding {
                system: None,
                code: Some(row.map_or(code, |row| row.hl7).to_owned()),
                display: row.map(|row| row.display.to_owned()),
            };
            facts.coding(Fact::NumberStatus, 0, &coding);
        }
    }
    if !in_pid(&profile.shows.callback) {
        facts.text(
            Fact::Callback,
            0,
            content.view.callback.iter().filter_map(|callback| callback.value.as_ref()),
        );
    }
    let called = |contact: &&Contact| {
        !contact.is_patient()
            && content.view.callback.as_ref().is_some_and(|own| contact.telecoms.contains(own))
    };
    if let Some(contact) = patient.contacts.iter().find(called) {
        let name = contact.name.as_ref().map(name_in_words);
        let relationship = contact.relationships.first().and_then(|r| r.label()).map(str::to_owned);
        let who: Vec<String> = name.into_iter().chain(relationship).collect();
        facts.text(Fact::CallbackOf, 0, [&who.join(", ")]);
    }
}
