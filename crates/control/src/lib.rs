//! Authority: the control log of a nation, followed by every node, and what an operator appends to it.
//!
//! ```text
//! directory.toml ── publish_directory ──▶ control.<nation> ── Follower ──▶ Arc<Directory>, Arc<Cuts>
//! ```
//!
//! The directory is the first fact of authority. Commands that cut and restore will be facts of the same
//! log, followed by the same [`Follower`].

mod apply;
mod directory_file;
mod error;
mod fact;
mod follow;
mod place;
mod pulse;
mod shape;

pub use apply::{Published, publish_directory};
pub use directory_file::parse_directory;
pub use error::Error;
pub use follow::{Follower, Following};
pub use place::FileError;
pub use pulse::{DEFAULT_INTERVAL, Pulse, PulseConfig};
