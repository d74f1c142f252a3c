//! The rounds: everything is measured in each, every other round the other way about, on a new world.

use std::path::Path;

use anyhow::Result;
use bulkhead_model::Nation;
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::cell::{Cell, FAR, NEAR, Plan};
use crate::figures::Figures;
use crate::keys::Keys;
use crate::sidecar::Sidecar;
use crate::submit::Door;
use crate::{inbox, raw, sender};

const RAW_P50: &str = "raw append, one at a time, p50 ms";
const RAW_P99: &str = "raw append, one at a time, p99 ms";
const RAW_RATE: &str = "raw append, 64 in flight, /s";
const DOOR_STREAM: &str = "SubmitStream, 64 in flight, door alone, /s";
const STREAM: &str = "SubmitStream, 64 in flight, whole node, /s";
const DOOR_P50: &str = "Submit, one at a time, door alone, p50 ms";
const ONE_P50: &str = "Submit, one at a time, whole node, p50 ms";
const ONE_P99: &str = "Submit, one at a time, whole node, p99 ms";
const MANY: &str = "Submit, 32 at once, /s";
const NEAR_P50: &str = "submit to inbox, same cell, p50 ms";
const NEAR_P99: &str = "submit to inbox, same cell, p99 ms";
const FAR_P50: &str = "submit to inbox, over a border, p50 ms";
const FAR_P99: &str = "submit to inbox, over a border, p99 ms";
const DOOR_RATIO: &str = "ratio: SubmitStream, door alone / raw append";
const RATIO: &str = "ratio: SubmitStream, whole node / raw append";
const DOOR_ONE_RATIO: &str = "ratio: Submit p50, door alone / raw append p50";
const ONE_RATIO: &str = "ratio: Submit p50, whole node / raw append p50";

const ROWS: [(&str, &str); 17] = [
    (RAW_P50, ""),
    (RAW_P99, ""),
    (DOOR_P50, ""),
    (ONE_P50, ""),
    (ONE_P99, ""),
    (RAW_RATE, ""),
    (DOOR_STREAM, ""),
    (STREAM, ""),
    (MANY, ""),
    (NEAR_P50, ""),
    (NEAR_P99, ""),
    (FAR_P50, ""),
    (FAR_P99, ""),
    (DOOR_RATIO, "target at 57 KB: >= 0.5"),
    (RATIO, "target at 57 KB: >= 0.5"),
    (DOOR_ONE_RATIO, "target: <= 2.5"),
    (ONE_RATIO, "target: <= 2.5"),
];

/// In flight on a stream, and in the log's queue that it is compared with.
const IN_FLIGHT: usize = 64;
const AT_ONCE: usize = 32;
/// About how much one measurement of a rate writes.
const BYTES: usize = 120 << 20;

/// Measures everything so many times and prints the medians.
pub(crate) async fn run(rounds: u32, sizes: &[usize], dir: &Path) -> Result<()> {
    let mut figures = Figures::default();
    for round in 1..=rounds {
        let place = tempfile::tempdir_in(dir)?;
        let world = World::start(place.path()).await?;
        for size in sizes {
            println!("round {round} of {rounds}, {size} KB");
            world.round(round, *size, place.path(), &mut figures).await?;
        }
        world.stop().await;
    }
    println!("\nMedian of {rounds} rounds (least-most); clients, cells and sidecars share one process.\n");
    println!("{}", figures.table(&ROWS, sizes));
    Ok(())
}

struct World {
    door_alone: Cell,
    england: Cell,
    wales: Cell,
    near: Sidecar,
    far: Sidecar,
    keys: Keys,
}

#[derive(Clone, Copy)]
enum Question {
    OneAtATime,
    Stream,
    ManyAtOnce,
    ToInbox,
}

impl World {
    async fn start(dir: &Path) -> Result<Self> {
        let keys = Keys::new()?;
        let (england, wales) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let far = [england.local_addr()?, wales.local_addr()?].map(|address| address.to_string());
        let [at_england, at_wales] = far;
        let plan = |nation, name, listener, far: Option<(Nation, String)>| {
            let routing = far.is_some();
            Plan { keys: &keys, nation, dir: dir.join(name), listener, far, routing }
        };
        let far = Some((Nation::Wales, at_wales));
        let england = Cell::start(plan(Nation::England, "england", england, far)).await?;
        let far = Some((Nation::England, at_england));
        let wales = Cell::start(plan(Nation::Wales, "wales", wales, far)).await?;
        let door = TcpListener::bind("127.0.0.1:0").await?;
        let door_alone = Cell::start(plan(Nation::England, "door", door, None)).await?;
        let near = Sidecar::start(&keys, &england, NEAR, &dir.join("near")).await?;
        let far = Sidecar::start(&keys, &wales, FAR, &dir.join("far")).await?;
        Ok(Self { door_alone, england, wales, near, far, keys })
    }

    async fn round(&self, round: u32, size: usize, dir: &Path, figures: &mut Figures) -> Result<()> {
        let document = sender::document(size * 1000);
        let mut questions = [Question::OneAtATime, Question::Stream, Question::ManyAtOnce, Question::ToInbox];
        if round.is_multiple_of(2) {
            questions.reverse();
        }
        self.warm_up(&document).await?;
        for question in questions {
            match question {
                Question::OneAtATime => self.one_at_a_time(size, dir, &document, figures).await?,
                Question::Stream => self.stream(round, size, dir, &document, figures).await?,
                Question::ManyAtOnce => self.many_at_once(size, &document, figures).await?,
                Question::ToInbox => self.to_inbox(size, &document, figures).await?,
            }
        }
        Ok(())
    }

    fn door(&self, to: &'static str) -> Result<Door<'static>> {
        Ok(Door { client: sender::client(&self.keys, &self.england)?, to })
    }

    fn door_alone(&self) -> Result<Door<'static>> {
        Ok(Door { client: sender::client(&self.keys, &self.door_alone)?, to: NEAR })
    }

    async fn warm_up(&self, document: &Bytes) -> Result<()> {
        self.door_alone()?.stream(document, 128, 32).await?;
        self.door(NEAR)?.stream(document, 128, 32).await?;
        self.near.next_many(128).await?;
        self.door(FAR)?.stream(document, 128, 32).await?;
        self.far.next_many(128).await
    }

    async fn one_at_a_time(
        &self,
        size: usize,
        dir: &Path,
        document: &Bytes,
        figures: &mut Figures,
    ) -> Result<()> {
        let count = few(size);
        let raw = raw::append(dir, document, count, 1).await?;
        let alone = self.door_alone()?.unary(document, count, 1).await?;
        let one = self.door(NEAR)?.unary(document, count, 1).await?;
        self.near.next_many(count).await?;
        figures.add(RAW_P50, size, raw.at(0.5));
        figures.add(RAW_P99, size, raw.at(0.99));
        figures.add(DOOR_P50, size, alone.at(0.5));
        figures.add(ONE_P50, size, one.at(0.5));
        figures.add(ONE_P99, size, one.at(0.99));
        figures.add(DOOR_ONE_RATIO, size, alone.at(0.5) / raw.at(0.5));
        figures.add(ONE_RATIO, size, one.at(0.5) / raw.at(0.5));
        Ok(())
    }

    async fn stream(
        &self,
        round: u32,
        size: usize,
        dir: &Path,
        document: &Bytes,
        figures: &mut Figures,
    ) -> Result<()> {
        let count = many(size);
        let whole = async || {
            let spread = self.door(NEAR)?.stream(document, count, IN_FLIGHT).await?;
            self.near.next_many(count).await?;
            Ok::<_, anyhow::Error>(spread.rate())
        };
        let alone = async || {
            Ok::<_, anyhow::Error>(self.door_alone()?.stream(document, count, IN_FLIGHT).await?.rate())
        };
        let (raw, alone, whole) = if round.is_multiple_of(2) {
            let (whole, alone) = (whole().await?, alone().await?);
            (raw::append(dir, document, count, IN_FLIGHT).await?.rate(), alone, whole)
        } else {
            let raw = raw::append(dir, document, count, IN_FLIGHT).await?.rate();
            (raw, alone().await?, whole().await?)
        };
        figures.add(RAW_RATE, size, raw);
        figures.add(DOOR_STREAM, size, alone);
        figures.add(STREAM, size, whole);
        figures.add(DOOR_RATIO, size, alone / raw);
        figures.add(RATIO, size, whole / raw);
        Ok(())
    }

    async fn many_at_once(&self, size: usize, document: &Bytes, figures: &mut Figures) -> Result<()> {
        let count = many(size) / AT_ONCE * AT_ONCE;
        let spread = self.door(NEAR)?.unary(document, count, AT_ONCE).await?;
        self.near.next_many(count).await?;
        figures.add(MANY, size, spread.rate());
        Ok(())
    }

    async fn to_inbox(&self, size: usize, document: &Bytes, figures: &mut Figures) -> Result<()> {
        let near = inbox::way(&self.door(NEAR)?, &self.near, document, few(size)).await?;
        let far = inbox::way(&self.door(FAR)?, &self.far, document, few(size)).await?;
        figures.add(NEAR_P50, size, near.at(0.5));
        figures.add(NEAR_P99, size, near.at(0.99));
        figures.add(FAR_P50, size, far.at(0.5));
        figures.add(FAR_P99, size, far.at(0.99));
        Ok(())
    }

    async fn stop(self) {
        self.near.stop().await;
        self.far.stop().await;
        for cell in [self.england, self.wales, self.door_alone] {
            cell.stop().await;
        }
    }
}

/// For a rate: about the same number of bytes, whatever the size.
fn many(size: usize) -> usize {
    (BYTES / (size * 1000)).clamp(256, 8192)
}

/// For times of single ones.
fn few(size: usize) -> usize {
    (many(size) / 4).clamp(128, 512)
}
