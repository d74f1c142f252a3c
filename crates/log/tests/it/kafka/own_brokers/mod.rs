//! What happens when brokers die, hang or do not let us in. Each of these starts brokers of its own.

mod access;
mod deaths;
mod frozen;
