//! The one thread that writes a journal. What waits together is made safe together.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::record::{Arrival, Line, Received, message_key};
use super::{Kept, Shared};
use crate::{Error, digest};

/// The most messages, and bytes, that are made safe together.
const MOST_TOGETHER: usize = 64;
const MOST_BYTES: usize = 4 << 20;

/// A message that is to be kept, and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) arrival: Arrival,
    pub(crate) done: oneshot::Sender<Result<Kept, Error>>,
}

/// Writes until nobody can ask any more.
pub(crate) fn run(shared: &Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut size = first.arrival.bytes.len();
        let mut together = vec![first];
        while together.len() < MOST_TOGETHER && size < MOST_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            size += job.arrival.bytes.len();
            together.push(job);
        }
        write(shared, together);
    }
}

/// A batch, as it is to be written.
#[derive(Default)]
struct Batch {
    lines: Vec<(Line, u64)>,
    text: Vec<u8>,
    /// Which arrivals' bytes are new.
    fresh: Vec<usize>,
}

fn write(shared: &Shared, jobs: Vec<Job>) {
    let written = lay_out(shared, &jobs).and_then(|batch| {
        let fresh: Vec<&[u8]> = batch.fresh.iter().map(|place| &jobs[*place].arrival.bytes[..]).collect();
        shared.files.append(&shared.index(), &fresh, &batch.text)?;
        Ok(batch)
    });
    match written {
        Ok(batch) => {
            let mut index = shared.index_mut();
            for ((line, length), job) in batch.lines.into_iter().zip(jobs) {
                index.add(&line, length);
                let Received { sequence, repeat, changed, .. } = line.received;
                // Who waited may have gone: the message is kept all the same.
                let _ = job.done.send(Ok(Kept { sequence, repeat, changed }));
            }
        }
        Err(error) => {
            for job in jobs {
                let _ = job.done.send(Err(error.clone()));
            }
        }
    }
}

fn lay_out(shared: &Shared, jobs: &[Job]) -> Result<Batch, Error> {
    let index = shared.index();
    let (mut sequence, mut end) = (index.len(), index.bytes_end);
    let mut batch = Batch::default();
    for (place, Job { arrival, .. }) in jobs.iter().enumerate() {
        let key = message_key(&arrival.from, &arrival.message_id);
        let sha256 = digest::sha256(&arrival.bytes);
        let earlier = match index.message(key).and_then(|known| index.line(known)) {
            Some(known) => Some(shared.files.line(known)?),
            None => batch.lines.iter().map(|(line, _)| line).find(|line| line.message_key() == key).cloned(),
        };
        let same = earlier.as_ref().filter(|first| first.received.sha256 == sha256);
        let received = Received {
            sequence,
            message_id: arrival.message_id.clone(),
            case: arrival.case.clone(),
            kind: arrival.kind,
            length: arrival.bytes.len() as u64,
            sha256,
            time: Timestamp::now(),
            repeat: earlier.is_some(),
            changed: earlier.is_some() && same.is_none(),
        };
        let line = Line {
            // The bytes of a repeat need not be kept twice.
            at: same.map_or(end, |first| first.at),
            received,
            from: arrival.from.clone(),
            request: arrival.request.clone(),
            content_type: arrival.content_type.clone(),
            headers: arrival.headers.clone(),
        };
        if same.is_none() {
            batch.fresh.push(place);
            end += line.received.length;
        }
        let before = batch.text.len();
        serde_json::to_writer(&mut batch.text, &line)
            .map_err(|error| shared.failed(error.io_error_kind().unwrap_or(std::io::ErrorKind::Other)))?;
        batch.text.push(b'\n');
        batch.lines.push((line, (batch.text.len() - before) as u64));
        sequence += 1;
    }
    Ok(batch)
}
