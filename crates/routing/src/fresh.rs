//! The bytes that this node has just appended, so that who hands them over here need not wait until the log has brought
//! them back. The log has them whatever happens to these.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::Place;
use bytes::Bytes;

/// So much is kept on a node; beyond it the oldest are dropped.
const BYTES: usize = 16 << 20;

/// Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Fresh(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    values: HashMap<Place, (u64, Bytes)>,
    /// By age.
    places: BTreeMap<u64, Place>,
    next: u64,
    bytes: usize,
}

impl Fresh {
    /// What now lies there.
    pub(crate) fn put(&self, place: &Place, value: Bytes) {
        let mut inner = self.lock();
        inner.bytes += value.len();
        let age = inner.next;
        inner.next += 1;
        inner.places.insert(age, place.clone());
        inner.values.insert(place.clone(), (age, value));
        while inner.bytes > BYTES {
            let Some((_, oldest)) = inner.places.pop_first() else { return };
            inner.forget(&oldest);
        }
    }

    /// What was put there, once; none when it was not, or is dropped already.
    pub(crate) fn take(&self, place: &Place) -> Option<Bytes> {
        let mut inner = self.lock();
        let (age, value) = inner.forget(place)?;
        inner.places.remove(&age);
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked left at worst a value that is never taken.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, place: &Place) -> Option<(u64, Bytes)> {
        let (age, value) = self.values.remove(place)?;
        self.bytes -= value.len();
        Some((age, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { topic: "out.wales.a".into(), partition: 1, offset }
    }

    #[test]
    fn what_was_put_is_taken_once() {
        let fresh = Fresh::default();
        fresh.put(&place(1), "one".into());
        assert_eq!(fresh.take(&place(2)), None);
        assert_eq!(fresh.take(&place(1)), Some("one".into()));
        assert_eq!(fresh.take(&place(1)), None);
    }

    #[test]
    fn the_oldest_make_room_and_nothing_is_left_of_what_was_taken() {
        let fresh = Fresh::default();
        let quarter = Bytes::from(vec![0; BYTES / 4]);
        for offset in 0..6 {
            fresh.put(&place(offset), quarter.clone());
        }
        assert_eq!((fresh.take(&place(1)), fresh.take(&place(2))), (None, Some(quarter.clone())));
        fresh.put(&place(6), quarter.clone());
        for offset in 3..7 {
            assert_eq!(fresh.take(&place(offset)).as_ref(), Some(&quarter), "{offset}");
        }
        let inner = fresh.lock();
        assert_eq!((inner.bytes, inner.places.len(), inner.values.len()), (0, 0, 0));
    }
}
