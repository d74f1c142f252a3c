//! The state of each referral, derived from the log.
//!
//! The ledger is one SQLite file a node. A [`Follower`] reads all partitions of `events.<nation>` and keeps the file
//! up to date; a [`Ledger`] answers from it. Nothing in it is a truth of its own: delete the file and it is made
//! again from the log.
//!
//! What counts is decided in `model`: the claim book says which events count, the fold says what they make of a
//! referral. This crate stores, refolds and finds.

mod account;
mod arrival;
mod aside;
mod batch;
mod case;
mod cases;
mod columns;
mod copy;
mod cursor;
mod error;
mod fold;
mod follow;
mod handle;
mod intervals;
mod lives;
mod marks;
mod published;
mod query;
mod recent;
mod row;
mod schema;
mod show;
mod stops;
mod store;
mod unsettled;
mod waiting;
mod writer;

#[cfg(test)]
mod tests;

pub use case::case_key;
pub use copy::{Copied, copy};
pub use cursor::Cursor;
pub use error::{Error, Unfit};
pub use follow::Follower;
pub use handle::{Config, Ledger};
pub use row::{
    AlertCode, AlertCount, AsideCount, Change, Count, Filter, Listed, Row, Skip, Step, Touched, Waiting,
};
pub use show::referral_to_wire;
pub use stops::Stop;
pub use unsettled::weight;
