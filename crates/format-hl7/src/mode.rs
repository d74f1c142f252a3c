//! Which answers a message asks for.

use crate::Message;

/// The acknowledgment mode of a message (HL7 v2.5 section 2.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// MSH-15 and MSH-16 are both empty: one answer, AA, AE or AR.
    Original,
    /// Either is valued: an accept acknowledgment CA, CE or CR after safe storage, and later, as a message of its
    /// own, an application acknowledgment AA, AE or AR, each under its condition.
    Enhanced {
        /// MSH-15.
        accept: Condition,
        /// MSH-16.
        application: Condition,
    },
}

/// When an answer is wanted (table 0155).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `AL`: always.
    Always,
    /// `NE`: never.
    Never,
    /// `ER`: only for errors and rejects.
    OnError,
    /// `SU`: only for success.
    OnSuccess,
}

impl Mode {
    /// The mode that `message` asks for in MSH-15 and MSH-16. Where only one of them is valued, the other one
    /// means never.
    pub fn of(message: &Message) -> Self {
        let condition =
            |number| message.header().field(number).component(1).value().map(|text| Condition::read(&text));
        match (condition(15), condition(16)) {
            (None, None) => Self::Original,
            (accept, application) => Self::Enhanced {
                accept: accept.unwrap_or(Condition::Never),
                application: application.unwrap_or(Condition::Never),
            },
        }
    }
}

impl Condition {
    /// The code of table 0155.
    pub fn code(self) -> &'static str {
        match self {
            Self::Always => "AL",
            Self::Never => "NE",
            Self::OnError => "ER",
            Self::OnSuccess => "SU",
        }
    }

    /// Whether an answer is wanted, given whether it would be an accept.
    pub fn wants(self, accepted: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => !accepted,
            Self::OnSuccess => accepted,
        }
    }

    /// What is not in the table counts as always: an answer too many does less harm than silence.
    fn read(text: &str) -> Self {
        match text.trim().to_ascii_uppercase().as_str() {
            "NE" => Self::Never,
            "ER" => Self::OnError,
            "SU" => Self::OnSuccess,
            _ => Self::Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_read_from_two_fields() {
        let check = |fields: &str, expected| {
            let message = Message::parse(format!("MSH|^~\\&|||||||REF^I12|M1|P|2.4|||{fields}")).unwrap();
            assert_eq!(Mode::of(&message), expected, "{fields}");
        };
        let enhanced = |accept, application| Mode::Enhanced { accept, application };
        check("|", Mode::Original);
        check("\"\"|", Mode::Original);
        check("AL|NE", enhanced(Condition::Always, Condition::Never));
        check("AL", enhanced(Condition::Always, Condition::Never));
        check("|AL", enhanced(Condition::Never, Condition::Always));
        check("er|SU", enhanced(Condition::OnError, Condition::OnSuccess));
        check("NE|NE", enhanced(Condition::Never, Condition::Never));
        check("??|NE", enhanced(Condition::Always, Condition::Never));
    }

    #[test]
    fn a_condition_decides_by_outcome() {
        assert!(Condition::OnError.wants(false) && !Condition::OnError.wants(true));
        assert!(Condition::OnSuccess.wants(true) && !Condition::OnSuccess.wants(false));
        assert!(Condition::Always.wants(false) && !Condition::Never.wants(true));
    }
}
