//! How much memory does a backlog take? 5,000 documents of 57 KB for a system over the border that is down.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bulkhead_testkit::campaign::{World, http};
use bulkhead_wire::v1::submit_stream_response::Answer;
use bulkhead_wire::v1::{Priority, State, SubmitRequest, SubmitStreamRequest};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{clients, say};
use crate::process::resident_mb;
use crate::sender::referral;

/// Waiting for the receiving system: in its compartment, on the way to its sidecar, or in the sidecar's inbox.
const OPEN: [State; 3] = [State::Routed, State::Offered, State::Delivered];
const FROM: &str = "england/nhs111-north";
const TO: &str = "scotland/nhs24";
/// Of these the first are to bring buffers and caches to their usual size.
const WARM_UP: usize = 500;
const COUNT: usize = 5_000;
const SETTLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn ask(world: &World) -> Result<()> {
    let (dev, pid) = (&world.dev, world.dev.pid);
    let receiver = dev.tenant(TO)?;
    http::put(receiver.simulator.http, "/behaviour", &json!({ "answer": "down" })).await?;
    submit(world, FROM, TO, WARM_UP).await?;
    waits(world, WARM_UP).await?;
    let before = resident_mb(pid)?;
    submit(world, FROM, TO, COUNT).await?;
    waits(world, WARM_UP + COUNT).await?;
    let added = resident_mb(pid)? - before;
    say("a backlog of 5,000 of 57 KB: memory added", format!("{added:.0} MB"), "target < 64 MB");
    Ok(())
}

/// So many documents that can be translated, from one tenant to another.
pub(super) async fn submit(world: &World, from: &str, to: &str, count: usize) -> Result<()> {
    let mut client = clients::ingest(&world.dev, from)?;
    let service = world.dev.tenant(to)?.services.first().context("no service")?.id.clone();
    // One that can be translated: what cannot is refused, and does not wait.
    let payload = Bytes::from(std::fs::read(world.dev.data_dir.join("sample-referral.xml"))?);
    let (requests, outgoing) = mpsc::channel(32);
    tokio::spawn(async move {
        for _ in 0..count {
            let mut submit: SubmitRequest = referral(&service, &payload);
            if let Some(envelope) = &mut submit.envelope {
                envelope.content_type = "application/fhir+xml".into();
                // What is urgent is given back when its receiver is cut off, and is no backlog then.
                envelope.priority = Priority::Routine as i32;
            }
            if requests.send(SubmitStreamRequest { submit: Some(submit) }).await.is_err() {
                return;
            }
        }
    });
    let mut answers = client.submit_stream(ReceiverStream::new(outgoing)).await?.into_inner();
    let mut accepted = 0;
    while let Some(answer) = answers.message().await? {
        ensure!(matches!(answer.answer, Some(Answer::Accepted(_))), "{answer:?}");
        accepted += 1;
    }
    ensure!(accepted == count, "{accepted} of {count} were answered");
    Ok(())
}

/// Until so many wait for the receiver, and a little longer.
async fn waits(world: &World, count: usize) -> Result<()> {
    let mut client = clients::referrals(&world.dev, "scotland")?;
    let waiting = async {
        loop {
            let status = client.get_status(bulkhead_wire::v1::GetStatusRequest {}).await?.into_inner();
            let tenant =
                status.tenants.iter().find(|tenant| tenant.tenant == TO).context("no such tenant")?;
            let open = tenant.received.iter().filter(|counted| OPEN.contains(&counted.state()));
            if open.map(|counted| counted.count).sum::<u64>() >= count as u64 {
                return Ok::<_, anyhow::Error>(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("not everything came over the border")??;
    tokio::time::sleep(SETTLE).await;
    Ok(())
}
