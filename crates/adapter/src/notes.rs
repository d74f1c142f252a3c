//! What an adapter must remember: a small durable store of keys and values, bounded in size and age.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::Error;
use crate::store::Store;

/// The largest value. Larger: an error.
const MAX_VALUE: usize = 1 << 20;

/// An adapter's notes: ids that it maps, referrals by their ids, answers that it waits for. Cheap to clone.
///
/// They are dropped when they have not been written for as long as ids are remembered (30 days by default).
#[derive(Debug, Clone)]
pub struct Notes {
    store: Store,
}

impl Notes {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Writes, or overwrites; durable when this returns.
    ///
    /// # Errors
    /// When the value is larger than 1 MiB, or the database fails.
    pub async fn put(&self, namespace: &str, key: &str, value: impl Into<Bytes>) -> Result<(), Error> {
        let (namespace, key, value) = (namespace.to_owned(), key.to_owned(), value.into());
        if value.len() > MAX_VALUE {
            return Err(Error::Store { doing: "taking a note", cause: "it is over 1 MiB".to_owned() });
        }
        let now = Timestamp::now().as_millisecond();
        self.store
            .run("taking a note", move |db| {
                db.prepare_cached(
                    "INSERT INTO notes VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = ?3, at = ?4",
                )?
                .execute(params![namespace, key, &*value, now])
                .map(drop)
            })
            .await
    }

    /// What was written under that key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, namespace: &str, key: &str) -> Result<Option<Bytes>, Error> {
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        self.store
            .run("reading a note", move |db| {
                db.prepare_cached("SELECT value FROM notes WHERE namespace = ?1 AND key = ?2")?
                    .query_row(params![namespace, key], |row| row.get::<_, Vec<u8>>(0))
                    .optional()
            })
            .await
            .map(|value| value.map(Bytes::from))
    }

    /// Forgets it; whether there was something.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete(&self, namespace: &str, key: &str) -> Result<bool, Error> {
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        self.store
            .run("dropping a note", move |db| {
                db.prepare_cached("DELETE FROM notes WHERE namespace = ?1 AND key = ?2")?
                    .execute(params![namespace, key])
                    .map(|rows| rows > 0)
            })
            .await
    }

    /// Drops what is older than `age`, a bounded number at a time.
    pub(crate) async fn forget(&self, age: Duration) -> Result<(), Error> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::now().as_millisecond().saturating_sub(age);
        self.store
            .run("dropping old notes", move |db| {
                db.execute(
                    "DELETE FROM notes WHERE (namespace, key) IN
                     (SELECT namespace, key FROM notes WHERE at < ?1 LIMIT 1000)",
                    [before],
                )
                .map(drop)
            })
            .await
    }
}
