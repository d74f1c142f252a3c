//! What does a tenant cost that does nothing, and what do many tenants cost the others? One cell, with more and more
//! tenants; each has a connection and a stream of its own, all receive, and referrals of 57 KB go between any two.

mod receiver;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use self::receiver::{Receiver, Taken};
use crate::cell::numbered;
use crate::host::Host;
use crate::keys::Keys;
use crate::sender::{self, document, referral};
use crate::spread::Spread;
use crate::store::Store;

/// What a measurement is told.
pub(crate) struct Tenants {
    /// How many tenants, one measurement each.
    pub(crate) counts: Vec<usize>,
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) a_second: u32,
}

/// After everybody is connected, until what that took is over.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);
/// Some referrals before, so that most topics have files.
const WARM_UP: u32 = 10;
const MEASURED: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are made at a time.
const AT_ONCE: usize = 16;

/// Measures each number of tenants on a new cell and prints the growth.
pub(crate) async fn run(plan: &Tenants) -> Result<()> {
    println!(
        "{:>8} {:>10} {:>16} {:>12} {:>14} {:>14}",
        "tenants", "RSS MB", "KiB each more", "idle CPU %", "to inbox p50", "to inbox p99"
    );
    let mut first: Option<(usize, f64)> = None;
    for &count in &plan.counts {
        let figures = measure(plan, count).await?;
        let each =
            first.map_or_else(String::new, |(tenants, megabytes)| each(&figures, count, tenants, megabytes));
        first.get_or_insert((count, figures.megabytes));
        println!(
            "{count:>8} {:>10.0} {each:>16} {:>12.1} {:>11.1} ms {:>11.1} ms",
            figures.megabytes,
            figures.idle,
            figures.way.at(0.5),
            figures.way.at(0.99)
        );
    }
    println!("targets: <= 200 KiB each; idle <= 10 % of a core; p99 of 2,000 tenants <= 5x that of 50");
    Ok(())
}

struct Figures {
    megabytes: f64,
    idle: f64,
    way: Spread,
}

/// What each tenant beyond the first measurement's takes.
#[allow(clippy::cast_precision_loss, reason = "there are few tenants")]
fn each(figures: &Figures, count: usize, tenants: usize, megabytes: f64) -> String {
    let more = count.saturating_sub(tenants).max(1) as f64;
    format!("{:.0}", (figures.megabytes - megabytes) * 1e6 / 1024.0 / more)
}

async fn measure(plan: &Tenants, count: usize) -> Result<Figures> {
    let (place, keys) = (tempfile::tempdir_in(&plan.dir)?, Keys::new()?);
    let name = format!("bench-{}-{count}", std::process::id());
    let host = Host::start(&keys, place.path(), &plan.store, &name, count).await?;
    let (told, mut taken) = mpsc::unbounded_channel();
    let receivers = connect(&keys, &host, count, &told).await?;
    sleep(SETTLE).await;
    let (megabytes, before) = (host.resident_mb()?, host.cpu_seconds()?);
    sleep(IDLE).await;
    let idle = (host.cpu_seconds()? - before) / IDLE.as_secs_f64() * 100.0;
    flow(plan, &receivers, WARM_UP, &mut taken).await?;
    let way = flow(plan, &receivers, MEASURED, &mut taken).await?;
    host.stop().await?;
    Ok(Figures { megabytes, idle, way })
}

async fn connect(
    keys: &Keys,
    host: &Host,
    count: usize,
    told: &mpsc::UnboundedSender<Taken>,
) -> Result<Vec<Receiver>> {
    let (mut receivers, mut connecting) = (Vec::with_capacity(count), JoinSet::new());
    for number in 0..count {
        if connecting.len() >= AT_ONCE
            && let Some(connected) = connecting.join_next().await
        {
            receivers.push(connected??);
        }
        let tenant = numbered(number);
        let channel = sender::channel(keys, &host.england, &tenant)?;
        let told = told.clone();
        connecting.spawn(async move { Receiver::connect(tenant, channel, told).await });
    }
    while let Some(connected) = connecting.join_next().await {
        receivers.push(connected??);
    }
    Ok(receivers)
}

/// Referrals between any two, so many a second for so many seconds: from the call to the last frame at the receiver.
async fn flow(
    plan: &Tenants,
    receivers: &[Receiver],
    seconds: u32,
    taken: &mut mpsc::UnboundedReceiver<Taken>,
) -> Result<Spread> {
    let (document, mut chance) = (document(57_000), StdRng::seed_from_u64(u64::from(seconds)));
    let mut tick = interval(Duration::from_secs(1) / plan.a_second);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begin, count) = (Instant::now(), seconds * plan.a_second);
    let mut submits = JoinSet::new();
    for _ in 0..count {
        tick.tick().await;
        let mut pick = || receivers.get(chance.random_range(0..receivers.len())).context("nobody");
        let (from, to) = (pick()?.client(), pick()?.tenant.clone());
        let request = referral(&to, &document);
        submits.spawn(async move {
            let begun = Instant::now();
            let mut from = from;
            let answer = from.submit(request).await?.into_inner();
            Ok::<_, anyhow::Error>((answer.referral_id, begun))
        });
    }
    let mut begun = std::collections::HashMap::new();
    while let Some(submitted) = submits.join_next().await {
        let (id, at) = submitted??;
        begun.insert(id, at);
    }
    let mut took = Vec::new();
    while took.len() < begun.len() {
        let Taken { id, at } =
            timeout(PATIENCE, taken.recv()).await.context("not everything arrived")?.context("end")?;
        if let Some(begun) = begun.get(&id) {
            took.push(at.duration_since(*begun));
        }
    }
    ensure!(took.len() == count as usize, "{} of {count} arrived", took.len());
    Ok(Spread::new(took, begin.elapsed()))
}
