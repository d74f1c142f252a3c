//! The operators' and integrators' commands, as a library for the binary.
//!
//! ```text
//! arguments ─▶ commands::<name> ─▶ context (which world, whose keys) ─▶ cell (gRPC) ─▶ view ─▶ screen
//! ```
//!
//! A command gathers data, a pure function renders it, and [`Screen`] alone prints: data to stdout, talk to
//! stderr. How a command ends is an [`Exit`].

pub mod cell;
pub mod commands;
pub mod context;
mod desk;
mod error;
mod exit;
mod global;
pub mod pages;
#[cfg(test)]
mod samples;
mod screen;
mod table;
pub mod time;
pub mod view;

pub use commands::{Command, execute, run};
pub use error::Error;
pub use exit::{EXIT_CODES, Exit};
pub use global::{Color, Global, Output};
pub use screen::{Paint, Screen};
