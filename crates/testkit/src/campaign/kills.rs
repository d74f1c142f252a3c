//! How a round ends.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use rand::Rng;

use super::world::{Start, World};

/// How long a world may take to come to the decision at which it is to die; with little to do it may never.
const AT_A_DECISION: Duration = Duration::from_secs(8);

/// How the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    /// SIGKILL while it worked.
    AtWork,
    /// SIGKILL while it was starting.
    WhileStarting,
    /// It aborted between the bytes and the event of a decision.
    BetweenAppends,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kill::AtWork => "at work",
            Kill::WhileStarting => "while starting",
            Kill::BetweenAppends => "between appends",
        })
    }
}

/// One life of the process, drawn from the seed.
#[derive(Debug)]
pub(super) struct Round {
    how: Kill,
    after: Duration,
    decision: u32,
}

/// The end of a round.
pub(super) struct Died {
    pub(super) how: Kill,
    pub(super) dead_by: Timestamp,
}

impl Round {
    /// The first one is at work: it runs already.
    pub(super) fn draw(random: &mut impl Rng, life: (Duration, Duration), is_first: bool) -> Self {
        let how = match random.random_range(0..100) {
            _ if is_first => Kill::AtWork,
            0..15 => Kill::WhileStarting,
            15..45 => Kill::BetweenAppends,
            _ => Kill::AtWork,
        };
        let after = match how {
            Kill::WhileStarting => random.random_range(Duration::from_millis(20)..Duration::from_millis(900)),
            Kill::AtWork | Kill::BetweenAppends => random.random_range(life.0..life.1),
        };
        Self { how, after, decision: random.random_range(1..60) }
    }

    /// Lives, in the world that runs or in one of its own, and dies.
    pub(super) async fn run(&self, start: &mut Start, running: Option<World>) -> Result<Died> {
        start.extra.clear();
        match self.how {
            Kill::AtWork => {
                let world = match running {
                    Some(world) => world,
                    None => World::start(start).await?,
                };
                tokio::time::sleep(self.after).await;
                Ok(Died { how: Kill::AtWork, dead_by: world.kill().await? })
            }
            Kill::WhileStarting => {
                let mut child = start.spawn()?;
                tokio::time::sleep(self.after).await;
                child.kill().await?;
                Ok(Died { how: Kill::WhileStarting, dead_by: Timestamp::now() })
            }
            Kill::BetweenAppends => {
                start.extra = vec!["--crash-between-appends".into(), self.decision.to_string()];
                let mut child = start.spawn()?;
                // It may come to that decision before it is ready: what was accepted before is decided first.
                let world = tokio::select! {
                    ended = child.wait() => {
                        ended?;
                        return Ok(Died { how: Kill::BetweenAppends, dead_by: Timestamp::now() });
                    }
                    () = tokio::time::sleep(AT_A_DECISION) => child,
                };
                let mut child = world;
                child.kill().await?;
                Ok(Died { how: Kill::AtWork, dead_by: Timestamp::now() })
            }
        }
    }
}
