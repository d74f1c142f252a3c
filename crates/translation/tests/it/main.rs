//! Translations as a whole: round trips, public samples, planted texts, answers, refusals.

mod answers;
mod edits;
mod envelopes;
mod planted;
mod refusals;
mod round_trips;
mod samples;
mod support;
