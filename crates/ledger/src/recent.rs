//! A bounded memory of folds: what was used lately stays, the rest is folded again from the file.

use std::collections::HashMap;

use bulkhead_model::ReferralId;

/// Holds at most twice its room. When the young half is full it becomes the old one, and the old one is dropped.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    young: HashMap<ReferralId, V>,
    old: HashMap<ReferralId, V>,
    room: usize,
}

impl<V> Recent<V> {
    /// An empty one.
    pub(crate) fn new(room: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), room }
    }

    /// Takes it out; whoever goes on using it puts it back.
    pub(crate) fn take(&mut self, id: &ReferralId) -> Option<V> {
        self.young.remove(id).or_else(|| self.old.remove(id))
    }

    /// Puts it in as the newest.
    pub(crate) fn put(&mut self, id: ReferralId, value: V) {
        if self.young.len() >= self.room {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let id = |n| ReferralId::of_record("in", 0, n);
        let mut recent = Recent::new(4);
        recent.put(id(0), 0);
        for n in 1..100 {
            let zero = recent.take(&id(0)).unwrap();
            recent.put(id(0), zero);
            recent.put(id(n), n);
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert_eq!((recent.take(&id(99)), recent.take(&id(1))), (Some(99), None));
    }
}
