//! The two ways in which a former owner comes back late: with what it had half done, and with claims that others have
//! made meanwhile.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::Rng;
use rand::rngs::StdRng;

use super::progress::say;
use super::strike::Targets;

/// Long enough for the others to take everything over.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
/// Until appends wait, and hand-overs have begun.
const BEGUN: Duration = Duration::from_millis(700);
/// Until the group has given out what a node left.
const GIVEN: Duration = Duration::from_millis(1500);
/// Until the group takes a node that stands still for dead, and the next owner has claimed.
const TAKEN: Duration = Duration::from_secs(9);
/// What a node says whose claim came second.
const SECOND: &str = "another node claimed the shard first";

impl Targets<'_> {
    /// A node stands still for half a minute while what it appends waits in its queue, because a broker does not answer:
    /// of some hand-overs the payload is out, and the event that offers them is not.
    pub(super) async fn stop_midway(&mut self, random: &mut StdRng) -> Result<()> {
        let broker = random.random_range(1..=self.count);
        let chosen = random.random_range(0..self.nodes.len());
        let node = &mut self.nodes[chosen];
        say(format_args!("    {}, with broker {broker}", node.name));
        self.brokers.freeze(broker);
        tokio::time::sleep(BEGUN).await;
        let stopped = node.signal("STOP").await;
        self.brokers.thaw(broker);
        stopped?;
        tokio::time::sleep(HALF_A_MINUTE).await;
        node.signal("CONT").await?;
        node.ready().await
    }

    /// Two rebalances close together. A node leaves, and another one of its cell is given shards of it; that one stands
    /// still while its claims wait for a broker, so that a third is given them, which claims them with the same numbers;
    /// then it goes on. Which broker matters is not known, so that each is tried until it came about.
    pub(super) async fn claim_twice(&mut self) -> Result<()> {
        let (leaves, stands) = self.two_of_a_cell().context("it takes two further nodes of one cell")?;
        for broker in 1..=self.count {
            let before = self.nodes[stands].log()?.len();
            self.brokers.freeze(broker);
            let left = self.nodes[leaves].signal("TERM").await;
            tokio::time::sleep(GIVEN).await;
            let stopped = self.nodes[stands].signal("STOP").await;
            self.brokers.thaw(broker);
            left.and(stopped)?;
            self.nodes[leaves].ended().await?;
            tokio::time::sleep(TAKEN).await;
            self.nodes[stands].signal("CONT").await?;
            self.nodes[stands].ready().await?;
            self.nodes[leaves].start(self.binary).await?;
            let log = self.nodes[stands].log()?;
            let count = log[before..].matches(SECOND).count();
            say(format_args!(
                "    with broker {broker}: {count} claims of {} came second",
                self.nodes[stands].name
            ));
            if count > 0 {
                break;
            }
        }
        Ok(())
    }

    fn two_of_a_cell(&self) -> Option<(usize, usize)> {
        (1..self.nodes.len())
            .find(|second| self.nodes[second - 1].nation == self.nodes[*second].nation)
            .map(|second| (second - 1, second))
    }
}
