//! SIGINT and SIGTERM: the first asks for a drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::Drain;

/// Listens for both signals from now on and starts `drain` at the first. At the second the process exits
/// with 128 and the signal's number, as shells expect. Called once, from `main`, inside the runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn drain_on_signal(drain: Drain) -> io::Result<()> {
    let mut signals =
        Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
    tokio::spawn(async move {
        let first = signals.next().await;
        info!(signal = first.name(), "draining; a second signal exits at once");
        drain.start();
        let second = signals.next().await;
        warn!(signal = second.name(), "exiting at once");
        std::process::exit(second.exit_code());
    });
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

#[derive(Clone, Copy)]
enum Received {
    Interrupt,
    Terminate,
}

impl Signals {
    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.interrupt.recv() => Received::Interrupt,
            _ = self.terminate.recv() => Received::Terminate,
        }
    }
}

impl Received {
    fn name(self) -> &'static str {
        match self {
            Received::Interrupt => "SIGINT",
            Received::Terminate => "SIGTERM",
        }
    }

    fn exit_code(self) -> i32 {
        match self {
            Received::Interrupt => 128 + 2,
            Received::Terminate => 128 + 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    const CHILD: &str = "BULKHEAD_TEST_SIGNAL_CHILD";

    /// The process that the test below sends signals to. Without its variable it does nothing.
    #[tokio::test]
    async fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let drain = Drain::new();
        drain_on_signal(drain.clone()).unwrap();
        println!("\nlistening");
        drain.started().await;
        println!("\ndraining");
        std::future::pending::<()>().await;
    }

    #[test]
    fn the_first_signal_drains_and_the_second_exits() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["signals::tests::child", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id().to_string();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let send =
            |name: &str| assert!(Command::new("kill").args([name, pid.as_str()]).status().unwrap().success());

        assert!(lines.any(|line| line == "listening"));
        send("-TERM");
        assert!(lines.any(|line| line == "draining"));
        assert_eq!(child.try_wait().unwrap(), None);
        send("-INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
