//! A log in which a test meddles: something happens exactly when an append has become durable and nobody knows it yet,
//! an append is kept from the log until the test lets it go, as in the queue of a node that was stopped, or it fails as
//! those of a broker fail that is slow or away.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_log::{
    AppendFuture, Error, Log, Partition, Pointer, Reader, ReaderLimits, Record, Shards, Start, Topic,
    TopicSpec,
};
use tokio::sync::watch;

type Deed = Box<dyn FnOnce() + Send>;

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The queue is full: nothing is written.
    Full,
    /// Its outcome is unknown; it was written.
    Landed,
    /// Its outcome is unknown; it is never written.
    Lost,
    /// Its outcome is unknown; it is written by [`Meddled::land`].
    Late,
}

/// Wraps a log; without a deed it is that log.
pub struct Meddled {
    inner: Arc<dyn Log>,
    deeds: Mutex<Vec<(String, Deed)>>,
    failures: Mutex<Vec<(String, Failure)>>,
    late: Mutex<Vec<(Partition, Record)>>,
    stopped: watch::Sender<Option<String>>,
    waiting: watch::Sender<usize>,
}

impl Meddled {
    /// That log.
    pub fn new(inner: Arc<dyn Log>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            deeds: Mutex::default(),
            failures: Mutex::default(),
            late: Mutex::default(),
            stopped: watch::Sender::new(None),
            waiting: watch::Sender::new(0),
        })
    }

    /// Once: when the next append to a topic whose name begins so is durable, and before its caller hears of it.
    pub fn once_durable(&self, topic: &str, deed: impl FnOnce() + Send + 'static) {
        lock(&self.deeds).push((topic.to_owned(), Box::new(deed)));
    }

    /// Once for each call: the next append to a topic whose name begins so fails.
    pub fn fail_once(&self, topic: &str, failure: Failure) {
        lock(&self.failures).push((topic.to_owned(), failure));
    }

    /// Writes what failed and was to land late.
    pub async fn land(&self) {
        let late = std::mem::take(&mut *lock(&self.late));
        for (to, record) in late {
            self.inner.append(&to, record).await.expect("the log behind this one takes it");
        }
    }

    /// Appends to topics whose names begin so wait until `go_on`.
    pub fn stop(&self, topic: &str) {
        self.stopped.send_replace(Some(topic.to_owned()));
    }

    /// Waits until so many appends wait.
    pub async fn waiting(&self, count: usize) {
        drop(self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await);
    }

    /// What waited is appended now.
    pub fn go_on(&self) {
        self.stopped.send_replace(None);
    }

    /// Whether every deed was done, and everything failed that was to fail.
    pub fn is_done(&self) -> bool {
        lock(&self.deeds).is_empty() && lock(&self.failures).is_empty()
    }

    fn fail(&self, failure: Failure, to: &Partition, record: Record) -> AppendFuture {
        let partition = to.clone();
        let unknown = move || Error::Unknown { partition, cause: "as the test wants it".into() };
        match failure {
            Failure::Full => {
                let error = Error::QueueFull { partition: to.clone() };
                Box::pin(std::future::ready(Err(error)))
            }
            Failure::Landed => {
                let appended = self.inner.append(to, record);
                Box::pin(async move { appended.await.and_then(|_| Err(unknown())) })
            }
            Failure::Lost => Box::pin(std::future::ready(Err(unknown()))),
            Failure::Late => {
                lock(&self.late).push((to.clone(), record));
                Box::pin(std::future::ready(Err(unknown())))
            }
        }
    }
}

/// Takes out what was planned for a topic of that name, if anything was.
fn planned<T>(plans: &Mutex<Vec<(String, T)>>, name: &str) -> Option<T> {
    let mut plans = lock(plans);
    let place = plans.iter().position(|(topic, _)| name.starts_with(topic.as_str()))?;
    Some(plans.remove(place).1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Meddled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddled")
    }
}

#[async_trait::async_trait]
impl Log for Meddled {
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        self.inner.ensure(topics).await
    }

    fn append(&self, to: &Partition, record: Record) -> AppendFuture {
        let name = to.topic.to_string();
        if let Some(failure) = planned(&self.failures, &name) {
            return self.fail(failure, to, record);
        }
        let deed = planned(&self.deeds, &name);
        let is_stopped =
            move |stopped: &Option<String>| stopped.as_ref().is_some_and(|topic| name.starts_with(topic));
        let mut stopped = self.stopped.subscribe();
        let now = (!is_stopped(&stopped.borrow())).then(|| self.inner.append(to, record.clone()));
        if now.is_none() {
            self.waiting.send_modify(|waiting| *waiting += 1);
        }
        let (inner, to) = (self.inner.clone(), to.clone());
        // Dropping the answer does not cancel an append.
        let appended = tokio::spawn(async move {
            let appending = match now {
                Some(appending) => appending,
                None => {
                    drop(stopped.wait_for(|stopped| !is_stopped(stopped)).await);
                    inner.append(&to, record)
                }
            };
            let appended = appending.await;
            if let Some(deed) = deed {
                deed();
            }
            appended
        });
        Box::pin(async move {
            match appended.await {
                Ok(appended) => appended,
                Err(_) => {
                    Err(Error::Unreachable { doing: "appending", cause: "the test's deed panicked".into() })
                }
            }
        })
    }

    async fn reader(&self, starts: Vec<Start>, limits: ReaderLimits) -> Result<Box<dyn Reader>, Error> {
        self.inner.reader(starts, limits).await
    }

    async fn read_at(&self, pointers: &[Pointer]) -> Result<Vec<Option<bulkhead_log::Entry>>, Error> {
        self.inner.read_at(pointers).await
    }

    async fn bounds(&self, partition: &Partition) -> Result<Range<u64>, Error> {
        self.inner.bounds(partition).await
    }

    async fn trim(&self, partition: &Partition, before: u64) -> Result<(), Error> {
        self.inner.trim(partition, before).await
    }

    async fn own_shards(&self, topic: &Topic, node: &str) -> Result<Box<dyn Shards>, Error> {
        self.inner.own_shards(topic, node).await
    }
}
