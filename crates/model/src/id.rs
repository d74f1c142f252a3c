//! Ids. Each can only be made by parsing; what exists is valid and is never checked again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not the id that it should be. It never repeats the text, which may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither of the four nations.
    #[error("not a nation: expected england, wales, scotland or northern-ireland")]
    Nation,
    /// Not `nation/name`.
    #[error("{0} is not of the form nation/name")]
    NotQualified(&'static str),
    /// A name with other characters than `a-z 0-9 -`, or empty, or too long.
    #[error("{0} is not 1 to 63 characters of a-z, 0-9 and -")]
    Name(&'static str),
    /// Empty, too long, or with control characters.
    #[error("{what} is not 1 to {max} printable characters")]
    Text {
        /// Which id.
        what: &'static str,
        /// The limit in bytes.
        max: usize,
    },
    /// Not a UUID.
    #[error("a referral id is a UUID")]
    Referral,
}

/// One of the four nations. Each has a cell of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nation {
    /// NHS England.
    England,
    /// NHS Wales.
    Wales,
    /// NHS Scotland.
    Scotland,
    /// HSC Northern Ireland.
    NorthernIreland,
}

impl Nation {
    /// All four, in the order in which they are shown.
    pub const ALL: [Nation; 4] = [Nation::England, Nation::Wales, Nation::Scotland, Nation::NorthernIreland];

    /// As it is written in ids, topics and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Nation::England => "england",
            Nation::Wales => "wales",
            Nation::Scotland => "scotland",
            Nation::NorthernIreland => "northern-ireland",
        }
    }
}

impl fmt::Display for Nation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Nation {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Nation::ALL.into_iter().find(|nation| nation.as_str() == text).ok_or(IdError::Nation)
    }
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! qualified {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            nation: Nation,
            text: Arc<str>,
        }

        impl $name {
            /// Reads `nation/name`.
            ///
            /// # Errors
            /// When the nation is not one of the four or the name has other characters than `a-z 0-9 -`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let (nation, name) = text.split_once('/').ok_or(IdError::NotQualified($what))?;
                let nation = nation.parse()?;
                if !is_name(name) {
                    return Err(IdError::Name($what));
                }
                Ok(Self { nation, text: text.into() })
            }

            /// The nation that it belongs to.
            pub fn nation(&self) -> Nation {
                self.nation
            }

            /// The part after the nation.
            pub fn name(&self) -> &str {
                self.text.split_once('/').map_or("", |(_, name)| name)
            }

            /// `nation/name`.
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

qualified!(
    /// One environment: one running deployment of a supplier's software, with keys of its own.
    TenantId,
    "a tenant id"
);
qualified!(
    /// An address that a referral is sent to, as the directory names it.
    ServiceId,
    "a service id"
);
qualified!(
    /// A person with a key who may cut, review and restore.
    OperatorId,
    "an operator id"
);

qualified!(
    /// A cut, as its maker named it: the nation is the maker's, and only that nation can end it.
    CutId,
    "a cut id"
);

impl TenantId {
    /// As it appears in topic names, where `/` is not allowed. No name holds `.`, so it stays unique.
    pub fn topic_part(&self) -> String {
        self.text.replace('/', ".")
    }
}

/// The company whose software a tenant runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SupplierId(Arc<str>);

impl SupplierId {
    /// Reads a supplier's name.
    ///
    /// # Errors
    /// When it is not 1 to 63 characters of `a-z 0-9 -`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(IdError::Name("a supplier id")) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SupplierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The largest, in bytes.
            pub const MAX: usize = 255;

            /// Reads the text as it came.
            ///
            /// # Errors
            /// When it is empty, longer than 255 bytes or holds control characters.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if (1..=Self::MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError::Text { what: $what, max: Self::MAX })
                }
            }

            /// The text as it came.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// The sender's own id of a message, kept on a retry.
    MessageId,
    "a message id"
);
text_id!(
    /// The BaRS correlation id, or RF1-6 with its authority.
    CaseId,
    "a case id"
);

/// An address as a protocol writes it: a code system and a value in it.
///
/// Systems are compared without case, without scheme and without a trailing slash, because published
/// examples vary in all three (BaRS guide, examples).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAddress {
    system: String,
    value: String,
}

impl ServiceAddress {
    /// An address; an empty system means a service id of the directory.
    ///
    /// # Errors
    /// When the value is empty, or either is longer than 255 bytes or holds control characters.
    pub fn parse(system: &str, value: &str) -> Result<Self, IdError> {
        let printable = |text: &str| text.len() <= 255 && !text.chars().any(char::is_control);
        if value.is_empty() || !printable(value) || !printable(system) {
            return Err(IdError::Text { what: "a service address", max: 255 });
        }
        Ok(Self { system: system.to_owned(), value: value.to_owned() })
    }

    /// The code system as it came; empty for a service id.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The value in that system.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What two spellings of one address have in common: the directory's key.
    pub fn key(&self) -> (String, String) {
        let system = self.system.to_ascii_lowercase();
        let system =
            system.strip_prefix("https://").or_else(|| system.strip_prefix("http://")).unwrap_or(&system);
        (system.trim_end_matches('/').to_owned(), self.value.to_ascii_uppercase())
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.system.is_empty() {
            f.write_str(&self.value)
        } else {
            write!(f, "{}|{}", self.system, self.value)
        }
    }
}

/// Derived from tenant and message id, so that a retry gets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferralId(uuid::Uuid);

impl ReferralId {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x7b1e_0d52_6a57_4c39_9a3e_4cbb_51c4_0e11);

    /// The id of the referral that this tenant sent under this message id.
    pub fn derive(tenant: &TenantId, message: &MessageId) -> Self {
        Self::named(&[tenant.as_str().as_bytes(), message.as_str().as_bytes()])
    }

    /// The id of an item of its own for a record that cannot be a referral: a conflict, an unreadable record.
    pub fn of_record(topic: &str, partition: u32, offset: u64) -> Self {
        Self::named(&[b"record", topic.as_bytes(), &partition.to_be_bytes(), &offset.to_be_bytes()])
    }

    fn named(parts: &[&[u8]]) -> Self {
        let mut name = Vec::new();
        for part in parts {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part);
        }
        Self(uuid::Uuid::new_v5(&Self::NAMESPACE, &name))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is not a UUID.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::parse_str(text).map(Self).map_err(|_| IdError::Referral)
    }

    /// Reads the 16 bytes of a wire record.
    ///
    /// # Errors
    /// When there are not 16.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        uuid::Uuid::from_slice(bytes).map(Self).map_err(|_| IdError::Referral)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ReferralId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is kept in order: origin tenant, service addressed, case id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseKey {
    /// The sender.
    pub tenant: TenantId,
    /// The service addressed, as the directory's key when it is known there.
    pub service: String,
    /// The case id; a referral without one is a case of its own.
    pub case: CaseId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::{any_nation, cases};

    #[test]
    fn qualified_ids_parse_or_say_why() {
        assert_eq!(TenantId::parse("wales/wast-111").map(|t| t.nation()), Ok(Nation::Wales));
        assert_eq!(TenantId::parse("wales"), Err(IdError::NotQualified("a tenant id")));
        assert_eq!(TenantId::parse("france/x"), Err(IdError::Nation));
        assert_eq!(TenantId::parse("wales/UPPER"), Err(IdError::Name("a tenant id")));
        assert_eq!(TenantId::parse("wales/"), Err(IdError::Name("a tenant id")));
        assert_eq!(TenantId::parse("wales/a/b"), Err(IdError::Name("a tenant id")));
    }

    #[test]
    fn a_retry_gets_the_same_id_and_parts_do_not_run_together() {
        let tenant = TenantId::parse("england/a").unwrap();
        let other = TenantId::parse("england/ab").unwrap();
        let message = |text| MessageId::parse(text).unwrap();
        assert_eq!(ReferralId::derive(&tenant, &message("m")), ReferralId::derive(&tenant, &message("m")));
        assert_ne!(ReferralId::derive(&tenant, &message("bm")), ReferralId::derive(&other, &message("m")));
    }

    #[test]
    fn spellings_of_one_address_have_one_key() {
        let a = ServiceAddress::parse("https://fhir.nhs.uk/Id/dos-service-id", "2000011147").unwrap();
        let b = ServiceAddress::parse("http://fhir.nhs.uk/id/dos-service-id/", "2000011147").unwrap();
        assert_eq!(a.key(), b.key());
        assert!(ServiceAddress::parse("x", "").is_err());
    }

    /// Ids lie in logs: a release that derived another would take every retry for a new referral.
    #[test]
    fn a_derived_id_never_changes() {
        let tenant = TenantId::parse("england/nhs111-north").unwrap();
        let message = MessageId::parse("3f1c2e6a-9a51-4b1e-8d35-0c9a7be1f001").unwrap();
        assert_eq!(ReferralId::derive(&tenant, &message).to_string(), "eabd1438-5601-51bd-a2cc-bec6579a50cb");
        assert_eq!(
            ReferralId::of_record("in.england.nhs111-north", 0, 41).to_string(),
            "170fded2-2505-51d3-a346-86cf10eebbe9"
        );
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-z0-9-]{1,63}"
    }

    fn qualified() -> impl Strategy<Value = String> {
        (any_nation(), name()).prop_map(|(nation, name)| format!("{nation}/{name}"))
    }

    /// What is nearly an id: right, or with one thing wrong.
    fn nearly() -> impl Strategy<Value = String> {
        prop_oneof![
            qualified(),
            name(),
            ".{0,12}",
            (qualified(), any::<prop::sample::Index>(), "[A-Z /._\u{e9}]").prop_map(|(id, at, odd)| {
                let at = at.index(id.len() + 1);
                format!("{}{odd}{}", &id[..at], &id[at..])
            }),
            any_nation().prop_map(|nation| format!("{nation}/{}", "a".repeat(64))),
        ]
    }

    fn is_qualified(text: &str) -> bool {
        let Some((nation, name)) = text.split_once('/') else { return false };
        ["england", "wales", "scotland", "northern-ireland"].contains(&nation)
            && (1..=63).contains(&name.len())
            && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    }

    proptest! {
        #![proptest_config(cases(1_000))]

        #[test]
        fn what_is_parsed_is_written_as_it_came(text in nearly()) {
            let parsed = TenantId::parse(&text);
            prop_assert_eq!(parsed.is_ok(), is_qualified(&text));
            prop_assert_eq!(ServiceId::parse(&text).is_ok(), is_qualified(&text));
            prop_assert_eq!(OperatorId::parse(&text).is_ok(), is_qualified(&text));
            prop_assert_eq!(SupplierId::parse(&text).is_ok(), is_qualified(&format!("wales/{text}")));
            if let Ok(id) = parsed {
                prop_assert_eq!(id.to_string(), text.clone());
                prop_assert_eq!(format!("{}/{}", id.nation(), id.name()), text.clone());
                prop_assert_eq!(text.parse::<TenantId>(), Ok(id.clone()));
                prop_assert_eq!(id.topic_part(), format!("{}.{}", id.nation(), id.name()));
            }
        }

        #[test]
        fn the_senders_own_ids_are_1_to_255_printable_bytes(text in prop_oneof![
            ".{0,40}", "[ -~]{250,260}", "[a-z\n\t\u{7f}\u{85}]{1,6}", "\u{e9}{126,129}",
        ]) {
            let allowed = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
            prop_assert_eq!(MessageId::parse(&text).is_ok(), allowed);
            prop_assert_eq!(CaseId::parse(&text).is_ok(), allowed);
            prop_assert_eq!(ServiceAddress::parse("", &text).is_ok(), allowed);
            if let Ok(id) = MessageId::parse(&text) {
                prop_assert_eq!(id.as_str(), text);
            }
        }

        #[test]
        fn an_error_never_repeats_the_text(text in "[A-Z]{8,40}") {
            let errors = [
                TenantId::parse(&text).unwrap_err(),
                TenantId::parse(&format!("wales/{text}")).unwrap_err(),
                MessageId::parse(&format!("{text}\n")).unwrap_err(),
                ServiceAddress::parse(&format!("{text}\n"), "1").unwrap_err(),
                ReferralId::parse(&text).unwrap_err(),
            ];
            for error in errors {
                prop_assert!(!error.to_string().contains(&text));
            }
        }

        #[test]
        fn a_referral_id_is_read_again(tenant in qualified(), message in "[!-~]{1,40}", offset in any::<u64>()) {
            let tenant = TenantId::parse(&tenant).unwrap();
            let message = MessageId::parse(&message).unwrap();
            for id in [
                ReferralId::derive(&tenant, &message),
                ReferralId::of_record(message.as_str(), 0, offset),
            ] {
                prop_assert_eq!(ReferralId::parse(&id.to_string()), Ok(id));
                prop_assert_eq!(ReferralId::from_slice(id.as_bytes()), Ok(id));
                prop_assert!(ReferralId::from_slice(&id.as_bytes()[1..]).is_err());
            }
        }

        #[test]
        fn case_scheme_and_a_trailing_slash_make_no_other_address(
            rest in "[A-Za-z0-9./-]{1,20}", value in "[A-Za-z0-9]{1,10}", scheme in 0..3_usize, slash in any::<bool>(),
        ) {
            let spelt = |system: String, value: &str| ServiceAddress::parse(&system, value).unwrap().key();
            let scheme = ["", "http://", "HTTPS://"][scheme];
            let other = format!("{scheme}{}{}", rest.to_ascii_uppercase(), if slash { "/" } else { "" });
            prop_assert_eq!(spelt(rest, &value), spelt(other, &value.to_ascii_lowercase()));
        }
    }
}
