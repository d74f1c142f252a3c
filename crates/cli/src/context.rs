//! Which world a command speaks to, and as whom: cells and their nodes, and the keys of operators and
//! tenants. A context is read from a `dev.json` or from one table of a `contexts.toml`.

mod dev;
mod place;
mod toml_file;

use std::path::{Path, PathBuf};

use bulkhead_model::{Nation, OperatorId, ServiceAddress, ServiceId, TenantId};
use bulkhead_transport::Credentials;

use crate::{Error, Global};

/// A world and the keys to it.
#[derive(Debug, Clone)]
pub struct Context {
    /// As `--context` names it; `dev` for a dev.json.
    pub name: String,
    /// The file that it was read from.
    pub path: PathBuf,
    /// It is a demo: every screen says so.
    pub demo: bool,
    /// The authority that the cells' certificates chain to.
    pub ca: PathBuf,
    /// The cells that it knows.
    pub cells: Vec<CellAddress>,
    /// The tenants that it can speak for.
    pub tenants: Vec<Tenant>,
    /// The operators that it can speak for.
    pub operators: Vec<Operator>,
}

/// Where one nation's cell listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellAddress {
    /// Whose cell.
    pub nation: Nation,
    /// `host:port` of each node.
    pub nodes: Vec<String>,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// A tenant that the context can speak for.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The services that it hosts, where the context knows.
    pub services: Vec<Service>,
    /// Its keys.
    pub pair: Pair,
}

/// A service that the context knows.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// How protocols address it.
    pub identifiers: Vec<ServiceAddress>,
}

/// An operator that the context can speak for.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Nation and name.
    pub id: OperatorId,
    /// The operator's keys.
    pub pair: Pair,
}

impl Context {
    /// Finds and reads the context that the options name.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn load(global: &Global) -> Result<Self, Error> {
        match place::find(global.context.as_deref(), &place::Surroundings::of_process())? {
            place::Place::Dev(path) => dev::read(&path),
            place::Place::Toml { path, name } => toml_file::read(&path, name.as_deref()),
        }
    }

    /// The keys to ask that nation's cell with: of the operator named, of the nation's own first, of
    /// whatever operator there is, or of the tenant whose context it is.
    ///
    /// # Errors
    /// When the operator named is not there.
    pub fn asker(&self, nation: Nation, operator: Option<&str>) -> Result<&Pair, Error> {
        if operator.is_some() {
            return self.commander(Some(nation), operator).map(|operator| &operator.pair);
        }
        let of_nation = self.operators.iter().find(|operator| operator.id.nation() == nation);
        let operator = of_nation.or(self.operators.first()).map(|operator| &operator.pair);
        operator.or(self.tenants.first().map(|tenant| &tenant.pair)).ok_or_else(|| Error::BadContext {
            path: self.path.clone(),
            problem: "it has neither an operator nor a tenant to ask as".into(),
        })
    }

    /// The operator to command as: the one named, or that nation's first, or the first that there is.
    ///
    /// # Errors
    /// When it is not there.
    pub fn commander(&self, nation: Option<Nation>, operator: Option<&str>) -> Result<&Operator, Error> {
        let found = match operator {
            Some(name) => {
                self.operators.iter().find(|known| known.id.name() == name || known.id.as_str() == name)
            }
            None => {
                let of_nation = |known: &&Operator| nation.is_none_or(|nation| known.id.nation() == nation);
                self.operators.iter().find(of_nation)
            }
        };
        found.ok_or_else(|| Error::NotInContext {
            what: "operator",
            name: operator.map_or_else(|| nation.map(|n| n.to_string()).unwrap_or_default(), str::to_owned),
            context: self.name.clone(),
            known: self.operators.iter().map(|operator| operator.id.name().to_owned()).collect(),
        })
    }

    /// The tenant of that id, to send as.
    ///
    /// # Errors
    /// When the context has no keys of it.
    pub fn tenant(&self, id: &TenantId) -> Result<&Tenant, Error> {
        self.tenants.iter().find(|tenant| tenant.id == *id).ok_or_else(|| Error::NotInContext {
            what: "tenant",
            name: id.to_string(),
            context: self.name.clone(),
            known: self.tenants.iter().map(|tenant| tenant.id.to_string()).collect(),
        })
    }

    /// The cell of that nation.
    ///
    /// # Errors
    /// When the context has no address of it.
    pub fn cell(&self, nation: Nation) -> Result<&CellAddress, Error> {
        self.cells.iter().find(|cell| cell.nation == nation).ok_or_else(|| Error::NotInContext {
            what: "cell of",
            name: nation.to_string(),
            context: self.name.clone(),
            known: self.cells.iter().map(|cell| cell.nation.to_string()).collect(),
        })
    }

    /// The PEM texts to connect with.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub fn credentials(&self, pair: &Pair) -> Result<Credentials, Error> {
        Ok(Credentials {
            ca_pem: read_text(&self.ca)?,
            certificate_pem: read_text(&pair.certificate)?,
            key_pem: read_text(&pair.key)?,
        })
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| bad(path, error.to_string()))
}

fn bad(path: &Path, problem: impl Into<String>) -> Error {
    Error::BadContext { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests;
