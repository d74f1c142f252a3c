//! How soon: the lane and the deadline that a referral states.
//!
//! Architecture, Urgency: emergency, urgent, routine; what is not stated or not understood is urgent. So a code
//! that is not known never slows anything down, and `Dx06`, six hours, is not "routine".

use bulkhead_format_bars::view::Coding;
use bulkhead_format_bars::{ReferralView, System};
use bulkhead_format_hl7::referral;
use bulkhead_model::Priority;
use jiff::{SignedDuration, Timestamp};

use crate::tables::dispositions::{AMBULANCE, disposition};

/// What is due within this span is not routine, whatever its code says.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// The lane of a BaRS message: the most urgent of its dispositions, its ambulance category and its priority for
/// the e-RS broker (`2WW`, `U`, `R`); urgent where it has none of these, or only codes that are not known.
///
/// Between ambulance services (use cases a6, Application 6) the category stands in the answers of a questionnaire only;
/// such a call is an emergency until a code says otherwise.
pub fn priority_of_bars(view: &ReferralView) -> Priority {
    let between_ambulances = || {
        let cases = view.categories.iter().filter(|coding| coding.is(System::UseCase));
        cases
            .filter_map(|coding| coding.code.as_deref())
            .any(|code| code.to_ascii_lowercase().starts_with("a6"))
    };
    let unstated = || if between_ambulances() { Priority::Emergency } else { Priority::Urgent };
    priority_of_codes(view).unwrap_or_else(unstated)
}

/// Whether a code is a disposition, in whichever way its system is written: an example of the guide has it under
/// `/Id/pathways-dx-code` (REFRESP01).
pub(crate) fn is_disposition(coding: &Coding) -> bool {
    let last = coding.system.as_deref().and_then(|system| system.trim_end_matches('/').rsplit('/').next());
    coding.is(System::Dx)
        || last.is_some_and(|last| last.to_ascii_lowercase().starts_with("pathways-dx-code"))
}

/// The same; `None` where nothing is stated.
pub(crate) fn priority_of_codes(view: &ReferralView) -> Option<Priority> {
    let code = |coding: &Coding| coding.code.clone().unwrap_or_default();
    let outcomes = view.outcomes.iter().filter(|outcome| is_disposition(outcome));
    let dispositions = view
        .dispositions
        .iter()
        .chain(outcomes)
        .map(|dx| disposition(&code(dx)).map_or(Priority::Urgent, |row| row.1));
    let ambulance = view.outcomes.iter().filter(|outcome| outcome.is(System::Arp)).map(|outcome| {
        let row = AMBULANCE.iter().find(|row| row.0.eq_ignore_ascii_case(&code(outcome)));
        row.map_or(Priority::Urgent, |row| row.1)
    });
    let broker = view.categories.iter().chain(&view.outcomes).filter(|coding| {
        coding.system.as_deref().is_some_and(|system| system.ends_with("/bars-broker-priority-status"))
    });
    let broker = broker.map(|coding| if code(coding) == "R" { Priority::Routine } else { Priority::Urgent });
    let stated = dispositions.chain(ambulance).chain(broker).min()?;
    match stated {
        Priority::Routine if is_due_within_a_day(view) => Some(Priority::Urgent),
        stated => Some(stated),
    }
}

/// The lane of an HL7 referral by RF1-2 (table 0280): S, stat, is emergency; A, as soon as possible, is urgent; R
/// is routine; a local code or nothing is urgent.
pub fn priority_of_ref(priority: &referral::Priority) -> Priority {
    match priority {
        referral::Priority::Stat => Priority::Emergency,
        referral::Priority::Routine => Priority::Routine,
        referral::Priority::Asap | referral::Priority::Local(_) | referral::Priority::NotStated => {
            Priority::Urgent
        }
    }
}

/// The letter of RF1-2 for a lane.
pub(crate) fn letter(priority: Priority) -> (&'static str, &'static str) {
    match priority {
        Priority::Emergency => ("S", "STAT"),
        Priority::Urgent => ("A", "ASAP"),
        Priority::Routine => ("R", "Routine"),
    }
}

/// By when: the end of `occurrencePeriod`, else the span of the soonest disposition from its start, or from when it
/// was written ("clock from triage", UEC slot mapping).
pub fn deadline_of(view: &ReferralView) -> Option<Timestamp> {
    let moment = |when: &Option<bulkhead_format_bars::When>| when.as_ref().and_then(|when| when.at());
    let span = || {
        let codes = view.dispositions.iter().filter_map(|dx| disposition(dx.code.as_deref()?));
        let minutes = codes.filter_map(|row| row.2).min()?;
        let from = moment(&view.start).or_else(|| moment(&view.authored_on))?;
        from.checked_add(SignedDuration::from_mins(i64::from(minutes))).ok()
    };
    moment(&view.end).or_else(span)
}

fn is_due_within_a_day(view: &ReferralView) -> bool {
    let written = view.authored_on.as_ref().or(view.start.as_ref()).and_then(|when| when.at());
    match (deadline_of(view), written) {
        (Some(due), Some(written)) => due.duration_since(written) < A_DAY,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_format_bars::When;

    use super::*;

    fn view(code: Option<&str>, end: Option<&str>) -> ReferralView {
        let coding = |code: &str| Coding {
            system: Some(System::Dx.uri().to_owned()),
            code: Some(code.to_owned()),
            display: None,
        };
        let mut view = ReferralView::default();
        view.dispositions.extend(code.map(coding));
        view.authored_on = Some(When::read("2026-08-01T10:00:00Z"));
        view.end = end.map(When::read);
        view
    }

    #[test]
    fn lanes_by_disposition() {
        let check =
            |code, end, expected| assert_eq!(priority_of_bars(&view(code, end)), expected, "{code:?}");
        check(Some("Dx06"), None, Priority::Urgent);
        check(Some("DX06"), None, Priority::Urgent);
        check(Some("Dx02"), None, Priority::Emergency);
        check(Some("Dx09"), None, Priority::Routine);
        check(Some("Dx09"), Some("2026-08-01T16:00:00Z"), Priority::Urgent);
        check(Some("Dx09"), Some("2026-08-08T16:00:00Z"), Priority::Routine);
        check(Some("Dx9999"), None, Priority::Urgent);
        check(None, None, Priority::Urgent);
    }

    #[test]
    fn ambulance_categories() {
        for (code, expected) in [
            ("C1", Priority::Emergency),
            ("c2", Priority::Emergency),
            ("C3", Priority::Urgent),
            ("C9", Priority::Urgent),
        ] {
            let mut view = view(Some("Dx09"), None);
            view.outcomes.push(Coding {
                system: Some(System::Arp.uri().to_owned()),
                code: Some(code.to_owned()),
                display: None,
            });
            assert_eq!(priority_of_bars(&view), expected, "{code}");
        }
    }

    #[test]
    fn between_ambulances_a_call_is_an_emergency_until_a_code_says_otherwise() {
        let case = Coding {
            system: Some(System::UseCase.uri().to_owned()),
            code: Some("A6T1".to_owned()),
            display: None,
        };
        let mut call = view(None, None);
        call.categories.push(case);
        assert_eq!(priority_of_bars(&call), Priority::Emergency);
        call.dispositions = view(Some("Dx0122"), None).dispositions;
        assert_eq!(priority_of_bars(&call), Priority::Urgent);
    }

    #[test]
    fn deadlines() {
        let check = |code, end, expected: Option<&str>| {
            assert_eq!(
                deadline_of(&view(code, end)).map(|at| at.to_string()).as_deref(),
                expected,
                "{code:?}"
            );
        };
        check(Some("Dx06"), None, Some("2026-08-01T16:00:00Z"));
        check(Some("Dx06"), Some("2026-08-01T12:00:00Z"), Some("2026-08-01T12:00:00Z"));
        check(Some("Dx75"), None, None);
        check(Some("Dx9999"), None, None);
        check(None, None, None);
    }
}
