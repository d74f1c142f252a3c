//! The cells, in a process of their own: what they cost is told apart from what clients and sidecars cost.
//!
//! The bench starts itself again as `bench host`, hands over the keys in files, reads the addresses from the first
//! line that it prints, and ends it by closing its input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use bulkhead_model::Nation;
use bulkhead_transport::Credentials;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::cell::{Cell, Plan};
use crate::keys::Keys;
use crate::process::cpu_seconds;
use crate::store::Store;

/// Where a cell listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) nation: Nation,
    pub(crate) address: String,
}

/// Three cells: two that carry to one another, and one that is only a door.
pub(crate) struct Host {
    process: Child,
    pid: u32,
    pub(crate) england: Place,
    pub(crate) wales: Place,
    pub(crate) door_alone: Place,
}

impl Host {
    pub(crate) async fn start(keys: &Keys, dir: &Path, store: &Store, name: &str) -> Result<Self> {
        for nation in [Nation::England, Nation::Wales] {
            write_keys(dir, nation, &keys.cell(nation)?)?;
        }
        let mut process = Command::new(std::env::current_exe()?)
            .args(store.arguments())
            .args(["host", "--name", name, "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let line = BufReader::new(output).lines().next_line().await?.context("the cells did not start")?;
        let addresses: Value = serde_json::from_str(&line)?;
        let place = |nation, name: &str| {
            let address = addresses[name].as_str().context("no address")?.to_owned();
            Ok::<_, anyhow::Error>(Place { nation, address })
        };
        Ok(Self {
            pid: process.id().context("the cells ended")?,
            process,
            england: place(Nation::England, "england")?,
            wales: place(Nation::Wales, "wales")?,
            door_alone: place(Nation::England, "door")?,
        })
    }

    /// Processor time that the cells have used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.pid)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        self.process.wait().await?;
        Ok(())
    }
}

/// The other side: runs the cells until its input ends.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) async fn run(dir: &Path, store: &Store, name: &str) -> Result<()> {
    let listen = async || TcpListener::bind("127.0.0.1:0").await;
    let (england, wales, door) = (listen().await?, listen().await?, listen().await?);
    let [at_england, at_wales, at_door] =
        [england.local_addr()?, wales.local_addr()?, door.local_addr()?].map(|address| address.to_string());
    let mut cells = Vec::new();
    for (nation, place, listener, far) in [
        (Nation::England, "england", england, Some((Nation::Wales, at_wales.clone()))),
        (Nation::Wales, "wales", wales, Some((Nation::England, at_england.clone()))),
        (Nation::England, "door", door, None),
    ] {
        let credentials = read_keys(dir, nation)?;
        let log = store.open(&dir.join(place), &format!("{name}.{place}")).await?;
        let routing = far.is_some();
        let plan = Plan { credentials, nation, dir: dir.join(place), log, listener, far, routing };
        cells.push(Cell::start(plan).await?);
    }
    println!("{}", json!({ "england": at_england, "wales": at_wales, "door": at_door }));
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    for cell in cells {
        cell.stop().await;
    }
    Ok(())
}

fn files(dir: &Path, nation: Nation) -> [PathBuf; 3] {
    ["ca", "certificate", "key"].map(|part| dir.join(format!("{nation}-{part}.pem")))
}

fn write_keys(dir: &Path, nation: Nation, keys: &Credentials) -> Result<()> {
    let [ca, certificate, key] = files(dir, nation);
    fs::write(ca, &keys.ca_pem)?;
    fs::write(certificate, &keys.certificate_pem)?;
    Ok(fs::write(key, &keys.key_pem)?)
}

fn read_keys(dir: &Path, nation: Nation) -> Result<Credentials> {
    let [ca, certificate, key] = files(dir, nation);
    Ok(Credentials {
        ca_pem: fs::read_to_string(ca)?,
        certificate_pem: fs::read_to_string(certificate)?,
        key_pem: fs::read_to_string(key)?,
    })
}
