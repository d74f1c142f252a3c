//! Cuts as the control log would bring them, set by the tests.

use std::sync::Arc;

use bulkhead_model::{
    Cut, CutFact, CutId, Cuts, Direction, Directory, FactId, Moment, OperatorId, ReferralId, Stamp, Step,
    TenantId, Word,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Makes cuts on the watch of one cell. Each fact lies one place behind the one before.
pub(crate) struct Switch {
    cuts: watch::Sender<Arc<Cuts>>,
    next: u64,
    /// It speaks of another nation's cut.
    carries: bool,
}

/// An instant so many seconds from now.
pub(crate) fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

pub(crate) fn cut_id(text: &str) -> CutId {
    CutId::parse(text).unwrap()
}

/// A cut of one tenant, by an operator of the nation that its id names.
pub(crate) fn cut_of(id: &str, tenant: &str, direction: Direction, since: Timestamp) -> Cut {
    let id = cut_id(id);
    Cut {
        by: OperatorId::parse(&format!("{}/duty", id.nation())).unwrap(),
        id,
        scope: tenant.parse().unwrap(),
        tenants: vec![TenantId::parse(tenant).unwrap()],
        direction,
        since,
        drain_clean: false,
        reason: "signs of an intruder".into(),
    }
}

impl Switch {
    pub(crate) fn new(cuts: &watch::Sender<Arc<Cuts>>, directory: Arc<Directory>) -> Self {
        cuts.send_modify(|cuts| Arc::make_mut(cuts).follow(directory));
        Self { cuts: cuts.clone(), next: 100, carries: false }
    }

    /// Places from there on: another switch spoke before.
    pub(crate) fn go_on_from(&mut self, place: u64) {
        self.next = place;
    }

    /// The log took the fact at that time; a carried one took it at home then.
    pub(crate) fn say(&mut self, cut: &CutId, by: &str, word: Word, at: Timestamp, carried: bool) {
        let position = self.next;
        self.next += 1;
        let mut fact = [0; 32];
        fact[..8].copy_from_slice(&position.to_be_bytes());
        let by = OperatorId::parse(&format!("{}/{by}", cut.nation())).unwrap();
        let fact = CutFact { fact: FactId(fact), cut: cut.clone(), by, word };
        let moment = Moment { position, at };
        let stamp = Stamp { here: moment, home: carried.then_some(moment) };
        self.cuts.send_modify(|cuts| {
            let cuts = Arc::make_mut(cuts);
            cuts.position = position;
            cuts.hear(fact, stamp);
        });
    }

    pub(crate) fn cut(&mut self, cut: Cut) {
        let (id, at) = (cut.id.clone(), cut.since);
        self.say(&id, "duty", Word::Made(Box::new(cut)), at, false);
    }

    /// As the home nation's, in another cell.
    pub(crate) fn carried(&mut self, cut: Cut) {
        self.carries = true;
        let (id, at) = (cut.id.clone(), cut.since);
        self.say(&id, "duty", Word::Made(Box::new(cut)), at, true);
    }

    /// The way back as far as so many a minute.
    pub(crate) fn limit(&mut self, cut: &str, per_minute: u32, at: Timestamp) {
        let steps = [
            ("duty", Step::Proposed { certificates: vec![] }),
            ("lead", Step::Approved),
            ("duty", Step::Canary { with: vec![] }),
            ("duty", Step::Limited { per_minute }),
        ];
        for (by, step) in steps {
            self.say(&cut_id(cut), by, Word::Step(step), at, false);
        }
    }

    /// Now.
    pub(crate) fn say_now(&mut self, cut: &str, by: &str, word: Word) {
        let carried = self.carries;
        self.say(&cut_id(cut), by, word, Timestamp::now(), carried);
    }

    /// The way back up to the canary stage, half an hour ago, for that one alone.
    pub(crate) fn opens_for(&mut self, cut: &str, with: &str) {
        let steps = [
            ("duty", Step::Proposed { certificates: vec![] }),
            ("lead", Step::Approved),
            ("duty", Step::Canary { with: vec![TenantId::parse(with).unwrap()] }),
        ];
        let carried = self.carries;
        for (by, step) in steps {
            self.say(&cut_id(cut), by, Word::Step(step), in_seconds(-1_800), carried);
        }
    }

    /// The whole way back at that time.
    pub(crate) fn restore(&mut self, cut: &str, at: Timestamp) {
        let carried = self.carries;
        let steps = [
            ("duty", Step::Proposed { certificates: vec![] }),
            ("lead", Step::Approved),
            ("duty", Step::Canary { with: vec![] }),
            ("duty", Step::Limited { per_minute: 60 }),
            ("duty", Step::Full),
        ];
        for (by, step) in steps {
            self.say(&cut_id(cut), by, Word::Step(step), at, carried);
        }
    }

    pub(crate) fn withdraw(&mut self, cut: &str, at: Timestamp) {
        for by in ["duty", "lead"] {
            self.say(&cut_id(cut), by, Word::Withdrawn, at, false);
        }
    }

    pub(crate) fn release(&mut self, cut: &str, referral: ReferralId) {
        self.say(&cut_id(cut), "lead", Word::Released(referral), Timestamp::now(), false);
    }
}
