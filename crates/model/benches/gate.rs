//! What does the gate cost a referral? Five thousand tenants, fifty cuts, and records that meet none, one or all of
//! them. The target is 200 ns a question.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may unwrap as tests may")]

use std::hint::black_box;
use std::sync::Arc;

use bulkhead_model::{
    Cut, CutFact, CutId, Cuts, Direction, Directory, FactId, MessageId, Nation, OperatorId, Provenance,
    Quota, ReferralId, Scope, Stamp, Step, Supplier, SupplierId, Tenant, TenantId, Word,
};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};

const TENANTS: usize = 5_000;
const CUTS: usize = 50;

/// How the cuts of a case stand.
#[derive(Clone, Copy)]
enum Stand {
    /// In force; what is asked about came before them.
    Held,
    /// Ended by their restores; what is asked about came after.
    Over,
}

criterion_group!(benches, gate);
criterion_main!(benches);

fn gate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gate");
    for (what, stand, from, to) in [
        ("neither end is under a cut", Stand::Held, 0, 1),
        ("the sender under one, which holds it", Stand::Held, 2, 1),
        ("the receiver under one", Stand::Held, 1, 2),
        ("the sender under one that is over", Stand::Over, 2, 1),
        ("both ends under all of them, and held", Stand::Held, 3, 4),
        ("both ends under all of them, and they are over", Stand::Over, 3, 4),
    ] {
        let (cuts, record) = (cuts(stand), record(from, to, stand));
        group.bench_function(what, |bencher| bencher.iter(|| black_box(&cuts).ask(black_box(&record))));
    }
    group.finish();
}

/// Tenants 0 and 1 are under no cut, 2 under one, 3 and 4 under all: their supplier is cut off again and again.
fn cuts(stand: Stand) -> Cuts {
    let mut cuts = Cuts::default();
    cuts.follow(Arc::new(directory()));
    let (mut facts, mut position) = (Vec::new(), 0_u64);
    let mut say = |cut: &CutId, by: &str, word: Word, minute: i64| {
        position += 1;
        let mut fact = [0; 32];
        fact[..8].copy_from_slice(&position.to_be_bytes());
        let by = OperatorId::parse(by).unwrap();
        facts.push((
            CutFact { fact: FactId(fact), cut: cut.clone(), by, word },
            Stamp::here(position, at(minute)),
        ));
    };
    for number in 0..CUTS {
        let id = CutId::parse(&format!("england/{number}")).unwrap();
        let scope = match number {
            0 => Scope::Tenant(tenant(2)),
            _ => Scope::Supplier(SupplierId::parse("breached").unwrap()),
        };
        let cut = Cut {
            id: id.clone(),
            by: OperatorId::parse("england/duty").unwrap(),
            scope,
            tenants: vec![],
            direction: Direction::Both,
            since: at(10),
            drain_clean: false,
            reason: "a bench".into(),
        };
        say(&id, "england/duty", Word::Made(Box::new(cut)), 10);
        if matches!(stand, Stand::Over) {
            for (by, step) in [
                ("england/duty", Step::Proposed { certificates: vec![] }),
                ("england/lead", Step::Approved),
                ("england/duty", Step::Canary { with: vec![] }),
                ("england/duty", Step::Limited { per_minute: 60 }),
                ("england/duty", Step::Full),
            ] {
                say(&id, by, Word::Step(step), 20);
            }
        }
    }
    cuts.hear_all(facts);
    cuts
}

/// Suspect to none: accepted before the cuts, or after their restores and under an epoch behind them.
fn record(from: usize, to: usize, stand: Stand) -> Provenance {
    let origin = tenant(from);
    let accepted = match stand {
        Stand::Held => at(0),
        Stand::Over => at(30),
    };
    Provenance {
        id: ReferralId::derive(&origin, &MessageId::parse("m").unwrap()),
        origin,
        destination: Some(tenant(to)),
        accepted_at: Some(accepted),
        admitted_at: accepted,
        spooled_at: None,
        epochs: vec![(Nation::England, 1_000_000)],
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("england/tenant-{number:05}")).unwrap()
}

fn directory() -> Directory {
    let supplier = |id: &str| SupplierId::parse(id).unwrap();
    let suppliers = ["meridian", "breached"].map(|name| Supplier { id: supplier(name), name: String::new() });
    let entry = |number| Tenant {
        id: tenant(number),
        supplier: supplier(if matches!(number, 3 | 4) { "breached" } else { "meridian" }),
        successor_of: None,
        revoked: vec![],
        quota: Quota::default(),
        synthetic: false,
    };
    Directory::new(suppliers.into(), (0..TENANTS).map(entry).collect(), vec![], vec![]).unwrap()
}
