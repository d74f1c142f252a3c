//! How long is the way from system to system over a border, at 50 documents of 57 KB a second?
//!
//! From the moment at which the sending simulator begins to send until the receiving one has kept it; the
//! documents are translated on the way. The same process also composes them, and both simulators are in it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bulkhead_model::{MessageId, ReferralId, TenantId};
use bulkhead_testkit::campaign::{World, http};
use bulkhead_translation::control_id;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::say;
use crate::spread::Spread;

const FROM: &str = "england/nhs111-north";
const TO: &str = "scotland/nhs24";
const A_SECOND: u32 = 50;
const WARM_UP: u32 = 250;
const COUNT: u32 = 1500;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn ask(world: &World) -> Result<()> {
    let (sender, receiver) = (world.dev.tenant(FROM)?, world.dev.tenant(TO)?);
    let (from, at, to) = (TenantId::parse(FROM)?, sender.simulator.http, receiver.address());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sendings = JoinSet::new();
    for number in 0..WARM_UP + COUNT {
        tick.tick().await;
        let to = to.clone();
        sendings.spawn(async move {
            let sent: Value = http::post(at, "/send", &json!({ "to": to, "bytes": 57_000 })).await?.json()?;
            let answered = now();
            ensure!(sent["outcome"] == "accepted", "not accepted: {sent}");
            let took = sent["milliseconds"].as_f64().context("no milliseconds")? / 1000.0;
            let id = sent["message_id"].as_str().context("no message id")?.to_owned();
            Ok((number, id, answered - took))
        });
    }
    let mut begun = HashMap::new();
    while let Some(sent) = sendings.join_next().await {
        let (number, id, at) = sent??;
        let arrives_as = control_id(&ReferralId::derive(&from, &MessageId::parse(&id)?));
        if number >= WARM_UP {
            begun.insert(arrives_as, at);
        }
    }
    let took = tokio::time::timeout(PATIENCE, arrivals(receiver.simulator.http, &begun)).await;
    let took = took.context("not everything arrived")??;
    let spread = Spread::new(took, Duration::from_secs(1));
    say(
        "over a border, 50/s of 57 KB: submit to received, p50",
        format!("{:.1} ms", spread.at(0.5)),
        "target 25 ms",
    );
    say(
        "over a border, 50/s of 57 KB: submit to received, p99",
        format!("{:.1} ms", spread.at(0.99)),
        "target 100 ms",
    );
    Ok(())
}

/// How long each took, when all are there.
async fn arrivals(at: std::net::SocketAddr, begun: &HashMap<String, f64>) -> Result<Vec<Duration>> {
    loop {
        let received: Vec<Value> = http::get(at, "/received").await?.json()?;
        let took: Vec<Duration> = received
            .iter()
            .filter_map(|one| {
                let begin = begun.get(one["message_id"].as_str()?)?;
                let kept: jiff::Timestamp = one["time"].as_str()?.parse().ok()?;
                Some(Duration::from_secs_f64((seconds(kept) - begin).max(0.0)))
            })
            .collect();
        if took.len() >= begun.len() {
            return Ok(took);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn now() -> f64 {
    seconds(jiff::Timestamp::now())
}

fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
