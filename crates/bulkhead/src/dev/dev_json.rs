//! `dev.json`: where everything of the demo world is, for commands, tests and other people's scripts.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// The whole file. Keys are a contract: more may be added, none renamed.
#[derive(Debug, Serialize)]
pub(super) struct DevJson {
    pub(super) pid: u32,
    pub(super) log: &'static str,
    pub(super) demo: bool,
    pub(super) ca: String,
    pub(super) cells: Vec<Cell>,
    pub(super) tenants: Vec<Tenant>,
    /// Tenants for drills alone, without a system.
    pub(super) synthetic: Vec<Synthetic>,
    pub(super) operators: Vec<Operator>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) nation: String,
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
}

#[derive(Debug, Serialize)]
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) supplier: String,
    pub(super) services: Vec<Service>,
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) sidecar: Sidecar,
    pub(super) simulator: Simulator,
}

#[derive(Debug, Serialize)]
pub(super) struct Synthetic {
    pub(super) id: String,
    pub(super) services: Vec<Service>,
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) identifiers: Vec<Identifier>,
}

#[derive(Debug, Serialize)]
pub(super) struct Identifier {
    pub(super) system: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Sidecar {
    pub(super) http: SocketAddr,
    pub(super) listens: Vec<Face>,
    pub(super) sends: Vec<Face>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Face {
    pub(super) protocol: &'static str,
    pub(super) address: SocketAddr,
}

#[derive(Debug, Serialize)]
pub(super) struct Simulator {
    pub(super) http: SocketAddr,
}

#[derive(Debug, Serialize)]
pub(super) struct Operator {
    pub(super) name: String,
    pub(super) nation: String,
    pub(super) key: String,
    pub(super) certificate: String,
}

impl DevJson {
    /// Writes it beside and renames, so that a reader never sees half of it.
    pub(super) fn write(&self, data_dir: &Path) -> Result<()> {
        let beside = data_dir.join("dev.json.new");
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(beside, data_dir.join("dev.json"))?;
        Ok(())
    }
}
