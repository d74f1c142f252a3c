//! What must be shown, and whether the peer has a place for it: asked before a referral is submitted, so that it is
//! refused while the sender is still on the line.
//!
//! A new request or an update must show its patient identifiers with kind and verification, callback number,
//! safeguarding and scene safety flags, allergies, disposition and due time. A cancellation and an answer must name
//! the patient; they are not held up by what they only repeat.

use bulkhead_format_bars::view::{Concept, Flag};
use bulkhead_format_bars::{Document, ReferralView, System};
use bulkhead_format_hl7::Message;

use crate::content::{Act, Content};
use crate::profile::{BarsProfile, Shown, Shows, Target};
use crate::tables::numbers;
use crate::translated::{Item, Untranslatable};
use crate::{read_bars, read_ref};

/// Whether a BaRS message could be shown by that target; the reason if not. No document is made.
pub fn check_bars(document: &Document, target: &Target) -> Result<(), Untranslatable> {
    check(&read_bars::read(document)?.content, target)
}

/// Whether an HL7 referral could be shown by that target; the reason if not. No document is made.
pub fn check_ref(message: &Message, target: &Target) -> Result<(), Untranslatable> {
    check(&read_ref::content(message)?, target)
}

/// The same for a referral that was read.
pub(crate) fn check(content: &Content, target: &Target) -> Result<(), Untranslatable> {
    items(content, target.shows())?;
    match target {
        Target::Ref(_) => Ok(()),
        Target::Bars(profile) => rules(content, profile),
    }
}

fn items(content: &Content, shows: &Shows) -> Result<(), Untranslatable> {
    let view = &content.view;
    let patient = view.patient.iter();
    let values = patient.clone().flat_map(|p| p.identifiers.iter().map(|number| number.id.value.clone()));
    fits(Item::Identifiers, &shows.identifiers, values)?;
    if matches!(content.act, Act::Cancel | Act::Response(_)) {
        return Ok(());
    }
    // A status that is known is written in the spelling that the place has room for.
    let spelled =
        |code: &String| numbers::verification(code).map_or(code.as_str(), |row| row.code).to_owned();
    let statuses = patient
        .flat_map(|p| p.identifiers.iter().filter_map(|number| number.verification.as_ref().map(spelled)));
    fits(Item::Verification, &shows.verification, statuses)?;
    let callback = view.callback.iter().filter_map(|callback| callback.value.clone());
    fits(Item::Callback, &shows.callback, callback)?;
    fits(Item::Safeguarding, &shows.safeguarding, flags(view, "SG"))?;
    fits(Item::SceneSafety, &shows.scene_safety, flags(view, "SS"))?;
    fits(Item::Allergies, &shows.allergies, view.allergies.iter().map(|allergy| label(&allergy.code)))?;
    let words = |coding: &bulkhead_format_bars::view::Coding| {
        [coding.code.as_deref(), coding.display.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    };
    fits(Item::Disposition, &shows.disposition, view.dispositions.iter().map(words))?;
    fits(Item::DueTime, &shows.due, view.end.iter().map(|when| when.text().to_owned()))
}

/// Every value has a place, and fits into it.
fn fits(
    item: Item,
    shown: &Option<Shown>,
    values: impl IntoIterator<Item = String>,
) -> Result<(), Untranslatable> {
    for value in values {
        match shown {
            None => return Err(Untranslatable::new(item, "the receiving system has no place that shows it")),
            Some(shown) if value.chars().count() > shown.max => {
                let why =
                    format!("the receiving system shows {} characters of it, and it is longer", shown.max);
                return Err(Untranslatable::new(item, why));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn label(concept: &Concept) -> String {
    concept.label().unwrap_or_default().to_owned()
}

/// What the flags of a category say. One that is stated to be inactive is not shown as a warning.
fn flags(view: &ReferralView, category: &str) -> Vec<String> {
    let is = |flag: &&Flag| {
        let codings = flag.categories.iter().flat_map(|c| &c.codings).filter(|c| c.is(System::FlagCategory));
        codings.filter_map(|c| c.code.as_deref()).any(|code| code.eq_ignore_ascii_case(category))
            && flag.status.as_deref().is_none_or(|status| status == "active")
    };
    view.flags.iter().filter(is).map(|flag| label(&flag.code)).collect()
}

/// What a BaRS receiver demands besides.
fn rules(content: &Content, profile: &BarsProfile) -> Result<(), Untranslatable> {
    match content.act {
        Act::Update if !profile.updates => {
            return Err(Untranslatable::new(
                Item::Kind,
                "the receiving system takes new requests and cancellations only",
            ));
        }
        Act::Update | Act::Cancel | Act::Response(_) => return Ok(()),
        Act::Request => {}
    }
    let mut identifiers = content.view.patient.iter().flat_map(|p| &p.identifiers);
    let is_nhs = |system: &str| numbers::kind_of_system(system) == Some(bulkhead_model::NumberKind::Nhs);
    if profile.needs_nhs_number && !identifiers.any(|number| is_nhs(&number.id.system)) {
        return Err(Untranslatable::new(
            Item::Identifiers,
            "the receiving system takes no patient without an NHS number",
        ));
    }
    if profile.needs_condition
        && content.view.conditions.iter().all(|condition| condition.code.label().is_none())
    {
        return Err(Untranslatable::new(
            Item::Structure,
            "the receiving system takes no referral without a condition",
        ));
    }
    Ok(())
}
