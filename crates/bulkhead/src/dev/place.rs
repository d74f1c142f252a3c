//! The data directory: one world's at a time, made empty only when it is a world's and nobody uses it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// It is locked by whoever uses the directory, and by the kernel set free however that process ends.
const LOCK: &str = "lock";
/// What every start writes.
const MARK: &str = "directory.toml";

/// A data directory that nobody else uses as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the directory and takes it; with `fresh` it removes what an earlier start left there, and nothing
    /// else.
    pub(super) fn take(dir: &Path, fresh: bool) -> Result<Self> {
        let shown = dir.display();
        if fresh && dir.exists() && !is_ours(dir)? {
            bail!("{shown} holds something else than a demo world; --fresh would remove it");
        }
        fs::create_dir_all(dir).with_context(|| format!("{shown} cannot be made"))?;
        let dir = dir.canonicalize()?;
        let lock = File::create(dir.join(LOCK)).with_context(|| format!("{shown} cannot be written to"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("a world runs in {shown} already: stop it, or name another --data-dir");
            }
            Err(TryLockError::Error(error)) => return Err(error).context("the lock cannot be taken"),
        }
        if fresh {
            empty(&dir).with_context(|| format!("{shown} cannot be emptied"))?;
        }
        Ok(Self { dir, _lock: lock })
    }
}

fn is_ours(dir: &Path) -> Result<bool> {
    Ok(dir.join(MARK).exists() || fs::read_dir(dir)?.next().is_none())
}

fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
