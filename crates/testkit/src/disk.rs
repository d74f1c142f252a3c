//! A disk of its own for one directory, which can be made full: a tmpfs that is made as small as what is on it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// While there is room.
const ROOMY: &str = "size=6g";
/// What is left to write when it is full.
const SLACK: u64 = 256 << 10;
/// It may fill while it is made smaller.
const TRIES: usize = 20;

/// A mounted disk. Dropped, it is unmounted, and what was on it is gone.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one there; the directory is made.
    ///
    /// # Errors
    /// Why this machine does not allow it: it takes root, and a container may forbid it to root too.
    pub fn mount(at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| format!("{}: {error}", at.display()))?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", ROOMY, "bulkhead-test"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// From now on nothing more can be written to it.
    ///
    /// # Errors
    /// When it cannot be made so.
    pub fn fill(&self) -> Result<(), String> {
        let mut tried = Ok(());
        for _ in 0..TRIES {
            let used = run(Command::new("df").args(["-B1", "--output=used"]).arg(&self.at))?;
            let used = used.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
            let size = used.ok_or("df says nothing of use")? + SLACK;
            tried = self.remount(&format!("size={size}"));
            if tried.is_ok() {
                return Ok(());
            }
        }
        tried
    }

    /// There is room again.
    ///
    /// # Errors
    /// When it cannot be made so.
    pub fn make_room(&self) -> Result<(), String> {
        self.remount(ROOMY)
    }

    fn remount(&self, size: &str) -> Result<(), String> {
        run(Command::new("mount").arg("-o").arg(format!("remount,{size}")).arg(&self.at)).map(drop)
    }
}

impl Drop for Disk {
    #[allow(clippy::print_stderr, reason = "a destructor of a test has no other way to say it")]
    fn drop(&mut self) {
        // Whoever still has files open there keeps them until it ends.
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.at)) {
            eprintln!("{} may still be mounted: {error}", self.at.display());
        }
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    #[allow(clippy::print_stderr, reason = "what was not tested must be seen")]
    fn it_is_full_and_roomy_again() {
        let place = tempfile::tempdir().unwrap();
        let disk = match Disk::mount(&place.path().join("disk")) {
            Ok(disk) => disk,
            Err(why) => return eprintln!("SKIPPED: nothing can be mounted here: {why}"),
        };
        let mut file = std::fs::File::create(place.path().join("disk/file")).unwrap();
        file.write_all(&[1; 1 << 20]).unwrap();
        disk.fill().unwrap();
        let full = file.write_all(&[1; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        disk.make_room().unwrap();
        file.write_all(&[1; 1 << 20]).unwrap();
    }
}
