//! An operator's desk: one operator, the cell of that operator's nation, and the key that signs commands.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use bulkhead_model::{Nation, OperatorId};
use bulkhead_transport::Credential;
use bulkhead_wire::fact::{Command, Header, HeaderScope, SignedFact, Statement, hex, signing_key};
use bulkhead_wire::v1;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::Serialize;

use crate::cell::{Cell, Trouble};
use crate::context::{Context, read_text};
use crate::view::World;
use crate::{Error, Global, Screen};

/// How long a signed command may wait for its append.
const LIFE: Duration = Duration::from_secs(120);

/// One operator at the cell of their nation.
pub(crate) struct Desk {
    pub(crate) context: Context,
    pub(crate) operator: OperatorId,
    pub(crate) cell: Cell,
    key: Ed25519KeyPair,
}

/// Who commands where: it stands first in every document of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Desked {
    #[serde(flatten)]
    pub(crate) world: World,
    pub(crate) nation: String,
    pub(crate) operator: String,
}

/// What a cell said to sign with: its time, and how far it knows its control log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) position: u64,
    pub(crate) now: Timestamp,
}

impl Seen {
    pub(crate) fn of(position: u64, now: Option<prost_types::Timestamp>) -> Self {
        Self { position, now: crate::view::moment(now).unwrap_or_else(Timestamp::now) }
    }
}

impl Desk {
    /// The desk of the operator that the options name, or else of that nation's first.
    pub(crate) fn open(global: &Global, nation: Option<Nation>) -> Result<Self, Error> {
        Self::at(global, nation, None)
    }

    /// The same at one node of the cell, `host:port`; none: whichever answers.
    pub(crate) fn at(global: &Global, nation: Option<Nation>, node: Option<String>) -> Result<Self, Error> {
        let context = Context::load(global)?;
        let operator = context.commander(nation, global.operator.as_deref())?.clone();
        let mut address = context.cell(operator.id.nation())?.clone();
        if let Some(node) = node {
            address.nodes = vec![node];
        }
        let cell = Cell::open(&context, &address, &operator.pair, global)?;
        let bad = |problem: String| Error::BadContext { path: operator.pair.key.clone(), problem };
        let pem = read_text(&operator.pair.key)?;
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let key = signing_key(der.secret_pkcs8_der()).map_err(|_| bad("it is no Ed25519 key".into()))?;
        Ok(Self { context, operator: operator.id, cell, key })
    }

    /// Who commands where.
    pub(crate) fn desked(&self) -> Desked {
        Desked {
            world: World::of(&self.context),
            nation: self.operator.nation().to_string(),
            operator: self.operator.to_string(),
        }
    }

    /// Signs a command, as of what was seen.
    pub(crate) fn sign(&self, command: Command, scope: HeaderScope, seen: Seen) -> Result<SignedFact, Error> {
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Error::Usage {
            what: "this machine has no randomness to sign with".into(),
            hint: "try again".into(),
        })?;
        let header = Header {
            kind: command.kind(),
            nation: self.operator.nation(),
            scope,
            signed_at: seen.now,
            expires_at: seen.now.saturating_add(LIFE).unwrap_or(seen.now),
            seen: seen.position,
            nonce,
            operator: self.operator.clone(),
        };
        Ok(Statement { header, command }.sign(&self.key))
    }

    /// Signs a command and sends it.
    pub(crate) async fn command(
        &self,
        command: Command,
        scope: HeaderScope,
        seen: Seen,
    ) -> Result<v1::CommandResponse, Error> {
        let fact = self.sign(command, scope, seen)?.to_wire();
        let answer = self
            .cell
            .command(async |mut client| client.command(v1::CommandRequest { fact: Some(fact.clone()) }).await)
            .await;
        answer.map_err(|trouble| self.failed(trouble))
    }

    /// What the cell knows of a cut.
    pub(crate) async fn show(&self, cut_id: &str) -> Result<v1::ShowCutResponse, Error> {
        let request = v1::ShowCutRequest { cut_id: cut_id.to_owned() };
        let answer = self.cell.command(async |mut client| client.show_cut(request.clone()).await).await;
        answer.map_err(|trouble| self.failed(trouble))
    }

    pub(crate) fn failed(&self, trouble: Trouble) -> Error {
        Error::Cells(vec![(self.operator.nation(), trouble)])
    }
}

impl Desked {
    /// The lines that stand above every text of a command.
    pub(crate) fn banner(&self, paint: crate::Paint) -> String {
        let demo = if self.world.demo { format!("{}  ", paint.warn("DEMO")) } else { String::new() };
        format!(
            "{demo}context {}   nation {}   operator {}\n",
            self.world.context,
            paint.bold(&self.nation),
            paint.bold(&self.operator)
        )
    }
}

/// The SHA-256 fingerprint of a PEM file's first certificate, hex.
///
/// # Errors
/// When there is none.
pub(crate) fn certificate_fingerprint(path: &Path) -> Result<String, Error> {
    let bad = |problem: String| Error::BadFile { path: path.to_owned(), problem };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|error| bad(error.to_string()))?;
    Ok(hex(digest(&SHA256, &der).as_ref()))
}

/// From when on the certificate of a PEM file is valid; none when it cannot be read.
pub(crate) fn issued_at(path: &Path) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(&std::fs::read(path).ok()?).ok()?;
    Timestamp::try_from(Credential::from_der(&der).ok()?.not_before).ok()
}

/// Asks a person for a line; nothing is asked where nobody sits.
///
/// # Errors
/// When there is no terminal to ask at.
pub(crate) fn ask(screen: &mut Screen, question: &str, instead: &str) -> Result<String, Error> {
    if !std::io::stdin().is_terminal() || !screen.is_terminal() {
        return Err(Error::Usage {
            what: format!("there is no terminal to ask at: {question}"),
            hint: instead.into(),
        });
    }
    screen.note(question);
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let _ = std::io::stderr().flush();
    match read {
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(Error::NotConfirmed(error.to_string())),
    }
}

/// Asks for a yes, unless it was given.
///
/// # Errors
/// When it is not given.
pub(crate) fn confirmed(screen: &mut Screen, yes: bool, question: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let answer = ask(screen, &format!("{question} [yes/no]"), "say --yes, or --plan to look only")?;
    match answer.to_lowercase().as_str() {
        "y" | "yes" | "ie" | "ydw" => Ok(()),
        _ => Err(Error::NotConfirmed("it was not confirmed".into())),
    }
}
