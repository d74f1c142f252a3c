//! `bulkhead dev` as a process: it starts, says where everything is, carries referrals, stops and goes on.

use std::fs;
use std::time::{Duration, Instant};

use bulkhead_testkit::campaign::{World, http};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{Country, country, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn dev_json_has_its_stable_keys() {
    let country = country().await;
    let text = fs::read_to_string(country.start.data_dir.join("dev.json")).unwrap();
    let dev: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&dev["log"], &dev["demo"]), (&"embedded".into(), &true.into()));
    assert!(dev["pid"].is_u64() && dev["ca"].is_string());
    let nations: Vec<_> =
        dev["cells"].as_array().unwrap().iter().map(|cell| cell["nation"].as_str().unwrap()).collect();
    assert_eq!(nations, ["england", "wales", "scotland", "northern-ireland"]);
    let has = |value: &Value, keys: &[&str]| {
        for key in keys {
            assert!(value.pointer(key).is_some_and(|found| !found.is_null()), "{key} in {value}");
        }
    };
    for cell in dev["cells"].as_array().unwrap() {
        has(cell, &["/nodes/0/name", "/nodes/0/grpc", "/nodes/0/http"]);
    }
    for tenant in dev["tenants"].as_array().unwrap() {
        has(tenant, &["/id", "/supplier", "/certificate", "/key", "/sidecar/http", "/simulator/http"]);
        has(
            tenant,
            &["/services/0/id", "/services/0/identifiers/1/system", "/services/0/identifiers/1/value"],
        );
        has(tenant, &["/sidecar/listens/0/protocol", "/sidecar/listens/0/address"]);
        has(tenant, &["/sidecar/sends/0/protocol", "/sidecar/sends/0/address"]);
        let certificate = tenant["certificate"].as_str().unwrap();
        assert!(country.start.data_dir.join(certificate).is_file(), "{certificate}");
    }
    for operator in dev["operators"].as_array().unwrap() {
        has(operator, &["/name", "/nation", "/key"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_that_is_suggested_does_what_it_says() {
    let country = country().await;
    let commands = country.world.said.iter().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<Vec<&str>> = commands.map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(commands.len(), 5, "{:?}", country.world.said);
    for command in commands {
        let endless: &[&str] = if command.contains(&"watch") { &["--count", "1"] } else { &[] };
        let run = Command::new(command[0]).args(&command[1..]).args(endless).kill_on_drop(true).output();
        let send = async {
            loop {
                country.send("england/nhs111-north", "england/ooh-riverside").await;
            }
        };
        let ended = tokio::select! {
            ended = run => ended.unwrap(),
            () = send, if !endless.is_empty() => unreachable!("it sends on"),
        };
        assert!(ended.status.success() && !ended.stdout.is_empty(), "{command:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers() {
    let country = country().await;
    let dev = country.dev();
    let nodes = dev.cells.iter().flat_map(|cell| cell.nodes.iter().map(|node| node.http));
    let tenants = dev.tenants.iter().flat_map(|tenant| [tenant.sidecar.http, tenant.simulator.http]);
    for at in nodes.chain(tenants) {
        for path in ["/livez", "/readyz", "/metrics"] {
            eventually(&format!("{at}{path} is good"), async || {
                http::get(at, path).await.ok().filter(|page| page.status == 200)
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn referrals_between_nations_arrive() {
    let country = country().await;
    let pairs = [
        ("england/nhs111-north", "england/ooh-riverside"),
        ("england/nhs111-north", "wales/ooh-cardiff"),
        ("england/ooh-riverside", "scotland/nhs24"),
        ("wales/wast-111", "northern-ireland/ooh-dalriada"),
        ("wales/ooh-cardiff", "england/nhs111-north"),
        ("scotland/nhs24", "scotland/ooh-lothian"),
        ("northern-ireland/gp-belfast", "northern-ireland/ooh-dalriada"),
        ("scotland/ooh-lothian", "northern-ireland/gp-belfast"),
    ];
    for (from, to) in pairs {
        let before = country.received(to).await.len();
        let sent = country.send(from, to).await;
        let received = country.until_received(to, before + 1).await;
        let (from, to_nation) = (from.split('/').next(), to.split('/').next());
        if from == to_nation && matches!(from, Some("england" | "scotland")) {
            assert_eq!(received[before]["sha256"], sent["sha256"], "byte for byte within {from:?}");
        }
        assert_eq!(received[before]["kind"], "request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_carries_on_and_a_fresh_start_is_empty() {
    let country = country().await;
    let (from, to) = ("england/nhs111-north", "scotland/nhs24");
    country.send(from, to).await;
    let before = country.until_received(to, 1).await;

    let country = country.restarted(&[]).await;
    assert_eq!(country.received(to).await, before, "what was received is kept");
    assert_eq!(listed(&country).await, 1);
    country.send(from, to).await;
    country.until_received(to, 2).await;

    let country = country.restarted(&["--fresh"]).await;
    assert_eq!(country.received(to).await, Vec::<Value>::new());
    assert_eq!(listed(&country).await, 0);
}

async fn listed(country: &Country) -> usize {
    country.asked(&["list"]).await["referrals"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well_and_soon_even_under_traffic() {
    let country = country().await.restarted(&["--traffic", "20"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let ended = country.world.stop().await.unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_worlds_in_one_directory_are_refused_and_nothing_is_removed() {
    let country = country().await;
    country.send("england/nhs111-north", "england/ooh-riverside").await;
    for extra in [&[][..], &["--fresh"]] {
        let mut start = country.start.clone();
        start.extra = extra.iter().map(ToString::to_string).collect();
        let second = World::ready(start.spawn().unwrap(), &start.data_dir).await;
        assert!(second.is_err(), "{extra:?}: the directory belongs to one process");
    }
    let log = fs::read_to_string(country.start.log_file()).unwrap();
    assert!(log.contains("a world runs in"), "{log}");
    assert_eq!(listed(&country).await, 1);
    country.send("england/nhs111-north", "england/ooh-riverside").await;
}
