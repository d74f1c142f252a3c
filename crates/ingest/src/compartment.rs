//! What the door holds for each tenant: its limits, its meters and where its referrals go.
//!
//! Compartments follow the directory: a changed quota makes new limits (what is in flight is still counted
//! by the old ones, so for a moment there may be twice as much), and a tenant that is gone has none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_ledger::Ledger;
use bulkhead_log::{Log, Partition, Topic, TopicSpec};
use bulkhead_model::{Code, Directory, Nation, Quota, TenantId};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::topics;
use tokio::sync::OnceCell;

use crate::Config;
use crate::limits::Limits;
use crate::meters::Meters;
use crate::probation::Probation;
use crate::submit::{log_refusal, stands_still};

/// What the door holds for one tenant.
pub(crate) struct Compartment {
    pub(crate) tenant: TenantId,
    pub(crate) limits: Limits,
    pub(crate) meters: Meters,
    pub(crate) probation: Probation,
    quota: Quota,
    inward: OnceCell<Partition>,
}

impl Compartment {
    fn new(tenant: &TenantId, quota: &Quota, nation: Nation, config: &Config) -> Self {
        Self {
            tenant: tenant.clone(),
            limits: Limits::new(quota, config),
            meters: Meters::new(nation, tenant),
            probation: Probation::new(),
            quota: quota.clone(),
            inward: OnceCell::new(),
        }
    }

    /// The partition of `in.<tenant>`, made if nothing is known to have been in it: one that is gone is missed, and not
    /// made anew.
    pub(crate) async fn inward(&self, log: &dyn Log, ledger: &Ledger) -> Result<&Partition, Refusal> {
        let made = self.inward.get_or_try_init(|| async {
            let topic = Topic::new(&topics::inward(&self.tenant))?;
            let spec = TopicSpec { topic: topic.clone(), partitions: 1, compacted: false };
            if ledger.in_goes_on_at(topic.as_str()) == 0 {
                log.ensure(&[spec]).await?;
            }
            Ok(topic.partition(0))
        });
        let to = made.await.map_err(|error| log_refusal(&error))?;
        ledger.in_stands(to.topic.as_str()).map_err(|error| stands_still(&error))?;
        Ok(to)
    }
}

/// The compartments of the tenants that called.
pub(crate) struct Compartments {
    nation: Nation,
    config: Config,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    directory: Arc<Directory>,
    compartments: HashMap<TenantId, Arc<Compartment>>,
}

impl Compartments {
    pub(crate) fn new(nation: Nation, config: Config) -> Self {
        Self { nation, config, known: Mutex::default() }
    }

    /// The compartment of a tenant of the directory.
    pub(crate) fn of(
        &self,
        tenant: &TenantId,
        directory: &Arc<Directory>,
    ) -> Result<Arc<Compartment>, Refusal> {
        let Some(entry) = directory.tenant(tenant) else {
            let text = format!("the directory has no tenant {tenant}");
            return Err(Refusal::new(Code::TenantUnknown, text));
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&known.directory, directory) {
            known.directory = directory.clone();
            known.compartments.retain(|id, compartment| {
                directory.tenant(id).is_some_and(|tenant| tenant.quota == compartment.quota)
            });
        }
        let compartment = known
            .compartments
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(Compartment::new(tenant, &entry.quota, self.nation, &self.config)));
        Ok(compartment.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_model::{Supplier, SupplierId, Tenant};

    fn directory(tenants: &[(&str, u32)]) -> Arc<Directory> {
        let id = SupplierId::parse("meridian").unwrap();
        let tenant = |(name, calls): &(&str, u32)| Tenant {
            id: TenantId::parse(name).unwrap(),
            supplier: id.clone(),
            successor_of: None,
            revoked: vec![],
            quota: Quota { calls_per_second: *calls, ..Quota::default() },
            synthetic: false,
        };
        let supplier = Supplier { id: id.clone(), name: String::new() };
        let tenants = tenants.iter().map(tenant).collect();
        Arc::new(Directory::new(vec![supplier], tenants, vec![], vec![]).unwrap())
    }

    #[test]
    fn limits_follow_the_directory_and_are_each_tenants_own() {
        let compartments = Compartments::new(Nation::England, Config::default());
        let [a, b] = ["england/a", "england/b"].map(|id| TenantId::parse(id).unwrap());
        let before = directory(&[("england/a", 1), ("england/b", 1)]);
        let of = |tenant, directory| compartments.of(tenant, directory);

        assert!(of(&a, &before).unwrap().limits.call().is_ok());
        assert!(of(&a, &before).unwrap().limits.call().is_err());
        assert!(of(&b, &before).unwrap().limits.call().is_ok());

        // Nothing of b's changed, so what it has used stays used.
        let after = directory(&[("england/a", 5), ("england/b", 1)]);
        assert!(of(&a, &after).unwrap().limits.call().is_ok());
        assert!(of(&b, &after).unwrap().limits.call().is_err());

        let gone = directory(&[("england/b", 1)]);
        assert_eq!(of(&a, &gone).err().map(|refusal| refusal.code), Some(Code::TenantUnknown));
    }
}
