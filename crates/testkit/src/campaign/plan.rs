//! What is sent: cases of one to four messages between any two tenants, drawn from a seed.

use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::world::{DevJson, Tenant};
use crate::history::Answer;

/// One message, and what came of sending it.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) message_id: String,
    pub(super) case: String,
    pub(super) order: u64,
    pub(super) same_bytes: bool,
    pub(super) request: Value,
    /// The digests of what was sent; one, unless a retry had other bytes.
    pub(super) sha256: Vec<String>,
    pub(super) answer: Answer,
    /// When it was accepted.
    pub(super) accepted: Option<Timestamp>,
    /// What was said last.
    pub(super) words: String,
    pub(super) tries: u32,
}

/// An endless row of cases.
pub(super) struct Plan {
    random: StdRng,
    name: String,
    next: u64,
    /// Some of them are to be handed over within seconds.
    hurried: bool,
}

impl Plan {
    /// `name` keeps its ids apart from those of other plans.
    pub(super) fn new(random: StdRng, name: String) -> Self {
        Self { random, name, next: 0, hurried: false }
    }

    /// Some of them are to be handed over within seconds, which only BaRS can say.
    pub(super) fn hurried(self, hurried: bool) -> Self {
        Self { hurried, ..self }
    }

    /// The messages of the next case, in their order; half of the cases are to or from the tenant that it is about.
    pub(super) fn case(&mut self, dev: &DevJson, about: Option<&str>) -> Vec<Note> {
        let (from, to) = self.pair(dev, about);
        let case = self.id(from, "C");
        let kinds = self.kinds(from, to);
        let priority = ["emergency", "urgent", "urgent", "routine"][self.random.random_range(0..4)];
        let due_in_s = (self.hurried && from.speaks() == "bars" && self.random.random_bool(0.3))
            .then(|| self.random.random_range(1..12_u32));
        let note = |(order, kind): (u64, &str), message_id: String, bytes: usize| Note {
            from: from.id.clone(),
            to: to.id.clone(),
            case: case.clone(),
            order,
            same_bytes: kind == "request" && is_untouched(from, to),
            request: json!({
                "to": to.address(), "kind": kind, "priority": priority, "bytes": bytes,
                "case": case, "message_id": message_id, "due_in_s": due_in_s,
            }),
            message_id,
            sha256: Vec::new(),
            answer: Answer::Open,
            accepted: None,
            words: String::new(),
            tries: 0,
        };
        (0..)
            .zip(kinds)
            .map(|kind| {
                let (message_id, bytes) = (self.id(from, "M"), self.random.random_range(2_000..30_000));
                note(kind, message_id, bytes)
            })
            .collect()
    }

    fn pair<'a>(&mut self, dev: &'a DevJson, about: Option<&str>) -> (&'a Tenant, &'a Tenant) {
        let count = dev.tenants.len();
        let is_about_one = about.is_some() && self.random.random_bool(0.5);
        loop {
            let [from, to] = [0, 1].map(|_| &dev.tenants[self.random.random_range(0..count)]);
            let concerns = about.is_some_and(|about| from.id == about || to.id == about);
            if from.id != to.id && (concerns || !is_about_one) {
                return (from, to);
            }
        }
    }

    /// A case of one, mostly; else a request with what follows it.
    fn kinds(&mut self, from: &Tenant, to: &Tenant) -> Vec<&'static str> {
        // The Welsh service knows no updates.
        let updates = ![from, to].iter().any(|t| t.nation() == "wales" && t.speaks() == "bars");
        let mut kinds = vec!["request"];
        if self.random.random_bool(0.4) {
            for _ in 0..self.random.random_range(1..=3) {
                kinds.push(if updates { "update" } else { "request" });
            }
        }
        if self.random.random_bool(0.1) {
            kinds.push("cancel");
        }
        kinds
    }

    /// A UUID for BaRS, else something short and plain.
    fn id(&mut self, from: &Tenant, kind: &str) -> String {
        self.next += 1;
        if from.speaks() == "bars" {
            return uuid::Builder::from_random_bytes(self.random.random()).into_uuid().to_string();
        }
        format!("{kind}{}N{}", self.name, self.next)
    }
}

/// Whether the receiver's system gets the sender's bytes: one nation, one format, one version.
fn is_untouched(from: &Tenant, to: &Tenant) -> bool {
    from.nation() == to.nation() && matches!(from.nation(), "england" | "scotland")
}
