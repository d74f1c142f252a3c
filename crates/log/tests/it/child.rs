//! Running one of these tests in a process of its own, to be killed or measured.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const DIRECTORY: &str = "BULKHEAD_LOG_CHILD_DIRECTORY";
const SEED: &str = "BULKHEAD_LOG_CHILD_SEED";

/// What a child was told.
pub(crate) struct Told {
    pub(crate) directory: PathBuf,
    pub(crate) seed: u64,
}

/// What this process was told, if it is a child.
pub(crate) fn told() -> Option<Told> {
    let directory = std::env::var_os(DIRECTORY)?.into();
    let seed = std::env::var(SEED).ok()?.parse().ok()?;
    Some(Told { directory, seed })
}

/// Starts this test, alone, in a new process.
pub(crate) fn start(test: &str, directory: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
