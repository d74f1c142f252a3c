//! Translations as a whole: round trips, public samples, planted texts, answers, refusals.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod envelopes;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod support;
