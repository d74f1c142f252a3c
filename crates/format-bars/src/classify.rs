//! Which kind of message this is: a table over event, reason, category, status and focus.
//!
//! The rows are those of the BaRS guide, Core 1-5-0, Standard-Pattern-For-Composites and Bundle-Processing,
//! with what the guide's own examples add: cancelling with `delete`, updating a referral between ambulance
//! services, and status updates of referrals (Application 6, Payloads-for-Responses). Whatever no row allows
//! is refused as 400 `invariant`. The Welsh rows are NWRI's: reason and status alone decide.

use crate::outcome::Problem;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// Anything else, or nothing.
            Other,
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ Self::Other];

            /// Reads a code, in any case.
            pub fn parse(code: Option<&str>) -> Self {
                match code.map(|c| c.trim().to_ascii_lowercase()).as_deref() {
                    $(Some($code) => Self::$variant,)+
                    _ => Self::Other,
                }
            }

            /// The code, empty for what is not known.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ Self::Other => "" }
            }
        }
    };
}

codes! {
    /// `MessageHeader.eventCoding` (CodeSystem message-events-bars). Bookings are `Other`.
    Event {
        /// A request.
        Request = "servicerequest-request",
        /// A response to one.
        Response = "servicerequest-response",
    }
}

codes! {
    /// `MessageHeader.reason` (CodeSystem message-reason-bars).
    Reason {
        /// Something new.
        New = "new",
        /// A change.
        Update = "update",
        /// A removal; only some senders use it.
        Delete = "delete",
    }
}

codes! {
    /// The type in `ServiceRequest.category` (CodeSystem message-category-servicerequest).
    Category {
        /// A transfer of care.
        Referral = "referral",
        /// A request to validate a triage.
        Validation = "validation",
    }
}

codes! {
    /// `ServiceRequest.status`.
    Status {
        /// In force.
        Active = "active",
        /// Waiting.
        OnHold = "on-hold",
        /// Cancelled.
        Revoked = "revoked",
        /// Sent in error.
        EnteredInError = "entered-in-error",
        /// Done.
        Completed = "completed",
    }
}

codes! {
    /// `Encounter.status`.
    EncounterStatus {
        /// Waiting for a resource.
        Planned = "planned",
        /// On scene.
        Arrived = "arrived",
        /// Triaged.
        Triaged = "triaged",
        /// Under way.
        InProgress = "in-progress",
        /// Over.
        Finished = "finished",
        /// Over, as examples and pseudo code also write it.
        Completed = "completed",
        /// Rejected.
        Cancelled = "cancelled",
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Focus {
    /// A ServiceRequest.
    ServiceRequest,
    /// An Encounter in that state.
    Encounter(EncounterStatus),
    /// Something else, or nothing.
    Other,
}

/// What decides the kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signals {
    /// The event.
    pub event: Event,
    /// The reason.
    pub reason: Reason,
    /// The category.
    pub category: Category,
    /// The status of the ServiceRequest.
    pub status: Status,
    /// The focus.
    pub focus: Focus,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A new referral.
    NewReferral,
    /// A new request for validation.
    NewValidation,
    /// A change of an earlier request.
    Update,
    /// An earlier request is cancelled.
    Cancel,
    /// An answer to an earlier request.
    Response(ResponseKind),
}

/// The kind of an asynchronous response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseKind {
    /// It goes on.
    Interim,
    /// It is done.
    Final,
    /// It was rejected.
    Rejection,
    /// The patient did not attend.
    DidNotAttend,
}

/// The rules of a nation's service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// The BaRS guide.
    #[default]
    England,
    /// NHS Wales, NWRI eReferrals.
    WalesNwri,
}

struct Row {
    event: Event,
    reasons: &'static [Reason],
    categories: &'static [Category],
    statuses: &'static [Status],
    focus: FocusIs,
    kind: MessageKind,
}

enum FocusIs {
    Any,
    Encounter(&'static [EncounterStatus]),
    NotEncounter,
}

const KNOWN: &[Category] = &[Category::Referral, Category::Validation];
const CHANGED: &[Reason] = &[Reason::New, Reason::Update];
const WITHDRAWN: &[Status] = &[Status::Revoked, Status::EnteredInError];

/// The first row that fits decides.
#[rustfmt::skip]
const ENGLAND: &[Row] = &[
    Row { event: Event::Request, reasons: &[Reason::New], categories: &[Category::Referral],
          statuses: &[Status::Active], focus: FocusIs::Any, kind: MessageKind::NewReferral },
    Row { event: Event::Request, reasons: &[Reason::New], categories: &[Category::Validation],
          statuses: &[Status::Active], focus: FocusIs::Any, kind: MessageKind::NewValidation },
    Row { event: Event::Request, reasons: &[Reason::Update, Reason::Delete], categories: KNOWN,
          statuses: WITHDRAWN, focus: FocusIs::Any, kind: MessageKind::Cancel },
    Row { event: Event::Request, reasons: &[Reason::Update], categories: KNOWN,
          statuses: &[Status::Active, Status::OnHold], focus: FocusIs::Any, kind: MessageKind::Update },
    Row { event: Event::Response, reasons: &[Reason::New], categories: &[Category::Referral],
          statuses: &[Status::Revoked], focus: FocusIs::NotEncounter,
          kind: MessageKind::Response(ResponseKind::DidNotAttend) },
    Row { event: Event::Response, reasons: CHANGED, categories: KNOWN, statuses: &[Status::Active],
          focus: FocusIs::Encounter(&[EncounterStatus::Cancelled]),
          kind: MessageKind::Response(ResponseKind::Rejection) },
    Row { event: Event::Response, reasons: CHANGED, categories: &[Category::Validation],
          statuses: &[Status::Revoked],
          focus: FocusIs::Encounter(&[EncounterStatus::Triaged, EncounterStatus::Cancelled]),
          kind: MessageKind::Response(ResponseKind::Rejection) },
    Row { event: Event::Response, reasons: CHANGED, categories: KNOWN, statuses: &[Status::Completed],
          focus: FocusIs::Encounter(&[EncounterStatus::Triaged, EncounterStatus::Finished, EncounterStatus::Completed]),
          kind: MessageKind::Response(ResponseKind::Final) },
    Row { event: Event::Response, reasons: CHANGED, categories: &[Category::Referral],
          statuses: &[Status::Active],
          focus: FocusIs::Encounter(&[EncounterStatus::Finished, EncounterStatus::Completed]),
          kind: MessageKind::Response(ResponseKind::Final) },
    Row { event: Event::Response, reasons: CHANGED, categories: KNOWN, statuses: &[Status::Active],
          focus: FocusIs::Encounter(&[EncounterStatus::Planned, EncounterStatus::Arrived,
                                      EncounterStatus::Triaged, EncounterStatus::InProgress]),
          kind: MessageKind::Response(ResponseKind::Interim) },
];

#[rustfmt::skip]
const WALES_NWRI: &[Row] = &[
    Row { event: Event::Request, reasons: &[Reason::New], categories: Category::ALL,
          statuses: &[Status::Active], focus: FocusIs::Any, kind: MessageKind::NewReferral },
    Row { event: Event::Request, reasons: &[Reason::Update], categories: Category::ALL,
          statuses: WITHDRAWN, focus: FocusIs::Any, kind: MessageKind::Cancel },
];

impl Row {
    fn fits(&self, signals: &Signals) -> bool {
        let focus = match (&self.focus, signals.focus) {
            (FocusIs::Any, _) | (FocusIs::NotEncounter, Focus::ServiceRequest | Focus::Other) => true,
            (FocusIs::Encounter(states), Focus::Encounter(state)) => states.contains(&state),
            _ => false,
        };
        focus
            && self.event == signals.event
            && self.reasons.contains(&signals.reason)
            && self.categories.contains(&signals.category)
            && self.statuses.contains(&signals.status)
    }
}

/// The kind of a message, or 400 `invariant`.
pub fn classify(signals: &Signals, profile: Profile) -> Result<MessageKind, Problem> {
    let rows = match profile {
        Profile::England => ENGLAND,
        Profile::WalesNwri => WALES_NWRI,
    };
    rows.iter().find(|row| row.fits(signals)).map(|row| row.kind).ok_or_else(|| {
        Problem::invariant(
            "the combination of event, reason, category, ServiceRequest.status and focus is not one of BaRS",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(event: &str, reason: &str, category: &str, status: &str, encounter: Option<&str>) -> Signals {
        Signals {
            event: Event::parse(Some(event)),
            reason: Reason::parse(Some(reason)),
            category: Category::parse(Some(category)),
            status: Status::parse(Some(status)),
            focus: encounter
                .map_or(Focus::ServiceRequest, |e| Focus::Encounter(EncounterStatus::parse(Some(e)))),
        }
    }

    fn check(words: [&str; 4], encounter: Option<&str>, expected: Option<MessageKind>) {
        let signals = signals(words[0], words[1], words[2], words[3], encounter);
        assert_eq!(classify(&signals, Profile::England).ok(), expected, "{words:?} {encounter:?}");
    }

    #[test]
    fn requests() {
        let request = "servicerequest-request";
        check([request, "new", "referral", "active"], None, Some(MessageKind::NewReferral));
        check([request, "new", "Validation", "active"], None, Some(MessageKind::NewValidation));
        check([request, "update", "validation", "on-hold"], None, Some(MessageKind::Update));
        check([request, "update", "referral", "active"], None, Some(MessageKind::Update));
        check([request, "update", "referral", "revoked"], None, Some(MessageKind::Cancel));
        check([request, "delete", "referral", "entered-in-error"], None, Some(MessageKind::Cancel));
        check([request, "new", "referral", "revoked"], None, None);
        check([request, "delete", "referral", "active"], None, None);
        check([request, "new", "6", "active"], None, None);
        check(["booking-request", "new", "referral", "active"], None, None);
    }

    #[test]
    fn responses() {
        let response = "servicerequest-response";
        let kind = |kind| Some(MessageKind::Response(kind));
        check([response, "new", "referral", "revoked"], None, kind(ResponseKind::DidNotAttend));
        check([response, "new", "referral", "active"], Some("cancelled"), kind(ResponseKind::Rejection));
        check([response, "new", "validation", "active"], Some("in-progress"), kind(ResponseKind::Interim));
        check([response, "update", "validation", "completed"], Some("triaged"), kind(ResponseKind::Final));
        check([response, "update", "referral", "active"], Some("finished"), kind(ResponseKind::Final));
        check([response, "new", "validation", "revoked"], Some("triaged"), kind(ResponseKind::Rejection));
        check([response, "new", "referral", "active"], None, None);
        check([response, "delete", "referral", "active"], Some("planned"), None);
    }

    #[test]
    fn every_combination_has_an_answer() {
        let focus = EncounterStatus::ALL
            .iter()
            .map(|s| Focus::Encounter(*s))
            .chain([Focus::ServiceRequest, Focus::Other]);
        let focus: Vec<Focus> = focus.collect();
        let mut known = 0;
        for &event in Event::ALL {
            for &reason in Reason::ALL {
                for &category in Category::ALL {
                    for &status in Status::ALL {
                        for &focus in &focus {
                            let signals = Signals { event, reason, category, status, focus };
                            for profile in [Profile::England, Profile::WalesNwri] {
                                match classify(&signals, profile) {
                                    Ok(_) => known += 1,
                                    Err(problem) => assert_eq!(problem.status(), 400),
                                }
                            }
                        }
                    }
                }
            }
        }
        assert!(known > 100);
    }
}
