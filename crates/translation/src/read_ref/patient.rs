//! PID, PD1 and NK1.

use bulkhead_format_bars::view::{Coding, Concept, Contact, Organization, Patient, Telecom};
use bulkhead_format_hl7::{Message, Segment};

use super::trail::Trail;
use super::types;
use crate::content::Content;
use crate::facts::{FactValue, Facts, Name};
use crate::tables::{demographics, numbers};
use crate::times;

/// The patient. The first telephone number of PID-13 is the one to call back, unless a line of the notes names
/// another one; where the notes say that it is somebody else's, that contact is called first.
pub(super) fn read(trail: &Trail, message: &Message, content: &mut Content, facts: &Facts) {
    let Some(pid) = message.segment("PID") else { return };
    let mut patient = Patient::default();
    for value in pid.field(3).repetitions() {
        if let Some((number, assigned)) = types::identifier(trail, &value) {
            patient.identifiers.push(number);
            content.numbers.push(assigned);
        }
    }
    verify(trail, &pid, &mut patient, facts);
    patient.names = pid.field(5).repetitions().filter_map(|value| types::name(trail, &value)).collect();
    patient.birth_date = birth(trail, &pid);
    patient.gender = coded(trail, &pid, 8, demographics::GENDERS);
    patient.addresses =
        pid.field(11).repetitions().filter_map(|value| types::address(trail, &value)).collect();
    let language = types::concept(trail, &pid.field(15).repetition(1));
    patient.languages.extend(Some(language).filter(|language| language.label().is_some()));
    let ethnic = types::concept(trail, &pid.field(22).repetition(1));
    patient.ethnic_category = Some(ethnic).filter(|ethnic| ethnic.label().is_some());
    let numbers = [13, 14].into_iter().flat_map(|number| pid.field(number).repetitions().collect::<Vec<_>>());
    let own: Vec<Telecom> = numbers.filter_map(|value| types::telecom(trail, &value)).collect();
    patient.contacts = message.all("NK1").map(|nk1| contact(trail, &nk1)).collect();
    let said = facts.0.iter().find_map(|fact| match (&fact.name, &fact.value) {
        (Name::Callback, FactValue::Text(number)) => Some(number.clone()),
        _ => None,
    });
    let is_phone = |telecom: &&Telecom| telecom.system.as_deref() == Some("phone");
    let phone = own.iter().find(is_phone).cloned();
    let stated = said.map(|number| Telecom {
        system: Some("phone".into()),
        value: Some(number),
        ..Telecom::default()
    });
    let callback = stated.or(phone);
    rank(&mut patient, own, callback.as_ref(), facts);
    patient.general_practitioner = surgery(trail, message, content);
    content.view.callback = callback;
    content.view.patient = Some(patient);
}

/// PID-32 or the notes: how far the NHS number was verified; without one, the first identifier.
fn verify(trail: &Trail, pid: &Segment<'_>, patient: &mut Patient, facts: &Facts) {
    let in_notes = facts.0.iter().find_map(|fact| match (&fact.name, &fact.value) {
        (Name::NumberStatus, FactValue::Coded(Concept { codings, .. })) => codings.first()?.code.clone(),
        _ => None,
    });
    let Some(code) = trail.field(pid, 32).or(in_notes) else { return };
    let known = numbers::verification(&code);
    if known.is_some() {
        trail.imply(&pid.field(32).component(1).subcomponent(1));
    }
    let word = known.map_or(code, |row| row.word.to_owned());
    let is_nhs = |system: &str| numbers::kind_of_system(system) == Some(bulkhead_model::NumberKind::Nhs);
    let at = patient.identifiers.iter().position(|number| is_nhs(&number.id.system)).unwrap_or(0);
    if let Some(number) = patient.identifiers.get_mut(at) {
        number.verification = Some(word);
    }
}

/// PID-7 as a date. A time in it is left over.
fn birth(trail: &Trail, pid: &Segment<'_>) -> Option<String> {
    let field = pid.field(7);
    let date = times::date_to_fhir(&field.component(1).value()?)?;
    trail.component(&field.repetition(1), 1);
    Some(date)
}

fn coded(
    trail: &Trail,
    segment: &Segment<'_>,
    number: usize,
    table: &[(&'static str, &str)],
) -> Option<String> {
    let code = segment.field(number).component(1).value()?;
    let fhir = demographics::to_fhir(table, &code)?;
    trail.imply(&segment.field(number).component(1).subcomponent(1));
    Some(fhir.to_owned())
}

fn contact(trail: &Trail, nk1: &Segment<'_>) -> Contact {
    let relationship = types::concept(trail, &nk1.field(3).repetition(1));
    let numbers = [5, 6].into_iter().flat_map(|number| nk1.field(number).repetitions().collect::<Vec<_>>());
    Contact {
        rank: None,
        relationships: Some(relationship).filter(|r| r.label().is_some()).into_iter().collect(),
        name: nk1.field(2).repetitions().find_map(|value| types::name(trail, &value)),
        telecoms: numbers.filter_map(|value| types::telecom(trail, &value)).collect(),
        gender: coded(trail, nk1, 15, demographics::GENDERS),
    }
}

/// Ranks of contacts and numbers: the callback is number 1 of contact 1 (BaRS guide, Application 1, Scope). The
/// patient's own numbers are those of a contact with the code ONESELF.
fn rank(patient: &mut Patient, mut own: Vec<Telecom>, callback: Option<&Telecom>, facts: &Facts) {
    let whose = facts.0.iter().find_map(|fact| match (&fact.name, &fact.value) {
        (Name::CallbackOf, FactValue::Text(who)) => Some(who.clone()),
        _ => None,
    });
    let of_other = whose.is_some();
    let has = |contact: &Contact| {
        callback
            .is_some_and(|callback| contact.telecoms.iter().any(|telecom| telecom.value == callback.value))
    };
    if let (Some(who), Some(callback)) = (whose, callback)
        && !patient.contacts.iter().any(has)
    {
        // Nothing but the notes tells of that contact.
        let relationships = vec![Concept { codings: Vec::new(), text: Some(who) }];
        let telecoms = vec![callback.clone()];
        patient.contacts.insert(0, Contact { relationships, telecoms, ..Contact::default() });
    }
    let first = patient.contacts.iter().position(|contact| of_other && has(contact));
    if let Some(first) = first {
        own.retain(|telecom| Some(&telecom.value) != callback.map(|callback| &callback.value));
        let contact = patient.contacts.remove(first);
        patient.contacts.insert(0, contact);
    }
    let oneself = Coding {
        system: Some("http://terminology.hl7.org/CodeSystem/v3-RoleCode".to_owned()),
        code: Some("ONESELF".to_owned()),
        display: Some("self".to_owned()),
    };
    if let Some(callback) = callback.filter(|_| first.is_none()) {
        own.retain(|telecom| telecom.value != callback.value);
        own.insert(0, callback.clone());
    }
    if !own.is_empty() {
        let relationships = vec![Concept { codings: vec![oneself], text: None }];
        let at = usize::from(first.is_some());
        patient.contacts.insert(at, Contact { relationships, telecoms: own, ..Contact::default() });
    }
    for (index, contact) in (1..).zip(&mut patient.contacts) {
        contact.rank = Some(index);
        for (index, telecom) in (1..).zip(&mut contact.telecoms) {
            telecom.rank = Some(index);
        }
    }
}

/// PRD with the role PP, else PD1-3.
fn surgery(trail: &Trail, message: &Message, content: &Content) -> Option<Organization> {
    if let Some(surgery) = content.view.organizations.first() {
        return Some(surgery.clone());
    }
    let value = message.segment("PD1")?.field(3).repetition(1);
    let name = trail.component(&value, 1);
    let code = trail.component(&value, 3).or_else(|| trail.component(&value, 10));
    let identifiers =
        code.map(|value| bulkhead_format_bars::view::Identifier { system: String::new(), value });
    let identifiers: Vec<_> = identifiers.into_iter().collect();
    let said = name.is_some() || !identifiers.is_empty();
    said.then(|| Organization { identifiers, name, ..Organization::default() })
}
