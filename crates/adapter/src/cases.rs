//! What waits, in order within its case and by urgency among cases.
//!
//! Of each case one at a time is taken, the oldest first; cases are taken by their most urgent member, so a more
//! urgent referral lifts those before it in its case. Both directions of a sidecar wait in one of these.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use bulkhead_model::Lane;

/// A case's place among those that may be taken: urgency, then age of its oldest.
type Turn = (u32, u64);

/// Waiting tickets. A ticket is a number that rises with arrival.
#[derive(Debug)]
pub(crate) struct Cases<K> {
    cases: HashMap<K, Case>,
    keys: HashMap<u64, K>,
    turns: BTreeSet<Turn>,
}

#[derive(Debug, Default)]
struct Case {
    waiting: BTreeMap<u64, Lane>,
    /// Its oldest was taken and is not done, or it is set aside.
    busy: bool,
}

impl Case {
    fn turn(&self) -> Option<Turn> {
        let oldest = *self.waiting.keys().next()?;
        let lane = self.waiting.values().map(|lane| lane.partition()).min()?;
        (!self.busy).then_some((lane, oldest))
    }
}

impl<K: Clone + Eq + Hash> Cases<K> {
    pub(crate) fn new() -> Self {
        Self { cases: HashMap::new(), keys: HashMap::new(), turns: BTreeSet::new() }
    }

    /// How many wait or are taken.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Lets a ticket wait in its case.
    pub(crate) fn push(&mut self, key: K, ticket: u64, lane: Lane) {
        self.keys.insert(ticket, key.clone());
        self.change(&key, |case| {
            case.waiting.insert(ticket, lane);
        });
    }

    /// The next ticket whose turn it is, no less urgent than `least`. Its case is busy from now on.
    pub(crate) fn take(&mut self, least: Lane) -> Option<u64> {
        let (lane, ticket) = *self.turns.first()?;
        if lane > least.partition() {
            return None;
        }
        let key = self.keys.get(&ticket)?.clone();
        self.change(&key, |case| case.busy = true);
        Some(ticket)
    }

    /// It is done with: the next of its case may go, if it had been taken.
    pub(crate) fn done(&mut self, ticket: u64) {
        let Some(key) = self.keys.remove(&ticket) else { return };
        self.change(&key, |case| {
            let was_oldest = case.waiting.first_key_value().is_some_and(|(oldest, _)| *oldest == ticket);
            case.waiting.remove(&ticket);
            if was_oldest {
                case.busy = false;
            }
        });
    }

    /// Takes a ticket out that waits and is not taken; false when it is taken, or does not wait.
    pub(crate) fn give_up(&mut self, ticket: u64) -> bool {
        let is_taken = |case: &Case| {
            case.busy && case.waiting.first_key_value().is_some_and(|(oldest, _)| *oldest == ticket)
        };
        let case = self.keys.get(&ticket).and_then(|key| self.cases.get(key));
        let free = case.is_some_and(|case| !is_taken(case));
        if free {
            self.done(ticket);
        }
        free
    }

    /// It was taken and waits again, first of its case.
    pub(crate) fn again(&mut self, ticket: u64) {
        if let Some(key) = self.keys.get(&ticket).cloned() {
            self.change(&key, |case| case.busy = false);
        }
    }

    /// Keeps the case's later ones waiting until it is released.
    pub(crate) fn hold(&mut self, key: &K) {
        self.cases.entry(key.clone()).or_default();
        self.change(key, |case| case.busy = true);
    }

    /// The case may go on.
    pub(crate) fn release(&mut self, key: &K) {
        self.change(key, |case| case.busy = false);
    }

    fn change(&mut self, key: &K, change: impl FnOnce(&mut Case)) {
        let case = self.cases.entry(key.clone()).or_default();
        if let Some(turn) = case.turn() {
            self.turns.remove(&turn);
        }
        change(case);
        if let Some(turn) = case.turn() {
            self.turns.insert(turn);
        }
        if case.waiting.is_empty() && !case.busy {
            self.cases.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMERGENCY: Lane = Lane::ALL[0];
    const URGENT: Lane = Lane::ALL[1];
    const ROUTINE: Lane = Lane::ALL[2];

    #[test]
    fn a_case_goes_one_at_a_time_and_lanes_go_first() {
        let mut cases = Cases::new();
        cases.push("a", 1, ROUTINE);
        cases.push("a", 2, ROUTINE);
        cases.push("b", 3, URGENT);
        assert_eq!(cases.take(ROUTINE), Some(3));
        assert_eq!(cases.take(URGENT), None);
        assert_eq!(cases.take(ROUTINE), Some(1));
        assert_eq!(cases.take(ROUTINE), None);
        cases.again(1);
        assert_eq!(cases.take(ROUTINE), Some(1));
        cases.done(1);
        assert_eq!(cases.take(ROUTINE), Some(2));
        assert_eq!(cases.len(), 2);
    }

    #[test]
    fn a_more_urgent_one_lifts_those_before_it() {
        let mut cases = Cases::new();
        cases.push("a", 1, ROUTINE);
        cases.push("b", 2, ROUTINE);
        cases.push("b", 3, EMERGENCY);
        assert_eq!(cases.take(EMERGENCY), Some(2));
        cases.done(2);
        assert_eq!(cases.take(EMERGENCY), Some(3));
    }

    #[test]
    fn a_held_case_waits_and_one_that_leaves_while_waiting_frees_nothing() {
        let mut cases = Cases::new();
        cases.push("a", 1, ROUTINE);
        cases.push("a", 2, ROUTINE);
        cases.push("a", 3, ROUTINE);
        assert_eq!(cases.take(ROUTINE), Some(1));
        cases.done(2);
        assert_eq!(cases.take(ROUTINE), None);
        cases.hold(&"a");
        cases.again(1);
        cases.hold(&"a");
        cases.done(9);
        assert_eq!(cases.take(ROUTINE), None);
        cases.release(&"a");
        assert_eq!(cases.take(ROUTINE), Some(1));
    }

    proptest! {
        #[test]
        fn everything_comes_once_and_in_order_within_its_case(
            items in proptest::collection::vec((0_u8..5, 0_u32..3), 1..60),
            retries in proptest::collection::vec(any::<bool>(), 200),
        ) {
            let mut cases = Cases::new();
            for (ticket, (case, lane)) in items.iter().enumerate() {
                cases.push(*case, ticket as u64, Lane::from_partition(*lane).unwrap());
            }
            let (mut seen, mut retries) = (Vec::new(), retries.into_iter());
            while let Some(ticket) = cases.take(ROUTINE) {
                if retries.next().unwrap_or(false) {
                    cases.again(ticket);
                } else {
                    cases.done(ticket);
                    seen.push(ticket);
                }
            }
            prop_assert_eq!(seen.len(), items.len());
            prop_assert_eq!(cases.len(), 0);
            for case in 0..5 {
                let order: Vec<_> = seen.iter().filter(|ticket| items[**ticket as usize].0 == case).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }
}
