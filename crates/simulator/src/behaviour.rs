//! How a simulator answers: as a good receiver does, or as it was told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The longest delay that can be asked for.
const LONGEST_DELAY_MS: u64 = 600_000;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// What is good is kept and accepted.
    #[default]
    Accept,
    /// A refusal that is for good: BaRS 422, MLLP AR or CR.
    Reject,
    /// A refusal for now: BaRS 503, MLLP AE or CE.
    Retry,
    /// Nothing, and the connection stays open.
    Silent,
    /// Nobody listens: connections are cut and refused.
    Down,
    /// Nothing, and the connection is closed.
    Close,
}

/// How messages are answered from now on. A restart returns to the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// What is answered.
    pub answer: Answer,
    /// How long each answer takes. What is accepted is kept before, not after.
    pub delay_ms: u64,
    /// Only this many messages; then everything is accepted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Only the message with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// With `silent` and `close`: the message is kept all the same, and only the answer is lost.
    pub store: bool,
    /// An update or a cancellation of what was never received is refused.
    pub strict: bool,
}

impl Behaviour {
    /// A behaviour that only answers so.
    pub fn of(answer: Answer) -> Self {
        Self { answer, ..Self::default() }
    }

    /// The same for the next `count` messages only.
    #[must_use]
    pub fn next(self, count: u64) -> Self {
        Self { next: Some(count), ..self }
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let counted = self.next.is_some() || self.only.is_some();
        match self.answer {
            _ if self.delay_ms > LONGEST_DELAY_MS => Some("delay_ms is over ten minutes"),
            _ if self.next == Some(0) => Some("next is zero"),
            Answer::Down if counted => Some("down can neither count messages nor pick one"),
            Answer::Silent | Answer::Close => None,
            _ if self.store => Some("store belongs to silent and close"),
            _ => None,
        }
    }

    fn is_about(&self, message_id: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.eq_ignore_ascii_case(message_id))
    }
}

/// The behaviour in force.
#[derive(Debug, Default)]
pub(crate) struct Conduct(Mutex<Behaviour>);

impl Conduct {
    /// The behaviour in force, `next` counted down.
    pub(crate) fn behaviour(&self) -> Behaviour {
        self.lock().clone()
    }

    /// Puts another one in force.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.lock() = behaviour;
    }

    /// How the message that just arrived is answered; it counts as one of `next`.
    pub(crate) fn turn(&self, message_id: &str) -> Behaviour {
        let mut behaviour = self.lock();
        if !behaviour.is_about(message_id) {
            return Behaviour { strict: behaviour.strict, ..Behaviour::default() };
        }
        let turn = behaviour.clone();
        if let Some(left) = &mut behaviour.next {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *behaviour = Behaviour { strict: turn.strict, ..Behaviour::default() };
            }
        }
        turn
    }

    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        // A behaviour is replaced whole, so a panic elsewhere leaves it good to use.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_counts_down_and_ends() {
        let conduct = Conduct::default();
        conduct.set(Behaviour::of(Answer::Retry).next(2));
        let answers: Vec<_> = (0..3).map(|_| conduct.turn("m").answer).collect();
        assert_eq!(answers, [Answer::Retry, Answer::Retry, Answer::Accept]);
        assert_eq!(conduct.behaviour(), Behaviour::default());
    }

    #[test]
    fn only_one_message_is_met() {
        let conduct = Conduct::default();
        conduct.set(Behaviour { only: Some("B".into()), ..Behaviour::of(Answer::Reject).next(1) });
        let answers: Vec<_> = ["a", "b", "b"].map(|id| conduct.turn(id).answer).into();
        assert_eq!(answers, [Answer::Accept, Answer::Reject, Answer::Accept]);
    }

    #[test]
    fn it_is_read_from_json() {
        let read = |text: &str| serde_json::from_str::<Behaviour>(text);
        assert_eq!(read(r#"{"answer":"silent","next":3}"#).unwrap(), Behaviour::of(Answer::Silent).next(3));
        assert_eq!(read("{}").unwrap(), Behaviour::default());
        assert!(read(r#"{"answer":"maybe"}"#).is_err() && read(r#"{"anwser":"down"}"#).is_err());
        assert!(Behaviour::of(Answer::Down).next(1).fault().is_some());
        assert!(Behaviour { store: true, ..Behaviour::of(Answer::Reject) }.fault().is_some());
        assert_eq!(Behaviour { store: true, ..Behaviour::of(Answer::Close) }.fault(), None);
    }
}
