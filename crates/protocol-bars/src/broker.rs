//! The broker as a face sees it: the kit, or in tests a stub of it.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_adapter::{Answer, KitHandle, Resolved, Status, Submission};
use bulkhead_format_bars::Identifier;
use bulkhead_model::{Code, ServiceAddress};
use tokio::time::timeout;

use crate::memory::Memory;

/// How long the directory may be asked: the sender is waiting.
const RESOLVE: Duration = Duration::from_secs(1);

/// What is submitted to, and what is asked.
#[derive(Debug, Clone)]
pub(crate) enum Broker {
    /// The kit.
    Kit(KitHandle),
    /// A stub.
    #[cfg(test)]
    Stub(Arc<stub::Stub>),
}

impl Broker {
    pub(crate) async fn submit(&self, submission: Submission, patience: Duration) -> Answer {
        match self {
            Self::Kit(kit) => kit.submit_within(submission, patience).await,
            #[cfg(test)]
            Self::Stub(stub) => stub.submit(submission).await,
        }
    }

    /// Who takes what is sent there: `Err` with a code when the broker says no, without one when nobody knows.
    pub(crate) async fn resolve(&self, service: &Identifier) -> Result<Arc<Resolved>, Option<Code>> {
        let address = ServiceAddress::parse(&service.system, &service.value);
        let address = address.map_err(|_| Some(Code::ServiceUnknown))?;
        match self {
            Self::Kit(kit) => match timeout(RESOLVE, kit.resolve(&address)).await {
                Ok(resolved) => resolved.map_err(|problem| problem.code),
                Err(_) => Err(None),
            },
            #[cfg(test)]
            Self::Stub(stub) => stub.resolve(&address),
        }
    }

    /// Where a message is; empty when nobody knows.
    pub(crate) async fn state_of(&self, id: &str) -> Vec<Status> {
        match self {
            Self::Kit(kit) => kit.state_of(id).await.unwrap_or_default(),
            #[cfg(test)]
            Self::Stub(stub) => stub.states(id),
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        match self {
            Self::Kit(kit) => Memory::new(kit.notes().clone()),
            #[cfg(test)]
            Self::Stub(stub) => stub.memory.clone(),
        }
    }
}

#[cfg(test)]
pub(crate) mod stub {
    //! A broker that answers as a test tells it.

    use std::collections::{HashMap, VecDeque};
    use std::sync::{Mutex, PoisonError};

    use bulkhead_model::{ReferralId, ServiceId, State, TenantId};
    use tokio::sync::Semaphore;

    use super::*;

    pub(crate) const TENANT: &str = "england/nhs111-north";

    #[derive(Debug)]
    pub(crate) struct Stub {
        pub(crate) memory: Memory,
        answers: Mutex<VecDeque<Answer>>,
        submitted: Mutex<Vec<Submission>>,
        services: Mutex<HashMap<(String, String), Arc<Resolved>>>,
        states: Mutex<HashMap<String, State>>,
        /// Submits wait for a permit.
        pub(crate) gate: Semaphore,
    }

    fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Stub {
        pub(crate) fn new() -> Arc<Self> {
            Arc::new(Self {
                memory: Memory::in_memory(),
                answers: Mutex::default(),
                submitted: Mutex::default(),
                services: Mutex::default(),
                states: Mutex::default(),
                gate: Semaphore::new(1_000_000),
            })
        }

        /// The next answers; after them everything is accepted.
        pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
            lock(&self.answers).extend(answers);
        }

        pub(crate) fn submitted(&self) -> Vec<Submission> {
            lock(&self.submitted).clone()
        }

        pub(crate) fn set_state(&self, id: &str, state: State) {
            lock(&self.states).insert(id.to_owned(), state);
        }

        /// Makes a service known.
        pub(crate) fn host(&self, service: &Identifier, tenant: &str, protocol: &str, version: &str) {
            let address = ServiceAddress::parse(&service.system, &service.value).unwrap();
            let resolved = Resolved {
                service: ServiceId::parse(&format!("{tenant}-service")).unwrap(),
                tenant: TenantId::parse(tenant).unwrap(),
                protocol: protocol.to_owned(),
                version: version.to_owned(),
                max_bytes: None,
                identifiers: vec![address.clone()],
            };
            lock(&self.services).insert(address.key(), Arc::new(resolved));
        }

        pub(super) async fn submit(&self, submission: Submission) -> Answer {
            let id = submission.envelope.message_id.clone();
            lock(&self.submitted).push(submission);
            let _permit = self.gate.acquire().await.unwrap();
            let told = lock(&self.answers).pop_front();
            told.unwrap_or_else(|| {
                let state = lock(&self.states).insert(id.to_string(), State::Accepted);
                Answer::Accepted {
                    id: ReferralId::derive(&TenantId::parse(TENANT).unwrap(), &id),
                    duplicate: state.is_some(),
                    state: state.unwrap_or(State::Accepted),
                    reason: None,
                }
            })
        }

        pub(super) fn resolve(&self, address: &ServiceAddress) -> Result<Arc<Resolved>, Option<Code>> {
            lock(&self.services).get(&address.key()).cloned().ok_or(Some(Code::ServiceUnknown))
        }

        pub(super) fn states(&self, id: &str) -> Vec<Status> {
            let tenant = TenantId::parse(TENANT).unwrap();
            let message_id = bulkhead_model::MessageId::parse(id).unwrap();
            let status = |state: &State| Status {
                id: ReferralId::derive(&tenant, &message_id),
                tenant: tenant.clone(),
                message_id: message_id.clone(),
                state: *state,
                reason: None,
                destination: String::new(),
                updated_at: None,
                omissions: Vec::new(),
            };
            lock(&self.states).get(id).map(status).into_iter().collect()
        }
    }
}
