//! Cells on loopback ports, a dev.json that names them, and commands run against it.

use std::path::PathBuf;
use std::time::Duration;

use bulkhead_cli::{Color, Command, Exit, Global, Screen, execute};
use bulkhead_transport::{Acceptor, Config, Connections, Credentials, Limits, admit_all, server};
use bulkhead_wire::v1::ingest_server::IngestServer;
use bulkhead_wire::v1::referrals_server::ReferralsServer;
use clap::{CommandFactory, Parser};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::cell::FakeCell;

/// An address where nobody listens.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

pub(crate) struct World {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    cells: Vec<Value>,
    operators: Vec<Value>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) data: String,
    pub(crate) talk: String,
}

#[derive(Debug, Parser)]
#[command(name = "bulkhead")]
struct Line {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let ca_pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &ca_pem).unwrap();
        let world = Self {
            folder,
            issuer: Issuer::new(params, key),
            ca_pem,
            cells: Vec::new(),
            operators: Vec::new(),
        };
        world.keys("nhs111", "bulkhead://england/nhs111-north", None);
        world
    }

    /// Serves `cell` on a port of its own; `before` are nodes that the context names first.
    pub(crate) async fn serve(&mut self, nation: &str, cell: FakeCell, before: &[&str]) {
        let node = format!("{nation}-1");
        let identity = format!("bulkhead://{nation}/cell/{node}");
        let credentials = self.keys(&node, &identity, Some(nation));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let acceptor = Acceptor::new(Config {
            node,
            credentials,
            policy: admit_all(),
            connections: Connections::new(),
            limits: Limits::default(),
        });
        let serving = server()
            .add_service(IngestServer::new(cell.clone()).max_decoding_message_size(6 << 20))
            .add_service(ReferralsServer::new(cell))
            .serve_with_incoming(acceptor.unwrap().listen(listener));
        tokio::spawn(serving);
        let nodes = before.iter().copied().chain([address.as_str()]);
        self.name(nation, &nodes.collect::<Vec<_>>());
    }

    /// Names a nation's nodes in the context, and gives it an operator.
    pub(crate) fn name(&mut self, nation: &str, nodes: &[&str]) {
        let nodes: Vec<Value> =
            nodes.iter().map(|node| json!({"name": "n", "grpc": node, "http": ""})).collect();
        self.cells.push(json!({"nation": nation, "nodes": nodes}));
        let name = format!("{nation}-duty");
        self.keys(&name, &format!("bulkhead://{nation}/operator/{name}"), None);
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        self.operators.push(json!({"name": name, "nation": nation, "key": key, "certificate": certificate}));
    }

    /// A file to send.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the context's CA another one.
    pub(crate) fn forget_the_ca(&self) {
        std::fs::write(self.path("ca.pem"), World::new().ca_pem).unwrap();
    }

    /// Runs a command line against this world.
    pub(crate) async fn run(&self, line: &str) -> Ended {
        let dev = json!({
            "pid": 1, "log": "embedded", "demo": true, "ca": "ca.pem",
            "cells": self.cells, "operators": self.operators,
            "tenants": [{
                "id": "england/nhs111-north", "supplier": "meridian", "certificate": "nhs111.pem", "key": "nhs111.key",
                "services": [{"id": "england/triage", "identifiers": [{"system": "urn:dos", "value": "2000011147"}]}],
            }],
        });
        std::fs::write(self.path("dev.json"), dev.to_string()).unwrap();
        let mut line = Line::try_parse_from(["bulkhead"].into_iter().chain(line.split_whitespace())).unwrap();
        line.global.context = Some(self.path("dev.json").display().to_string());
        line.global.color = Color::Never;
        let mut screen = Screen::memory(&line.global);
        let executed = execute(line.command, &line.global, Line::command, &mut screen);
        let exit = tokio::time::timeout(Duration::from_secs(60), executed).await.unwrap();
        let (data, talk) = screen.told();
        Ended { exit, data, talk }
    }

    fn keys(&self, name: &str, identity: &str, nation: Option<&str>) -> Credentials {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
        if let Some(nation) = nation {
            let server_name = format!("{nation}.bulkhead.internal");
            params.subject_alt_names.push(SanType::DnsName(server_name.try_into().unwrap()));
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        std::fs::write(self.path(&format!("{name}.pem")), &certificate_pem).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        Credentials { ca_pem: self.ca_pem.clone(), certificate_pem, key_pem: key.serialize_pem() }
    }
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
