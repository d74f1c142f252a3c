//! A wall clock that is off: a small library, loaded into a node when it starts. What leases count by stays right.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::SignedDuration;

const SOURCE: &str = include_str!("clock_off.c");

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct ClockOff {
    library: PathBuf,
}

impl ClockOff {
    /// Compiles the library into that directory.
    ///
    /// # Errors
    /// Why it cannot be had on this machine.
    pub fn compile(place: &Path) -> Result<Self, String> {
        let library = place.join("clock_off.so");
        let mut compiler = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-x", "c", "-", "-ldl", "-o"])
            .arg(&library)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cc cannot be started: {error}"))?;
        let source = compiler.stdin.take().map(|mut source| source.write_all(SOURCE.as_bytes()));
        let output = compiler.wait_with_output().map_err(|error| error.to_string())?;
        match (source, output.status.success()) {
            (Some(Ok(())), true) => Ok(Self { library }),
            _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// With these in its environment, a process has a wall clock that is off by so much.
    pub fn variables(&self, off: SignedDuration) -> Vec<(String, String)> {
        let library = ("LD_PRELOAD".to_owned(), self.library.display().to_string());
        vec![library, ("BULKHEAD_CLOCK_OFF".to_owned(), off.as_secs().to_string())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_off_and_no_other() {
        let place = tempfile::tempdir().unwrap();
        let clock = ClockOff::compile(place.path()).unwrap();
        let seconds = |off| {
            let date = Command::new("date").arg("+%s").envs(clock.variables(off)).output().unwrap();
            String::from_utf8(date.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        let now = seconds(SignedDuration::ZERO);
        for hours in [1, -1] {
            let off = SignedDuration::from_hours(hours);
            assert!((seconds(off) - now - off.as_secs()).abs() < 600, "{hours}");
        }
    }
}
