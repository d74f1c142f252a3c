//! A cut and the way back, by the commands that a person types, against the whole demo world.

use std::fs;

use bulkhead_testkit::campaign::http;
use serde_json::Value;

use crate::support::{Country, country, eventually};

const TENANT: &str = "wales/wast-111";

impl Country {
    /// Cuts a tenant off and says the name of the cut.
    async fn cut(&self, scope: &str, operator: &str) -> String {
        let cut = ["cut", scope, "--reason", "seen for sale", "--since", "now", "--yes", "--as", operator];
        let told = self.asked(&cut).await;
        assert_eq!((&told["in_force"], &told["demo"]), (&true.into(), &true.into()), "{told}");
        told["cut_id"].as_str().unwrap().to_owned()
    }

    async fn stage(&self, cut: &str, operator: &str) -> String {
        let listed = self.asked(&["cuts", "--as", operator]).await;
        let cuts = listed["cuts"].as_array().unwrap();
        let found = cuts.iter().find(|one| one["cut_id"] == cut);
        found.map_or_else(|| "unknown".into(), |one| one["stage"].as_str().unwrap().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_cuts_and_two_persons_bring_it_back() {
    let country = country().await;
    let plan = ["cut", TENANT, "--reason", "look", "--since", "2h", "--plan", "--as", "wales-duty"];
    let planned = country.asked(&plan).await;
    assert_eq!(planned["plan"]["tenants"][0]["tenant"], TENANT);
    assert_eq!(planned["plan"]["last_path"][0], "wales/wast-111-triage");
    let not_covered = planned["plan"]["not_covered"].as_array().unwrap();
    assert!(not_covered.contains(&"england/nhs111-north".into()), "{planned}");
    assert_eq!(planned["cut_id"], Value::Null);

    let cut = country.cut(TENANT, "wales-duty").await;
    assert_eq!(country.stage(&cut, "wales-lead").await, "in-force");
    // The home nation's cut of its own tenant stands in every other nation.
    for operator in ["england-duty", "scotland-duty", "northern-ireland-duty"] {
        eventually(&format!("{operator} sees it"), async || {
            (country.stage(&cut, operator).await == "in-force").then_some(())
        })
        .await;
    }
    // A pulse says what was in force when it was sent.
    let status = eventually("every node's pulse shows the cut", async || {
        let status = country.bulkhead(&["status", "--output", "json"]).await;
        assert_eq!(status.code, 7, "{}", status.stdout);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let nations = status["nations"].as_array().unwrap();
        let nodes = nations.iter().flat_map(|nation| nation["nodes"].as_array().unwrap());
        let in_force =
            nodes.clone().count() == 4 && nodes.clone().all(|node| node["pulse"]["in_force"] == true);
        in_force.then_some(status.clone())
    })
    .await;
    let shown: Vec<_> = status["cuts"].as_array().unwrap().iter().map(|one| &one["cut_id"]).collect();
    assert_eq!(shown, [cut.as_str()], "each cut once");

    let wales = country.dev().cells.iter().find(|cell| cell.nation == "wales").unwrap();
    let node = wales.nodes[0].http;
    eventually("the cut is in the metrics", async || {
        let metrics = http::get(node, "/metrics").await.unwrap();
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let says = |name: &str, label: &str, value: &str| {
            let of_it =
                |line: &&str| line.starts_with(name) && line.contains("wales-1") && line.contains(label);
            text.lines().find(of_it).is_some_and(|line| line.ends_with(value))
        };
        let untracked = says("bulkhead_connections_untracked{", "", " 0");
        (untracked && says("bulkhead_cut_active{", TENANT, " 1")).then_some(())
    })
    .await;

    let again = ["cut", TENANT, "--reason", "x", "--since", "now", "--yes", "--as", "wales-duty"];
    let said = country.bulkhead(&again).await;
    assert!(said.code != 0 && said.stderr.contains("ALREADY_CUT"), "{} {}", said.code, said.stderr);

    let certificate = "ab".repeat(32);
    let propose =
        ["restore", &cut, "propose", "--evidence", "rebuilt", "--certificate", &certificate, "--yes"];
    country.asked(&[&propose[..], &["--as", "wales-duty"]].concat()).await;
    let approve = |who| ["restore", cut.as_str(), "approve", "--yes", "--as", who];
    let alone = country.bulkhead(&approve("wales-duty")).await;
    assert!(
        alone.code == 3 && alone.stderr.contains("SECOND_PERSON_NEEDED"),
        "{} {}",
        alone.code,
        alone.stderr
    );
    country.asked(&approve("wales-lead")).await;
    for step in [
        &["advance", "canary", "--with", "wales/ooh-cardiff"][..],
        &["advance", "limited", "--per-minute", "60"],
        &["advance", "full"],
    ] {
        country.asked(&[&["restore", &cut][..], step, &["--yes", "--as", "wales-lead"]].concat()).await;
    }
    assert_eq!(country.stage(&cut, "wales-duty").await, "restored");
    let shown = country.asked(&["cuts", "show", &cut, "--as", "wales-duty"]).await;
    let steps: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|step| step["what"].clone()).collect();
    assert_eq!(steps.len(), 6, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_still_in_force_after_a_restart_and_the_audit_holds() {
    let country = country().await;
    let cut = country.cut(TENANT, "wales-duty").await;
    let country = country.restarted(&[]).await;
    assert_eq!(country.stage(&cut, "wales-duty").await, "in-force");
    let withdraw = ["cuts", "withdraw", &cut, "--reason", "a drill"];
    country.commanded_by_two(&withdraw, ["wales-duty", "wales-lead"]).await;
    assert_eq!(country.stage(&cut, "wales-duty").await, "withdrawn");

    // Another nation's operator, and one who does not exist for this scope.
    let foreign =
        country.bulkhead(&["cuts", "withdraw", &cut, "--reason", "x", "--yes", "--as", "england-duty"]).await;
    assert_ne!(foreign.code, 0);
    let unknown = ["cut", "wales/nobody", "--reason", "x", "--since", "now", "--yes", "--as", "wales-duty"];
    assert_eq!(country.bulkhead(&unknown).await.code, 4);

    let file = country.place.path().join("audit.jsonl").display().to_string();
    assert_eq!(country.bulkhead(&["audit", "export", &file, "--as", "wales-duty"]).await.code, 0);
    assert_eq!(country.bulkhead(&["audit", "verify", &file]).await.code, 0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"command\":\"withdraw\"") && !text.contains(&file));
    fs::write(&file, text.replacen("wales/wales-duty", "wales/wales-lead", 1)).unwrap();
    assert_eq!(country.bulkhead(&["audit", "verify", &file]).await.code, 1);
    let shorter: Vec<_> = text.lines().collect();
    fs::write(&file, shorter[..shorter.len() - 1].join("\n") + "\n").unwrap();
    assert_eq!(country.bulkhead(&["audit", "verify", &file]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_audit_file_is_told_by_the_other_node_of_the_cell() {
    let country = country().await.restarted(&["--nodes", "2"]).await;
    // Each command at every node of Wales, so that both have something to lose.
    let wales = country.dev().cells.iter().find(|cell| cell.nation == "wales").unwrap().nodes.clone();
    let file = |name: &str| country.place.path().join(format!("{name}.jsonl")).display().to_string();
    let export = async |country: &Country, node: usize| {
        let (file, address) = (file(&wales[node].name), wales[node].grpc.to_string());
        let said =
            country.bulkhead(&["audit", "export", &file, "--node", &address, "--as", "wales-duty"]).await;
        assert_eq!(said.code, 0, "{}", said.stderr);
        fs::read_to_string(&file).unwrap()
    };
    country.cut(TENANT, "wales-duty").await;
    let taken = async |node: usize| export(&country, node).await.contains("\"phase\":\"outcome\"");
    let (commanded, other) = if taken(0).await { (0, 1) } else { (1, 0) };
    let (name, knower) = (wales[commanded].name.clone(), wales[other].name.clone());
    eventually("the other node has noted it", async || {
        export(&country, other).await.contains(&format!("\"subject\":\"{name}\"")).then_some(())
    })
    .await;
    let against = |country: &Country| {
        let (file, other) = (file(&name), file(&knower));
        let context = country.start.data_dir.clone();
        async move { crate::support::bulkhead(&context, &["audit", "verify", &file, "--against", &other]).await }
    };
    export(&country, commanded).await;
    let agreed = against(&country).await;
    assert!(agreed.code == 0 && agreed.stdout.contains("had noted of it is there"), "{}", agreed.stdout);

    let cell = country.start.data_dir.join("cells/wales");
    let path = if name == "wales-1" { cell } else { cell.join(&name) }.join("audit.jsonl");
    let Country { world, start, place } = country;
    assert!(world.stop().await.unwrap().success());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.lines().take(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let world = bulkhead_testkit::campaign::World::start(&start).await.unwrap();
    let country = Country { world, start, place };
    eventually("status says so", async || {
        let status = country.bulkhead(&["status", "--output", "json"]).await;
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        let nations = status["nations"].as_array()?;
        let mut alerts = nations.iter().flat_map(|nation| nation["alerts"].as_array().unwrap());
        alerts.any(|alert| alert["code"] == "AUDIT_BEHIND" && alert["subject"] == name.as_str()).then_some(())
    })
    .await;
}
