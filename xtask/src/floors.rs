//! The floors of the house: which crate may import which. The table is the one in `ARCHITECTURE.md`;
//! what is not in it is not allowed.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::house::Text;

/// One crate of the house.
struct Floor {
    name: &'static str,
    /// How high it stands; imports point downwards. Only its test reads it: `imports` follows from it.
    #[cfg_attr(not(test), allow(dead_code))]
    height: u8,
    imports: Imports,
}

enum Imports {
    These(&'static [&'static str]),
    /// All but the testkit, which stands in nobody's `[dependencies]`.
    Everything,
}

use Imports::{Everything, These};

const FLOORS: [Floor; 23] = [
    Floor { name: "model", height: 1, imports: These(&[]) },
    Floor { name: "process", height: 1, imports: These(&[]) },
    Floor { name: "wire", height: 2, imports: These(&["model"]) },
    Floor { name: "format-bars", height: 2, imports: These(&["model"]) },
    Floor { name: "format-hl7", height: 2, imports: These(&["model"]) },
    Floor { name: "transport", height: 2, imports: These(&["model"]) },
    Floor { name: "log", height: 3, imports: These(&["wire", "model"]) },
    Floor { name: "ledger", height: 3, imports: These(&["log", "wire", "model"]) },
    Floor { name: "translation", height: 3, imports: These(&["model", "format-bars", "format-hl7"]) },
    Floor { name: "ingest", height: 4, imports: These(BROKER) },
    Floor { name: "routing", height: 4, imports: These(BROKER) },
    Floor { name: "control", height: 4, imports: These(BROKER) },
    Floor {
        name: "adapter",
        height: 4,
        imports: These(&["wire", "process", "log", "model", "transport", "format-hl7"]),
    },
    Floor {
        name: "protocol-bars",
        height: 4,
        imports: These(&["adapter", "format-bars", "format-hl7", "translation", "model", "process"]),
    },
    Floor {
        name: "protocol-hl7",
        height: 4,
        imports: These(&["adapter", "format-bars", "format-hl7", "translation", "model", "process"]),
    },
    Floor { name: "simulator", height: 4, imports: These(&["model", "format-bars", "format-hl7"]) },
    Floor {
        name: "cli",
        height: 5,
        imports: These(&["model", "wire", "transport", "translation", "format-bars"]),
    },
    Floor { name: "adapter-england", height: 5, imports: These(SIDECAR) },
    Floor { name: "adapter-wales", height: 5, imports: These(SIDECAR) },
    Floor { name: "adapter-scotland", height: 5, imports: These(SIDECAR) },
    Floor { name: "adapter-northern-ireland", height: 5, imports: These(SIDECAR) },
    Floor { name: "bulkhead", height: 6, imports: Everything },
    Floor { name: TESTKIT, height: 7, imports: Everything },
];

/// The parts of a node meet in the log and do not import one another.
const BROKER: &[&str] = &["log", "ledger", "wire", "process", "model", "transport"];
/// Sidecars do not import one another.
const SIDECAR: &[&str] = &[
    "adapter",
    "protocol-bars",
    "protocol-hl7",
    "format-bars",
    "format-hl7",
    "translation",
    "model",
    "process",
    "transport",
];
/// Only in `[dev-dependencies]`, which are not looked at.
const TESTKIT: &str = "testkit";
/// The only crate that may know Kafka's client.
const KAFKA_OWNER: &str = "log";
const KAFKA: [&str; 2] = ["rdkafka", "rdkafka-sys"];

/// Every import that the table does not allow.
pub(crate) fn check(manifests: &[Text]) -> Vec<String> {
    manifests.iter().flat_map(check_one).collect()
}

fn check_one(manifest: &Text) -> Vec<String> {
    let path = &manifest.path;
    let Some(name) = path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml")) else {
        return vec![format!("{path}: not a crate of the house")];
    };
    let Some(floor) = FLOORS.iter().find(|floor| floor.name == name) else {
        return vec![format!("{path}: {name} is on no floor; add it to the table in xtask/src/floors.rs")];
    };
    match manifest.text.parse::<Table>() {
        Ok(table) => {
            dependencies(&table).iter().filter_map(|import| complaint(path, floor, import)).collect()
        }
        Err(error) => vec![format!("{path}: {}", error.message())],
    }
}

fn complaint(path: &str, floor: &Floor, import: &str) -> Option<String> {
    let name = floor.name;
    if KAFKA.contains(&import) && name != KAFKA_OWNER {
        return Some(format!("{path}: {name} must not import {import}; only {KAFKA_OWNER} knows Kafka"));
    }
    let ours = import.strip_prefix("bulkhead-")?;
    match floor.imports {
        _ if ours == TESTKIT => {
            Some(format!("{path}: {name} must not import {TESTKIT}; it belongs in [dev-dependencies]"))
        }
        Everything => None,
        These(allowed) if allowed.contains(&ours) => None,
        These([]) => Some(format!("{path}: {name} must not import {ours}; it imports none of ours")),
        These(allowed) => {
            Some(format!("{path}: {name} must not import {ours}; it may import {}", allowed.join(", ")))
        }
    }
}

/// The packages in `[dependencies]` and `[build-dependencies]`, for every target.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.iter().flat_map(|targets| targets.values()).filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|dependencies| dependencies?.as_table())
        .flatten()
        .map(|(name, how)| how.get("package").and_then(Value::as_str).unwrap_or(name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_manifest(name: &str, manifest: &str, expected: &[&str]) {
        let text = Text { path: format!("crates/{name}/Cargo.toml"), text: manifest.to_owned() };
        let prefix = format!("{}: ", text.path);
        let found: Vec<_> = check(&[text]).iter().map(|line| line.replacen(&prefix, "", 1)).collect();
        assert_eq!(found, expected, "{manifest}");
    }

    #[test]
    fn imports_point_downwards() {
        let height = |name: &str| FLOORS.iter().find(|floor| floor.name == name).unwrap().height;
        for Floor { name, height: own, imports } in &FLOORS {
            if let These(imports) = imports {
                for import in *imports {
                    let beside =
                        [("ledger", "log"), ("protocol-bars", "adapter"), ("protocol-hl7", "adapter")]
                            .contains(&(*name, *import));
                    assert!(height(import) < *own || beside, "{name} imports {import}");
                }
            }
        }
    }

    #[test]
    fn only_what_the_table_allows() {
        check_manifest("ledger", "[dependencies]\nbulkhead-log.workspace = true\nserde = '1'", &[]);
        check_manifest(
            "routing",
            "[dependencies]\nbulkhead-ingest.workspace = true\nbulkhead-log.workspace = true",
            &["routing must not import ingest; it may import log, ledger, wire, process, model, transport"],
        );
        check_manifest(
            "model",
            "[dependencies]\nbulkhead-wire.workspace = true",
            &["model must not import wire; it imports none of ours"],
        );
        check_manifest("bulkhead", "[dependencies]\nbulkhead-cli.workspace = true", &[]);
        check_manifest("kiosk", "", &["kiosk is on no floor; add it to the table in xtask/src/floors.rs"]);
    }

    #[test]
    fn other_spellings_of_an_import_count_too() {
        let complaint = "wire must not import log; it may import model";
        check_manifest("wire", "[build-dependencies]\nbulkhead-log = { path = '../log' }", &[complaint]);
        check_manifest(
            "wire",
            "[target.'cfg(unix)'.dependencies]\nbulkhead-log.workspace = true",
            &[complaint],
        );
        check_manifest(
            "wire",
            "[dependencies]\nx = { package = 'bulkhead-log', path = '../log' }",
            &[complaint],
        );
    }

    #[test]
    fn tests_may_import_anything() {
        check_manifest("model", "[dev-dependencies]\nbulkhead-testkit.workspace = true\nrdkafka = '1'", &[]);
        check_manifest(
            "bulkhead",
            "[dependencies]\nbulkhead-testkit.workspace = true",
            &["bulkhead must not import testkit; it belongs in [dev-dependencies]"],
        );
    }

    #[test]
    fn only_the_log_knows_kafka() {
        check_manifest("log", "[dependencies]\nrdkafka.workspace = true", &[]);
        check_manifest(
            "bulkhead",
            "[dependencies]\nrdkafka-sys = '4'",
            &["bulkhead must not import rdkafka-sys; only log knows Kafka"],
        );
    }
}
