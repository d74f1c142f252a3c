//! A bounded memory: what was put in lately stays, the rest is made again from the file.

use std::collections::HashMap;
use std::hash::Hash;

/// Holds at most twice its room. When the young half is full it becomes the old one, and the old one is dropped.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    room: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// An empty one.
    pub(crate) fn new(room: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), room }
    }

    /// What was put in last under that id, unless it was dropped since.
    pub(crate) fn get(&self, id: &K) -> Option<&V> {
        self.young.get(id).or_else(|| self.old.get(id))
    }

    /// Puts it in as the newest.
    pub(crate) fn put(&mut self, id: K, value: V) {
        if self.young.len() >= self.room {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&id);
        self.young.insert(id, value);
    }

    /// Changes it in its place, if it is there.
    pub(crate) fn change(&mut self, id: &K, change: impl FnOnce(&mut V)) {
        if let Some(value) = self.young.get_mut(id).or_else(|| self.old.get_mut(id)) {
            change(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(4);
        recent.put(0, 0);
        for n in 1..100 {
            let zero = *recent.get(&0).unwrap();
            recent.put(0, zero);
            recent.put(n, n);
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        recent.change(&99, |value| *value += 1);
        assert_eq!((recent.get(&99), recent.get(&1)), (Some(&100), None));
    }
}
