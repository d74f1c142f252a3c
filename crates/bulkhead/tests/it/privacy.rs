//! What is in a payload is in no log, no metric, no command's output and no error.

use std::fs;

use bulkhead_testkit::campaign::http;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Country, eventually, logging};

const FROM: &str = "england/nhs111-north";
const TO: &str = "wales/ooh-cardiff";
/// In documents that cannot be taken: a name that nobody has, and a number that nobody has.
const NAME: &str = "Quixwoodbury";
const NUMBER: &str = "9990480012";

/// Texts of the payloads, by what they are.
type Planted = Vec<(&'static str, String)>;

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_a_payload_leaves_it() {
    let country = logging("trace").await;
    country.send(FROM, TO).await;
    country.until_received(TO, 1).await;
    let planted = planted(&country).await;

    let cardiff = country.dev().tenant(TO).unwrap().simulator.http;
    let answered = http::post(cardiff, "/respond", &json!({ "to_message": 0 })).await.unwrap();
    assert_eq!(answered.status, 200, "{}", answered.text());
    let answers = country.until_received(FROM, 1).await;
    assert_eq!(answers[0]["kind"], "response");

    for (what, text) in errors(&country).await {
        clean(&planted, what, &text);
    }
    for (what, text) in pages(&country).await {
        clean(&planted, &what, &text);
        for label in text.split("tenant=\"").skip(1) {
            let tenant = label.split('"').next().unwrap_or_default();
            assert!(country.dev().tenant(tenant).is_ok(), "{what} counts for {tenant:?}, who is nobody");
        }
    }
    for (what, text) in outputs(&country).await {
        clean(&planted, &what, &text);
    }
    let log = country.start.log_file();
    assert!(country.world.stop().await.unwrap().success());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("TRACE"), "it was told to log everything");
    for line in log.lines() {
        clean(&planted, "a line of the log", line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_nor_of_what_is_quarantined_released_and_recalled() {
    const HERE: &str = "england/ooh-riverside";
    let country = logging("trace").await;
    country.send(FROM, HERE).await;
    country.until_received(HERE, 1).await;
    let document = String::from_utf8_lossy(&country.bytes(HERE, 0).await).into_owned();
    let family = document.split("<family value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let document = document.replace(family, NAME);
    let file = country.place.path().join("referral.xml");
    fs::write(&file, &document).unwrap();
    let file = file.display().to_string();

    // It waits for its receiver, which is cut off; meanwhile its sender is, too.
    let cut = async |scope: &str, direction: &str, since: &str| {
        let cut = ["cut", scope, "--direction", direction, "--since", since, "--reason", "seen", "--yes"];
        let told = country.asked(&[&cut[..], &["--as", "england-duty"]].concat()).await;
        told["cut_id"].as_str().unwrap().to_owned()
    };
    let of_receiver = cut(HERE, "to", "now").await;
    let send = ["send", &file, "--from", FROM, "--to", "england/riverside-ooh", "--priority", "routine"];
    let sent = country.asked(&send).await;
    let id = sent["files"][0]["referral_id"].as_str().unwrap().to_owned();
    let of_sender = cut(FROM, "both", "2h").await;
    let withdraw = ["cuts", "withdraw", &of_receiver, "--reason", "a mistake"];
    country.commanded_by_two(&withdraw, ["england-duty", "england-lead"]).await;
    let state = async || {
        let traced = country.asked(&["trace", &id]).await;
        traced["referral"]["state"].as_str().unwrap().to_owned()
    };
    eventually("it is in quarantine", async || (state().await == "quarantined").then_some(())).await;
    let release = ["quarantine", "release", "--cut", &of_sender, &id];
    country.commanded_by_two(&release, ["england-duty", "england-lead"]).await;
    country.until_received(HERE, 2).await;
    let log = country.start.log_file();
    assert!(country.world.stop().await.unwrap().success());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("TRACE") && log.contains(&id), "it was told to log everything");
    let planted = vec![("family name", NAME.to_owned())];
    log.lines().for_each(|line| clean(&planted, "a line of the log", line));
}

#[track_caller]
fn clean(planted: &Planted, place: &str, text: &str) {
    for (what, word) in planted {
        assert!(!text.contains(word.as_str()), "the {what} is in {place}: {text}");
    }
}

/// The patient of the referral, as the Welsh system got it, and the one of the documents that are not taken.
async fn planted(country: &Country) -> Planted {
    let message = String::from_utf8_lossy(&country.bytes(TO, 0).await).into_owned();
    let field = |segment: &str, number: usize| {
        let line =
            message.split('\r').find(|line| line.starts_with(segment)).unwrap_or_else(|| panic!("{segment}"));
        line.split('|').nth(number).unwrap_or_default().split('^').next().unwrap_or_default().to_owned()
    };
    let planted = vec![
        ("NHS number", field("PID", 3)),
        ("family name", field("PID", 5)),
        ("telephone number", field("PID", 13)),
        ("name in a bad document", NAME.to_owned()),
        ("number in a bad document", NUMBER.to_owned()),
    ];
    for (what, word) in &planted {
        assert!(word.len() >= 4, "the {what} is too short to look for: {word:?}");
    }
    planted
}

/// What sidecars answer to documents that they cannot take.
async fn errors(country: &Country) -> Vec<(&'static str, String)> {
    let bars = country.dev().tenant(FROM).unwrap().sidecar.listens[0].address;
    let bad = json!({ "resourceType": NAME, "id": NUMBER, "entry": [{ "resource": { "name": NAME } }] });
    let bars = http::post(bars, "/FHIR/R4/$process-message", &bad).await.unwrap();
    assert!(bars.status >= 400, "{}", bars.text());

    let hl7 = country.dev().tenant(TO).unwrap().sidecar.listens[0].address;
    let message = format!(
        "MSH|^~\\&|OOHCARDIFF|7A4BV|BULKHEAD|1|20260801120000+0000||REF^I12^REF_I12|BAD1|P|2.5\r\
         RF1|P|A|MED|||{NAME}^{NUMBER}\rPRD|RT|{NAME}|||||{NUMBER}^{NAME}\rPID|1||{NUMBER}^^^{NAME}^NH||{NAME}^Jo\r"
    );
    let mut stream = TcpStream::connect(hl7).await.unwrap();
    stream.write_all(&[b"\x0b", message.as_bytes(), b"\x1c\r"].concat()).await.unwrap();
    let mut answer = vec![0; 16 * 1024];
    let length = stream.read(&mut answer).await.unwrap();
    let ack = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(ack.contains("MSA|A"), "{ack}");

    let face = country.dev().tenant(FROM).unwrap().sidecar.listens[0].address;
    let unknown = http::get(face, &format!("/{NAME}")).await.unwrap();
    vec![("a BaRS error", bars.text()), ("an HL7 error", ack), ("an unknown page", unknown.text())]
}

/// Every page of nodes, sidecars and, as far as they count, simulators.
async fn pages(country: &Country) -> Vec<(String, String)> {
    let dev = country.dev();
    let nodes = dev.cells.iter().flat_map(|cell| cell.nodes.iter().map(|node| node.http));
    let tenants = dev.tenants.iter().flat_map(|tenant| [tenant.sidecar.http, tenant.simulator.http]);
    let mut pages = Vec::new();
    for at in nodes.chain(tenants) {
        for path in ["/metrics", "/readyz"] {
            pages.push((format!("{at}{path}"), http::get(at, path).await.unwrap().text()));
        }
    }
    pages
}

/// Everything that the commands say of it.
async fn outputs(country: &Country) -> Vec<(String, String)> {
    let listed = country.asked(&["list"]).await;
    let ids: Vec<String> = listed["referrals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["referral_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() >= 2, "the referral and its answer: {listed}");
    let mut commands: Vec<Vec<&str>> = vec![vec!["list"], vec!["status"]];
    commands.extend(ids.iter().map(|id| vec!["trace", id]));
    let mut outputs = Vec::new();
    for command in commands {
        for form in ["text", "json", "jsonl"] {
            let said = country.bulkhead(&[&command[..], &["--output", form]].concat()).await;
            outputs.push((format!("{command:?} as {form}"), format!("{}{}", said.stdout, said.stderr)));
        }
    }
    outputs
}
