//! A fallback is agreed in the directory; then a referral for a service that is cut off arrives at the one that takes
//! over, addressed to that one.

use std::fs;

use crate::support::{Country, country, eventually};

/// The service, who takes over, and the tenant that hosts each, by nation.
const AGREED: [[&str; 4]; 2] = [
    ["scotland/lothian-ooh", "scotland/nhs24-hub", "scotland/ooh-lothian", "scotland/nhs24"],
    ["england/riverside-ooh", "england/nhs111-north-triage", "england/ooh-riverside", "england/nhs111-north"],
];

const URGENT: &str = r#"takes_over = [{ from = "SERVICE", priorities = ["emergency", "urgent"] }]"#;

/// The demo world's directory with more at each of these services.
fn with(country: &Country, more: &[(&str, String)]) -> String {
    let text = fs::read_to_string(country.dev().data_dir.join("directory.toml")).unwrap();
    let text = more.iter().fold(text, |text, (service, line)| {
        let id = format!("[[services]]\nid = \"{service}\"\n");
        assert!(text.contains(&id), "{service}");
        text.replacen(&id, &format!("{id}{line}\n"), 1)
    });
    let path = country.place.path().join("agreed.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_cut_service_arrives_where_it_is_taken_over() {
    let country = country().await;
    for [service, other, host, _] in AGREED {
        let nation = service.split('/').next().unwrap();
        let [duty, lead] = ["duty", "lead"].map(|role| format!("{nation}-{role}"));
        let named = (service, format!("fallback = \"{other}\""));
        let word = (other, URGENT.replace("SERVICE", service));
        let apply = async |file: &str, more: &[&str]| {
            country.asked(&[&["apply", "-f", file, "--as", &lead], more].concat()).await
        };
        let plan = async || {
            let plan = ["cut", host, "--reason", "look", "--since", "now", "--plan", "--as", &duty];
            country.asked(&plan).await["plan"].clone()
        };

        // Named, and not accepted: none.
        let alone = with(&country, std::slice::from_ref(&named));
        let idle = apply(&alone, &["--plan"]).await["idle"].clone();
        assert!(idle[0].as_str().unwrap().contains("does not name it in takes_over"), "{idle}");
        apply(&alone, &["--yes"]).await;
        let planned = plan().await;
        assert_eq!(planned["last_path"][0], service);
        assert_eq!(planned["tenants"][0]["named_fallbacks"][0]["accepted"], false);

        let agreed = with(&country, &[named, word]);
        assert_eq!(apply(&agreed, &["--plan"]).await["idle"], serde_json::json!([]));
        apply(&agreed, &["--yes"]).await;
        let planned = plan().await;
        assert_eq!(planned["last_path"], serde_json::json!([]));
        assert_eq!(planned["tenants"][0]["fallbacks"][0], other);
        let cut = ["cut", host, "--reason", "seen for sale", "--since", "now", "--yes", "--as", &duty];
        country.asked(&cut).await;
    }
    for [service, other, host, fallback] in AGREED {
        country.send(fallback, host).await;
        country.until_received(fallback, 1).await;
        let message = String::from_utf8_lossy(&country.bytes(fallback, 0).await).into_owned();
        let said = format!("sent to {service}, taken over by {other} (DESTINATION_CUT)");
        assert!(message.contains(&said), "{message}");
        if message.starts_with("MSH") {
            // The sender wrote MSH-5 and MSH-6 for the service that is cut off.
            let header: Vec<_> = message.split('\r').next().unwrap().split('|').collect();
            assert_eq!(header[4..6], ["NHS24", "SB9"], "{header:?}");
        } else {
            assert!(message.contains("https://fhir.nhs.uk/Id/dos-service-id|2000011147"), "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_goes_to_the_fallback_when_a_person_says_so_and_the_fallback_takes_it() {
    let country = country().await;
    let [_, [service, other, host, from]] = AGREED;
    country.send(from, host).await;
    country.until_received(host, 1).await;
    let file = country.place.path().join("referral.xml").display().to_string();
    fs::write(&file, country.bytes(host, 0).await).unwrap();
    let named = (service, format!("fallback = \"{other}\""));
    let agree = async |word: String| {
        let agreed = with(&country, &[named.clone(), (other, word)]);
        country.asked(&["apply", "-f", &agreed, "--yes", "--as", "england-lead"]).await;
    };
    agree(URGENT.replace("SERVICE", service)).await;
    let cut = ["cut", host, "--reason", "seen for sale", "--since", "now", "--yes", "--as", "england-duty"];
    country.asked(&cut).await;
    let send = ["send", &file, "--from", from, "--to", service, "--priority", "routine"];
    let id = country.asked(&send).await["files"][0]["referral_id"].as_str().unwrap().to_owned();
    eventually("it is held", async || {
        let traced = country.asked(&["trace", &id]).await;
        (traced["referral"]["state"] == "held").then_some(())
    })
    .await;

    let divert = ["held", "divert", &id, "--yes", "--as", "england-duty"];
    let refused = country.bulkhead(&divert).await;
    assert!(refused.code != 0, "{}", refused.stdout);
    let why = format!(
        "no fallback takes any of them now: {other} takes over for {service} only: emergency, urgent"
    );
    assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    agree(format!("takes_over = [{{ from = \"{service}\" }}]")).await;
    assert_eq!(country.received(from).await, Vec::<serde_json::Value>::new());
    country.asked(&divert).await;
    country.until_received(from, 1).await;
}
