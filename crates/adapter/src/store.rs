//! The sidecar's database: one SQLite file, one thread, one sync for all that wait.
//!
//! Jobs queue up while a commit is under way and share the next one. Each runs in a savepoint, so that one that
//! fails takes no other with it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::Error;

/// How many jobs may wait. Full: the caller waits.
const QUEUE: usize = 1024;
/// How many jobs share one commit at most.
const GROUP: usize = 256;

const SCHEMA: &str = include_str!("schema.sql");

/// Runs inside the commit; says what to do once its outcome is known.
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Done + Send>;
/// Runs after the commit: `None` when it worked.
type Done = Box<dyn FnOnce(Option<&Error>) + Send>;

/// The database. A handle: clones are the same one, and the last to go closes it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connection = connect(path).map_err(|error| failed("opening", &error))?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("sidecar-store".to_owned())
            .spawn(move || run(connection, queue))
            .map_err(|error| Error::Store { doing: "starting its thread", cause: error.to_string() })?;
        Ok(Self { jobs })
    }

    /// Runs `work`; what it wrote is durable when this returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let result = in_savepoint(transaction, work).map_err(|error| failed(doing, &error));
            Box::new(move |commit| {
                let result = match commit {
                    None => result,
                    Some(error) => Err(failed(doing, &error)),
                };
                // A caller that has gone needs no answer.
                let _ = answer.send(result);
            })
        });
        let closed = || Error::Store { doing, cause: "it is closed".to_owned() };
        self.jobs.send(job).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn in_savepoint<T>(
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let savepoint = transaction.savepoint()?;
    let result = work(&savepoint)?;
    savepoint.commit()?;
    Ok(result)
}

fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut answers = Vec::new();
        let committed = commit(&mut connection, &mut queue, first, &mut answers);
        let committed = committed.map_err(|error| failed("committing", &error)).err();
        for answer in answers {
            answer(committed.as_ref());
        }
    }
}

fn commit(
    connection: &mut Connection,
    queue: &mut mpsc::Receiver<Job>,
    first: Job,
    answers: &mut Vec<Done>,
) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction()?;
    answers.push(first(&mut transaction));
    while answers.len() < GROUP
        && let Ok(job) = queue.try_recv()
    {
        answers.push(job(&mut transaction));
    }
    transaction.commit()
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn failed(doing: &'static str, error: &impl std::fmt::Display) -> Error {
    Error::Store { doing, cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_fails_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.db");
        let store = Store::open(&path).unwrap();
        let put = |name: &'static str| {
            store.run("putting", move |db| db.execute("INSERT INTO facts VALUES (?1, '')", [name]).map(drop))
        };
        let both = async |db: &Store| {
            db.run("putting", |db| {
                db.execute("INSERT INTO facts VALUES ('c', '')", [])?;
                db.execute("INSERT INTO nothing VALUES (1)", []).map(drop)
            })
            .await
        };
        let (a, again, b, failed) = tokio::join!(put("a"), put("a"), put("b"), both(&store));
        assert!(a.is_ok() && again.is_err() && b.is_ok() && failed.is_err());
        drop(store);
        let store = Store::open(&path).unwrap();
        let ask = async |sql: &'static str| {
            let read = move |db: &Connection| db.query_row(sql, [], |row| row.get::<_, i64>(0));
            store.run("asking", read).await.unwrap()
        };
        assert_eq!(ask("SELECT count(*) FROM facts").await, 2);
        assert_eq!(ask("PRAGMA synchronous").await, 2);
    }
}
