//! Questions to the brokers from asynchronous code: each on a thread for blocking work, a few at a time.

use std::sync::Arc;

use rdkafka::error::KafkaError;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{asker::Asker, faults};
use crate::Error;

/// How many questions run at a time; more wait for their turn.
const QUESTIONS: usize = 8;

/// Asks without holding up the runtime.
pub(super) struct Blocking {
    asker: Arc<Asker>,
    permits: Arc<Semaphore>,
}

impl Blocking {
    pub(super) fn new(asker: Arc<Asker>) -> Self {
        Self { asker, permits: Arc::new(Semaphore::new(QUESTIONS)) }
    }

    /// Asks, and says what failed in our words.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Asker) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let asker = self.asker.clone();
        let answer = spawn_blocking(move || {
            let _held = permit;
            question(&asker).map_err(|error| faults::failed(doing, &error, asker.ear()))
        });
        answer.await.map_err(|e| Error::Store { doing, cause: e.to_string() })?
    }
}
