//! Publishing a directory: validated, appended only when it differs, and read back.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Appended, Entry, Log, Reader};
use bulkhead_model::Nation;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::Error;
use crate::fact::{DirectoryText, Fact};
use crate::follow::Control;

/// How long an appended fact may take to be read back.
const READ_BACK: Duration = Duration::from_secs(10);

/// How often a directory is appended before its unknown outcome is told, and how long between.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is the newest fact, at this position of the control log. Every node follows from there.
    At(u64),
    /// The newest directory says the same; nothing was appended.
    Unchanged,
}

/// Makes `text` the directory of a nation. `file` is only named in errors.
///
/// It returns when the fact was read back. Of two that publish at the same time, the later append counts.
///
/// # Errors
/// When the text is not a whole directory, the log does not take it, or it was not read back in time.
pub async fn publish_directory(
    log: &Arc<dyn Log>,
    nation: Nation,
    file: &str,
    text: &str,
) -> Result<Published, Error> {
    let directory = DirectoryText(text.to_owned());
    directory.parse(file)?;
    let log = &**log;
    let control = Control::open(log, nation).await?;
    let end = control.end(log).await?;
    let mut reading = Reading { reader: control.read(log).await?, next: 0, newest: None };
    // When what is there cannot be read in time, a second copy of the same directory does no harm.
    if let Ok(read) = timeout(READ_BACK, reading.until(end)).await {
        read.map_err(|cause| control.failed(cause))?;
        if reading.newest.as_deref() == Some(text) {
            return Ok(Published::Unchanged);
        }
    }
    let appended = append(log, &control, &directory).await.map_err(|cause| control.failed(cause))?;
    match timeout(READ_BACK, reading.until(appended.offset + 1)).await {
        Ok(read) => read.map(|()| Published::At(appended.offset)).map_err(|cause| control.failed(cause)),
        Err(_) => Err(Error::NotReadBack {
            topic: control.partition().topic.to_string(),
            offset: appended.offset,
            waited: READ_BACK,
        }),
    }
}

/// A copy more of the same directory does no harm, so one whose outcome is unknown is appended again.
async fn append(
    log: &dyn Log,
    control: &Control,
    directory: &DirectoryText,
) -> Result<Appended, bulkhead_log::Error> {
    let once = async || log.append(control.partition(), directory.record(Timestamp::now())).await;
    for _ in 1..ATTEMPTS {
        match once().await {
            Err(bulkhead_log::Error::Unknown { .. }) => tokio::time::sleep(PAUSE).await,
            known => return known,
        }
    }
    once().await
}

struct Reading {
    reader: Box<dyn Reader>,
    next: u64,
    /// The text of the newest directory read.
    newest: Option<String>,
}

impl Reading {
    async fn until(&mut self, end: u64) -> Result<(), bulkhead_log::Error> {
        while self.next < end {
            for entry in self.reader.next().await? {
                self.take(&entry);
            }
        }
        Ok(())
    }

    fn take(&mut self, entry: &Entry) {
        self.next = entry.offset + 1;
        // What cannot be read is the followers' to complain about.
        if let Ok(Fact::Directory(DirectoryText(text))) = Fact::read(entry) {
            self.newest = Some(text);
        }
    }
}
