//! `PlanDirectory`: what a directory would change, before anybody signs it.

use bulkhead_model::{Code, Directory};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::time_to_wire;
use bulkhead_wire::v1::PlanDirectoryResponse;
use jiff::Timestamp;

use super::Shared;
use super::command::refusal_of;
use crate::difference::difference;

impl Shared {
    pub(super) fn plan_directory(&self, toml: &str) -> Result<PlanDirectoryResponse, Refusal> {
        let (next, before, position) = self.parts.book.ask(|authority| {
            let next = authority.next_directory("the file", toml);
            (next, authority.directory_text().clone(), authority.cuts().position)
        });
        let next = next.map_err(|refused| refusal_of(&refused))?;
        let unreadable = |error: toml::de::Error| Refusal::new(Code::InvalidEnvelope, error.message());
        let changes = difference(&before, toml).map_err(unreadable)?;
        let now = Some(time_to_wire(Timestamp::now()));
        Ok(PlanDirectoryResponse { changes, position, now, idle: idle(&next) })
    }
}

/// Fallbacks that are named and have not agreed.
fn idle(directory: &Directory) -> Vec<String> {
    let unheard = directory.services().filter(|service| directory.agreed(service).is_none());
    let named = unheard.filter_map(|service| Some((&service.id, service.fallback.as_ref()?)));
    named
        .map(|(service, fallback)| {
            format!("nothing is diverted from {service}: {fallback} does not name it in takes_over")
        })
        .collect()
}
