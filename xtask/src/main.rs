//! `cargo xtask tidy`: checks of the house that cargo itself does not make; `cargo xtask seeded-bugs [NAME]...`:
//! whether the checks can fail.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

mod floors;
mod house;
mod seeded_bugs;
mod texts;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(problems) => {
            eprintln!("{problems} to put in order");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// How many problems were found and printed.
fn run() -> Result<usize> {
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [task] if task == "tidy" => tidy(),
        [task, names @ ..] if task == "seeded-bugs" => seeded_bugs::run(&root()?, names),
        _ => bail!("usage: cargo xtask tidy | seeded-bugs [NAME]..."),
    }
}

fn tidy() -> Result<usize> {
    let root = root()?;
    let house = house::House::read(&root)?;
    let problems: Vec<String> = [
        floors::check(&house.manifests),
        texts::opening_lines(&house.sources),
        texts::error_pages(&house.sources, &house.error_pages),
        texts::machine_paths(&house.tracked),
        seeded_bugs::stale(&root, &house.tracked)?,
    ]
    .concat();
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("tidy: {} crates and {} files are in order", house.manifests.len(), house.tracked.len());
    }
    Ok(problems.len())
}

/// The folder above this package's.
fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask tidy`")?;
    Ok(PathBuf::from(own).parent().context("xtask lies inside the repository")?.to_owned())
}
