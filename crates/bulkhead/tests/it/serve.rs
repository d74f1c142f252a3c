//! `bulkhead serve`: what it says of its settings, and a node from its file to its end.

use std::path::{Path, PathBuf};
use std::process::Output;

use bulkhead_testkit::campaign::http;
use tokio::process::Command;

use crate::support::{Country, binary, country, eventually};

/// A node of England with the keys of a demo world and a log of its own.
pub(crate) fn settings(country: &Country, more: &str) -> (PathBuf, String) {
    let dir = country.place.path().join("node");
    std::fs::create_dir_all(&dir).unwrap();
    let world = &country.start.data_dir;
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "nation = \"england\"\nname = \"england-9\"\ndata_dir = {:?}\ngrpc = \"{}\"\nhttp = \"{}\"\ndirectory = {:?}\n\
         [tls]\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n{more}",
        dir.join("data"),
        port(),
        port(),
        world.join("directory.toml"),
        world.join("pki/ca.pem"),
        world.join("pki/cell-england.pem"),
        world.join("pki/cell-england.key"),
    );
    (dir.join("node.toml"), text)
}

async fn serve(settings: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.arg("serve").arg("--config").arg(settings).args(arguments).envs(variables.iter().copied());
    command.kill_on_drop(true).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_and_printed_without_secrets() {
    let country = country().await;
    let kafka = "[log]\nkind = \"kafka\"\nbootstrap = [\"127.0.0.1:1\"]\nprefix = \"bulkhead.england\"\n";
    let (path, text) = settings(&country, kafka);
    let refused = async |text: &str, variables: &[(&str, &str)], words: &str| {
        std::fs::write(&path, text).unwrap();
        let output = serve(&path, &["--check-config"], variables).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains("node.toml"), "{words}: {said}");
    };
    refused(&text.replace("\"england\"", "\"cornwall\""), &[], "cornwall").await;
    refused(&format!("{text}speed = 9\n"), &[], "speed").await;
    refused(&text, &[("BULKHEAD__PULSE__LIMIT", "100ms")], "pulse.limit").await;
    refused(&text, &[("BULKHEAD__PULSE__LIMIT", "1h")], "pulse.limit").await;
    refused(&text, &[("BULKHEAD__TLS__KEY", "/nowhere")], "tls.key").await;
    let border = "[border.england]\naddresses = [\"a:1\"]\nserver_name = \"a\"\n";
    refused(&format!("{text}{border}"), &[], "own nation").await;

    let secret = country.place.path().join("password");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let scram = format!(
        "[log.scram]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"node\"\npassword_file = {secret:?}\n"
    );
    std::fs::write(&path, format!("{text}{scram}")).unwrap();
    let printed = serve(&path, &["--print-config"], &[("BULKHEAD__NAME", "england-7")]).await;
    let printed = (printed.status.code(), String::from_utf8(printed.stdout).unwrap());
    assert!(printed.0 == Some(0) && printed.1.contains("england-7") && !printed.1.contains("hunter2"));
    std::fs::write(&path, &printed.1).unwrap();
    assert_eq!(serve(&path, &["--check-config"], &[]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_settings_are_settings() {
    let country = country().await;
    let world = country.start.data_dir.join("pki");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/node.example.toml");
    let example = std::fs::read_to_string(example).unwrap();
    let password = country.place.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let files = [
        ("/etc/bulkhead/kafka-ca.pem", world.join("ca.pem")),
        ("/etc/bulkhead/kafka-password", password),
        ("/etc/bulkhead/ca.pem", world.join("ca.pem")),
        ("/etc/bulkhead/node.pem", world.join("cell-england.pem")),
        ("/etc/bulkhead/node.key", world.join("cell-england.key")),
    ];
    let text = files.iter().fold(example, |text, (there, here)| {
        assert!(text.contains(there), "the example has lost {there}");
        text.replace(there, &here.display().to_string())
    });
    let path = country.place.path().join("example.toml");
    std::fs::write(&path, text).unwrap();
    let checked = serve(&path, &["--check-config"], &[]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_serves_until_it_is_told_to_stop() {
    let country = country().await;
    let (path, text) = settings(&country, "[log]\nkind = \"embedded\"\n");
    std::fs::write(&path, &text).unwrap();
    let http = text.lines().find_map(|line| line.strip_prefix("http = ")).unwrap();
    let http = http.trim_matches('"').parse().unwrap();
    let mut node = Command::new(binary())
        .arg("serve")
        .arg("--config")
        .arg(&path)
        .env("RUST_LOG", "off")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the node is ready", async || {
        http::get(http, "/readyz").await.ok().filter(|page| page.status == 200)
    })
    .await;
    let metrics = http::get(http, "/metrics").await.unwrap().text();
    assert!(metrics.contains("bulkhead_lease_held"), "{metrics}");
    let pid = node.id().unwrap().to_string();
    assert!(Command::new("kill").arg("-TERM").arg(pid).status().await.unwrap().success());
    assert!(node.wait().await.unwrap().success());
}
