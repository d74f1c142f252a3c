//! The threads of one log that have a client of librdkafka: a process that exits while one of them ends can crash,
//! so that their end is waited for.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// How long it is waited: a client whose brokers are away takes its time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts those that run.
#[derive(Clone, Default)]
pub(super) struct Threads {
    running: Arc<watch::Sender<usize>>,
}

/// A thread that runs; to be dropped after its client.
pub(super) struct Running {
    threads: Threads,
}

impl Threads {
    pub(super) fn begin(&self) -> Running {
        self.running.send_modify(|running| *running += 1);
        Running { threads: self.clone() }
    }

    /// Waits until none runs, but not for ever.
    pub(super) async fn ended(&self) {
        let mut running = self.running.subscribe();
        // Its sender is here, so that only the time can run out.
        let _late = timeout(PATIENCE, running.wait_for(|running| *running == 0)).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.threads.running.send_modify(|running| *running -= 1);
    }
}
