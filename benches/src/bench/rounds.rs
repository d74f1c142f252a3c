//! The rounds: everything is measured in each, every other round the other way about, on a new world.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;

use crate::cell::{FAR, NEAR};
use crate::figures::Figures;
use crate::host::Host;
use crate::keys::Keys;
use crate::process::cpu_seconds;
use crate::raw::Raw;
use crate::sidecar::Sidecar;
use crate::spread::Spread;
use crate::store::Store;
use crate::submit::Door;
use crate::{inbox, sender};

const RAW_P50: &str = "raw append, one at a time, p50 ms";
const RAW_P99: &str = "raw append, one at a time, p99 ms";
const RAW_READ_P50: &str = "raw append to reader, one at a time, p50 ms";
const RAW_RATE: &str = "raw append, 64 in flight, /s";
const RAW_MANY: &str = "raw append, 32 in flight, /s";
const DOOR_P50: &str = "Submit, one at a time, door alone, p50 ms";
const DOOR_P99: &str = "Submit, one at a time, door alone, p99 ms";
const ONE_P50: &str = "Submit, one at a time, whole node, p50 ms";
const ONE_P99: &str = "Submit, one at a time, whole node, p99 ms";
const DOOR_STREAM: &str = "SubmitStream, 64 in flight, door alone, /s";
const STREAM: &str = "SubmitStream, 64 in flight, whole node, /s";
const DOOR_MANY: &str = "Submit, 32 at once, door alone, /s";
const MANY: &str = "Submit, 32 at once, whole node, /s";
const NEAR_P50: &str = "submit to inbox, same cell, p50 ms";
const NEAR_P99: &str = "submit to inbox, same cell, p99 ms";
const FAR_P50: &str = "submit to inbox, over a border, p50 ms";
const FAR_P99: &str = "submit to inbox, over a border, p99 ms";
const RAW_CPU: &str = "CPU ms each: raw append";
const THROUGH_CPU: &str = "CPU ms each: raw append and read";
const DOOR_CPU: &str = "CPU ms each: the node, door alone, stream";
const CPU: &str = "CPU ms each: the node, whole, stream";
const DOOR_RATIO: &str = "ratio: SubmitStream, door alone / raw append";
const RATIO: &str = "ratio: SubmitStream, whole node / raw append";
const DOOR_MANY_RATIO: &str = "ratio: Submit 32 at once, door alone / raw, 32";
const DOOR_ONE_RATIO: &str = "ratio: Submit p50, door alone / raw append p50";
const DOOR_TAIL_RATIO: &str = "ratio: Submit p99, door alone / raw append p99";
const ONE_RATIO: &str = "ratio: Submit p50, whole node / raw append p50";
const NEAR_RATIO: &str = "ratio: submit to inbox p50 / raw append to reader";
const FAR_RATIO: &str = "ratio: the same over a border";
const CPU_RATIO: &str = "ratio: CPU of the whole node / raw append and read";

/// What is printed, with the targets on the embedded log and on Kafka.
const ROWS: [(&str, &str, &str); 30] = [
    (RAW_P50, "", ""),
    (RAW_P99, "", ""),
    (RAW_READ_P50, "", ""),
    (DOOR_P50, "", ""),
    (DOOR_P99, "", ""),
    (ONE_P50, "", ""),
    (ONE_P99, "", ""),
    (RAW_RATE, "", ""),
    (DOOR_STREAM, "", ""),
    (STREAM, "", ""),
    (RAW_MANY, "", ""),
    (DOOR_MANY, "", ""),
    (MANY, "", ""),
    (NEAR_P50, "", ""),
    (NEAR_P99, "", ""),
    (FAR_P50, "", ""),
    (FAR_P99, "", ""),
    (RAW_CPU, "", ""),
    (THROUGH_CPU, "", ""),
    (DOOR_CPU, "", "57 KB: <= 0.20"),
    (CPU, "", ""),
    (DOOR_RATIO, "57 KB: >= 0.5", "57 KB: >= 0.8, 2 KB: >= 0.4"),
    (RATIO, "57 KB: >= 0.5", ""),
    (DOOR_MANY_RATIO, "", "57 KB: >= 0.8"),
    (DOOR_ONE_RATIO, "<= 2.5", "<= 2"),
    (DOOR_TAIL_RATIO, "", "<= 3"),
    (ONE_RATIO, "<= 2.5", ""),
    (NEAR_RATIO, "", "<= 6"),
    (FAR_RATIO, "", "<= 12"),
    (CPU_RATIO, "", "<= 4"),
];

/// In flight on a stream, and in the log's queue that it is compared with.
const IN_FLIGHT: usize = 64;
const AT_ONCE: usize = 32;
/// How the rounds are run.
pub(crate) struct Rounds {
    pub(crate) rounds: u32,
    pub(crate) sizes: Vec<usize>,
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    /// About how much one measurement of a rate writes, in MB.
    pub(crate) megabytes: usize,
}

/// Measures everything so many times and prints the medians.
pub(crate) async fn run(plan: &Rounds) -> Result<()> {
    let Rounds { rounds, sizes, dir, .. } = plan;
    let mut figures = Figures::default();
    for round in 1..=*rounds {
        let place = tempfile::tempdir_in(dir)?;
        let world = World::start(plan, place.path(), round).await?;
        for size in sizes {
            println!("round {round} of {rounds}, {size} KB");
            world.round(round, *size, &mut figures).await?;
        }
        world.stop().await?;
    }
    println!(
        "\nMedian of {rounds} rounds (least-most); cells in one process, clients and sidecars in another.\n"
    );
    let is_kafka = plan.store.kafka.is_some();
    let rows = ROWS.map(|(name, embedded, kafka)| (name, if is_kafka { kafka } else { embedded }));
    println!("{}", figures.table(&rows, sizes));
    Ok(())
}

struct World {
    raw: Raw,
    host: Host,
    near: Sidecar,
    far: Sidecar,
    keys: Keys,
    megabytes: usize,
}

#[derive(Clone, Copy)]
enum Question {
    OneAtATime,
    Stream,
    ManyAtOnce,
    ToInbox,
}

impl World {
    async fn start(plan: &Rounds, dir: &Path, round: u32) -> Result<Self> {
        let keys = Keys::new()?;
        // Brokers keep what earlier runs have left.
        let name = format!("bench-{}-{round}", std::process::id());
        let raw = Raw::start(&plan.store, dir, &name).await?;
        let host = Host::start(&keys, dir, &plan.store, &name, 0).await?;
        let near = Sidecar::start(&keys, &host.england, NEAR, &dir.join("near")).await?;
        let far =
            Sidecar::start(&keys, host.wales.as_ref().context("no far cell")?, FAR, &dir.join("far")).await?;
        Ok(Self { raw, host, near, far, keys, megabytes: plan.megabytes })
    }

    async fn round(&self, round: u32, size: usize, figures: &mut Figures) -> Result<()> {
        let document = sender::document(size * 1000);
        let mut questions = [Question::OneAtATime, Question::Stream, Question::ManyAtOnce, Question::ToInbox];
        if round.is_multiple_of(2) {
            questions.reverse();
        }
        self.warm_up(&document).await?;
        for question in questions {
            match question {
                Question::OneAtATime => self.one_at_a_time(size, &document, figures).await?,
                Question::Stream => self.stream(round, size, &document, figures).await?,
                Question::ManyAtOnce => self.many_at_once(round, size, &document, figures).await?,
                Question::ToInbox => self.to_inbox(size, &document, figures).await?,
            }
        }
        Ok(())
    }

    fn door(&self, to: &'static str) -> Result<Door<'static>> {
        Ok(Door { client: sender::client(&self.keys, &self.host.england)?, to })
    }

    fn door_alone(&self) -> Result<Door<'static>> {
        Ok(Door {
            client: sender::client(&self.keys, self.host.door_alone.as_ref().context("no door")?)?,
            to: NEAR,
        })
    }

    async fn warm_up(&self, document: &Bytes) -> Result<()> {
        self.raw.appends(document, 128, 32).await?;
        self.door_alone()?.stream(document, 128, 32).await?;
        self.door(NEAR)?.stream(document, 128, 32).await?;
        self.near.next_many(128).await?;
        self.door(FAR)?.stream(document, 128, 32).await?;
        self.far.next_many(128).await
    }

    async fn one_at_a_time(&self, size: usize, document: &Bytes, figures: &mut Figures) -> Result<()> {
        let count = self.few(size);
        let raw = self.raw.appends(document, count, 1).await?;
        let alone = self.door_alone()?.unary(document, count, 1).await?;
        let one = self.door(NEAR)?.unary(document, count, 1).await?;
        self.near.next_many(count).await?;
        figures.add(RAW_P50, size, raw.at(0.5));
        figures.add(RAW_P99, size, raw.at(0.99));
        figures.add(DOOR_P50, size, alone.at(0.5));
        figures.add(DOOR_P99, size, alone.at(0.99));
        figures.add(ONE_P50, size, one.at(0.5));
        figures.add(ONE_P99, size, one.at(0.99));
        figures.add(DOOR_ONE_RATIO, size, alone.at(0.5) / raw.at(0.5));
        figures.add(DOOR_TAIL_RATIO, size, alone.at(0.99) / raw.at(0.99));
        figures.add(ONE_RATIO, size, one.at(0.5) / raw.at(0.5));
        Ok(())
    }

    async fn stream(&self, round: u32, size: usize, document: &Bytes, figures: &mut Figures) -> Result<()> {
        let count = self.many(size);
        let whole = async || {
            let spread = self.door(NEAR)?.stream(document, count, IN_FLIGHT).await?;
            self.near.next_many(count).await?;
            Ok::<_, anyhow::Error>(spread)
        };
        let alone = async || self.door_alone()?.stream(document, count, IN_FLIGHT).await;
        let raw = async || self.raw.appends(document, count, IN_FLIGHT).await;
        let (here, cells) = (|| cpu_seconds(std::process::id()), || self.host.cpu_seconds());
        let (raw, alone, whole) = if round.is_multiple_of(2) {
            let (whole, alone) = (costing(cells, whole).await?, costing(cells, alone).await?);
            (costing(here, raw).await?, alone, whole)
        } else {
            (costing(here, raw).await?, costing(cells, alone).await?, costing(cells, whole).await?)
        };
        let through = costing(here, async || self.raw.through(document, count, IN_FLIGHT).await).await?;
        figures.add(RAW_RATE, size, raw.spread.rate());
        figures.add(DOOR_STREAM, size, alone.spread.rate());
        figures.add(STREAM, size, whole.spread.rate());
        figures.add(DOOR_RATIO, size, alone.spread.rate() / raw.spread.rate());
        figures.add(RATIO, size, whole.spread.rate() / raw.spread.rate());
        figures.add(RAW_CPU, size, raw.each(count));
        figures.add(THROUGH_CPU, size, through.each(count));
        figures.add(DOOR_CPU, size, alone.each(count));
        figures.add(CPU, size, whole.each(count));
        figures.add(CPU_RATIO, size, whole.each(count) / through.each(count));
        Ok(())
    }

    async fn many_at_once(
        &self,
        round: u32,
        size: usize,
        document: &Bytes,
        figures: &mut Figures,
    ) -> Result<()> {
        let count = self.many(size) / AT_ONCE * AT_ONCE;
        let raw = async || Ok::<_, anyhow::Error>(self.raw.appends(document, count, AT_ONCE).await?.rate());
        let alone =
            async || Ok::<_, anyhow::Error>(self.door_alone()?.unary(document, count, AT_ONCE).await?.rate());
        let (raw, alone) = if round.is_multiple_of(2) {
            let alone = alone().await?;
            (raw().await?, alone)
        } else {
            (raw().await?, alone().await?)
        };
        let spread = self.door(NEAR)?.unary(document, count, AT_ONCE).await?;
        self.near.next_many(count).await?;
        figures.add(RAW_MANY, size, raw);
        figures.add(DOOR_MANY, size, alone);
        figures.add(MANY, size, spread.rate());
        figures.add(DOOR_MANY_RATIO, size, alone / raw);
        Ok(())
    }

    async fn to_inbox(&self, size: usize, document: &Bytes, figures: &mut Figures) -> Result<()> {
        let count = self.few(size);
        let raw = self.raw.to_reader(document, count).await?;
        let near = inbox::way(&self.door(NEAR)?, &self.near, document, count).await?;
        let far = inbox::way(&self.door(FAR)?, &self.far, document, count).await?;
        figures.add(RAW_READ_P50, size, raw.at(0.5));
        figures.add(NEAR_P50, size, near.at(0.5));
        figures.add(NEAR_P99, size, near.at(0.99));
        figures.add(FAR_P50, size, far.at(0.5));
        figures.add(FAR_P99, size, far.at(0.99));
        figures.add(NEAR_RATIO, size, near.at(0.5) / raw.at(0.5));
        figures.add(FAR_RATIO, size, far.at(0.5) / raw.at(0.5));
        Ok(())
    }

    /// For a rate: about the same number of bytes, whatever the size.
    fn many(&self, size: usize) -> usize {
        (self.megabytes * 1_000 / size).clamp(256, 8192)
    }

    /// For times of single ones.
    fn few(&self, size: usize) -> usize {
        (self.many(size) / 4).clamp(128, 512)
    }

    async fn stop(self) -> Result<()> {
        self.near.stop().await;
        self.far.stop().await;
        self.host.stop().await?;
        self.raw.stop().await
    }
}

/// A measurement, and the processor time that it took.
struct Costing {
    spread: Spread,
    seconds: f64,
}

impl Costing {
    /// Milliseconds for each of so many.
    #[allow(clippy::cast_precision_loss, reason = "there are few of them")]
    fn each(&self, count: usize) -> f64 {
        self.seconds * 1000.0 / count as f64
    }
}

/// Measures, and asks before and after how much processor time somebody has used.
async fn costing(
    clock: impl Fn() -> Result<f64>,
    measure: impl AsyncFn() -> Result<Spread>,
) -> Result<Costing> {
    let before = clock()?;
    let spread = measure().await?;
    Ok(Costing { spread, seconds: clock()? - before })
}
