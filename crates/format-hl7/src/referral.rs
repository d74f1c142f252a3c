//! A referral as a message states it: REF^I12 to I15, and its answer RRI (HL7 v2.5 section 11.3).
//!
//! Everything is read when it is asked for and given as it is written: no identifier is normalised, checked or
//! preferred here. Types that hold a patient's data do not show it in `Debug`.

mod identifiers;

pub use identifiers::{Authority, Identifier, Identity, ReferralId};

use crate::view::{Field, Repetition, Segment};
use crate::{Message, Ts};

/// What happened to the referral: the event in MSH-9.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// I12: a new referral.
    New,
    /// I13: the referral is modified.
    Modify,
    /// I14: the referral is cancelled.
    Cancel,
    /// I15: its status is asked for.
    StatusRequest,
}

impl Event {
    /// Reads `I12` to `I15`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "I12" => Some(Self::New),
            "I13" => Some(Self::Modify),
            "I14" => Some(Self::Cancel),
            "I15" => Some(Self::StatusRequest),
            _ => None,
        }
    }

    /// The event's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::New => "I12",
            Self::Modify => "I13",
            Self::Cancel => "I14",
            Self::StatusRequest => "I15",
        }
    }
}

/// Whether a message asks or answers: MSH-9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// REF.
    Request,
    /// RRI.
    Response,
}

/// A view of a message as a referral.
#[derive(Clone, Copy, Debug)]
pub struct Referral<'m> {
    message: &'m Message,
    form: Form,
    event: Event,
}

/// A coded value as it is written: code, text, and the system it is from (CE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// The code.
    pub code: String,
    /// Its text.
    pub text: String,
    /// The coding system.
    pub system: String,
}

/// RF1-1, table 0283. HL7 has no code for a cancelled referral; local ones are met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `A`
    Accepted,
    /// `E`
    Expired,
    /// `P`
    Pending,
    /// `R`
    Rejected,
    /// A local code.
    Local(Coded),
    /// Nothing is stated.
    NotStated,
}

/// RF1-2, table 0280.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Priority {
    /// `A`: as soon as possible.
    Asap,
    /// `R`: routine.
    Routine,
    /// `S`: stat, at once.
    Stat,
    /// A local code.
    Local(Coded),
    /// Nothing is stated.
    NotStated,
}

/// A provider (PRD) by its role.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'m> {
    segment: Segment<'m>,
}

/// MSH-11.1, table 0103.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessingId {
    /// `P`
    Production,
    /// `T`
    Training,
    /// `D`
    Debugging,
    /// Something else, or nothing.
    Other(String),
}

impl<'m> Referral<'m> {
    /// `message` as a referral; `None` if MSH-9 is not REF or RRI with an event I12 to I15.
    pub fn read(message: &'m Message) -> Option<Self> {
        let kind = message.header().field(9);
        let form = match &*kind.component(1).text() {
            "REF" => Form::Request,
            "RRI" => Form::Response,
            _ => return None,
        };
        let event = Event::parse(&kind.component(2).text())?;
        Some(Self { message, form, event })
    }

    /// The message itself.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// Whether it asks or answers.
    pub fn form(&self) -> Form {
        self.form
    }

    /// What happened.
    pub fn event(&self) -> Event {
        self.event
    }

    /// RF1-1.
    pub fn status(&self) -> Status {
        match Coded::read(self.message.field("RF1", 1)) {
            None => Status::NotStated,
            Some(coded) => match coded.code.as_str() {
                "A" => Status::Accepted,
                "E" => Status::Expired,
                "P" => Status::Pending,
                "R" => Status::Rejected,
                _ => Status::Local(coded),
            },
        }
    }

    /// RF1-2.
    pub fn priority(&self) -> Priority {
        match Coded::read(self.message.field("RF1", 2)) {
            None => Priority::NotStated,
            Some(coded) => match coded.code.as_str() {
                "A" => Priority::Asap,
                "R" => Priority::Routine,
                "S" => Priority::Stat,
                _ => Priority::Local(coded),
            },
        }
    }

    /// RF1-3, the kind of referral.
    pub fn referral_type(&self) -> Option<Coded> {
        Coded::read(self.message.field("RF1", 3))
    }

    /// RF1-6.
    pub fn id(&self) -> Option<ReferralId> {
        ReferralId::of(self.message)
    }

    /// All providers, in their order.
    pub fn providers(&self) -> impl Iterator<Item = Provider<'m>> + use<'m> {
        self.message.all("PRD").map(|segment| Provider { segment })
    }

    /// The first provider with `role` of table 0286: `RP` referring, `RT` referred to, `PP` primary care, `CP`
    /// consulting.
    pub fn provider(&self, role: &str) -> Option<Provider<'m>> {
        self.providers().find(|provider| provider.has_role(role))
    }

    /// PID-3: every identifier that has a value, in its order.
    pub fn identifiers(&self) -> impl Iterator<Item = Identifier> + use<'m> {
        self.message.field("PID", 3).repetitions().filter_map(Identifier::read)
    }

    /// What makes it the same message again.
    pub fn identity(&self) -> Identity {
        Identity::of(self.message)
    }

    /// MSH-7; `None` if it is no time stamp.
    pub fn created(&self) -> Option<Ts> {
        Ts::parse(&self.message.header().field(7).component(1).text()).ok()
    }

    /// MSH-5.
    pub fn receiving_application(&self) -> Authority {
        Authority::field(self.message.header().field(5))
    }

    /// MSH-6.
    pub fn receiving_facility(&self) -> Authority {
        Authority::field(self.message.header().field(6))
    }

    /// MSH-11. Training and debugging messages must never reach a production system.
    pub fn processing_id(&self) -> ProcessingId {
        ProcessingId::of(self.message)
    }
}

impl Coded {
    fn read(field: Field<'_>) -> Option<Self> {
        Self::repetition(field.repetition(1))
    }

    fn repetition(value: Repetition<'_>) -> Option<Self> {
        let text = |number| value.component(number).value().unwrap_or_default().into_owned();
        let coded = Self { code: text(1), text: text(2), system: text(3) };
        (!coded.code.is_empty() || !coded.text.is_empty()).then_some(coded)
    }
}

impl<'m> Provider<'m> {
    /// The segment itself.
    pub fn segment(&self) -> Segment<'m> {
        self.segment
    }

    /// PRD-1: a provider may have several roles.
    pub fn roles(&self) -> impl Iterator<Item = Coded> + use<'m> {
        self.segment.field(1).repetitions().filter_map(Coded::repetition)
    }

    /// Whether `role` is one of the roles.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|coded| coded.code == role)
    }

    /// PRD-2, the family and the given name.
    pub fn name(&self) -> (String, String) {
        let name = self.segment.field(2);
        let text = |number| name.component(number).subcomponent(1).value().unwrap_or_default().into_owned();
        (text(1), text(2))
    }

    /// PRD-7: identifiers of the provider, as value and type (`1234567^GMC`).
    pub fn identifiers(&self) -> impl Iterator<Item = (String, String)> + use<'m> {
        self.segment.field(7).repetitions().filter_map(|id| {
            let value = id.component(1).value()?.into_owned();
            Some((value, id.component(2).value().unwrap_or_default().into_owned()))
        })
    }
}

impl ProcessingId {
    /// MSH-11 of `message`.
    pub fn of(message: &Message) -> Self {
        match &*message.header().field(11).component(1).text() {
            "P" => Self::Production,
            "T" => Self::Training,
            "D" => Self::Debugging,
            other => Self::Other(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REF: &str = "MSH|^~\\&|APP^1.2^ISO|FAC|BULKHEAD|BOARD^2.3^ISO|20260801094500||REF^I13|M1|T^A|2.4\r\
        RF1|P^Pending^HL70283|A|MED^Medical|||4711^^^^REFID\r\
        PRD|RP~PP^Primary care|Murray&van^Ann|||||1234567^GMC~~99^LOCAL\r\
        PRD|RT\r\
        PID|1||0101901240^^^CHI^NH~^^^X^MR~7^^^S08&1.2.3&ISO^MR~\"\"\r";

    fn message(text: impl Into<String>) -> Message {
        Message::parse(text.into()).unwrap()
    }

    #[test]
    fn a_referral_is_read() {
        let message = message(REF);
        let referral = Referral::read(&message).unwrap();
        assert_eq!((referral.form(), referral.event()), (Form::Request, Event::Modify));
        assert_eq!((referral.status(), referral.priority()), (Status::Pending, Priority::Asap));
        assert_eq!(referral.referral_type().unwrap().text, "Medical");
        let id = referral.id().unwrap();
        assert_eq!((id.value.as_str(), id.authority.is_empty(), id.kind.as_str()), ("4711", true, "REFID"));
        assert_eq!(referral.identity().sending_application, "APP^1.2^ISO");
        assert_eq!(referral.identity().created, "20260801094500");
        assert_eq!(referral.receiving_application().name(), "BULKHEAD");
        assert_eq!(referral.receiving_facility().universal_id, "2.3");
        assert_eq!(referral.processing_id(), ProcessingId::Training);
        assert_eq!(referral.created().unwrap().to_string(), "20260801094500");
    }

    #[test]
    fn providers_are_found_by_role() {
        let message = message(REF);
        let referral = Referral::read(&message).unwrap();
        let primary = referral.provider("PP").unwrap();
        assert!(primary.has_role("RP"));
        assert_eq!(primary.name(), ("Murray".to_owned(), "Ann".to_owned()));
        let identifiers: Vec<_> =
            primary.identifiers().map(|(value, kind)| format!("{value} {kind}")).collect();
        assert_eq!(identifiers, ["1234567 GMC", "99 LOCAL"]);
        assert_eq!(referral.provider("RT").unwrap().segment().index(), 3);
        assert!(referral.provider("CP").is_none());
    }

    #[test]
    fn identifiers_come_with_authority_and_type() {
        let message = message(REF);
        let found: Vec<_> = Referral::read(&message).unwrap().identifiers().collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].value.as_str(), found[0].authority.name(), found[0].kind.as_str()),
            ("0101901240", "CHI", "NH")
        );
        assert_eq!(found[1].authority.universal_id, "1.2.3");
        assert!(!format!("{found:?}").contains("0101901240"));
    }

    #[test]
    fn what_is_local_or_missing_is_said_so() {
        let local = message(REF.replace("RF1|P^Pending^HL70283|A|", "RF1|AB^Appointment Booked^TRAKCARE||"));
        let referral = Referral::read(&local).unwrap();
        assert!(matches!(referral.status(), Status::Local(coded) if coded.system == "TRAKCARE"));
        assert_eq!(referral.priority(), Priority::NotStated);
        assert!(Referral::read(&message(REF.replace("REF^I13", "ADT^A28"))).is_none());
        assert!(Referral::read(&message(REF.replace("REF^I13", "REF^I16"))).is_none());
        let response = message(REF.replace("REF^I13", "RRI^I14"));
        assert_eq!(Referral::read(&response).unwrap().form(), Form::Response);
    }
}
