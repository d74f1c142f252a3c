//! One cycle: a tenant is cut off and comes back, whatever happens meanwhile.
//!
//! Each step is a goal: look how far the cut is, do what is next, and look again. So a command that was lost in a crash
//! is given again, and one that was not is not.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use bulkhead_model::{Direction, Nation, ReferralId, TenantId};
use bulkhead_wire::fact::Advance;
use bulkhead_wire::v1;
use jiff::Timestamp;
use rand::Rng;

use super::desk::{Next, Order, Who, time};
use super::keys::Pair;
use super::scene::Scene;
use crate::history::{CutStory, Turn};

/// How a cut ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Restored, with a new credential.
    Restored,
    /// Taken back as a mistake.
    Withdrawn,
}

/// When the tenant's sidecar gets its new credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swap {
    BeforeItOpens,
    /// It comes with the old one at first.
    AfterItIsOpen,
}

/// A cut and its end, drawn from the seed.
#[derive(Debug, Clone)]
pub(super) struct Cycle {
    order: Order,
    nation: Nation,
    end: End,
    swap: Swap,
    aborts: u32,
    with: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) aborted: u32,
    /// Commands without an answer, or that came too late.
    pub(super) said_again: u32,
    pub(super) old_credentials: u32,
    pub(super) released: usize,
    pub(super) rejected: usize,
}

impl Cycle {
    pub(super) fn draw(scene: &mut Scene, number: u32) -> Result<Self> {
        let count = scene.dev.tenants.len();
        let (tenant, with) = loop {
            let [tenant, with] = [0, 1].map(|_| scene.random.random_range(0..count));
            if tenant != with {
                break (scene.dev.tenants[tenant].clone(), scene.dev.tenants[with].id.clone());
            }
        };
        let random = &mut scene.random;
        let direction = match random.random_range(0..10) {
            0 => Direction::From,
            1 => Direction::To,
            _ => Direction::Both,
        };
        let back = [0, 0, 0, 5, 5, 60][random.random_range(0..6)];
        let order = Order {
            tenant: tenant.id.clone(),
            direction,
            since_back: Duration::from_secs(back),
            drain_clean: random.random_bool(0.1),
            reason: format!("cycle {number}"),
        };
        let end = if random.random_bool(0.12) { End::Withdrawn } else { End::Restored };
        let swap = if random.random_bool(0.7) { Swap::BeforeItOpens } else { Swap::AfterItIsOpen };
        let aborts = u32::from(random.random_bool(0.15));
        Ok(Self { order, nation: tenant.nation().parse()?, end, swap, aborts, with })
    }

    pub(super) fn tenant(&self) -> &str {
        &self.order.tenant
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    /// Cuts, and brings back.
    pub(super) async fn run(&self, scene: &mut Scene) -> Result<(CutStory, Came)> {
        scene.about = Some(self.nation);
        let commanded = Timestamp::now();
        let cut = self.cut(scene).await?;
        let by = scene.everywhere(&cut, |stage| stage != "unmade" && stage != "pending").await?;
        let mut closed = vec![Turn::Closed { at: commanded, by }];
        scene.dwell().await;
        let mut came = Came::default();
        match self.end {
            End::Withdrawn => self.withdraw(scene, &cut).await?,
            End::Restored => self.restore(scene, &cut, &mut closed, &mut came).await?,
        }
        let mut released = BTreeMap::new();
        if self.end == End::Restored {
            scene.dwell().await;
            self.review(scene, &cut, &mut released, &mut came).await?;
        }
        let shown = scene
            .until("the account", async |scene| Ok(Some(scene.desk(self.nation)?.show(&cut).await?)))
            .await?;
        let story = self.story(&cut, shown, closed, released)?;
        Ok((story, came))
    }

    async fn cut(&self, scene: &mut Scene) -> Result<String> {
        scene
            .until("the cut", async |scene| {
                // A node that took it has it before the log does.
                let known = scene.desk(self.nation)?.cuts_of_every_node().await?;
                let known = known.into_iter().flatten().find(|one| one.reason == self.order.reason);
                if let Some(known) = known {
                    return Ok(Some(known.cut_id));
                }
                let (desk, order) = (scene.desk_for_one(self.nation)?, self.order.clone());
                scene.at_risk(async move { desk.cut(&order).await }).await?;
                Ok(None)
            })
            .await
    }

    async fn stage(&self, scene: &Scene, cut: &str) -> Result<String> {
        let cuts = scene.desk(self.nation)?.cuts().await?;
        let known = cuts.into_iter().find(|one| one.cut_id == cut);
        known.map(|one| one.stage).with_context(|| format!("{cut} is gone"))
    }

    async fn say(&self, scene: &mut Scene, who: Who, cut: &str, next: Next) -> Result<()> {
        let (desk, cut) = (scene.desk_for_one(self.nation)?, cut.to_owned());
        scene.at_risk(async move { desk.command(who, &cut, &next).await }).await
    }

    async fn withdraw(&self, scene: &mut Scene, cut: &str) -> Result<()> {
        scene
            .until("the withdrawal", async |scene| {
                if self.stage(scene, cut).await? == "withdrawn" {
                    return Ok(Some(()));
                }
                // Whose word is in the log already is refused: the other's counts.
                let first = self.say(scene, Who::Duty, cut, Next::Withdraw).await;
                self.say(scene, Who::Lead, cut, Next::Withdraw).await.and(first)?;
                Ok(None)
            })
            .await
    }

    async fn restore(
        &self,
        scene: &mut Scene,
        cut: &str,
        closed: &mut Vec<Turn>,
        came: &mut Came,
    ) -> Result<()> {
        let tenant = scene.dev.tenant(&self.order.tenant)?.clone();
        // A tenant that may only not receive keeps its credential.
        let renews = self.order.direction.closes_from();
        let former = scene.keys.present(&tenant)?;
        let new = if renews { scene.keys.issue(&tenant.id)? } else { former.clone() };
        let mut is_swapped = !renews;
        let mut aborts = self.aborts;
        loop {
            let stage =
                scene.until("how far it is", async |scene| Ok(Some(self.stage(scene, cut).await?))).await?;
            if !is_swapped && stage == "approved" && self.swap == Swap::BeforeItOpens {
                scene.crash(|keys| keys.install(&tenant, &new)).await?;
                is_swapped = true;
            }
            let next = match stage.as_str() {
                "in-force" => (Who::Duty, Next::Propose { certificate: new.fingerprint.clone() }),
                "proposed" => (Who::Lead, Next::Approve),
                "approved" => {
                    let with = vec![TenantId::parse(&self.with)?];
                    (scene.anybody(), Next::Advance(Advance::Canary { with }))
                }
                "canary" | "limited" if aborts > 0 => {
                    aborts -= 1;
                    came.aborted += 1;
                    closed.push(self.abort(scene, cut).await?);
                    continue;
                }
                "canary" => (scene.anybody(), Next::Advance(Advance::Limited { per_minute: 100_000 })),
                "limited" => (scene.anybody(), Next::Advance(Advance::Full)),
                _ => break,
            };
            // Whatever came of it, the next look says how far it is.
            let (who, next) = next;
            if self.say(scene, who, cut, next).await.is_err() {
                came.said_again += 1;
            }
            scene.revived().await?;
            scene.dwell().await;
        }
        if renews {
            if !is_swapped {
                scene.crash(|keys| keys.install(&tenant, &new)).await?;
            }
            scene.keys.retire(&tenant.id, former);
            self.old_and_new(scene, &new, came).await?;
        }
        Ok(())
    }

    /// Closes it again, and knows by when it was.
    async fn abort(&self, scene: &mut Scene, cut: &str) -> Result<Turn> {
        let at = Timestamp::now();
        scene
            .until("the abort", async |scene| {
                if self.stage(scene, cut).await? == "in-force" {
                    return Ok(Some(()));
                }
                let who = scene.anybody();
                self.say(scene, who, cut, Next::Abort).await?;
                Ok(None)
            })
            .await?;
        Ok(Turn::Closed { at, by: scene.everywhere(cut, |stage| stage == "in-force").await? })
    }

    /// Every credential of before is tried on every node of its cell; and the new one, which must do.
    async fn old_and_new(&self, scene: &mut Scene, new: &Pair, came: &mut Came) -> Result<()> {
        let (tenant, nodes) = (&self.order.tenant, scene.nodes(self.nation));
        let with = scene.dev.tenant(&self.with)?.services.first().and_then(|one| one.identifiers.first());
        let with = with.context("a tenant without a service")?;
        let to = v1::ServiceAddress { system: with.system.clone(), value: with.value.clone() };
        let tried = scene
            .until("an answer to an old credential", async |scene| {
                let tried = scene.keys.try_former(tenant, &nodes, &to).await?;
                let first = *nodes.first().context("a cell without a node")?;
                let is_let_in = scene.keys.is_let_in(tenant, new, first).await?;
                anyhow::ensure!(is_let_in, "{tenant} is refused with its new credential");
                Ok(Some(tried))
            })
            .await?;
        came.old_credentials += u32::try_from(tried.len())?;
        tried.into_iter().for_each(|one| scene.history.came_with_old(one));
        Ok(())
    }

    /// Of what is in quarantine, or half handed over, some is released, by two, and some is rejected.
    async fn review(
        &self,
        scene: &mut Scene,
        cut: &str,
        released: &mut BTreeMap<String, Timestamp>,
        came: &mut Came,
    ) -> Result<()> {
        let listed = scene.desk(self.nation)?.set_aside(&self.order.tenant).await.unwrap_or_default();
        let (mut release, mut reject) = (Vec::new(), Vec::new());
        for one in &listed {
            let Ok(id) = ReferralId::parse(&one.referral_id) else { continue };
            // What was half handed over may be there: it is not for anybody to reject.
            match scene.random.random_range(0..3) {
                0 => release.push(id),
                1 if one.state == v1::State::Quarantined as i32 => reject.push(id),
                _ => {}
            }
        }
        if !release.is_empty() {
            let at = Timestamp::now();
            // From now on it may be on its way, whether or not the answer comes.
            released.extend(release.iter().map(|id| (id.to_string(), at)));
            for who in [Who::Duty, Who::Lead] {
                let next = Next::Release(release.clone());
                scene
                    .until("a release", async |scene| {
                        self.say(scene, who, cut, next.clone()).await?;
                        Ok(Some(()))
                    })
                    .await?;
            }
            came.released += release.len();
        }
        if !reject.is_empty() {
            let next = Next::Reject(reject.clone());
            scene
                .until("a rejection", async |scene| {
                    self.say(scene, Who::Duty, cut, next.clone()).await?;
                    Ok(Some(()))
                })
                .await?;
            came.rejected += reject.len();
        }
        Ok(())
    }

    /// What the log says of it, with what was seen of its closing.
    fn story(
        &self,
        cut: &str,
        shown: v1::ShowCutResponse,
        closed: Vec<Turn>,
        released: BTreeMap<String, Timestamp>,
    ) -> Result<CutStory> {
        let account = shown.account.context("no account")?;
        let summary = account.cut.context("no cut")?;
        let made = time(summary.made_at)?;
        let mut turns = Vec::new();
        let mut closed = closed.into_iter();
        for step in &account.steps {
            let at = time(step.at)?;
            match (step.what.as_str(), step.detail.as_str()) {
                ("cut" | "restore abort", _) => turns.extend(closed.next()),
                ("restore advance", detail) => {
                    let with = detail.starts_with("canary").then(|| vec![self.with.clone()]);
                    turns.push(Turn::Open { at, with });
                }
                _ => {}
            }
        }
        if summary.stage == "withdrawn" {
            let last = account.steps.iter().rfind(|step| step.what == "withdraw").context("no withdrawal")?;
            turns.push(Turn::Withdrawn { at: time(last.at)? });
        }
        Ok(CutStory {
            id: cut.to_owned(),
            tenant: self.order.tenant.clone(),
            from: self.order.direction.closes_from(),
            to: self.order.direction.closes_to(),
            drain_clean: self.order.drain_clean,
            since: time(summary.since)?.min(made),
            turns,
            released,
        })
    }
}
