//! From librdkafka's delivery report to the answer of an append.

use std::sync::Arc;

use jiff::Timestamp as Time;
use rdkafka::{
    ClientContext, Message, Timestamp,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::DeliveryResult,
    producer::{NoCustomPartitioner, ProducerContext},
};
use tokio::sync::oneshot;

use super::{client::Ear, faults, load::Room, shapes::Shapes};
use crate::{Appended, Error, Partition};

/// An append on its way: who waits for it, and the room that it takes.
pub(super) struct Pending {
    pub(super) to: Partition,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Result<Appended, Error>>,
    pub(super) room: Room,
}

/// What a producer hears: deliveries, and whether it can go on.
pub(super) struct Deliveries {
    pub(super) ear: Ear,
    pub(super) shapes: Arc<Shapes>,
    pub(super) max_record_bytes: usize,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.ear.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Box<Pending>) {
        let Pending { to, bytes, reply, room } = *pending;
        // The room first, so that who hears the answer finds it given back.
        let answer = match result {
            Ok(message) => {
                room.written();
                appended(&to, message.offset(), message.timestamp())
            }
            Err((error, _)) => {
                drop(room);
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                Err(self.failed(&to, code, bytes))
            }
        };
        // Nobody may be waiting any more; the append stands.
        let _gone = reply.send(answer);
    }
}

impl Deliveries {
    /// Why an append failed. A topic that we have seen may be missing in one broker's eyes for a moment, when earlier
    /// attempts have written the record already.
    pub(super) fn failed(&self, to: &Partition, code: Code, bytes: usize) -> Error {
        if code == Code::PurgeQueue
            && let Some((trouble, cause)) = self.ear.trouble()
            && faults::is_denied(trouble)
        {
            // It waited for the producer to be let in, which it was not.
            return Error::Denied { doing: "appending", cause };
        }
        if faults::is_absent(code) && self.shapes.has(to) {
            return Error::Unknown { partition: to.clone(), cause: code.to_string() };
        }
        faults::append_failed(to, code, bytes, self.max_record_bytes)
    }
}

/// The place and time in a delivery report. The broker stamps the batch, tells the producer, and tells every reader
/// the same. Where it recognises a batch that it has, long ago, it may know neither any more.
fn appended(to: &Partition, offset: i64, at: Timestamp) -> Result<Appended, Error> {
    let unknown = |cause: &str| Error::Unknown { partition: to.clone(), cause: cause.into() };
    let offset =
        u64::try_from(offset).map_err(|_| unknown("it was written, and where is not known any more"))?;
    match at {
        Timestamp::LogAppendTime(at) => {
            let at =
                Time::from_millisecond(at).map_err(|_| unknown("it was written at no time that there is"))?;
            Ok(Appended { offset, at })
        }
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => {
            Err(unknown("it was written, and the broker did not say when"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;

    #[test]
    fn only_the_brokers_own_time_counts() {
        let to = Topic::new("t").unwrap().partition(0);
        let at = Time::from_millisecond(1_700_000_000_123).unwrap();
        assert_eq!(
            appended(&to, 7, Timestamp::LogAppendTime(1_700_000_000_123)),
            Ok(Appended { offset: 7, at })
        );
        for (offset, at) in [(-1, Timestamp::LogAppendTime(1)), (7, Timestamp::CreateTime(1))] {
            let error = appended(&to, offset, at).unwrap_err();
            assert!(!error.nothing_written(), "{error}");
        }
    }
}
