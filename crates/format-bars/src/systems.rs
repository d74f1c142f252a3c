//! The code and identifier systems of BaRS, and when two addresses mean the same one.
//!
//! The same system is written in several ways in the guide's own examples: `http` and `https`, `/Id/` and
//! `/id/`, `pathways-dx-code` and `pathways-dx-codes`. They are compared without scheme and case, and the
//! known variants are aliases. What is written is always the canonical form.

macro_rules! systems {
    ($($(#[$doc:meta])* $name:ident = $canonical:literal $(, $alias:literal)* ;)+) => {
        /// A system of codes or identifiers that BaRS messages use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum System { $($(#[$doc])* $name,)+ }

        impl System {
            /// Every system.
            pub const ALL: &'static [System] = &[$(Self::$name),+];

            /// The canonical form, the one to write.
            pub fn uri(self) -> &'static str {
                match self { $(Self::$name => $canonical,)+ }
            }

            fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($alias),*],)+ }
            }
        }
    };
}

systems! {
    /// Events of messages.
    MessageEvent = "https://fhir.nhs.uk/CodeSystem/message-events-bars",
        "https://fhir.nhs.uk/CodeSystem/message-event-bars", "https://fhir.nhs.uk/CodeSystem/message-event-servicerequest";
    /// Reasons of messages: new, update, delete.
    MessageReason = "https://fhir.nhs.uk/CodeSystem/message-reason-bars",
        "https://fhir.nhs.uk/CodeSystem/message-reason-servicerequest";
    /// Referral or validation.
    MessageCategory = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest";
    /// Use cases, such as a1t10, 111 to urgent and emergency care.
    UseCase = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars",
        "https://fhir.nhs.uk/CodeSystem/usecase-categories-bars";
    /// NHS Pathways dispositions, the Dx codes.
    Dx = "https://fhir.nhs.uk/CodeSystem/pathways-dx-codes", "https://fhir.nhs.uk/CodeSystem/pathways-dx-code";
    /// NHS Pathways symptom discriminators.
    Sd = "https://fhir.nhs.uk/CodeSystem/pathways-sd-codes", "https://fhir.nhs.uk/CodeSystem/pathways-sd-code",
        "https://fhir.nhs.uk/CodeSystem/sd-codes";
    /// NHS Pathways symptom groups.
    Sg = "https://fhir.nhs.uk/CodeSystem/pathways-sg-codes", "https://fhir.nhs.uk/CodeSystem/pathways-sg-code";
    /// NHS Pathways pathways.
    Pathway = "https://fhir.nhs.uk/CodeSystem/pathways-pathway-codes",
        "https://fhir.nhs.uk/CodeSystem/pathways-pathway-code";
    /// Ambulance categories C1 to C5.
    Arp = "https://fhir.nhs.uk/CodeSystem/arp-priority-codes", "https://fhir.nhs.uk/CodeSystem/arp-priority-code";
    /// Categories of flags, such as SG and SS.
    FlagCategory = "https://fhir.nhs.uk/CodeSystem/flag-categories-bars";
    /// Why a request was rejected.
    RejectedReason = "https://fhir.nhs.uk/CodeSystem/rejected-reasons-bars";
    /// Error codes.
    ErrorCode = "https://fhir.nhs.uk/Codesystem/http-error-codes";
    /// Services of the Directory of Services.
    DosServiceId = "https://fhir.nhs.uk/Id/dos-service-id", "https://fhir.nhs.uk/CodeSystem/dos-id";
    /// Organisations by ODS code.
    OdsOrganization = "https://fhir.nhs.uk/Id/ods-organization-code";
    /// NHS numbers.
    NhsNumber = "https://fhir.nhs.uk/Id/nhs-number";
    /// Roles of practitioners in the Spine Directory Service.
    SdsRole = "https://fhir.nhs.uk/Id/sds-role-profile-id";
    /// Welsh organisations, as NWRI writes them.
    WalesOrganization = "https://wrds.wales.nhs.uk/Secondary-Care/Organisations/NHS-Wales-Organisations";
    /// Other organisations, as NWRI writes them.
    WalesUkOrganization = "https://wrds.wales.nhs.uk/Secondary-Care/Organisations/UK-NHS-Organisations";
}

impl System {
    /// Whether the address means this system.
    pub fn is(self, uri: &str) -> bool {
        same(self.uri(), uri) || self.aliases().iter().any(|alias| same(alias, uri))
    }

    /// The system that an address means, if it is one of ours.
    pub fn of(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|system| system.is(uri))
    }
}

/// Whether two addresses are equal but for scheme, case and a final slash.
pub fn same(a: &str, b: &str) -> bool {
    bare(a).eq_ignore_ascii_case(bare(b))
}

fn bare(uri: &str) -> &str {
    let uri = uri.trim();
    let after = uri
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    after.map_or(uri, |(_, rest)| rest).trim_end_matches('/')
}

/// A service or organisation as `system|value`, the form of an endpoint in a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// The system, as it was written.
    pub system: String,
    /// The value: a string, never a number.
    pub value: String,
}

impl Identifier {
    /// An identifier of a service in the Directory of Services.
    pub fn dos(value: &str) -> Self {
        Self { system: System::DosServiceId.uri().to_owned(), value: value.to_owned() }
    }

    /// Reads `system|value`.
    pub fn parse(text: &str) -> Option<Self> {
        let (system, value) = text.trim().split_once('|')?;
        let (system, value) = (system.trim(), value.trim());
        (!system.is_empty() && !value.is_empty()).then(|| Self { system: system.into(), value: value.into() })
    }

    /// Whether both mean the same: the same system, however it is written, and the same value.
    pub fn same(&self, other: &Self) -> bool {
        let systems = match (System::of(&self.system), System::of(&other.system)) {
            (Some(a), Some(b)) => a == b,
            _ => same(&self.system, &other.system),
        };
        systems && self.value.trim() == other.value.trim()
    }
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}|{}", self.system, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_mean_the_same_system() {
        assert!(System::DosServiceId.is("http://fhir.nhs.uk/Id/dos-service-id"));
        assert!(System::DosServiceId.is("https://fhir.nhs.uk/id/dos-service-id"));
        assert!(System::OdsOrganization.is("https://fhir.nhs.uk/id/ods-organization-code"));
        assert!(System::Dx.is("https://fhir.nhs.uk/CodeSystem/pathways-dx-code"));
        assert!(System::ErrorCode.is("https://fhir.nhs.uk/CodeSystem/http-error-codes"));
        assert!(System::UseCase.is("https://fhir.nhs.uk/CodeSystem/usecase-categories-bars"));
        assert!(!System::Dx.is("https://fhir.nhs.uk/CodeSystem/pathways-sd-codes"));
        assert!(!System::NhsNumber.is("urn:uuid:nhs-number"));
    }

    #[test]
    fn every_system_is_itself_only() {
        for system in System::ALL {
            assert_eq!(System::of(system.uri()), Some(*system));
        }
    }

    #[test]
    fn identifiers() {
        let id = Identifier::parse("http://fhir.nhs.uk/id/dos-service-id|2000011147").expect("an identifier");
        assert!(id.same(&Identifier::dos("2000011147")));
        assert!(!id.same(&Identifier::dos("02000011147")));
        assert_eq!(Identifier::parse("https://bars.wales.nhs.uk"), None);
        assert_eq!(Identifier::parse("|1"), None);
    }
}
