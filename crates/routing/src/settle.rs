//! What a sidecar's outcome means: the event to write, given where the referral is.

use std::time::Duration;

use bulkhead_model::{Code, Digest, Event, Reason};
use bulkhead_wire::{reason_from_wire, v1};

/// Longest wait that a sidecar may ask for before the next offer.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// What to write and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) event: Event,
    /// Nothing more is expected for this delivery.
    pub(crate) is_final: bool,
    /// Not before this time has passed is it offered again.
    pub(crate) retry_after: Option<Duration>,
}

/// What the broker knows of the delivery.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) digest: Digest,
    pub(crate) inbox: &'a str,
    /// Badly answered offers so far.
    pub(crate) spent: u32,
    /// How many it may have.
    pub(crate) budget: u32,
}

/// A sidecar's words are kept in the events for ever: so many bytes of each, cut at a character.
const WORDS: usize = 256;

fn clipped(text: &str) -> String {
    let end = (0..=WORDS.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[..end].to_owned()
}

/// The event that an outcome is; none for an outcome that says nothing.
pub(crate) fn settle(outcome: &v1::Outcome, facts: &Facts<'_>) -> Option<Settlement> {
    use v1::outcome::Result as R;
    let attempt = outcome.attempt;
    let done = |event| Settlement { event, is_final: true, retry_after: None };
    let reason = |given: &Option<v1::Reason>, code| {
        let given = given.clone().map_or_else(|| Reason::new(code, "without a reason"), reason_from_wire);
        Reason { code: clipped(&given.code), text: clipped(&given.text) }
    };
    Some(match outcome.result.as_ref()? {
        R::Delivered(delivered) if delivered.digest != facts.digest.to_string() => done(Event::Parked {
            reason: Reason::new(Code::DigestMismatch, "the sidecar stored other bytes than were accepted"),
        }),
        R::Delivered(_) => Settlement {
            event: Event::Delivered { attempt, inbox: clipped(facts.inbox) },
            is_final: false,
            retry_after: None,
        },
        R::Retry(retry) if retry.spends_budget && facts.spent + 1 >= facts.budget => done(Event::Parked {
            reason: Reason::new(
                Code::BudgetSpent,
                format!("not taken {} times, last: {}", facts.budget, clipped(&retry.cause)),
            ),
        }),
        R::Retry(retry) => Settlement {
            event: Event::Retry { attempt, cause: clipped(&retry.cause), spends_budget: retry.spends_budget },
            is_final: false,
            retry_after: Some(Duration::from_millis(retry.after_ms.into()).min(LONGEST_RETRY)),
        },
        R::Refused(refused) => done(Event::Parked { reason: reason(&refused.reason, Code::ReceiverRefused) }),
        R::Acknowledged(acknowledged) => done(Event::Acknowledged {
            answer: clipped(&acknowledged.answer),
            omissions: acknowledged.omissions.iter().take(64).map(|name| clipped(name)).collect(),
        }),
        R::Rejected(rejected) => {
            done(Event::Rejected { reason: reason(&rejected.reason, Code::ReceiverRefused) })
        }
        R::Exhausted(exhausted) => {
            done(Event::Parked { reason: reason(&exhausted.reason, Code::BudgetSpent) })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: v1::outcome::Result, spent: u32) -> Settlement {
        let outcome = v1::Outcome { referral_id: String::new(), attempt: 3, result: Some(result) };
        let facts = Facts { digest: Digest::new([7; 32]), inbox: "i", spent, budget: 4 };
        settle(&outcome, &facts).unwrap()
    }

    #[test]
    fn a_budget_is_spent_only_by_what_spends_it() {
        let retry = |spends_budget| {
            v1::outcome::Result::Retry(v1::Retry { after_ms: 10, cause: "AE".into(), spends_budget })
        };
        assert!(matches!(check(retry(true), 2).event, Event::Retry { .. }));
        assert!(matches!(check(retry(true), 3).event, Event::Parked { .. }));
        assert!(matches!(check(retry(false), 99).event, Event::Retry { .. }));
    }

    #[test]
    fn a_sidecars_words_are_bounded() {
        let answer = "ŵ".repeat(10_000);
        let acknowledged = v1::Acknowledged { answer, omissions: vec!["x".repeat(9_000); 90], repeat: false };
        let settlement = check(v1::outcome::Result::Acknowledged(acknowledged), 0);
        let Event::Acknowledged { answer, omissions } = settlement.event else { panic!("not acknowledged") };
        assert!(
            answer.len() <= WORDS
                && omissions.len() == 64
                && omissions.iter().all(|name| name.len() <= WORDS)
        );
    }

    #[test]
    fn other_bytes_are_never_called_delivered() {
        let wrong = v1::outcome::Result::Delivered(v1::Delivered { digest: "00".into() });
        assert!(matches!(check(wrong, 0).event, Event::Parked { .. }));
        let right = v1::Delivered { digest: Digest::new([7; 32]).to_string() };
        assert!(matches!(check(v1::outcome::Result::Delivered(right), 0).event, Event::Delivered { .. }));
    }
}
