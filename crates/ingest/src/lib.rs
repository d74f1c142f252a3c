//! The tenants' door: a referral is admitted and appended here, and here its sender asks where it is.
//!
//! ```text
//! certificate ─▶ caller ─▶ compartment's limits ─▶ envelope, digest ─▶ known? ─▶ admit ─▶ in.<tenant> ─▶ gate ─▶ "accepted"
//!                                                                       │                    │
//!                                                               recent, ledger ◀────── recent, until the ledger shows it
//! ```
//!
//! Start reading at `service.rs`, then `submit.rs`. What a sender was told is durable is in the log; what it
//! asks for is answered from the ledger, and from `recent` while the ledger is a moment behind.

mod admit;
mod caller;
mod cases;
mod compartment;
mod config;
mod cut_status;
mod cut_watch;
mod doubts;
mod limits;
mod lookup;
mod meters;
mod next;
mod probation;
mod recent;
mod referrals;
mod service;
mod show;
mod status;
mod stream;
mod submit;
mod watch;
mod withdraw;

pub use caller::{allowance, policy, sever};
pub use config::Config;
pub use probation::{Flood, OnFlood};
pub use service::{Parts, Service};
