//! `bulkhead cut`: the plan, a yes, the signed command, and the proof that it is in force.

pub(crate) mod text;

use bulkhead_model::{CutId, Direction, Fault, Scope, TenantId};
use bulkhead_wire::fact::{Command, HeaderScope};
use bulkhead_wire::status::fault_of;
use bulkhead_wire::v1::{self, cut_response::News};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde::Serialize;

use crate::cell::Trouble;
use crate::desk::{Desk, Desked, Seen, ask, confirmed};
use crate::global::Output;
use crate::time::{Moment, parse_moment};
use crate::view::{Account, Forced, Look, Planned, moment};
use crate::{Error, Exit, Global, Screen};

/// The end of its help.
pub const HELP: &str = "\
SCOPE is wales/wast-111, supplier:meridian or nation:wales. Every tenant is cut off for the nation
of the operator: its own at once, others' at the border. What the scope sent from --since on is
suspect: it is set aside and handed over only when two operators release it. Nothing is deleted.

The plan is shown first; nothing happens before a yes. One person cuts one tenant off; a supplier
or a nation too, but it alarms every operator until a second one says `cuts confirm`, or two say
`cuts withdraw`: what is closed is opened by two, as everywhere.

Examples:
  bulkhead cut wales/wast-111 --reason 'credentials seen for sale' --since 2h --as wales-duty
  bulkhead cut wales/wast-111 --reason 'attack under way' --since now --yes --as wales-duty
  bulkhead cut supplier:meridian --reason 'supplier breached' --since 2026-08-04T06:00:00Z --plan

Exit codes: 0 in force on every node; 1 failed, or the plan has changed; 2 wrong usage; 3 refused,
or it waits for a second person; 4 no such scope; 5 cannot reach; 6 some node has not answered (it
says when that node stops by itself).";

/// The arguments of `bulkhead cut`.
#[derive(Debug, Clone, Args)]
pub struct Cut {
    /// wales/wast-111, supplier:meridian or nation:wales.
    pub scope: Scope,
    /// Why; it is kept for ever, so nothing about patients.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    /// From when on what it sent is suspect: 2h, a time with its offset, or now.
    #[arg(long, value_name = "T|now", value_parser = parse_since)]
    pub since: Option<Moment>,
    /// Which way, from the tenant's point of view.
    #[arg(long, default_value = "both", value_name = "from|to|both", value_parser = parse_direction)]
    pub direction: Direction,
    /// Still deliver what it sent before --since.
    #[arg(long)]
    pub drain_clean: bool,
    /// Show what it would do, and do nothing.
    #[arg(long)]
    pub plan: bool,
    /// Do not ask; then --since is required.
    #[arg(long)]
    pub yes: bool,
}

/// Everything that is told of a cut.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) desk: Desked,
    pub(crate) plan: Planned,
    /// None: only the plan was asked for.
    pub(crate) cut_id: Option<String>,
    /// It waits for a second person and closes nothing yet.
    pub(crate) pending: bool,
    /// In force on every node of the cell.
    pub(crate) in_force: bool,
    pub(crate) taken_at: Option<Timestamp>,
    pub(crate) logged_at: Option<Timestamp>,
    pub(crate) position: Option<u64>,
    pub(crate) nodes: Vec<Forced>,
    pub(crate) account: Option<Account>,
    /// What went wrong after it was taken.
    pub(crate) problem: Option<String>,
}

fn parse_since(text: &str) -> Result<Moment, String> {
    match text {
        "now" => Ok(Moment::Away(std::time::Duration::ZERO)),
        text => parse_moment(text).map_err(|error| format!("{error}, nor now")),
    }
}

fn parse_direction(text: &str) -> Result<Direction, String> {
    Direction::parse(text).ok_or_else(|| "expected from, to or both".into())
}

impl Cut {
    /// Plans, asks, cuts, and shows the proof.
    ///
    /// # Errors
    /// When it was not cut.
    pub async fn run(self, global: &Global, screen: &mut Screen) -> Result<Exit, Error> {
        let since = self.since(screen)?;
        let nation = match &self.scope {
            Scope::Tenant(tenant) => Some(tenant.nation()),
            Scope::Nation(nation) => Some(*nation),
            Scope::Supplier(_) => None,
        };
        let desk = Desk::open(global, nation)?;
        let request = v1::PlanRequest {
            scope: self.scope.to_string(),
            direction: self.direction.as_str().into(),
            since: since.map(bulkhead_wire::time_to_wire),
            drain_clean: self.drain_clean,
        };
        let plan = desk.cell.command(async |mut client| client.plan(request.clone()).await).await;
        let plan = plan.map_err(|trouble| desk.failed(trouble))?;
        let mut told = Told::of(&desk, &plan, self.drain_clean);
        let look = Look::here(screen.paint());
        if screen.output() == Output::Text {
            screen.data(&text::plan(&told, &look));
        }
        if self.plan {
            if screen.output() != Output::Text {
                screen.json(&told);
            }
            return Ok(Exit::Done);
        }
        confirmed(screen, self.yes, &format!("Cut {} off now?", self.scope))?;
        let fact = desk.sign(
            self.command(&plan)?,
            HeaderScope::Of(self.scope.clone()),
            Seen::of(plan.position, plan.now),
        )?;
        let fact = fact.to_wire();
        let call = async |mut client: v1::control_client::ControlClient<_>| {
            client.cut(v1::CutRequest { fact: Some(fact.clone()) }).await
        };
        let mut news = desk.cell.command(call).await.map_err(|trouble| desk.failed(trouble))?;
        loop {
            match tokio::time::timeout(global.timeout, news.message()).await {
                Ok(Ok(Some(v1::CutResponse { news: Some(one) }))) => told.hear(one),
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => break,
                // It is closed where it was taken: what comes now is only what is not known.
                Ok(Err(status)) if told.is_closed() && !is_refused(&status) => {
                    told.problem = Some(Trouble::of(&status).to_string());
                    break;
                }
                Ok(Err(status)) => return Err(desk.failed(Trouble::of(&status))),
                Err(_) => {
                    told.problem = Some(Trouble::no_answer(global.timeout).to_string());
                    break;
                }
            }
        }
        told.in_force =
            !told.pending && told.problem.is_none() && told.nodes.iter().all(|node| node.answered);
        match screen.output() {
            Output::Text => screen.data(&text::proof(&told, &look)),
            Output::Json | Output::Jsonl => screen.json(&told),
        }
        Ok(match (told.pending, told.in_force) {
            (true, _) => Exit::Refused,
            (false, true) => Exit::Done,
            (false, false) => Exit::Partial,
        })
    }

    /// From when on; asked for when it is missing and somebody sits there.
    fn since(&self, screen: &mut Screen) -> Result<Option<Timestamp>, Error> {
        let now = Timestamp::now();
        let hint = "say --since now, or how far back, for example --since 2h";
        let said = match self.since {
            Some(moment) => moment,
            None if self.plan => return Ok(None),
            None if self.yes => {
                return Err(Error::Usage { what: "--yes needs --since".into(), hint: hint.into() });
            }
            None => {
                let text = ask(
                    screen,
                    "Since when is what it sent suspect? (2h, a time with its offset, or now)",
                    hint,
                )?;
                parse_since(&text).map_err(|what| Error::Usage { what, hint: hint.into() })?
            }
        };
        Ok(match said {
            // The cell's own clock says what now is.
            Moment::Away(far) if far.is_zero() => None,
            moment => Some(moment.before(now)),
        })
    }

    fn command(&self, plan: &v1::PlanResponse) -> Result<Command, Error> {
        let odd = |what: &str| Error::Usage {
            what: format!("the cell's plan has no {what} that can be signed"),
            hint: "use a newer bulkhead".into(),
        };
        let tenants = plan.tenants.iter().map(|one| TenantId::parse(&one.tenant));
        Ok(Command::Cut {
            direction: self.direction,
            since: moment(plan.since).ok_or_else(|| odd("time"))?,
            drain_clean: self.drain_clean,
            reason: self.reason.clone(),
            plan: plan.plan[..].try_into().map_err(|_| odd("digest"))?,
            tenants: tenants.collect::<Result<_, _>>().map_err(|_| odd("tenants"))?,
        })
    }
}

/// The log has judged it, and it does not count.
fn is_refused(status: &tonic::Status) -> bool {
    match Trouble::of(status) {
        Trouble::Answered(problem) => problem.code.is_some_and(|code| fault_of(code) != Fault::Unavailable),
        Trouble::Silent { .. } | Trouble::NotTrusted { .. } => false,
    }
}

impl Told {
    fn of(desk: &Desk, plan: &v1::PlanResponse, drain_clean: bool) -> Self {
        Self {
            desk: desk.desked(),
            plan: Planned::of(plan, drain_clean),
            cut_id: None,
            pending: false,
            in_force: false,
            taken_at: None,
            logged_at: None,
            position: None,
            nodes: vec![],
            account: None,
            problem: None,
        }
    }

    /// Some node has taken it and closed.
    fn is_closed(&self) -> bool {
        self.nodes.iter().any(|node| node.answered)
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Taken(taken) => {
                self.taken_at = moment(taken.at);
                self.pending = taken.pending;
                self.cut_id = CutId::parse(&taken.cut_id).ok().map(|id| id.to_string());
            }
            News::Logged(logged) => {
                (self.position, self.logged_at) = (Some(logged.position), moment(logged.at));
                self.pending |= logged.pending;
            }
            News::InForce(forced) => {
                let newest = Forced::of(&forced);
                self.nodes.retain(|node| node.node != newest.node);
                self.nodes.push(newest);
            }
            News::Account(account) => self.account = Some(Account::of(&account)),
        }
    }
}
