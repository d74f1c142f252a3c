//! Mutual TLS and HTTP/2 windows, alike on both ends of every gRPC connection.
//!
//! A server builds an [`Acceptor`], serves its [`Incoming`] with the [`server()`] builder, and asks
//! [`peer()`] at every call who is calling. A client builds a [`Dialer`]. Who may do what is decided
//! elsewhere: this crate only says who it is, and closes a connection on demand.
//!
//! ```text
//! Dialer ── TLS 1.3, both certificates ──▶ Acceptor ─▶ Incoming ─▶ tonic ─▶ peer(request)
//!                                             │                                  │
//!                                             └─▶ Connections::sever         Policy: revoked? unknown?
//! ```

mod acceptor;
mod client;
mod connection;
mod credential;
mod doorkeeper;
mod error;
mod identity;
mod peer;
mod server;
mod tls;
mod verifier;
mod windows;

pub use acceptor::{Acceptor, Allowance, Config, Incoming, Limits};
pub use client::{Dialer, tls_alert};
pub use connection::{Connection, Connections};
pub use credential::{Credential, Credentials, Fingerprint, NotAFingerprint};
pub use error::Error;
pub use identity::{Identity, NotAnIdentity};
pub use peer::{Peer, Policy, Refusal, admit_all, peer};
pub use server::server;
pub use windows::{CONNECTION_WINDOW, MAX_FRAME, MAX_MESSAGE, NOTICED_AFTER, STREAM_WINDOW};
