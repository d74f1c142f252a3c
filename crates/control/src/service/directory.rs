//! `PlanDirectory`: what a directory would change, before anybody signs it.

use bulkhead_model::Code;
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
        next.map_err(|refused| refusal_of(&refused))?;
        let unreadable = |error: toml::de::Error| Refusal::new(Code::InvalidEnvelope, error.message());
        let changes = difference(&before, toml).map_err(unreadable)?;
        Ok(PlanDirectoryResponse { changes, position, now: Some(time_to_wire(Timestamp::now())) })
    }
}
