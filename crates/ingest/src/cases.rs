//! One at a time of each case, in the order of arrival.
//!
//! What is appended while an earlier one of its case is still on its way may come to lie before it: the log keeps the
//! order of calls only as long as nothing fails. So the next of a case begins when the append of the one before it has
//! ended. When nobody knows how it ended (the log did not say in time, or the caller went away), that one is *in
//! doubt*, and nothing else of its case is appended here until it was sent again and accepted, was taken back, or is
//! shown by the ledger.
//!
//! Of what another node of the cell does not know for certain, this one knows nothing: a sender that turns to another
//! node first repeats what it has no answer for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_log::Appended;
use bulkhead_model::{CaseKey, ReferralId, TenantId};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The cases of which something is on its way or in doubt. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cases {
    book: Arc<Mutex<Book>>,
    /// How many of one tenant may be in doubt.
    capacity: usize,
    /// After this nobody waits for one in doubt any more.
    memory: Duration,
}

#[derive(Default)]
struct Book {
    cases: HashMap<CaseKey, Case>,
    doubts: HashMap<TenantId, HashMap<ReferralId, Doubt>>,
}

struct Case {
    place: Arc<Semaphore>,
    /// Those that have the place or wait for it.
    present: usize,
    doubts: Vec<ReferralId>,
}

/// One that may lie in the log, or come to lie there.
#[derive(Clone)]
pub(crate) struct Doubt {
    pub(crate) id: ReferralId,
    pub(crate) attempt: u32,
    case: CaseKey,
    since: Instant,
}

/// Whether its turn has come.
pub(crate) enum Line {
    /// It has.
    Turn(CaseTurn),
    /// Not before those that came earlier have ended. To be dropped by who gives up.
    Behind(BoxFuture<'static, CaseTurn>),
}

/// The turn of one referral in its case; the next one's begins when it is dropped.
pub(crate) struct CaseTurn {
    stand: Stand,
    /// What is on its way into the log.
    appending: Option<(ReferralId, u32)>,
    _place: OwnedSemaphorePermit,
}

/// Why nothing may be appended now.
pub(crate) enum Unclear {
    /// Of this case, unless what is known of these says more.
    Case(Vec<Doubt>),
    /// Too much of this tenant is in doubt.
    Full,
}

impl Cases {
    pub(crate) fn new(capacity: usize, memory: Duration) -> Self {
        Self { book: Arc::default(), capacity, memory }
    }

    /// Takes a place in the line of that case.
    pub(crate) fn enter(&self, key: CaseKey) -> Line {
        let place = self.book().enter(&key);
        let stand = Stand { cases: self.clone(), key };
        if let Ok(permit) = place.clone().try_acquire_owned() {
            return Line::Turn(CaseTurn { stand, appending: None, _place: permit });
        }
        let turn = async move {
            let permit = place.acquire_owned().await.expect("nobody closes this semaphore");
            CaseTurn { stand, appending: None, _place: permit }
        };
        // A task that has had its share of time would be put off, and lose its place in the line.
        let mut turn = tokio::task::unconstrained(turn).boxed();
        match (&mut turn).now_or_never() {
            Some(turn) => Line::Turn(turn),
            None => Line::Behind(turn),
        }
    }

    /// It is known what became of that attempt: it lies in the log, or was taken back.
    pub(crate) fn known(&self, tenant: &TenantId, id: &ReferralId) {
        self.book().clear(tenant, id);
    }

    /// All that is in doubt of a tenant.
    pub(crate) fn doubts_of(&self, tenant: &TenantId) -> Vec<Doubt> {
        self.book().doubts.get(tenant).map(|doubts| doubts.values().cloned().collect()).unwrap_or_default()
    }

    /// What is in doubt of that id, if it is.
    pub(crate) fn doubt(&self, tenant: &TenantId, id: &ReferralId) -> Option<Doubt> {
        self.book().doubts.get(tenant)?.get(id).cloned()
    }

    /// The tenants of which something is in doubt.
    pub(crate) fn doubtful(&self) -> Vec<TenantId> {
        self.book().doubts.keys().cloned().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in here panics between two changes that belong together.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CaseTurn {
    /// Whether that referral may be appended.
    pub(crate) fn check(&self, id: &ReferralId) -> Result<(), Unclear> {
        let Stand { cases, key } = &self.stand;
        let mut book = cases.book();
        let others = book.others(key, id, cases.memory);
        if !others.is_empty() {
            return Err(Unclear::Case(others));
        }
        if book.is_full(&key.tenant, id, cases.capacity) {
            book.forget_older_than(&key.tenant, cases.memory);
            if book.is_full(&key.tenant, id, cases.capacity) {
                return Err(Unclear::Full);
            }
        }
        Ok(())
    }

    /// Whose case it is.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.stand.key.tenant
    }

    /// Its append begins. Until its end is known, it is unknown.
    pub(crate) fn appending(&mut self, id: ReferralId, attempt: u32) {
        self.appending = Some((id, attempt));
    }

    /// Its append has ended. If nobody knows how, it is in doubt from now on; what was in doubt of it before stays so
    /// until it lies in the log.
    pub(crate) fn ended(&mut self, ended: &Result<Appended, bulkhead_log::Error>) {
        match ended {
            Ok(_) => {
                let Some((id, _)) = self.appending.take() else { return };
                self.stand.cases.known(&self.stand.key.tenant, &id);
            }
            Err(error) if error.nothing_written() => self.appending = None,
            Err(_) => {}
        }
    }
}

impl Drop for CaseTurn {
    fn drop(&mut self) {
        let Some((id, attempt)) = self.appending.take() else { return };
        let doubt = Doubt { id, attempt, case: self.stand.key.clone(), since: Instant::now() };
        self.stand.cases.book().doubt(doubt);
    }
}

/// A place in the line, given up when it is dropped.
struct Stand {
    cases: Cases,
    key: CaseKey,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.cases.book().leave(&self.key);
    }
}

impl Book {
    fn enter(&mut self, key: &CaseKey) -> Arc<Semaphore> {
        let case = self.cases.entry(key.clone()).or_insert_with(|| Case {
            place: Arc::new(Semaphore::new(1)),
            present: 0,
            doubts: Vec::new(),
        });
        case.present += 1;
        case.place.clone()
    }

    fn leave(&mut self, key: &CaseKey) {
        if let Some(case) = self.cases.get_mut(key) {
            case.present -= 1;
        }
        self.tidy(key);
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.clear(&doubt.case.tenant.clone(), &doubt.id);
        if let Some(case) = self.cases.get_mut(&doubt.case) {
            case.doubts.push(doubt.id);
        }
        self.doubts.entry(doubt.case.tenant.clone()).or_default().insert(doubt.id, doubt);
    }

    fn clear(&mut self, tenant: &TenantId, id: &ReferralId) {
        let Entry::Occupied(mut doubts) = self.doubts.entry(tenant.clone()) else { return };
        let Some(doubt) = doubts.get_mut().remove(id) else { return };
        if doubts.get().is_empty() {
            doubts.remove();
        }
        if let Some(case) = self.cases.get_mut(&doubt.case) {
            case.doubts.retain(|other| other != id);
        }
        self.tidy(&doubt.case);
    }

    /// What is in doubt of that case beside this one.
    fn others(&mut self, key: &CaseKey, id: &ReferralId, memory: Duration) -> Vec<Doubt> {
        let Some(case) = self.cases.get(key) else { return Vec::new() };
        let of_tenant = self.doubts.get(&key.tenant);
        let others = case.doubts.iter().filter(|other| *other != id);
        let others: Vec<_> = others.filter_map(|other| of_tenant?.get(other).cloned()).collect();
        let (young, old): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|doubt| doubt.since.elapsed() < memory);
        old.iter().for_each(|doubt| self.clear(&key.tenant, &doubt.id));
        young
    }

    /// What is in doubt itself may always come again.
    fn is_full(&self, tenant: &TenantId, id: &ReferralId, capacity: usize) -> bool {
        self.doubts.get(tenant).is_some_and(|doubts| doubts.len() >= capacity && !doubts.contains_key(id))
    }

    fn forget_older_than(&mut self, tenant: &TenantId, memory: Duration) {
        let Some(doubts) = self.doubts.get(tenant) else { return };
        let old = doubts.values().filter(|doubt| doubt.since.elapsed() >= memory).map(|doubt| doubt.id);
        for id in old.collect::<Vec<_>>() {
            self.clear(tenant, &id);
        }
    }

    fn tidy(&mut self, key: &CaseKey) {
        if self.cases.get(key).is_some_and(|case| case.present == 0 && case.doubts.is_empty()) {
            self.cases.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_model::CaseId;

    fn tenant() -> TenantId {
        TenantId::parse("england/a").unwrap()
    }

    fn key(case: &str) -> CaseKey {
        CaseKey { tenant: tenant(), service: "s".into(), case: CaseId::parse(case).unwrap() }
    }

    fn id(n: u8) -> ReferralId {
        ReferralId::from_slice(&[n; 16]).unwrap()
    }

    fn cases() -> Cases {
        Cases::new(2, Duration::from_secs(600))
    }

    fn turn(cases: &Cases, case: &str) -> CaseTurn {
        match cases.enter(key(case)) {
            Line::Turn(turn) => turn,
            Line::Behind(_) => panic!("somebody is before it"),
        }
    }

    fn behind(cases: &Cases, case: &str) -> BoxFuture<'static, CaseTurn> {
        match cases.enter(key(case)) {
            Line::Turn(_) => panic!("it is not its turn"),
            Line::Behind(turn) => turn,
        }
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_arrival_and_who_leaves_the_line_lets_nobody_pass() {
        let cases = cases();
        let first = turn(&cases, "c");
        let (second, third, mut fourth) = (behind(&cases, "c"), behind(&cases, "c"), behind(&cases, "c"));
        drop(turn(&cases, "other"));
        drop(second);
        assert!((&mut fourth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none());
        drop(third.await);
        drop(fourth.await);
        assert!(cases.book().cases.is_empty());
    }

    #[test]
    fn an_append_without_an_end_is_a_doubt_until_the_same_is_durable() {
        let cases = cases();
        let mut first = turn(&cases, "c");
        first.appending(id(1), 1);
        drop(first);
        let second = turn(&cases, "c");
        let Err(Unclear::Case(doubts)) = second.check(&id(2)) else { panic!("nobody doubts it") };
        assert_eq!(doubts.iter().map(|doubt| (doubt.id, doubt.attempt)).collect::<Vec<_>>(), [(id(1), 1)]);
        assert!(second.check(&id(1)).is_ok());
        drop(second);
        let mut again = turn(&cases, "c");
        again.appending(id(1), 2);
        again.ended(&Err(bulkhead_log::Error::Closed));
        assert!(again.check(&id(2)).is_err());
        again.appending(id(1), 2);
        again.ended(&Ok(Appended { offset: 0, at: jiff::Timestamp::UNIX_EPOCH }));
        assert!(again.check(&id(2)).is_ok());
        drop(again);
        let book = cases.book();
        assert!(book.cases.is_empty() && book.doubts.is_empty());
    }

    #[test]
    fn when_a_tenant_has_too_much_in_doubt_none_of_its_cases_goes() {
        let cases = cases();
        for (n, case) in [(1, "c"), (2, "d")] {
            let mut turn = turn(&cases, case);
            turn.appending(id(n), 1);
        }
        assert!(matches!(turn(&cases, "e").check(&id(3)), Err(Unclear::Full)));
        assert!(turn(&cases, "c").check(&id(1)).is_ok());
        cases.known(&tenant(), &id(2));
        assert!(turn(&cases, "e").check(&id(3)).is_ok());
        assert_eq!(cases.doubts_of(&tenant()).len(), 1);
    }
}
