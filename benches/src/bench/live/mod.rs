//! A cell of real nodes, `bulkhead serve`, each a process of its own, with operators who can cut.
//!
//! ```text
//! bench: senders, receivers, operators ── gRPC, mutual TLS ──▶ england-1 … england-n ──▶ embedded log, or Kafka
//! ```

pub(crate) mod apart;
pub(crate) mod leaders;
mod nobody;
mod node;
pub(crate) mod operator;
pub(crate) mod receiver;
pub(crate) mod sender;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_model::Nation;
use bulkhead_transport::{Credentials, Dialer};
use jiff::SignedDuration;
use tempfile::TempDir;
use tonic::transport::Channel;

use self::nobody::Nobody;
use self::node::Node;
use self::operator::Operator;
use crate::keys::{Keys, server_name};
use crate::store::Store;

/// Whose cell it is.
pub(crate) const NATION: Nation = Nation::England;
/// Two persons who may cut and take back.
const OPERATORS: [&str; 2] = ["england/first", "england/second"];

/// How it is made.
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) dir: &'a Path,
    pub(crate) store: &'a Store,
    /// How many nodes: more than one only on Kafka.
    pub(crate) nodes: usize,
    /// Tenants, `england/…`; each has a service of the same name.
    pub(crate) tenants: &'a [String],
    pub(crate) odd: Odd,
}

/// What is not as it should be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Odd {
    /// The last node has a network of its own, so that it can be taken from its brokers.
    pub(crate) apart: bool,
    /// The wall clock of the last node is off by so much.
    pub(crate) clock: Option<SignedDuration>,
    /// What nodes tell one another directly reaches nobody.
    pub(crate) unpushed: bool,
}

/// A running cell. Dropped, its nodes are killed.
pub(crate) struct Live {
    pub(crate) nodes: Vec<Node>,
    pub(crate) operators: Vec<Operator>,
    nobody: Option<Nobody>,
    keys: Keys,
    place: TempDir,
}

impl Live {
    /// Starts it and waits until every node may act.
    pub(crate) async fn start(plan: &Plan<'_>) -> Result<Self> {
        let (place, keys) = (tempfile::tempdir_in(plan.dir)?, Keys::new()?);
        let cell = keys.cell(NATION)?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = place.path().join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        write("ca.pem", &cell.ca_pem)?;
        write("cell.pem", &cell.certificate_pem)?;
        write("cell.key", &cell.key_pem)?;
        let people: Vec<_> =
            OPERATORS.iter().map(|name| Ok((*name, keys.operator(name)?))).collect::<Result<_>>()?;
        let nobody = if plan.odd.unpushed { Some(Nobody::listen().await?) } else { None };
        let advertise = nobody.as_ref().map(|nobody| nobody.address.as_str());
        let mut nodes = Vec::new();
        for number in 1..=plan.nodes {
            nodes.push(Node::lay_out(plan, place.path(), number, advertise).await?);
        }
        let addresses: Vec<_> = nodes.iter().map(|node| node.address.clone()).collect();
        let mut operators = Vec::new();
        for (name, credentials) in &people {
            operators.push(Operator::new(name, credentials, &addresses)?);
        }
        write("directory.toml", &directory(plan.tenants, &operators))?;
        for node in &mut nodes {
            node.start(plan.binary).await?;
        }
        Ok(Self { nodes, operators, nobody, keys, place })
    }

    /// One connection to one node, made when it is first used.
    pub(crate) fn channel(&self, tenant: &str, node: usize) -> Result<Channel> {
        let node = self.nodes.get(node % self.nodes.len()).context("no node")?;
        Ok(Dialer::new(&self.keys.tenant(tenant)?)?.channel(&node.address, &server_name(NATION))?)
    }

    /// A connection to every node, with so many bytes under way on a stream.
    pub(crate) fn channels(&self, tenant: &str, window: u32) -> Result<Vec<Channel>> {
        let dialer = Dialer::new(&self.keys.tenant(tenant)?)?.with_window(window);
        let to = |node: &Node| Ok(dialer.channel(&node.address, &server_name(NATION))?);
        self.nodes.iter().map(to).collect()
    }

    /// How often a node tried in vain to tell another one something directly.
    pub(crate) fn turned_away(&self) -> Option<usize> {
        self.nobody.as_ref().map(Nobody::knocks)
    }

    /// The keys of a tenant.
    pub(crate) fn credentials(&self, tenant: &str) -> Result<Credentials> {
        self.keys.tenant(tenant)
    }

    /// What its topics begin with.
    fn prefix(&self) -> Result<String> {
        node::prefix(self.place())
    }

    /// Where its files are.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// Asks every node to end, and waits.
    pub(crate) async fn stop(self) -> Result<()> {
        for node in self.nodes {
            node.stop().await?;
        }
        Ok(())
    }
}

/// No quota and no budget may be what is measured.
fn directory(tenants: &[String], operators: &[Operator]) -> String {
    let mut text = "[[suppliers]]\nid = \"meridian\"\n".to_owned();
    for tenant in tenants {
        text.push_str(&format!(
            "[[tenants]]\nid = \"{tenant}\"\nsupplier = \"meridian\"\n\
             quota = {{ calls_per_second = 1000000, unread_bytes = 536870912, connections = 64 }}\n\
             [[services]]\nid = \"{tenant}\"\nhost = \"{tenant}\"\nidentifiers = []\nprotocol = \"bars\"\nversion = \"1\"\n"
        ));
    }
    for operator in operators {
        text.push_str(&format!(
            "[[operators]]\nid = \"{}\"\npublic_key = \"{}\"\ncuts_per_hour = 1000000\n",
            operator.id, operator.public_key
        ));
    }
    text
}
