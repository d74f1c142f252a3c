//! How long is the way from system to system over a border, at so many documents of 57 KB a second?
//!
//! From the moment at which the sending simulator begins to send until the receiving one has kept it; the
//! documents are translated on the way. The same process also composes them, and both simulators are in it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
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
/// How long is warmed up, and then measured, in seconds.
const WARM_UP: u32 = 5;
const MEASURED: u32 = 30;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn ask(world: &World, a_second: u32) -> Result<()> {
    let (sender, receiver) = (world.dev.tenant(FROM)?, world.dev.tenant(TO)?);
    let (from, at, to) = (TenantId::parse(FROM)?, sender.simulator.http, receiver.address());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / a_second);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sendings = JoinSet::new();
    for number in 0..(WARM_UP + MEASURED) * a_second {
        tick.tick().await;
        let to = to.clone();
        sendings.spawn(async move {
            let sent: Value = http::post(at, "/send", &json!({ "to": to, "bytes": 57_000 })).await?.json()?;
            let answered = now();
            if sent["outcome"] != "accepted" {
                return Ok(None);
            }
            let took = sent["milliseconds"].as_f64().context("no milliseconds")? / 1000.0;
            let id = sent["message_id"].as_str().context("no message id")?.to_owned();
            Ok::<_, anyhow::Error>(Some((number, id, answered - took)))
        });
    }
    let (mut begun, mut put_off) = (HashMap::new(), 0);
    while let Some(sent) = sendings.join_next().await {
        let Some((number, id, at)) = sent?? else {
            put_off += 1;
            continue;
        };
        let arrives_as = control_id(&ReferralId::derive(&from, &MessageId::parse(&id)?));
        if number >= WARM_UP * a_second {
            begun.insert(arrives_as, at);
        }
    }
    let took = arrivals(receiver.simulator.http, &begun).await?;
    let missing = begun.len() - took.len();
    let spread = Spread::new(took, Duration::from_secs(1));
    let what = format!("over a border, {a_second}/s of 57 KB: submit to received");
    say(&format!("{what}, p50"), format!("{:.1} ms", spread.at(0.5)), "target 25 ms");
    say(&format!("{what}, p99"), format!("{:.1} ms", spread.at(0.99)), "target 100 ms");
    say(&format!("{what}, put off by the sidecar"), put_off.to_string(), "target 0");
    say(&format!("{what}, not there a minute later"), missing.to_string(), "target 0");
    Ok(())
}

/// How long each took, when all are there or no longer waited for.
async fn arrivals(at: std::net::SocketAddr, begun: &HashMap<String, f64>) -> Result<Vec<Duration>> {
    let until = Instant::now() + PATIENCE;
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
        if took.len() >= begun.len() || Instant::now() > until {
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
