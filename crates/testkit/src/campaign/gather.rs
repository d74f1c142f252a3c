//! What the simulators have and what the ledgers say, put beside what was sent.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use bulkhead_model::ReferralId;
use bulkhead_translation::{control_id, request_id};
use bulkhead_transport::{Credentials, Dialer};
use bulkhead_wire::state_from_wire;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use bulkhead_wire::v1::{ListReferralsRequest, Referral};
use jiff::Timestamp;
use serde::Deserialize;

use super::http;
use super::plan::Note;
use super::world::{Cell, DevJson};
use crate::history::{Entry, History, Reception, Submit};

/// The most that a cell lists.
const MOST: u32 = 10_000;
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

/// Sender and message id as its system wrote it, to what each ledger says.
type Known = HashMap<(String, String), (Option<ReferralId>, Vec<Entry>)>;

/// Adds everything that was sent and received.
pub(super) async fn into(history: &mut History, notebook: &[Note], dev: &DevJson) -> Result<()> {
    let known = ledgers(dev).await?;
    for note in notebook {
        history.submitted(submit(note, &known));
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
    let (id, ledgers) =
        known.get(&(note.from.clone(), note.message_id.to_ascii_lowercase())).cloned().unwrap_or_default();
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
        arrives_as,
        ledgers,
    }
}

async fn ledgers(dev: &DevJson) -> Result<Known> {
    let mut known = Known::new();
    for cell in &dev.cells {
        for referral in listed(dev, cell).await? {
            let Some(state) = state_from_wire(referral.state) else { continue };
            let message_id = referral.envelope.as_ref().map(|envelope| envelope.message_id.clone());
            let message_id = own_id(&message_id.unwrap_or_default()).to_ascii_lowercase();
            let entry = Entry {
                nation: cell.nation.clone(),
                state,
                digest: referral.digest,
                sent_after_all: referral.alerts.iter().any(|alert| alert == "SENT_AFTER_ALL"),
            };
            let is_home = referral.tenant.starts_with(&format!("{}/", cell.nation));
            let (id, entries) = known.entry((referral.tenant, message_id)).or_default();
            *id = ReferralId::parse(&referral.referral_id).ok();
            entries.insert(if is_home { 0 } else { entries.len() }, entry);
        }
    }
    Ok(known)
}

/// HL7 v2 ids are kept as MSH-3, MSH-4, MSH-10 and MSH-7 joined; those of BaRS as they are.
fn own_id(message_id: &str) -> &str {
    message_id.split('|').nth(2).unwrap_or(message_id)
}

/// Every referral of a cell, asked for tenant by tenant.
async fn listed(dev: &DevJson, cell: &Cell) -> Result<Vec<Referral>> {
    let operator = dev.operators.iter().find(|operator| operator.nation == cell.nation);
    let operator = operator.with_context(|| format!("no operator of {}", cell.nation))?;
    let read = |path: &std::path::Path| std::fs::read_to_string(dev.data_dir.join(path));
    let dialer = Dialer::new(&Credentials {
        ca_pem: read(&dev.ca)?,
        certificate_pem: read(&operator.certificate)?,
        key_pem: read(&operator.key)?,
    })?;
    let node = cell.nodes.first().context("a cell without a node")?;
    let channel = dialer.channel(&node.grpc.to_string(), &format!("{}.bulkhead.internal", cell.nation))?;
    let mut client = ReferralsClient::new(channel).max_decoding_message_size(MAX_ANSWER);
    let mut found: HashMap<String, Referral> = HashMap::new();
    for tenant in dev.tenants.iter().filter(|tenant| tenant.nation() == cell.nation) {
        let request = ListReferralsRequest { tenant: tenant.id.clone(), limit: MOST, ..Default::default() };
        let answer = client.list_referrals(request).await?.into_inner();
        let whole = answer.total <= answer.referrals.len() as u64;
        ensure!(whole, "{} has more referrals than can be listed: fewer rounds, please", tenant.id);
        found.extend(answer.referrals.into_iter().map(|one| (one.referral_id.clone(), one)));
    }
    Ok(found.into_values().collect())
}
