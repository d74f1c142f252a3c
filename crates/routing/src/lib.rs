//! Reads, decides, keeps tenants apart, delivers, records.
//!
//! The route of a referral through a cell, in the order in which to read: `owner` is the node's loop, `shards` claims
//! what the log assigns and starts what belongs to it; `router` takes records from `in.<tenant>` and decides;
//! `hand_over` offers what waits in `out.<tenant>` to the tenant's sidecar, and `notices`
//! tells it what became of what it sent; `courier` carries what waits at
//! the border to the other nation's `door`; `deadlines` acts when time runs out. Everything that is decided
//! goes through the `journal`: one event, under the owner's claim.

mod abreast;
mod board;
mod bytes_of;
mod config;
mod courier;
mod crash;
mod deadlines;
mod delivery;
mod door;
mod error;
mod fallback;
mod flight;
mod fresh;
mod gate;
mod hand_over;
mod journal;
mod last_frame;
mod layers;
mod notices;
mod orders;
mod owner;
mod paces;
mod recalls;
mod router;
mod service_notices;
mod settle;
mod shards;
mod source;
mod stands;
mod streams;
mod sweep;

pub use board::Board;
pub use config::{Config, FarCell};
pub use crash::CrashBetweenAppends;
pub use delivery::DeliveryService;
pub use door::DoorService;
pub use error::Error;
pub use layers::{Layer, Layers};
pub use owner::{Parts, Routing};
