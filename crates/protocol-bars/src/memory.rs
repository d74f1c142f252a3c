//! What is remembered of messages that were sent and received, for what belongs to them later.
//!
//! | under | is | for |
//! |---|---|---|
//! | `sent`, message id | digest, ids and endpoints | a repeat; an answer from HL7 v2, which becomes a response |
//! | `answered`, `Bundle.id` and `X-Correlation-Id` | the message id and the trace behind them | a response of the local system |
//! | `case`, tenant and case | ids and endpoints of the request | an update or cancellation from HL7 v2 |
//! | `ids`, tenant and case | our ids and the local system's | an update or cancellation that names the request |
//! | `request`, id of the ServiceRequest | the ServiceRequest | reading it |
//! | `handed`, referral id | what was known when its message was made | a repeat with the same bytes |
//!
//! All of it is in the kit's notes: durable, and dropped after as many days as ids are remembered.

use bulkhead_adapter::{Error, Notes};
use bulkhead_format_bars::IdMap;
use bulkhead_model::{ReferralId, ServiceAddress};
use bulkhead_translation::Remembered;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::outgoing::Known;

const SENT: &str = "bars-sent";
const ANSWERED: &str = "bars-answered";
const CASE: &str = "bars-case";
const IDS: &str = "bars-ids";
const REQUEST: &str = "bars-request";
const HANDED: &str = "bars-handed";

/// Pairs of ids that are kept for one case at most: later ones are left out.
const MOST_IDS: usize = 4096;

/// What was known of a delivery when its message was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Handed {
    ids: Vec<(String, String, String)>,
    about: Option<Remembered>,
    own: Vec<(String, String)>,
    diverted: bool,
}

impl From<&Known> for Handed {
    fn from(known: &Known) -> Self {
        let owned = |(kind, ours, theirs): (&str, &str, &str)| (kind.into(), ours.into(), theirs.into());
        let address = |own: &ServiceAddress| (own.system().to_owned(), own.value().to_owned());
        Self {
            ids: known.ids.pairs().map(owned).collect(),
            about: known.about.clone(),
            own: known.own.iter().map(address).collect(),
            diverted: known.diverted,
        }
    }
}

impl From<Handed> for Known {
    fn from(handed: Handed) -> Self {
        let mut ids = IdMap::default();
        handed.ids.iter().for_each(|(kind, ours, theirs)| ids.insert(kind, ours, theirs));
        // Each was an address when it was written.
        let own = handed.own.iter().filter_map(|(system, value)| ServiceAddress::parse(system, value).ok());
        Self { ids, about: handed.about, own: own.collect(), diverted: handed.diverted }
    }
}

/// A message that the local system sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub(crate) digest: String,
    /// Its ids and endpoints.
    pub(crate) about: Remembered,
}

/// What a response of the local system answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) message_id: String,
    /// Where its hand-over stands in the trace that the response goes on with; may be empty.
    pub(crate) traceparent: String,
}

/// A ServiceRequest that was sent or received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRequest {
    /// The message that brought it.
    pub(crate) message_id: String,
    /// Whether the local system received it; else it sent it.
    pub(crate) received: bool,
    /// When it was cancelled.
    pub(crate) cancelled: Option<Timestamp>,
    /// When it was sent or received.
    pub(crate) at: Timestamp,
    /// The resource, in FHIR JSON.
    pub(crate) resource: String,
}

impl std::fmt::Debug for KnownRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownRequest").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// The kit's notes, under the words of BaRS. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    Notes(Notes),
    #[cfg(test)]
    Map(std::sync::Arc<std::sync::Mutex<std::collections::BTreeMap<(String, String), bytes::Bytes>>>),
}

impl Memory {
    pub(crate) fn new(notes: Notes) -> Self {
        Self { store: Store::Notes(notes) }
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self { store: Store::Map(std::sync::Arc::default()) }
    }

    pub(crate) async fn sent(&self, message_id: &str) -> Result<Option<Sent>, Error> {
        self.read(SENT, message_id).await
    }

    pub(crate) async fn keep_sent(&self, message_id: &str, sent: &Sent) -> Result<(), Error> {
        self.write(SENT, message_id, sent).await
    }

    /// It was not taken: the same id may come again with other bytes.
    pub(crate) async fn forget_sent(&self, message_id: &str) -> Result<(), Error> {
        self.delete(SENT, message_id).await
    }

    /// What a response with this `response.identifier` and correlation id answers.
    pub(crate) async fn answered(&self, bundle: &str, correlation: &str) -> Result<Option<Answered>, Error> {
        self.read(ANSWERED, &pair(bundle, correlation)).await
    }

    pub(crate) async fn keep_answered(
        &self,
        bundle: &str,
        correlation: &str,
        answered: &Answered,
    ) -> Result<(), Error> {
        self.write(ANSWERED, &pair(bundle, correlation), answered).await
    }

    /// The request of a case of another tenant's.
    pub(crate) async fn of_case(&self, tenant: &str, case: &str) -> Result<Option<Remembered>, Error> {
        self.read(CASE, &pair(tenant, case)).await
    }

    pub(crate) async fn keep_of_case(
        &self,
        tenant: &str,
        case: &str,
        about: &Remembered,
    ) -> Result<(), Error> {
        self.write(CASE, &pair(tenant, case), about).await
    }

    /// Our ids and the local system's, in a case.
    pub(crate) async fn ids(&self, tenant: &str, case: &str) -> Result<IdMap, Error> {
        let pairs: Option<Vec<(String, String, String)>> = self.read(IDS, &pair(tenant, case)).await?;
        let mut map = IdMap::default();
        for (kind, ours, theirs) in pairs.unwrap_or_default() {
            map.insert(&kind, &ours, &theirs);
        }
        Ok(map)
    }

    /// Adds what an answer of the local system's said.
    pub(crate) async fn add_ids(&self, tenant: &str, case: &str, more: &IdMap) -> Result<(), Error> {
        if more.is_empty() {
            return Ok(());
        }
        let mut map = self.ids(tenant, case).await?;
        for (kind, ours, theirs) in more.pairs().take(MOST_IDS.saturating_sub(map.len())) {
            map.insert(kind, ours, theirs);
        }
        self.write(IDS, &pair(tenant, case), &map.pairs().collect::<Vec<_>>()).await
    }

    /// What was known when the message of that referral was made; none when its bytes went on as they came.
    pub(crate) async fn handed(&self, referral: &ReferralId) -> Result<Option<Known>, Error> {
        Ok(self.read::<Handed>(HANDED, &referral.to_string()).await?.map(Known::from))
    }

    pub(crate) async fn keep_handed(&self, referral: &ReferralId, known: &Known) -> Result<(), Error> {
        self.write(HANDED, &referral.to_string(), &Handed::from(known)).await
    }

    pub(crate) async fn request(&self, id: &str) -> Result<Option<KnownRequest>, Error> {
        self.read(REQUEST, id).await
    }

    pub(crate) async fn keep_request(&self, id: &str, request: &KnownRequest) -> Result<(), Error> {
        self.write(REQUEST, id, request).await
    }

    /// The request was cancelled; unknown ones stay unknown.
    pub(crate) async fn cancel_request(&self, id: &str, at: Timestamp) -> Result<(), Error> {
        match self.request(id).await? {
            Some(request) => self.keep_request(id, &KnownRequest { cancelled: Some(at), ..request }).await,
            None => Ok(()),
        }
    }

    /// What cannot be read any more is as good as forgotten.
    async fn read<T: DeserializeOwned>(&self, namespace: &str, key: &str) -> Result<Option<T>, Error> {
        let bytes = match &self.store {
            Store::Notes(notes) => notes.get(namespace, key).await?,
            #[cfg(test)]
            Store::Map(map) => {
                map.lock().expect("a test's own lock").get(&(namespace.to_owned(), key.to_owned())).cloned()
            }
        };
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    async fn write<T: Serialize>(&self, namespace: &str, key: &str, value: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::Store { doing: "writing a note", cause: error.to_string() })?;
        match &self.store {
            Store::Notes(notes) => notes.put(namespace, key, bytes).await,
            #[cfg(test)]
            Store::Map(map) => {
                map.lock()
                    .expect("a test's own lock")
                    .insert((namespace.to_owned(), key.to_owned()), bytes::Bytes::from(bytes));
                Ok(())
            }
        }
    }

    async fn delete(&self, namespace: &str, key: &str) -> Result<(), Error> {
        match &self.store {
            Store::Notes(notes) => notes.delete(namespace, key).await.map(drop),
            #[cfg(test)]
            Store::Map(map) => {
                map.lock().expect("a test's own lock").remove(&(namespace.to_owned(), key.to_owned()));
                Ok(())
            }
        }
    }
}

/// Two ids as one key. UUIDs are compared without case, and so is all the rest.
fn pair(first: &str, second: &str) -> String {
    format!("{}|{}", first.trim().to_ascii_lowercase(), second.trim().to_ascii_lowercase())
}
