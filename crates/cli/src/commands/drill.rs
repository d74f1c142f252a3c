//! `bulkhead drill`: a synthetic tenant is cut off and brought back on the live system, by the same commands that a
//! person gives, while it sends and receives without pause; and the times are measured.

mod actor;
mod report;
mod text;

use std::time::{Duration, Instant};

use bulkhead_model::{CutId, Direction, FactId, OperatorId, ReferralId, Scope, State, TenantId};
use bulkhead_wire::fact::{Advance, Command, HeaderScope, MAX_REFERRALS};
use bulkhead_wire::v1::{self, cut_response::News};
use bulkhead_wire::{state_to_wire, time_to_wire};
use clap::Args;
use jiff::Timestamp;

use self::actor::Actor;
use self::report::Drilled;
use crate::cell::Trouble;
use crate::context::Context;
use crate::desk::{Desk, Seen, certificate_fingerprint, confirmed};
use crate::global::Output;
use crate::view::{Account, Forced, Look, moment};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
The tenant must be marked synthetic in the directory; any other is refused. The context needs its
certificate and two operators of its nation. Another synthetic tenant of the context, if there is
one, sends meanwhile as a bystander. What the drill sent is released and handed over at the end, so
nothing is left for a person; the cut and each step stay in the log and the audit, like any other.

Examples:
  bulkhead drill
  bulkhead drill --tenant wales/synthetic --as wales-duty --second wales-lead
  bulkhead drill --output json

Exit codes: 0 it worked, nothing lost, nobody else noticed; 1 something failed, see the report; 2
wrong usage; 3 not a synthetic tenant, or not permitted; 4 no such tenant; 5 cannot reach.";

/// How long before the cut everybody sends, and how long the tenant stays cut off.
const BEFORE: Duration = Duration::from_secs(2);
/// How long the last of what was sent may take to arrive.
const AFTER: Duration = Duration::from_secs(60);
/// The rate of the stage `limited`: more than the drill sends.
const PER_MINUTE: u32 = 60_000;

/// The arguments of `bulkhead drill`.
#[derive(Debug, Clone, Args)]
pub struct Drill {
    /// The synthetic tenant. Without it: the first of the operator's nation that the context can speak for.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The second operator. Without it: another one of that nation in the context.
    #[arg(long, value_name = "OPERATOR")]
    pub second: Option<String>,
    /// How long it stays cut off.
    #[arg(long, default_value = "2s", value_parser = crate::time::parse_duration)]
    pub hold: Duration,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// The two who command, and whom it is about.
struct Stage {
    first: Desk,
    second: Desk,
    tenant: TenantId,
    plan: v1::PlanResponse,
}

impl Drill {
    /// Cuts, waits, restores, and shows the report.
    ///
    /// # Errors
    /// When the tenant is not synthetic, or a command is refused.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let context = Context::load(global)?;
        let stage = self.stage(&context, global).await?;
        if screen.output() == Output::Text {
            screen.data(&text::heading(
                &stage.first.desked(),
                &stage.tenant,
                &stage.second.operator,
                screen.paint(),
            ));
        }
        confirmed(screen, self.yes, &format!("Cut {} off and bring it back?", stage.tenant))?;
        let drilled = self.drill(&context, &stage, global).await?;
        match screen.output() {
            Output::Text => screen.data(&text::report(&drilled, &Look::here(screen.paint()))),
            Output::Json | Output::Jsonl => screen.json(&drilled),
        }
        Ok(if drilled.passed { Exit::Done } else { Exit::Failed })
    }

    /// Who commands about whom. Nothing is changed.
    async fn stage(&self, context: &Context, global: &Global) -> Result<Stage, Error> {
        let nation = self.tenant.as_ref().map(TenantId::nation);
        let first = Desk::open(global, nation)?;
        let mut candidates: Vec<TenantId> = match &self.tenant {
            Some(tenant) => vec![tenant.clone()],
            None => context
                .tenants
                .iter()
                .filter(|tenant| tenant.id.nation() == first.operator.nation())
                .map(|tenant| tenant.id.clone())
                .collect(),
        };
        let mut asked = None;
        while asked.is_none() {
            let Some(tenant) = candidates.pop() else {
                return Err(Error::Usage {
                    what: format!(
                        "the context can speak for no synthetic tenant of {}",
                        first.operator.nation()
                    ),
                    hint: "mark one `synthetic = true` in the directory, and name it with --tenant".into(),
                });
            };
            let plan = plan(&first, &tenant).await?;
            let is_synthetic = plan.tenants.len() == 1 && plan.tenants.iter().all(|one| one.synthetic);
            match (is_synthetic, &self.tenant) {
                (true, _) => asked = Some((tenant, plan)),
                (false, Some(_)) => return Err(Error::NotSynthetic { tenant: tenant.to_string() }),
                (false, None) => {}
            }
        }
        let Some((tenant, plan)) = asked else { return Err(Error::NothingMatches) };
        let second = second(context, &first.operator, self.second.as_deref())?;
        let second = Desk::open(&Global { operator: Some(second), ..global.clone() }, nation)?;
        Ok(Stage { first, second, tenant, plan })
    }

    async fn drill(&self, context: &Context, stage: &Stage, global: &Global) -> Result<Drilled, Error> {
        let service = stage.plan.tenants.first().and_then(|tenant| tenant.services.first());
        let service = service.ok_or_else(|| Error::Usage {
            what: format!("{} has no service to send to", stage.tenant),
            hint: "give it one in the directory".into(),
        })?;
        let mut actor = Actor::start(context, global, &stage.tenant, service)?;
        let bystander = bystander(context, &stage.tenant).await;
        let bystander = bystander.map(|(tenant, service)| Actor::start(context, global, &tenant, &service));
        let bystander = bystander.transpose()?;
        tokio::time::sleep(BEFORE).await;
        if !actor.seen().has_delivered() {
            tokio::time::sleep(BEFORE).await;
        }
        let begun = Instant::now();
        let mut drilled = Drilled::new(stage.first.desked(), &stage.tenant, &stage.second.operator);
        self.cut(stage, global, begun, &mut drilled).await?;
        let in_force = Instant::now();
        tokio::time::sleep(self.hold).await;
        let opened = restore(context, stage, begun, &mut drilled).await?;
        tokio::time::sleep(BEFORE + BEFORE).await;
        release(stage, begun, &mut drilled).await?;
        actor.stop_sending().await;
        let end = Instant::now() + AFTER;
        while !actor.seen().all_arrived() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let shown = stage.first.show(&drilled.cut_id).await?;
        drilled.account = shown.account.as_ref().map(Account::of);
        drilled.judge(actor.stop(), bystander.map(Actor::stop), (begun, in_force, opened));
        Ok(drilled)
    }

    async fn cut(
        &self,
        stage: &Stage,
        global: &Global,
        begun: Instant,
        drilled: &mut Drilled,
    ) -> Result<(), Error> {
        let desk = &stage.first;
        // A plan of now: what was planned before the traffic began has another `since`.
        let plan = plan(desk, &stage.tenant).await?;
        let odd = |what: &str| Error::Usage {
            what: format!("the cell's plan has no {what} that can be signed"),
            hint: "use a newer bulkhead".into(),
        };
        let tenants = plan.tenants.iter().map(|one| TenantId::parse(&one.tenant));
        let command = Command::Cut {
            direction: Direction::Both,
            since: moment(plan.since).ok_or_else(|| odd("time"))?,
            drain_clean: false,
            reason: "drill".into(),
            plan: plan.plan[..].try_into().map_err(|_| odd("digest"))?,
            tenants: tenants.collect::<Result<_, _>>().map_err(|_| odd("tenants"))?,
        };
        let scope = HeaderScope::Of(Scope::Tenant(stage.tenant.clone()));
        let fact = desk.sign(command, scope, Seen::of(plan.position, plan.now))?.to_wire();
        let call = async |mut client: v1::control_client::ControlClient<_>| {
            client.cut(v1::CutRequest { fact: Some(fact.clone()) }).await
        };
        let mut news = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
        while let Ok(answer) = tokio::time::timeout(global.timeout, news.message()).await {
            match answer.map_err(|status| desk.failed(Trouble::of(&status)))? {
                Some(v1::CutResponse { news: Some(News::Taken(taken)) }) => {
                    drilled.cut_id = taken.cut_id;
                    if taken.pending {
                        return Err(Error::NotConfirmed("the hour's budget of cuts is spent".into()));
                    }
                }
                Some(v1::CutResponse { news: Some(News::InForce(forced)) }) => {
                    drilled.nodes.push(Forced::of(&forced));
                }
                Some(_) => {}
                None => break,
            }
        }
        drilled.step("cut", begun);
        Ok(())
    }
}

async fn plan(desk: &Desk, tenant: &TenantId) -> Result<v1::PlanResponse, Error> {
    let request = v1::PlanRequest { scope: tenant.to_string(), ..Default::default() };
    let plan = desk.cell.command(async |mut client| client.plan(request.clone()).await).await;
    plan.map_err(|trouble| desk.failed(trouble))
}

/// The way back, each step by whom it takes. When it was opened.
async fn restore(
    context: &Context,
    stage: &Stage,
    begun: Instant,
    drilled: &mut Drilled,
) -> Result<Instant, Error> {
    let cut = CutId::parse(&drilled.cut_id)
        .map_err(|error| Error::Usage { what: error.to_string(), hint: "use a newer bulkhead".into() })?;
    let certificate = certificate_fingerprint(&context.tenant(&stage.tenant)?.pair.certificate)?;
    let propose = Command::Propose {
        cut: cut.clone(),
        evidence: "a drill: nothing had happened".into(),
        certificates: vec![certificate],
        inbox: String::new(),
    };
    step(&stage.first, stage, propose).await?;
    drilled.step("propose", begun);
    let shown = stage.second.show(&drilled.cut_id).await?;
    let proposal = shown.account.and_then(|account| account.proposal);
    let fact = proposal.and_then(|proposal| proposal.fact[..].try_into().ok()).map(FactId);
    let proposal = fact.ok_or(Error::NothingMatches)?;
    step(&stage.second, stage, Command::Approve { cut: cut.clone(), proposal }).await?;
    drilled.step("approve", begun);
    let opened = Instant::now();
    for to in [
        Advance::Canary { with: vec![stage.tenant.clone()] },
        Advance::Limited { per_minute: PER_MINUTE },
        Advance::Full,
    ] {
        let name = to.as_str();
        step(&stage.second, stage, Command::Advance { cut: cut.clone(), to }).await?;
        drilled.step(name, begun);
    }
    Ok(opened)
}

/// One signed command about the tenant.
async fn step(desk: &Desk, stage: &Stage, command: Command) -> Result<v1::CommandResponse, Error> {
    let request = v1::ListCutsRequest {};
    let known = desk.cell.command(async |mut client| client.list_cuts(request).await).await;
    let known = known.map_err(|trouble| desk.failed(trouble))?;
    let scope = HeaderScope::Of(Scope::Tenant(stage.tenant.clone()));
    desk.command(command, scope, Seen::of(known.position, known.now)).await
}

/// What the cut made suspect goes on, also what was half handed over: it takes both, as always.
async fn release(stage: &Stage, begun: Instant, drilled: &mut Drilled) -> Result<(), Error> {
    let cut = CutId::parse(&drilled.cut_id)
        .map_err(|error| Error::Usage { what: error.to_string(), hint: "use a newer bulkhead".into() })?;
    let request = v1::ListSetAsideRequest {
        tenant: stage.tenant.to_string(),
        states: [State::Quarantined, State::Unknown].map(|state| state_to_wire(state) as i32).to_vec(),
        limit: 10_000,
        ..Default::default()
    };
    let desk = &stage.first;
    let aside = desk.cell.command(async |mut client| client.list_set_aside(request.clone()).await).await;
    let aside = aside.map_err(|trouble| desk.failed(trouble))?;
    let ids: Vec<ReferralId> =
        aside.referrals.iter().filter_map(|one| ReferralId::parse(&one.referral_id).ok()).collect();
    drilled.released = ids.len() as u64;
    for referrals in ids.chunks(MAX_REFERRALS) {
        for desk in [&stage.first, &stage.second] {
            let release = Command::Release { cut: cut.clone(), referrals: referrals.to_vec() };
            step(desk, stage, release).await?;
        }
    }
    drilled.step("release", begun);
    Ok(())
}

/// The one named, or another of the first one's nation.
fn second(context: &Context, first: &OperatorId, named: Option<&str>) -> Result<String, Error> {
    if let Some(name) = named {
        return context.commander(Some(first.nation()), Some(name)).map(|operator| operator.id.to_string());
    }
    let other = context
        .operators
        .iter()
        .find(|operator| operator.id.nation() == first.nation() && operator.id != *first);
    other.map(|operator| operator.id.to_string()).ok_or_else(|| Error::Usage {
        what: format!("the context has no second operator of {}", first.nation()),
        hint: "bringing a tenant back takes two; name the other one's context file, or use a demo world"
            .into(),
    })
}

/// Another synthetic tenant of the context with a service of its own, to see whether anybody else notices. Drills'
/// tenants have the same name in every nation or say so in their id.
async fn bystander(context: &Context, drilled: &TenantId) -> Option<(TenantId, String)> {
    let other = context
        .tenants
        .iter()
        .find(|tenant| tenant.id != *drilled && tenant.id.as_str().ends_with("/synthetic"))?;
    Some((other.id.clone(), other.services.first()?.id.to_string()))
}

/// The time of now, as the wire has it.
fn now() -> prost_types::Timestamp {
    time_to_wire(Timestamp::now())
}
