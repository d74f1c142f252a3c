//! What is counted of one tenant's submits. Only tenants of the directory have meters, so that their number
//! is bounded.

use std::time::Instant;

use bulkhead_model::{Nation, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::SubmitResponse;
use metrics::{Counter, Histogram, counter, histogram};

/// The meters of one tenant.
pub(crate) struct Meters {
    nation: Nation,
    tenant: String,
    accepted: Counter,
    duplicate: Counter,
    seconds: Histogram,
    bytes: Histogram,
}

impl Meters {
    pub(crate) fn new(nation: Nation, tenant: &TenantId) -> Self {
        let tenant = tenant.to_string();
        let labels = [("nation", nation.as_str().to_owned()), ("tenant", tenant.clone())];
        Self {
            accepted: submits(nation, &tenant, "accepted"),
            duplicate: submits(nation, &tenant, "duplicate"),
            seconds: histogram!("bulkhead_submit_seconds", &labels),
            bytes: histogram!("bulkhead_submit_bytes", &labels),
            nation,
            tenant,
        }
    }

    /// One submit was answered.
    pub(crate) fn answered(&self, began: Instant, bytes: usize, answer: &Result<SubmitResponse, Refusal>) {
        match answer {
            Ok(response) if response.duplicate => self.duplicate.increment(1),
            Ok(_) => self.accepted.increment(1),
            Err(refusal) => submits(self.nation, &self.tenant, refusal.code.as_str()).increment(1),
        }
        self.seconds.record(began.elapsed());
        self.bytes.record(bytes as f64);
    }
}

fn submits(nation: Nation, tenant: &str, outcome: &'static str) -> Counter {
    let labels = [
        ("nation", nation.as_str().to_owned()),
        ("tenant", tenant.to_owned()),
        ("outcome", outcome.to_owned()),
    ];
    counter!("bulkhead_submits_total", &labels)
}
