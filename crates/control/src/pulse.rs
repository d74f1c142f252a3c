//! The pulse of this node: appended over and over, read back, and what renews the lease.
//!
//! ```text
//! tick ─────────┐
//! cuts changed ─┴─ append pulse/<node> ──▶ control.<nation> ── Follower ──▶ Pulses ──▶ its own? ── renew(when it was sent)
//! ```
//!
//! A node that has heard something new of what is cut says so at once and does not wait for its turn: the operator who
//! cut is waiting for the proof.
//!
//! Writing and reading back is what makes it a proof: a node that is cut off, or at a broker that lost its
//! leadership, gets none through.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{AppendFuture, Log, Record};
use bulkhead_model::{AuditHead, Cuts, Nation, Pulse as Said};
use bulkhead_process::{BootTime, Condition, Drain, Lease};
use bulkhead_wire::v1::{ControlRecord, control_record::Fact as WireFact};
use bulkhead_wire::{pulse_to_wire, time_to_wire};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use prost::Message;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::follow::Control;
use crate::{Error, Following};

/// How often a node says that it is there, unless a setting says otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(200);
/// Pulses whose append is not answered. More: none is sent until one is; they are all late then.
const UNANSWERED: usize = 16;
/// Pulses that are remembered until they come back. More: the oldest are forgotten and renew nothing.
const REMEMBERED: usize = 64;
/// Pulses that may go before their turn. More: what they would say waits for the next turn.
const EARLY: u32 = 10;
/// How many of these each turn gives back: ten a second at the usual interval.
const EARLY_A_TURN: u32 = 2;
/// How many pulses of another process under this node's name are taken for what its former life left behind.
const LEFT_BEHIND: u32 = 10;

/// What a node says of itself, and how often.
pub struct PulseConfig {
    /// The cell's nation.
    pub nation: Nation,
    /// The node's name.
    pub node: String,
    /// `host:port` at which its tenants reach it.
    pub address: String,
    /// How often.
    pub interval: Duration,
    /// The claims that it holds: number by shard.
    pub claims: Arc<dyn Fn() -> BTreeMap<u32, u64> + Send + Sync>,
    /// How far its audit file goes.
    pub audit: Arc<dyn Fn() -> AuditHead + Send + Sync>,
}

/// The loop that sends this node's pulse and renews its lease.
pub struct Pulse {
    config: PulseConfig,
    log: Arc<dyn Log>,
    following: Following,
    lease: Lease,
    health: Condition,
    run: u128,
    number: u64,
    sent: VecDeque<(u64, BootTime)>,
    strangers: u32,
    early: u32,
    /// What was in force when the newest pulse was sent.
    told: Arc<Cuts>,
}

impl Pulse {
    /// A pulse that has not been sent. `health` is met while the lease is held.
    pub fn new(
        config: PulseConfig,
        log: Arc<dyn Log>,
        following: Following,
        lease: Lease,
        health: Condition,
    ) -> Self {
        let run = Uuid::new_v4().as_u128();
        Self {
            config,
            log,
            following,
            lease,
            health,
            run,
            number: 0,
            sent: VecDeque::new(),
            strangers: 0,
            early: EARLY,
            told: Arc::default(),
        }
    }

    /// Sends and hears until the drain begins.
    ///
    /// # Errors
    /// When another process uses this node's name, or the log has no control topic.
    pub async fn run(mut self, drain: Drain) -> Result<(), Error> {
        let control = Control::open(&*self.log, self.config.nation).await?;
        let mut tick = interval(self.config.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut appends: FuturesUnordered<AppendFuture> = FuturesUnordered::new();
        let (mut heard, mut cuts) = (self.following.pulses.clone(), self.following.cuts.clone());
        let mut acts = false;
        loop {
            tokio::select! {
                () = drain.started() => return Ok(()),
                _ = tick.tick() => {
                    self.early = self.early.saturating_add(EARLY_A_TURN).min(EARLY);
                    if appends.len() < UNANSWERED {
                        appends.push(self.send(&control));
                    }
                }
                Ok(()) = cuts.changed() => {
                    let is_news = self.is_news(&cuts.borrow_and_update());
                    if is_news && self.early > 0 && appends.len() < UNANSWERED {
                        self.early -= 1;
                        appends.push(self.send(&control));
                    }
                }
                // An append that failed is a pulse that does not come back; the lease says what follows.
                Some(_) = appends.next() => {}
                Ok(()) = heard.changed() => self.hear()?,
            }
            self.tell(&mut acts);
        }
    }

    /// Whether the log has said more of what is cut than the newest pulse could tell.
    fn is_news(&self, now: &Cuts) -> bool {
        now.position > self.told.position && !now.says_the_same(&self.told)
    }

    fn send(&mut self, control: &Control) -> AppendFuture {
        self.number += 1;
        let now = Timestamp::now();
        self.told = self.following.cuts.borrow().clone();
        let said = Said {
            node: self.config.node.clone(),
            address: self.config.address.clone(),
            run: self.run,
            number: self.number,
            // A fact is in force a moment before the follower goes on to the next record.
            position: self.following.position().max(self.told.position),
            cuts: self.told.digest(),
            claims: (self.config.claims)(),
            at: now,
            audit: Some((self.config.audit)()),
        };
        let record =
            ControlRecord { at: Some(time_to_wire(now)), fact: Some(WireFact::Pulse(pulse_to_wire(&said))) };
        let key = format!("pulse/{}", self.config.node).into();
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number, BootTime::now()));
        self.log.append(control.partition(), Record { key, value: record.encode_to_vec().into() })
    }

    /// What came back renews the lease from the moment on at which it was sent.
    fn hear(&mut self) -> Result<(), Error> {
        let pulses = self.following.pulses.borrow().clone();
        let Some(own) = pulses.all().find(|heard| heard.pulse.node == self.config.node) else {
            return Ok(());
        };
        if own.pulse.run != self.run {
            return self.stranger();
        }
        while let Some((number, sent)) = self.sent.front().copied()
            && number <= own.pulse.number
        {
            self.sent.pop_front();
            if number == own.pulse.number {
                self.lease.renew(sent);
            }
        }
        Ok(())
    }

    /// A pulse under this name that this process did not send. A few may be left of its former life.
    fn stranger(&mut self) -> Result<(), Error> {
        self.strangers += 1;
        if self.strangers <= LEFT_BEHIND {
            return Ok(());
        }
        let node = self.config.node.clone();
        error!(%node, "another process uses the name of this node; give each node a name of its own");
        Err(Error::NameTaken { node })
    }

    fn tell(&self, acts: &mut bool) {
        let labels = [("nation", self.config.nation.as_str().to_owned()), ("node", self.config.node.clone())];
        if let Some(age) = self.lease.age() {
            metrics::gauge!("bulkhead_lease_age_seconds", &labels).set(age.as_secs_f64());
        }
        match (self.lease.check(), *acts) {
            (Ok(()), false) => {
                info!(node = %self.config.node, "the pulse of this node has come back: it may act");
                metrics::gauge!("bulkhead_lease_held", &labels).set(1.0);
                self.health.met();
            }
            (Err(stale), was) => {
                if was {
                    warn!(node = %self.config.node, %stale, "this node may not act until its pulse comes back");
                    metrics::counter!("bulkhead_lease_lost_total", &labels).increment(1);
                }
                metrics::gauge!("bulkhead_lease_held", &labels).set(0.0);
                self.health.unmet(stale.to_string());
            }
            (Ok(()), true) => {}
        }
        *acts = self.lease.check().is_ok();
    }
}
