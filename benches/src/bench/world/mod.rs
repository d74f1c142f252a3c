//! How is the demo world as a whole? `bulkhead dev` as a process, asked four questions one after the other.

mod backlog;
mod clients;
mod flow;
mod idle;
mod pack;
mod start;

use std::path::{Path, PathBuf};

use anyhow::Result;
use bulkhead_testkit::campaign::{Start, World};
use clap::ValueEnum;

/// What can be asked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Question {
    /// What it costs when nothing happens.
    Idle,
    /// The way from system to system over a border.
    Flow,
    /// The memory of 5,000 documents for a system that is down.
    Backlog,
    /// A continuity pack of 10,000.
    Pack,
}

/// Asks these; the way over a border at so many referrals a second.
pub(crate) async fn run(binary: PathBuf, dir: &Path, a_second: u32, questions: &[Question]) -> Result<()> {
    let place = tempfile::tempdir_in(dir)?;
    let mut start = Start::new(binary, place.path().join("world"));
    start.log = "warn".into();
    let world = start::timed(&start, "an empty start").await?;
    for question in questions {
        match question {
            Question::Idle => idle::ask(&world).await?,
            Question::Flow => flow::ask(&world, a_second).await?,
            Question::Backlog => backlog::ask(&world).await?,
            Question::Pack => pack::ask(&world, &start.binary, place.path()).await?,
        }
    }
    world.stop().await?;
    let world: World = start::timed(&start, "a start with these data").await?;
    world.stop().await?;
    Ok(())
}

/// One line of an answer.
fn say(what: &str, value: String, target: &str) {
    println!("{what:<60} {value:>14}  {target}");
}
