//! What a receiver does with what the sidecar brings: check it, keep it, answer.

pub(crate) mod bars;
pub(crate) mod bars_answer;
pub(crate) mod bars_read;
pub(crate) mod mllp;
