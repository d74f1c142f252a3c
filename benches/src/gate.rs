//! What does the gate cost a referral? Five thousand tenants, fifty cuts, and records that meet none, one or all of
//! them.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use bulkhead_model::{
    Cut, CutFact, CutId, Cuts, Direction, Directory, FactId, Nation, OperatorId, Provenance, Quota,
    ReferralId, Scope, Stamp, Step, Supplier, SupplierId, Tenant, TenantId, Word,
};
use criterion::{Criterion, criterion_main};
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

criterion_main!(gate);

fn gate() {
    let mut criterion = Criterion::default().configure_from_args();
    ask(&mut criterion).expect("names of tenants, operators and cuts that are written here can be read");
}

/// One case after the other; criterion prints the time of one question. The target is 200 ns.
fn ask(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("gate");
    for (what, stand, from, to) in [
        ("neither end is under a cut", Stand::Held, 0, 1),
        ("the sender under one, which holds it", Stand::Held, 2, 1),
        ("the receiver under one", Stand::Held, 1, 2),
        ("the sender under one that is over", Stand::Over, 2, 1),
        ("both ends under all of them, and held", Stand::Held, 3, 4),
        ("both ends under all of them, and they are over", Stand::Over, 3, 4),
    ] {
        let (cuts, record) = (cuts_of(TENANTS, CUTS, stand)?, record(from, to, stand)?);
        group.bench_function(what, |bencher| bencher.iter(|| black_box(&cuts).ask(black_box(&record))));
    }
    group.finish();
    Ok(())
}

/// Tenants 0 and 1 are under no cut, 2 under one, 3 and 4 under all: their supplier is cut off again and again.
fn cuts_of(tenants: usize, count: usize, stand: Stand) -> Result<Cuts> {
    let mut cuts = Cuts::default();
    cuts.follow(Arc::new(directory(tenants)?));
    let mut facts = Vec::new();
    let (mut position, minutes) = (0_u64, |minutes: i64| at(minutes));
    let mut say = |cut: &CutId, by: &str, word: Word, when: Timestamp| -> Result<()> {
        position += 1;
        let mut fact = [0; 32];
        fact[..8].copy_from_slice(&position.to_be_bytes());
        let fact = CutFact { fact: FactId(fact), cut: cut.clone(), by: OperatorId::parse(by)?, word };
        facts.push((fact, Stamp::here(position, when)));
        Ok(())
    };
    for number in 0..count {
        let id = CutId::parse(&format!("england/{number}"))?;
        let scope = if number == 0 {
            Scope::Tenant(tenant(2)?)
        } else {
            Scope::Supplier(SupplierId::parse("breached")?)
        };
        let cut = Cut {
            id: id.clone(),
            by: OperatorId::parse("england/duty")?,
            scope,
            tenants: vec![],
            direction: Direction::Both,
            since: minutes(10),
            drain_clean: false,
            reason: "a bench".into(),
        };
        say(&id, "england/duty", Word::Made(Box::new(cut)), minutes(10))?;
        if matches!(stand, Stand::Over) {
            for (by, step) in [
                ("england/duty", Step::Proposed { certificates: vec![] }),
                ("england/lead", Step::Approved),
                ("england/duty", Step::Canary { with: vec![] }),
                ("england/duty", Step::Limited { per_minute: 60 }),
                ("england/duty", Step::Full),
            ] {
                say(&id, by, Word::Step(step), minutes(20))?;
            }
        }
    }
    cuts.hear_all(facts);
    Ok(cuts)
}

/// Suspect to none: accepted before the cuts, or after their restores and under an epoch behind them.
fn record(from: usize, to: usize, stand: Stand) -> Result<Provenance> {
    let origin = tenant(from)?;
    let accepted = match stand {
        Stand::Held => at(0),
        Stand::Over => at(30),
    };
    let message = bulkhead_model::MessageId::parse("m").ok().context("an id")?;
    Ok(Provenance {
        id: ReferralId::derive(&origin, &message),
        origin,
        destination: Some(tenant(to)?),
        accepted_at: Some(accepted),
        admitted_at: accepted,
        spooled_at: None,
        epochs: vec![(Nation::England, 1_000_000)],
    })
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn tenant(number: usize) -> Result<TenantId> {
    Ok(TenantId::parse(&format!("england/tenant-{number:05}"))?)
}

fn directory(tenants: usize) -> Result<Directory> {
    let supplier = |id: &str| Ok::<_, anyhow::Error>(SupplierId::parse(id)?);
    let names = ["meridian", "breached"];
    let suppliers: Vec<_> = names
        .iter()
        .map(|name| Ok(Supplier { id: supplier(name)?, name: String::new() }))
        .collect::<Result<_>>()?;
    let entry = |number| {
        Ok(Tenant {
            id: tenant(number)?,
            supplier: supplier(if matches!(number, 3 | 4) { "breached" } else { "meridian" })?,
            successor_of: None,
            revoked: vec![],
            quota: Quota::default(),
            synthetic: false,
        })
    };
    let tenants = (0..tenants.max(5)).map(entry).collect::<Result<_>>()?;
    Ok(Directory::new(suppliers, tenants, vec![], vec![])?)
}
