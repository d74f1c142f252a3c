//! What the simulators have and what the ledgers say, put beside what was sent.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};
use bulkhead_model::{Priority, ReferralId, State};
use bulkhead_translation::{control_id, request_id};
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use bulkhead_wire::v1::{GetReferralRequest, ListReferralsRequest, Referral, Step};
use bulkhead_wire::{priority_from_wire, state_from_wire, time_from_wire};
use jiff::Timestamp;
use serde::Deserialize;
use tonic::transport::Channel;

use super::http;
use super::plan::Note;
use super::world::{Cell, DevJson};
use crate::history::{Detour, Entry, History, Life, Reception, Submit, Yes};

/// How many a cell is asked for at a time.
const PAGE: u32 = 5_000;
const MAX_ANSWER: usize = 64 << 20;

/// A line of `GET /received`.
#[derive(Debug, Deserialize)]
struct Received {
    sequence: u64,
    message_id: String,
    case: Option<String>,
    kind: String,
    sha256: String,
    time: Timestamp,
    repeat: bool,
    changed: bool,
}

/// Sender and message id as its system wrote it, to what the ledgers say.
type Known = HashMap<(String, String), Found>;

/// What the ledgers say of one.
#[derive(Debug, Clone, Default)]
struct Found {
    id: Option<ReferralId>,
    /// The sender's nation first.
    entries: Vec<Entry>,
    deadline: Option<Timestamp>,
    appended: Option<Timestamp>,
    spool_may_speak: bool,
    detours: Vec<Detour>,
}

/// Adds everything that was sent and received.
pub(super) async fn into(history: &mut History, notebook: &[Note], dev: &DevJson) -> Result<()> {
    with_lives(history, notebook, &HashMap::new(), dev).await
}

/// The same, with the life of each.
pub(super) async fn with_lives(
    history: &mut History,
    notebook: &[Note],
    lives: &HashMap<(String, String), Life>,
    dev: &DevJson,
) -> Result<()> {
    let known = ledgers(dev).await?;
    for note in notebook {
        let life = lives.get(&key(note)).cloned();
        history.submitted(Submit { life, ..submit(note, &known) });
    }
    for tenant in &dev.tenants {
        for line in received(dev, &tenant.id).await?.into_iter().filter(|line| line.kind != "response") {
            history.received(Reception {
                at: tenant.id.clone(),
                sequence: line.sequence,
                message_id: line.message_id,
                case: line.case,
                sha256: line.sha256,
                time: line.time,
                repeat: line.repeat,
                changed: line.changed,
            });
        }
    }
    Ok(())
}

/// The life of everything that was sent: when it was accepted, when hand-overs of it began, and what its sender is told.
pub(super) async fn lives(notebook: &[Note], dev: &DevJson) -> Result<HashMap<(String, String), Life>> {
    let told = told(dev).await?;
    let mut lives: HashMap<(String, String), Life> = HashMap::new();
    for cell in &dev.cells {
        let mut client = operators_client(dev, cell)?;
        for referral in listed(dev, cell).await? {
            let message_id = referral.envelope.as_ref().map(|envelope| envelope.message_id.clone());
            let message_id = own_id(&message_id.unwrap_or_default()).to_ascii_lowercase();
            let request = GetReferralRequest { id: referral.referral_id.clone(), ..Default::default() };
            let whole = client.get_referral(request).await?.into_inner().referrals;
            let spooled_at = referral.envelope.as_ref().and_then(|envelope| envelope.spooled_at);
            let accepted_at = referral.accepted_at.and_then(time_from_wire);
            let life = lives.entry((referral.tenant.clone(), message_id)).or_default();
            life.referral_id = referral.referral_id.clone();
            life.accepted_at = accepted_at.context("a referral that was never accepted")?;
            life.spooled_at = spooled_at.and_then(time_from_wire);
            life.told = told.get(&referral.referral_id).copied();
            let steps = whole.into_iter().flat_map(|one| one.steps);
            let offers = steps.filter(|step| step.event == "offered" && step.counts);
            life.offered
                .extend(offers.filter_map(|step| Some((cell.nation.clone(), time_from_wire(step.at?)?))));
        }
    }
    let sent: HashSet<_> = notebook.iter().map(key).collect();
    lives.retain(|key, _| sent.contains(key));
    Ok(lives)
}

/// What each tenant is told of what it sent, when it asks with its own credential.
async fn told(dev: &DevJson) -> Result<HashMap<String, State>> {
    let mut told = HashMap::new();
    for tenant in &dev.tenants {
        let cell = dev.cells.iter().find(|cell| cell.nation == tenant.nation()).context("no such cell")?;
        let mut client = client(dev, cell, &tenant.certificate, &tenant.key)?;
        let all = pages(&mut client, "").await.with_context(|| format!("{} asks", tenant.id))?;
        let own = all.into_iter().filter(|one| one.tenant == tenant.id);
        told.extend(own.filter_map(|one| Some((one.referral_id, state_from_wire(one.state)?))));
    }
    Ok(told)
}

/// By what a message is found in the ledgers.
pub(super) fn key(note: &Note) -> (String, String) {
    (note.from.clone(), note.message_id.to_ascii_lowercase())
}

/// How many answers simulators received; nobody here sends any, so that all of them are refusals said later.
pub(super) async fn responses(dev: &DevJson) -> Result<usize> {
    let mut count = 0;
    for tenant in &dev.tenants {
        count += received(dev, &tenant.id).await?.iter().filter(|line| line.kind == "response").count();
    }
    Ok(count)
}

async fn received(dev: &DevJson, tenant: &str) -> Result<Vec<Received>> {
    let at = dev.tenant(tenant)?.simulator.http;
    http::get(at, "/received").await?.json().with_context(|| format!("what {tenant} received"))
}

fn submit(note: &Note, known: &Known) -> Submit {
    let found = known.get(&key(note)).cloned().unwrap_or_default();
    let Found { id, entries: ledgers, deadline, appended, spool_may_speak, detours } = found;
    let yes = note.accepted.zip(appended);
    let mut arrives_as = vec![note.message_id.clone()];
    arrives_as.extend(id.iter().flat_map(|id| [control_id(id), request_id(id).to_string()]));
    // A retry with other bytes counts as the one that was accepted; the digest tells which that was.
    let accepted =
        ledgers.first().map(|entry| entry.digest.clone()).filter(|digest| note.sha256.contains(digest));
    Submit {
        from: note.from.clone(),
        to: note.to.clone(),
        message_id: note.message_id.clone(),
        case: Some(note.case.clone()),
        order: note.order,
        sha256: accepted.or_else(|| note.sha256.first().cloned()).unwrap_or_default(),
        same_bytes: note.same_bytes,
        answer: note.answer,
        yes: yes.map(|(at, appended)| Yes { at, appended, spool_may_speak }),
        deadline,
        detours,
        arrives_as,
        ledgers,
        life: None,
    }
}

async fn ledgers(dev: &DevJson) -> Result<Known> {
    let mut known = Known::new();
    for cell in &dev.cells {
        let mut client = operators_client(dev, cell)?;
        for referral in listed(dev, cell).await? {
            let Some(state) = state_from_wire(referral.state) else { continue };
            let detours = detours(&mut client, &referral, state).await?;
            let envelope = referral.envelope.unwrap_or_default();
            let message_id = own_id(&envelope.message_id).to_ascii_lowercase();
            let entry = Entry {
                nation: cell.nation.clone(),
                state,
                digest: referral.digest,
                sent_after_all: referral.alerts.iter().any(|alert| alert == "SENT_AFTER_ALL"),
            };
            let is_home = referral.tenant.starts_with(&format!("{}/", cell.nation));
            let found = known.entry((referral.tenant, message_id)).or_default();
            found.id = ReferralId::parse(&referral.referral_id).ok();
            found.entries.insert(if is_home { 0 } else { found.entries.len() }, entry);
            found.detours.extend(detours);
            found.deadline = envelope.deadline.and_then(time_from_wire);
            found.appended = referral.accepted_at.and_then(time_from_wire);
            found.spool_may_speak = priority_from_wire(envelope.priority) == Priority::Routine;
        }
    }
    Ok(known)
}

/// Where it went instead of to its receiver, by this cell's events; few do, and only those are asked for.
async fn detours(
    client: &mut ReferralsClient<Channel>,
    referral: &Referral,
    state: State,
) -> Result<Vec<Detour>> {
    let may_have = referral.overdue
        || matches!(state, State::ReturnPending | State::Returned | State::Diverted)
        || referral.custody > 1;
    if !may_have {
        return Ok(Vec::new());
    }
    let request = GetReferralRequest { id: referral.referral_id.clone(), ..Default::default() };
    let whole = client.get_referral(request).await?.into_inner().referrals;
    let steps = whole.into_iter().flat_map(|one| one.steps).filter(|step| step.counts);
    let detour = |step: Step| {
        let to = match step.event.as_str() {
            "return-pending" => None,
            "diverted" => Some(referral.destination.clone()),
            _ => return None,
        };
        Some(Detour { at: step.at.and_then(time_from_wire)?, to })
    };
    Ok(steps.filter_map(detour).collect())
}

/// HL7 v2 ids are kept as MSH-3, MSH-4, MSH-10 and MSH-7 joined; those of BaRS as they are.
fn own_id(message_id: &str) -> &str {
    message_id.split('|').nth(2).unwrap_or(message_id)
}

/// Every referral of a cell, asked for tenant by tenant.
async fn listed(dev: &DevJson, cell: &Cell) -> Result<Vec<Referral>> {
    let mut client = operators_client(dev, cell)?;
    let mut found: HashMap<String, Referral> = HashMap::new();
    for tenant in dev.tenants.iter().filter(|tenant| tenant.nation() == cell.nation) {
        let of_tenant = pages(&mut client, &tenant.id).await?;
        found.extend(of_tenant.into_iter().map(|one| (one.referral_id.clone(), one)));
    }
    Ok(found.into_values().collect())
}

/// Every referral of that tenant, or of whoever asks. Of one that is settled meanwhile, how it was last.
async fn pages(client: &mut ReferralsClient<Channel>, tenant: &str) -> Result<Vec<Referral>> {
    let mut request = ListReferralsRequest { tenant: tenant.into(), limit: PAGE, ..Default::default() };
    let mut all = Vec::new();
    loop {
        let page = client.list_referrals(request.clone()).await?.into_inner();
        all.extend(page.referrals);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

fn operators_client(dev: &DevJson, cell: &Cell) -> Result<ReferralsClient<Channel>> {
    let operator = dev.operators.iter().find(|operator| operator.nation == cell.nation);
    let operator = operator.with_context(|| format!("no operator of {}", cell.nation))?;
    client(dev, cell, &operator.certificate, &operator.key)
}

fn client(dev: &DevJson, cell: &Cell, certificate: &Path, key: &Path) -> Result<ReferralsClient<Channel>> {
    let read = |path: &Path| std::fs::read_to_string(dev.data_dir.join(path));
    let dialer = Dialer::new(&Credentials {
        ca_pem: read(&dev.ca)?,
        certificate_pem: read(certificate)?,
        key_pem: read(key)?,
    })?;
    let node = cell.nodes.first().context("a cell without a node")?;
    let channel = dialer.channel(&node.grpc.to_string(), &format!("{}.bulkhead.internal", cell.nation))?;
    Ok(ReferralsClient::new(channel).max_decoding_message_size(MAX_ANSWER))
}
