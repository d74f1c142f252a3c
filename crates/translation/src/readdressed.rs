//! A document that was for another service, as the one that takes it over gets it: the outer address is its own, and a
//! stated place says from where it came. The clinical content stays as it is.
//!
//! ```text
//! HL7 v2   MSH-5, MSH-6           one NTE at the end, NTE-4 `DIVERTED`
//! BaRS     MessageHeader.destination.endpoint     MessageHeader.destination.name
//! ```

use bulkhead_format_bars::Document;
use bulkhead_format_hl7::{Builder, Message, Path, Value};

use crate::notes::{self, Note};
use crate::stamp::Party;
use crate::translated::{Item, Untranslatable};
use crate::write_ref::nte;

/// Addresses an HL7 message to `to`, as far as that has an application or a facility, and adds `said` as its last
/// note. The names of what the sender had written there and is not there any more come with it.
///
/// # Errors
/// The address cannot be written into this message.
pub fn readdress_ref(
    message: &Message,
    to: &Party,
    said: &str,
) -> Result<(Message, Vec<String>), Untranslatable> {
    let mut replaced = Vec::new();
    let mut addressed = message.clone();
    for (number, name) in [(5, &to.application), (6, &to.facility)] {
        let written = message.header().field(number).text().into_owned();
        let Some(name) = name.as_ref().filter(|name| **name != written) else { continue };
        addressed = addressed
            .with(&Path::new("MSH", number), Value::components(name.split('^')))
            .map_err(|error| unwritable(&error))?;
        if !written.is_empty() {
            replaced.push(format!("MSH-{number} of a diverted message"));
        }
    }
    let own = addressed.segments().rev().take_while(|segment| segment.is("NTE")).count();
    let copied = addressed.segments().fold(Builder::like(&addressed), |built, segment| built.copy(&segment));
    let note = Note::new(notes::DIVERTED, "address", 0, said);
    let built = copied.segment(nte(own + 1, &note, said)).build().map_err(|error| unwritable(&error))?;
    Ok((built, replaced))
}

fn unwritable(error: &dyn std::fmt::Display) -> Untranslatable {
    Untranslatable::new(Item::Structure, format!("the message cannot be addressed: {error}"))
}

/// Addresses a BaRS message to `endpoint`; `said` is put into the name of the destination, before the name that is
/// there. False: it has no destination.
pub fn readdress_bars(document: &mut Document, endpoint: &str, said: Option<&str>) -> bool {
    let entries = document.root_mut().all_mut("entry");
    let mut resources = entries.filter_map(|entry| entry.get_mut("resource"));
    let header = resources.find(|resource| resource.resource_type() == Some("MessageHeader"));
    let Some(destination) = header.and_then(|header| header.get_mut("destination")) else { return false };
    destination.set_text("endpoint", endpoint);
    if let Some(said) = said {
        let name = match destination.text("name").filter(|name| !name.is_empty()) {
            Some(name) => format!("{said}; {name}"),
            None => said.to_owned(),
        };
        destination.set_text("name", &name);
    }
    true
}

#[cfg(test)]
mod tests {
    use bulkhead_format_bars::{BarsMessage, Limits, SampleReferral, SampleService, Syntax};

    use super::*;

    const SAID: &str = "Diverted: sent to scotland/lothian-ooh";

    #[test]
    fn the_header_names_the_one_that_takes_over_and_nothing_else_changes_but_a_note() {
        let check = |raw: &str, to: Party, expected: &str, replaced: &[&str]| {
            let message = Message::parse(raw.to_owned()).unwrap();
            let (addressed, names) = readdress_ref(&message, &to, SAID).unwrap();
            assert_eq!(String::from_utf8_lossy(addressed.as_bytes()), expected);
            assert_eq!(names, replaced);
        };
        let hub = || Party::default().hl7("HUB", "NHS24^SB9^NHS");
        let note = "Diverted: sent to scotland/lothian-ooh|DIVERTED^address^BULKHEAD\r";
        check(
            "MSH|^~\\&|A|B|OOH|LOTHIAN|2026||REF^I12|M1|P|2.4\rPID|1||1^^^NHS\rNTE|1||one\r",
            hub(),
            &format!(
                "MSH|^~\\&|A|B|HUB|NHS24^SB9^NHS|2026||REF^I12|M1|P|2.4\rPID|1||1^^^NHS\rNTE|1||one\rNTE|2|P|{note}"
            ),
            &["MSH-5 of a diverted message", "MSH-6 of a diverted message"],
        );
        // Other delimiters, a charset of its own, and nothing to address it with: the note is there all the same.
        check(
            "MSH!@~$&!A!B!!!2026!!REF@I12!M1!P!2.4!!!!!!8859/1\nPID!1\n",
            Party::default(),
            &format!(
                "MSH!@~$&!A!B!!!2026!!REF@I12!M1!P!2.4!!!!!!8859/1\rPID!1\rNTE!1!P!{}",
                note.replace('|', "!").replace('^', "@")
            ),
            &[],
        );
        check(
            "MSH|^~\\&|A|B|||2026||REF^I12|M1|P|2.4\r",
            hub(),
            &format!("MSH|^~\\&|A|B|HUB|NHS24^SB9^NHS|2026||REF^I12|M1|P|2.4\rNTE|1|P|{note}"),
            &[],
        );
    }

    #[test]
    fn a_bars_message_names_the_one_that_takes_over_and_keeps_the_rest() {
        for syntax in [Syntax::Json, Syntax::Xml] {
            let service = |id: &str| SampleService::new(id, "RYE", "one");
            let sample = SampleReferral::new(3).between(service("2000011147"), service("2000072489"));
            let written = sample.build(syntax).write().unwrap();
            let before = Document::read(&written, syntax, &Limits::default()).unwrap();
            let mut document = before.clone();
            let endpoint = "https://fhir.nhs.uk/Id/dos-service-id|2000011147";
            assert!(readdress_bars(&mut document, endpoint, Some(SAID)));
            let bytes = document.write().unwrap();
            let read = Document::read(&bytes, syntax, &Limits::default()).unwrap();
            let message = BarsMessage::read(&read).unwrap();
            assert_eq!(message.destination.endpoint, endpoint);
            assert!(String::from_utf8_lossy(&bytes).contains(SAID));
            let (old, new) = (BarsMessage::read(&before).unwrap(), message);
            assert_eq!((old.request.id, old.source.endpoint), (new.request.id, new.source.endpoint));
            // Only what is in the header differs.
            let others = |document: &Document| {
                let resources = document.root().all("entry").filter_map(|entry| entry.get("resource"));
                resources
                    .filter(|resource| resource.resource_type() != Some("MessageHeader"))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert!(others(&before) == others(&read) && !others(&read).is_empty());
        }
    }
}
