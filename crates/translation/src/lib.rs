//! Translation between BaRS messages and HL7 v2 referrals, as pure functions.
//!
//! A payload reaches the receiving sidecar byte for byte as it came; only there, and only where its system
//! speaks something else, is a new document made from it. Nothing clinical is invented on the way, and
//! nothing disappears in silence: what the target has no place for is named in [`Translated::omissions`], and
//! its text goes into the target's notes, under a first line that says so to the reader.
//!
//! ```text
//! BaRS Document ── read ──> Content ── write ──> REF Message          each `Profile` says what its peer shows;
//! REF Message   ── read ──> Content ── write ──> BaRS Document        what must be shown and cannot be refuses
//! REF Message   ─────────── edit ─────────────> REF Message           the whole: `Untranslatable`
//! BaRS Document ─────────── edit ─────────────> BaRS Document
//! either    ── edit ──> either                         diverted: the outer address, and where it was for
//!                   └── audit: every text of the source is in the target, or its item is named
//! ```
//!
//! Sources named in the documentation: "BaRS guide" is the live implementation guide 1.12.0, "HL7 v2.5
//! section n" the standard, "table nnnn" an HL7 table, "HL7 UK A.3" the British profile of v2.4, "the DHCW
//! guide" NHS Wales's ORU_R01 v2.5.1 guide, "NWRI" DHCW's NWRI-eReferrals-Service-App, "TrakCare page" the
//! public page on TrakCare's referral messages in Scotland. `docs/guides/translation.md` has the tables.

mod answer;
mod audit;
mod bars_to_bars;
mod bars_to_ref;
mod content;
mod envelope;
mod facts;
mod ids;
mod must_show;
mod notes;
mod profile;
pub mod profiles;
mod read_bars;
mod read_ref;
mod readdressed;
mod ref_to_bars;
mod ref_to_ref;
mod shown;
mod stamp;
pub mod tables;
mod times;
mod translated;
mod urgency;
mod write_bars;
mod write_ref;

pub use answer::{Clinical, ClinicalDecision, clinical_answer, clinical_answer_of_bars};
pub use bars_to_bars::bars_to_bars;
pub use bars_to_ref::bars_to_ref;
pub use envelope::{EnvelopeFacts, envelope_of_bars, envelope_of_ref};
pub use ids::{
    bundle_id, case_id_of_ref, control_id, correlation_id, message_id_of_bars, message_id_of_ref, request_id,
    service_request_id,
};
pub use must_show::{check_bars, check_ref};
pub use profile::{Attach, BarsProfile, Place, Profile, Shown, Shows, Target};
pub use profiles::profile_for;
pub use readdressed::{readdress_bars, readdress_ref};
pub use ref_to_bars::ref_to_bars;
pub use ref_to_ref::ref_to_ref;
pub use shown::view_of;
pub use stamp::{Original, Party, Remembered, Stamp};
pub use translated::{Item, Translated, Untranslatable};
pub use urgency::{deadline_of, priority_of_bars, priority_of_ref};
