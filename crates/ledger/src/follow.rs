//! Following the events: read, apply, make known; and making the file again when it is gone.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_log as log;
use bulkhead_log::{Log, Reader, ReaderLimits, Start, Topic, TopicSpec};
use bulkhead_model::SHARDS;
use futures::future::try_join_all;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::published::{CHANGES, News, Published, Told, Woken};
use crate::writer::Writer;
use crate::{Config, Error, Stop};

/// How often the file is looked for.
const CHECK: Duration = Duration::from_secs(1);

/// How much one batch holds at most.
const BATCH: ReaderLimits = ReaderLimits { max_bytes: 4 << 20, max_entries: 2_048 };

/// Keeps the ledger up to date. Without it nothing new is known, and when it is dropped, what waits is told.
pub struct Follower {
    config: Config,
    log: Arc<dyn Log>,
    topic: Topic,
    published: Arc<Published>,
    /// Taken while a batch is applied.
    writer: Option<Writer>,
    rebuild: Option<Rebuild>,
    _stopping: Stopping,
}

/// A file that is being made again and not yet queried.
struct Rebuild {
    /// It is whole when these have been read.
    ends: Vec<u64>,
    /// What the former file had read: what changed before here is no news.
    known: Vec<u64>,
    /// What is, as far as a receiver could still get it.
    changes: VecDeque<Told>,
    woken: Woken,
}

impl Follower {
    pub(crate) fn new(
        config: Config,
        log: Arc<dyn Log>,
        topic: Topic,
        published: Arc<Published>,
        writer: Writer,
    ) -> Self {
        let _stopping = Stopping(published.clone());
        Self { config, log, topic, published, writer: Some(writer), rebuild: None, _stopping }
    }

    /// Follows the events until `drain` resolves: applies them in batches, one transaction a batch.
    ///
    /// # Errors
    /// When the log or the file's disk fails for good. What waits is then answered with [`Error::Stopped`].
    pub async fn run(mut self, drain: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut drain = pin!(drain);
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reader: Option<Box<dyn Reader>> = None;
        self.say_from_where();
        loop {
            // All branches are safe to cancel: a reader's `next` that is dropped has read nothing.
            let done = match &mut reader {
                None => tokio::select! {
                    () = &mut drain => return Ok(()),
                    opened = self.log.reader(self.starts(), BATCH) => match opened {
                        Ok(opened) => {
                            reader = Some(opened);
                            Ok(())
                        }
                        Err(error) => Err(error.into()),
                    },
                },
                Some(reader) => tokio::select! {
                    () = &mut drain => return Ok(()),
                    _ = check.tick() => self.check(),
                    entries = reader.next() => match entries {
                        Ok(entries) => self.apply(entries).await,
                        Err(error) => Err(error.into()),
                    },
                },
            };
            if let Err(error) = done {
                reader = None;
                // What is begun and dropped is not gone on with.
                tokio::select! {
                    () = &mut drain => return Ok(()),
                    mended = self.mend(error) => mended?,
                }
            }
        }
    }

    async fn mend(&mut self, error: Error) -> Result<(), Error> {
        let found = match &error {
            Error::Log(log::Error::PastEnd { end, .. }) => Some(*end),
            Error::Log(log::Error::UnknownTopic { .. } | log::Error::UnknownPartition { .. }) => None,
            _ => return self.remake(error).await,
        };
        tracing::error!(
            %error, path = %self.config.path.display(),
            "the log has less than this ledger has read of it: this node decides nothing until it has it again, or \
             somebody removes the ledger to have it made of what is left (BH0220)"
        );
        let known = self.starts().iter().map(|start| start.offset).max().unwrap_or_default();
        self.published.stop_at(self.topic.as_str(), Stop::Short { known, found });
        (0..SHARDS).for_each(|partition| self.published.end(partition));
        while !has_all(self.log.as_ref(), self.starts()).await {
            if self.writer.as_ref().is_none_or(Writer::is_gone) {
                self.published.forget();
                self.goes_on();
                ensure(self.log.as_ref(), &self.topic).await?;
                return self.remake(Error::Gone { path: self.config.path.clone() }).await;
            }
            sleep(CHECK).await;
        }
        self.goes_on();
        Ok(())
    }

    fn goes_on(&self) {
        self.published.go_on(self.topic.as_str());
        let reads_on =
            |partition: &u32| self.published.stop_of(&self.topic.partition(*partition).to_string()).is_none();
        (0..SHARDS).filter(reads_on).for_each(|partition| self.published.begin(partition));
        tracing::warn!("the events are read on");
    }

    fn starts(&self) -> Vec<Start> {
        let positions = self.writer.iter().flat_map(|writer| writer.positions()).copied();
        (0..)
            .zip(positions)
            .map(|(number, offset)| Start { partition: self.topic.partition(number), offset })
            .collect()
    }

    fn say_from_where(&self) {
        let starts = self.starts();
        let from: Vec<_> =
            starts.iter().map(|start| format!("{}:{}", start.partition.number, start.offset)).collect();
        tracing::info!(
            path = %self.config.path.display(),
            read = starts.iter().map(|start| start.offset).sum::<u64>(),
            from = from.join(" "),
            "the ledger reads the events on"
        );
    }

    fn check(&self) -> Result<(), Error> {
        if self.writer.as_ref().is_none_or(Writer::is_gone) {
            return Err(Error::Gone { path: self.config.path.clone() });
        }
        if self.published.is_damaged() {
            return Err(Error::Rebuilding);
        }
        Ok(())
    }

    async fn apply(&mut self, entries: Vec<log::Entry>) -> Result<(), Error> {
        let Some(mut writer) = self.writer.take() else { return Err(Error::Rebuilding) };
        let (writer, news) = blocking(move || {
            let news = writer.apply(&entries);
            (writer, news)
        })
        .await?;
        self.writer = Some(writer);
        let news = news?;
        self.stop_at(&news.newer);
        match &mut self.rebuild {
            None => self.published.tell(news),
            Some(rebuild) => rebuild.keep(news),
        }
        self.finish()
    }

    /// What a newer release wrote is not passed over: nobody here decides by what came before it.
    fn stop_at(&self, newer: &BTreeMap<u32, u64>) {
        for (partition, offset) in newer {
            let at = self.topic.partition(*partition);
            if self.published.stop_at(&at.to_string(), Stop::Newer { offset: *offset }) {
                tracing::error!(
                    at = %at.at(*offset),
                    "a newer release wrote an event that this one cannot read: this node decides nothing for its \
                     shard until it is upgraded (BH0219)"
                );
            }
            self.published.end(*partition);
        }
    }

    /// A file that was made again and is whole is queried from now on.
    fn finish(&mut self) -> Result<(), Error> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let whole = |rebuild: &mut Rebuild| {
            (0..).zip(&rebuild.ends).all(|(partition, end)| writer.has_reached(partition, *end))
        };
        if let Some(Rebuild { changes, woken, .. }) = self.rebuild.take_if(whole) {
            self.published.adopt(writer.store()?, writer.positions(), writer.settled());
            tracing::info!("the ledger is whole again");
            self.published.tell(News { changes: changes.into(), woken, ..News::default() });
        }
        Ok(())
    }

    /// Makes the file again, if that can help against this error.
    async fn remake(&mut self, error: Error) -> Result<(), Error> {
        let Some(loss) = Loss::of(&error) else { return Err(error) };
        if self.rebuild.is_some() && loss != Loss::File {
            // What fails while it is made again would only fail once more.
            return Err(error);
        }
        tracing::warn!(%error, "the ledger is made again from the log");
        metrics::counter!("bulkhead_ledger_rebuilds_total", "nation" => self.config.nation.as_str())
            .increment(1);
        match loss {
            Loss::File => {}
            Loss::Content => self.published.withdraw(),
        }
        let (former, config) = (self.writer.take(), self.config.clone());
        let writer = blocking(move || {
            drop(former);
            Writer::remake(&config)
        })
        .await??;
        self.writer = Some(writer);
        self.rebuild = Some(Rebuild {
            ends: ends(self.log.as_ref(), &self.topic).await?,
            known: self.published.read(),
            changes: VecDeque::new(),
            woken: Woken::default(),
        });
        self.finish()
    }
}

/// What is lost, so that the file must be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Another file or none lies in its place; the open one can still be queried.
    File,
    /// It cannot be read or written.
    Content,
}

impl Loss {
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Gone { .. } => Some(Loss::File),
            Error::Rebuilding | Error::Event { .. } | Error::Store { damaged: true, .. } => {
                Some(Loss::Content)
            }
            Error::Stopped
            | Error::Stands { .. }
            | Error::Store { .. }
            | Error::File { .. }
            | Error::Unfit { .. }
            | Error::Log(_) => None,
        }
    }
}

impl Rebuild {
    fn keep(&mut self, news: News) {
        self.woken.extend(news.woken);
        let known = &self.known;
        let is_new = |((partition, offset), _): &Told| {
            known.get(*partition as usize).is_none_or(|known| offset >= known)
        };
        self.changes.extend(news.changes.into_iter().filter(is_new));
        // One more than a receiver holds, so that it learns that it lags.
        self.changes.drain(..self.changes.len().saturating_sub(CHANGES + 1));
    }
}

/// Ends all waiting when the follower goes, however it goes.
struct Stopping(Arc<Published>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Makes the topic of events if it does not exist.
pub(crate) async fn ensure(log: &dyn Log, topic: &Topic) -> Result<(), Error> {
    let spec = TopicSpec { topic: topic.clone(), partitions: SHARDS, compacted: false };
    Ok(log.ensure(&[spec]).await?)
}

/// Whether the log has what was read of it up to these places.
async fn has_all(log: &dyn Log, read: Vec<Start>) -> bool {
    for Start { partition, offset } in read {
        if !log.bounds(&partition).await.is_ok_and(|bounds| bounds.end >= offset) {
            return false;
        }
    }
    true
}

/// How far each partition must be read until all is known that lies in the log now.
pub(crate) async fn ends(log: &dyn Log, topic: &Topic) -> Result<Vec<u64>, Error> {
    let end = async |number| {
        let bounds = log.bounds(&topic.partition(number)).await?;
        // Of what was trimmed to the end nothing can be read.
        Ok(if bounds.is_empty() { 0 } else { bounds.end })
    };
    try_join_all((0..SHARDS).map(end)).await
}

/// Runs what waits for the disk where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopped),
        },
    }
}
