//! What the broker says of other services: which are off, since when, what to do instead. Shown and logged, and nothing
//! else follows from it: what cannot be read is passed over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_wire::{time_from_wire, v1};
use tracing::{info, warn};

/// So many are remembered; those beyond are logged only.
const MOST: usize = 1_000;

/// Who is off, as the broker last said. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServicesOff(Arc<Mutex<BTreeMap<String, v1::ServiceNotice>>>);

impl ServicesOff {
    /// A new stream says anew who is off.
    pub(crate) fn begin_again(&self) {
        self.with(BTreeMap::clear);
    }

    /// The broker says something.
    pub(crate) fn hear(&self, own: &str, notice: v1::ServiceNotice) {
        if notice.tenant.is_empty() {
            return;
        }
        let (tenant, text, cymraeg) = (notice.tenant.clone(), notice.text.clone(), notice.text_cy.clone());
        match notice.off {
            true => warn!(
                tenant = own,
                off = tenant,
                text,
                cymraeg,
                "a service that this tenant exchanges with is off"
            ),
            false => info!(tenant = own, back = tenant, text, cymraeg, "a service that was off is back"),
        }
        self.with(|all| {
            if !notice.off {
                all.remove(&tenant);
            } else if all.len() < MOST || all.contains_key(&tenant) {
                all.insert(tenant, notice);
            }
            metrics::gauge!("bulkhead_sidecar_services_off", "tenant" => own.to_owned())
                .set(all.len() as f64);
        });
    }

    /// A line for each that is off, in every language that the broker said it in.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.with(|all| all.values().flat_map(lines).collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, v1::ServiceNotice>) -> T) -> T {
        // Each change is one step; a panic leaves whole values.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lines(notice: &v1::ServiceNotice) -> Vec<String> {
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let since = notice.since.and_then(time_from_wire).map(|at| format!(" since {at:.0}")).unwrap_or_default();
    let mut lines = vec![format!("- {} is off{since}: {}", plain(&notice.tenant), plain(&notice.text))];
    if !notice.text_cy.is_empty() {
        lines.push(format!("  {}", plain(&notice.text_cy)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(tenant: &str, off: bool) -> v1::ServiceNotice {
        v1::ServiceNotice {
            tenant: tenant.into(),
            off,
            text: "phone\nit".into(),
            text_cy: "ffoniwch ef".into(),
            ..Default::default()
        }
    }

    #[test]
    fn who_is_off_is_shown_until_they_are_back() {
        let off = ServicesOff::default();
        off.hear("wales/a", notice("wales/b", true));
        off.hear("wales/a", notice("wales/b", true));
        off.hear("wales/a", notice("", true));
        assert_eq!(off.lines(), ["- wales/b is off: phoneit", "  ffoniwch ef"]);
        off.hear("wales/a", notice("wales/b", false));
        off.hear("wales/a", notice("wales/never-off", false));
        assert!(off.lines().is_empty());
    }

    #[test]
    fn however_many_are_off_so_many_are_remembered() {
        let off = ServicesOff::default();
        (0..MOST + 5).for_each(|number| off.hear("wales/a", notice(&format!("wales/t-{number}"), true)));
        assert_eq!(off.lines().len(), 2 * MOST);
        off.begin_again();
        assert!(off.lines().is_empty());
    }
}
