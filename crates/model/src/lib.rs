//! Tenants, referrals, lifecycle, cuts, and the pure decisions about them.
//!
//! Nothing here does I/O or reads a clock: a decision takes facts and `now` and says what to do; the
//! loops in other crates do it. Ids can only be made by parsing, so what exists is valid.

mod admission;
mod aside;
mod claim;
mod cut;
mod cut_course;
mod cuts;
mod deadline;
mod directory;
mod envelope;
mod event;
mod fallback;
mod fault;
mod gate;
mod id;
mod lane;
mod lifecycle;
mod order;
mod pace;
mod patient_number;
mod payload;
mod presence;
mod pulse;
mod reason;
mod referral;
mod room;
mod route;
#[cfg(test)]
mod samples;
mod state;

pub use admission::{Admitted, Arrival, Known, NotAdmitted, admit};
pub use claim::{Claim, ClaimBook, SHARDS, shard_of};
pub use cut::{Cut, CutFact, Direction, FactId, Moment, Scope, Stamp, Step, Word};
pub use cut_course::{CutCourse, Heard, Opening, Stage, Taken, WITHDRAWABLE};
pub use cuts::Cuts;
pub use deadline::{Due, due};
pub use directory::{
    Directory, DirectoryError, OnDeadline, Operator, Protocol, Quota, Service, Supplier, Tenant,
};
pub use envelope::{Digest, Envelope, InvalidEnvelope, Kind};
pub use event::{Event, Numbered, Place};
pub use fallback::{BadHours, Span, TakesOver, Wanted, fallback};
pub use fault::Fault;
pub use gate::{Answer, Provenance};
pub use id::{
    CaseId, CaseKey, CutId, IdError, MessageId, Nation, OperatorId, ReferralId, ServiceAddress, ServiceId,
    SupplierId, TenantId,
};
pub use lane::{Lane, Priority};
pub use lifecycle::{Diversion, Illegal, Lifecycle, There};
pub use order::{Order, Ordered};
pub use pace::Pace;
pub use patient_number::{NumberKind, NumberWarning, PatientNumber};
pub use payload::Payload;
pub use presence::Presence;
pub use pulse::{AuditHead, CLOCK_TOLERANCE, GONE_AFTER, Member, Pulse, Pulses};
pub use reason::{Code, Reason};
pub use referral::{Referral, Verdict};
pub use route::{Decision, Facts, decide};
pub use state::State;
