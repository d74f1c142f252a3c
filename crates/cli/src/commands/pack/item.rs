//! One referral of a pack: what a person needs to phone.

use bulkhead_format_bars::ReferralView;
use bulkhead_format_bars::view::{Name, Patient, Telecom};
use bulkhead_translation::view_of;
use bulkhead_wire::v1;
use jiff::Timestamp;

use super::words::{NO_DOCUMENT, NO_PATIENT, Words};
use crate::commands::set_aside::is_markable;
use crate::view::Referral;

/// What is printed of one referral.
#[derive(Clone, Default)]
pub(super) struct Item {
    pub(super) code: String,
    pub(super) message_id: String,
    pub(super) state: String,
    pub(super) priority: String,
    /// Its sender stated none: it is treated as that.
    pub(super) priority_not_stated: bool,
    pub(super) due: Option<Timestamp>,
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) from: String,
    /// The service addressed, or who has it.
    pub(super) to: String,
    /// A reader could read it and found a patient.
    pub(super) is_readable: bool,
    pub(super) patient: String,
    pub(super) born: String,
    pub(super) number: String,
    pub(super) callback: String,
    pub(super) disposition: String,
    /// A command ends it.
    pub(super) is_markable: bool,
    /// Why there is no patient.
    pub(super) note: Option<Words>,
}

impl Item {
    pub(super) fn of(opened: &v1::OpenSetAsideResponse) -> Self {
        let referral = Referral::of(&opened.referral.clone().unwrap_or_default());
        let mut item = Self {
            code: opened.code.clone(),
            message_id: referral.message_id.clone(),
            state: referral.state.clone(),
            priority: referral.priority.clone(),
            due: referral.deadline,
            accepted_at: referral.accepted_at,
            from: referral.tenant.clone(),
            to: referral.destination.clone().unwrap_or_else(|| referral.to_text()),
            is_markable: is_markable(&referral.state),
            priority_not_stated: referral.priority_not_stated,
            ..Self::default()
        };
        if let Some(view) = view_of(&opened.payload) {
            item.read(&view);
        }
        item.note = match (opened.payload.is_empty(), item.is_readable) {
            (_, true) => None,
            (true, false) => Some(NO_DOCUMENT),
            (false, false) => Some(NO_PATIENT),
        };
        item
    }

    fn read(&mut self, view: &ReferralView) {
        let Some(patient) = &view.patient else { return };
        self.is_readable = true;
        self.patient = patient.names.first().map(name).unwrap_or_default();
        self.born = patient.birth_date.clone().unwrap_or_default();
        let number = patient.nhs_number().or(patient.identifiers.first());
        self.number = number.map(|found| found.id.value.clone()).unwrap_or_default();
        self.callback = callback(view, patient);
        let labels = view.dispositions.iter().map(|coding| {
            let code = coding.code.as_deref().unwrap_or_default();
            format!("{code} {}", coding.display.as_deref().unwrap_or_default()).trim().to_owned()
        });
        self.disposition = labels.collect::<Vec<_>>().join("; ");
    }
}

/// The number to call back; without one the first that the patient has.
fn callback(view: &ReferralView, patient: &Patient) -> String {
    let own = patient.contacts.iter().flat_map(|contact| &contact.telecoms).chain(&patient.telecoms);
    let mut numbers = view.callback.iter().chain(own);
    numbers.find_map(|telecom: &Telecom| telecom.value.clone()).unwrap_or_default()
}

fn name(name: &Name) -> String {
    match &name.text {
        Some(text) => text.clone(),
        None => {
            let words = name.prefix.iter().chain(&name.given).chain(&name.family);
            words.map(String::as_str).collect::<Vec<_>>().join(" ")
        }
    }
}
