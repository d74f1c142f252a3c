//! A dev.json as `bulkhead dev` writes it, and who asks whom.

use std::path::Path;

use super::*;

const DEV: &str = r#"{"pid": 1, "log": "embedded",
 "cells": [{"nation": "england", "nodes": [{"name": "england-1", "grpc": "127.0.0.1:1", "http": "127.0.0.1:2"}]},
           {"nation": "wales", "nodes": [{"name": "wales-1", "grpc": "127.0.0.1:3", "http": "127.0.0.1:4"}]}],
 "tenants": [{"id": "england/nhs111-north", "supplier": "meridian",
   "services": [{"id": "england/nhs111-north-triage", "identifiers": [
     {"system": "https://fhir.nhs.uk/Id/dos-service-id", "value": "2000011147"}]}],
   "certificate": "pki/t.pem", "key": "pki/t.key",
   "sidecar": {"http": "127.0.0.1:5", "listens": [], "sends": []}, "simulator": {"http": "127.0.0.1:6"}}],
 "demo": true,
 "operators": [{"name": "england-duty", "nation": "england", "key": "pki/ed.key", "certificate": "pki/ed.pem"},
               {"name": "england-lead", "nation": "england", "key": "pki/el.key", "certificate": "pki/el.pem"},
               {"name": "wales-duty", "nation": "wales", "key": "pki/wd.key", "certificate": "pki/wd.pem"}],
 "ca": "pki/ca.pem"}"#;

fn context() -> Context {
    dev::parse(DEV, Path::new("data/dev.json")).unwrap()
}

#[test]
fn paths_are_relative_to_the_file() {
    let context = context();
    assert!(context.demo);
    assert_eq!(context.ca, Path::new("data/pki/ca.pem"));
    assert_eq!(context.cells[1].nodes, ["127.0.0.1:3"]);
    let tenant = context.tenant(&TenantId::parse("england/nhs111-north").unwrap()).unwrap();
    assert_eq!(tenant.pair.key, Path::new("data/pki/t.key"));
}

#[test]
fn each_nation_is_asked_by_its_own_first_operator() {
    let context = context();
    let check = |nation, operator, expected: &str| {
        assert!(context.asker(nation, operator).unwrap().key.ends_with(expected), "{nation} {operator:?}");
    };
    check(Nation::England, None, "ed.key");
    check(Nation::Wales, None, "wd.key");
    check(Nation::England, Some("england-lead"), "el.key");
    check(Nation::Wales, Some("england/england-lead"), "el.key");
    let unknown = context.asker(Nation::England, Some("nobody")).unwrap_err();
    assert_eq!(unknown.to_string(), r#"the context "dev" has no operator "nobody""#);
    assert_eq!(unknown.hint().unwrap(), "it has england-duty, england-lead, wales-duty");
}

#[test]
fn what_cannot_be_read_names_the_file() {
    let broken = dev::parse("{", Path::new("dev.json")).unwrap_err();
    assert!(broken.to_string().starts_with("the context dev.json cannot be used: "), "{broken}");
    let nation = DEV.replace("\"nation\": \"wales\", \"nodes\"", "\"nation\": \"france\", \"nodes\"");
    assert!(dev::parse(&nation, Path::new("dev.json")).is_err());
}
