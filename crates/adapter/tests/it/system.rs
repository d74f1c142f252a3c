//! A local system that answers as a test tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bulkhead_adapter::{Delivery, LocalSystem, Outcome, Receipt, RefusedLater};
use bulkhead_model::{Code, Reason};
use tokio::sync::Semaphore;

/// Cheap to clone; all clones are the same system.
#[derive(Clone)]
pub(crate) struct System {
    shared: Arc<Shared>,
}

struct Shared {
    handed: Mutex<Vec<Delivery>>,
    told: Mutex<Vec<RefusedLater>>,
    script: Mutex<VecDeque<Outcome>>,
    refusals: Mutex<VecDeque<Outcome>>,
    by_message: Mutex<Option<(String, Outcome)>>,
    up: Mutex<bool>,
    gate: Semaphore,
}

impl System {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                handed: Mutex::default(),
                told: Mutex::default(),
                script: Mutex::default(),
                refusals: Mutex::default(),
                by_message: Mutex::default(),
                up: Mutex::new(true),
                gate: Semaphore::new(1_000_000),
            }),
        }
    }

    /// One that answers nothing before [`System::open`].
    pub(crate) fn closed() -> Self {
        let system = Self::new();
        system.shared.gate.forget_permits(1_000_000);
        system
    }

    pub(crate) fn open(&self) {
        self.shared.gate.add_permits(1_000_000);
    }

    /// The next answers; after them all is well.
    pub(crate) fn answers(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.shared.script.lock().unwrap().extend(outcomes);
    }

    /// The next answers to what it is told of; after them all is well.
    pub(crate) fn on_refusals(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.shared.refusals.lock().unwrap().extend(outcomes);
    }

    /// The answer to this message id, always.
    pub(crate) fn answers_to(&self, message_id: &str, outcome: Outcome) {
        *self.shared.by_message.lock().unwrap() = Some((message_id.to_owned(), outcome));
    }

    pub(crate) fn is_up(&self, up: bool) {
        *self.shared.up.lock().unwrap() = up;
    }

    pub(crate) fn handed(&self) -> Vec<String> {
        self.deliveries().into_iter().map(|delivery| delivery.envelope.message_id.to_string()).collect()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.shared.handed.lock().unwrap().clone()
    }

    pub(crate) fn told(&self) -> Vec<RefusedLater> {
        self.shared.told.lock().unwrap().clone()
    }
}

pub(crate) fn retry() -> Outcome {
    Outcome::Retry { after: Duration::ZERO, cause: "as told".to_owned() }
}

pub(crate) fn down() -> Outcome {
    Outcome::Down { cause: "as told".to_owned() }
}

pub(crate) fn refused() -> Outcome {
    Outcome::Refused(Reason::new(Code::ReceiverRefused, "as told"))
}

#[async_trait]
impl LocalSystem for System {
    async fn hand_over(&self, delivery: &Delivery) -> Outcome {
        self.shared.handed.lock().unwrap().push(delivery.clone());
        let _permit = self.shared.gate.acquire().await.unwrap();
        let by_message = self.shared.by_message.lock().unwrap().clone();
        if let Some((_, outcome)) = by_message.filter(|(id, _)| *id == delivery.envelope.message_id.as_str())
        {
            return outcome;
        }
        let told = self.shared.script.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Outcome::Delivered(Receipt::new("AA")))
    }

    async fn probe(&self) -> Result<(), String> {
        if *self.shared.up.lock().unwrap() { Ok(()) } else { Err("as told".to_owned()) }
    }

    async fn tell_refusal(&self, refused: &RefusedLater) -> Outcome {
        self.shared.told.lock().unwrap().push(refused.clone());
        let told = self.shared.refusals.lock().unwrap().pop_front();
        told.unwrap_or_else(|| Outcome::Delivered(Receipt::new("AR")))
    }
}
