//! Which offsets of a topic are settled: those before a mark, and runs ahead of it.

use std::collections::BTreeMap;
use std::ops::Range;

/// Runs of offsets, merged where they touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    /// Adds a run.
    pub(crate) fn add(&mut self, run: Range<u64>) {
        if run.is_empty() {
            return;
        }
        let (mut start, mut end) = (run.start, run.end);
        while let Some((&from, &to)) = self.0.range(..=end).next_back().filter(|(_, to)| **to >= start) {
            (start, end) = (start.min(from), end.max(to));
            self.0.remove(&from);
        }
        self.0.insert(start, end);
    }

    /// Whether it holds that offset.
    pub(crate) fn contains(&self, offset: u64) -> bool {
        self.0.range(..=offset).next_back().is_some_and(|(_, &end)| offset < end)
    }

    /// The lowest offset that it does not hold.
    pub(crate) fn first_missing(&self) -> u64 {
        self.0.first_key_value().filter(|(start, _)| **start == 0).map_or(0, |(_, &end)| end)
    }

    /// The lowest offset beyond all that it holds.
    pub(crate) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, &end)| end)
    }

    /// How many offsets of that range it does not hold.
    pub(crate) fn missing_in(&self, range: &Range<u64>) -> u64 {
        let held = |run: Range<u64>| run.end.min(range.end).saturating_sub(run.start.max(range.start));
        let length = range.end.saturating_sub(range.start);
        length - self.runs().map(held).sum::<u64>()
    }

    /// Its runs in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(&start, &end)| start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_touches_becomes_one() {
        let mut settled = Intervals::default();
        settled.add(5..6);
        settled.add(1..2);
        assert_eq!((settled.first_missing(), settled.contains(1), settled.contains(2)), (0, true, false));
        assert_eq!((settled.end(), Intervals::default().end()), (6, 0));
        settled.add(0..1);
        assert_eq!(settled.first_missing(), 2);
        settled.add(2..5);
        assert_eq!((settled.first_missing(), settled.runs().count()), (6, 1));
    }

    proptest! {
        #[test]
        fn it_holds_what_was_added(runs in proptest::collection::vec((0u64..40, 0u64..6), 0..20)) {
            let mut settled = Intervals::default();
            runs.iter().for_each(|(start, length)| settled.add(*start..start + length));
            let held = |offset| runs.iter().any(|(start, length)| (*start..start + length).contains(&offset));
            (0..50).for_each(|offset| assert_eq!(settled.contains(offset), held(offset)));
            prop_assert_eq!(settled.first_missing(), (0..).find(|offset| !held(*offset)).unwrap());
            let missing = (3..30).filter(|offset| !held(*offset)).count() as u64;
            prop_assert_eq!((settled.missing_in(&(3..30)), settled.missing_in(&(9..9))), (missing, 0));
            let ends: Vec<_> = settled.runs().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
