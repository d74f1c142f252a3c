//! Settings, files and certificates together.

use std::path::Path;

use bulkhead_adapter::{Config, Kit, Settings};
use bulkhead_process::Drain;
use bulkhead_testkit::sidecar::{Authority, NAME};
use serde::{Deserialize, Serialize};

use crate::world::{TENANT, World};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {}

fn settings(directory: &Path, uri: &str, spool: &str) -> Settings<Own> {
    let credentials = Authority::new().issue(uri);
    for (name, pem) in [
        ("ca", credentials.ca_pem),
        ("certificate", credentials.certificate_pem),
        ("key", credentials.key_pem),
    ] {
        std::fs::write(directory.join(name), pem).unwrap();
    }
    let path = |name: &str| directory.join(name).display().to_string();
    let text = format!(
        "tenant = {TENANT:?}\ndata_dir = {:?}\n[system]\n[spool]\n{spool}\n[broker]\naddresses = [\"127.0.0.1:1\"]\n\
         server_name = {NAME:?}\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
        path("data"),
        path("ca"),
        path("certificate"),
        path("key")
    );
    Settings::read(&text, []).unwrap()
}

fn check(uri: &str, spool: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    Config::from_settings(&settings(directory.path(), uri, spool), "test 1")
        .map_err(|error| error.to_string())
}

#[test]
fn the_certificate_must_speak_for_the_tenant() {
    assert!(check(&format!("bulkhead://{TENANT}"), "").is_ok());
    let error = check("bulkhead://wales/wast-111", "").unwrap_err();
    assert!(error.starts_with("broker.certificate") && error.contains(TENANT), "{error}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let own = format!("bulkhead://{TENANT}");
    for (spool, field) in [
        ("max_bytes = 5", "spool.max_bytes"),
        ("in_flight = 0", "spool.in_flight"),
        ("patience = \"0s\"", "spool.patience"),
    ] {
        let error = check(&own, spool).unwrap_err();
        assert!(error.starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn the_files_belong_to_one_sidecar_at_a_time() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    let second = Kit::start(world.config(), std::sync::Arc::new(world.system.clone()), Drain::new()).await;
    assert!(second.is_err());
    sidecar.kit.notes().put("bars", "key", "value").await.unwrap();
    sidecar.stop().await;
    let sidecar = world.connected().await;
    assert_eq!(sidecar.kit.notes().get("bars", "key").await.unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(sidecar.kit.notes().get("other", "key").await.unwrap(), None);
    assert!(sidecar.kit.notes().delete("bars", "key").await.unwrap());
    assert_eq!(sidecar.kit.notes().get("bars", "key").await.unwrap(), None);
    sidecar.stop().await;
}
