//! Who and what a referral names: authorities, and the identifiers of the referral, the patient and the message.

use std::fmt;

use crate::Message;
use crate::view::{Component, Field, Repetition};

/// A hierarchic designator: who assigned an identifier, or which application or facility (HD).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The local name.
    pub namespace: String,
    /// The universal id, such as an OID.
    pub universal_id: String,
    /// What kind of universal id that is.
    pub universal_id_type: String,
}

/// RF1-6, the originating referral identifier (EI): what a case is followed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReferralId {
    /// The identifier.
    pub value: String,
    /// Who assigned it.
    pub authority: Authority,
    /// A fifth component, which EI does not have and TrakCare in Scotland sends (`24029171^^^^REFID`).
    pub kind: String,
}

/// An identifier of the patient (CX): PID-3.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The identifier as it is written.
    pub value: String,
    /// CX-4. HL7 UK A.3 demands it, systems in Wales leave it out at times.
    pub authority: Authority,
    /// CX-5, such as `NH`, `MR` or `PI`.
    pub kind: String,
}

/// What makes a message the same message again: MSH-3, MSH-4, MSH-10 and MSH-7 together, because counters restart
/// after a rebuild. Each is the text of the whole field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// MSH-3.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-7 as it is written.
    pub created: String,
}

impl Authority {
    /// The local name, or the universal id where there is none.
    pub fn name(&self) -> &str {
        if self.namespace.is_empty() { &self.universal_id } else { &self.namespace }
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.name().is_empty()
    }

    pub(super) fn field(field: Field<'_>) -> Self {
        Self::components([1, 2, 3].map(|number| field.component(number)))
    }

    fn components(parts: [Component<'_>; 3]) -> Self {
        let [namespace, universal_id, universal_id_type] =
            parts.map(|part| part.value().unwrap_or_default().into_owned());
        Self { namespace, universal_id, universal_id_type }
    }

    /// As a component of another type, where its own parts are subcomponents.
    fn subcomponents(component: Component<'_>) -> Self {
        let [namespace, universal_id, universal_id_type] =
            [1, 2, 3].map(|number| component.subcomponent(number).value().unwrap_or_default().into_owned());
        Self { namespace, universal_id, universal_id_type }
    }
}

impl ReferralId {
    /// RF1-6 of `message`, if it has a value.
    pub fn of(message: &Message) -> Option<Self> {
        let field = message.field("RF1", 6);
        Some(Self {
            value: field.component(1).value()?.into_owned(),
            authority: Authority::components([2, 3, 4].map(|number| field.component(number))),
            kind: field.component(5).value().unwrap_or_default().into_owned(),
        })
    }
}

impl Identifier {
    pub(super) fn read(cx: Repetition<'_>) -> Option<Self> {
        Some(Self {
            value: cx.component(1).value()?.into_owned(),
            authority: Authority::subcomponents(cx.component(4)),
            kind: cx.component(5).value().unwrap_or_default().into_owned(),
        })
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifier")
            .field("authority", &self.authority)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The identity of `message`.
    pub fn of(message: &Message) -> Self {
        let text = |number| message.header().field(number).text().into_owned();
        Self {
            sending_application: text(3),
            sending_facility: text(4),
            control_id: text(10),
            created: text(7),
        }
    }
}
