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
use crate::process::{cpu_seconds, resident_mb};
use crate::store::Store;

/// Where a cell listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) nation: Nation,
    pub(crate) address: String,
}

/// A cell with many tenants, or three: two that carry to one another, and one that is only a door.
pub(crate) struct Host {
    process: Child,
    pid: u32,
    pub(crate) england: Place,
    pub(crate) wales: Option<Place>,
    pub(crate) door_alone: Option<Place>,
}

impl Host {
    pub(crate) async fn start(
        keys: &Keys,
        dir: &Path,
        store: &Store,
        name: &str,
        tenants: usize,
    ) -> Result<Self> {
        for nation in [Nation::England, Nation::Wales] {
            write_keys(dir, nation, &keys.cell(nation)?)?;
        }
        let mut process = Command::new(std::env::current_exe()?)
            .args(store.arguments())
            .args(["host", "--name", name, "--tenants", &tenants.to_string(), "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let line = BufReader::new(output).lines().next_line().await?.context("the cells did not start")?;
        let addresses: Value = serde_json::from_str(&line)?;
        let place = |nation, name: &str| {
            let address = addresses[name].as_str()?.to_owned();
            Some(Place { nation, address })
        };
        Ok(Self {
            pid: process.id().context("the cells ended")?,
            process,
            england: place(Nation::England, "england").context("no cell")?,
            wales: place(Nation::Wales, "wales"),
            door_alone: place(Nation::England, "door"),
        })
    }

    /// Processor time that the cells have used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.pid)
    }

    /// Memory that the cells have now, in MB.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        resident_mb(self.pid)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        self.process.wait().await?;
        Ok(())
    }
}

/// The other side: runs the cells until its input ends.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) async fn run(dir: &Path, store: &Store, name: &str, tenants: usize) -> Result<()> {
    let listen = async || TcpListener::bind("127.0.0.1:0").await;
    let start = async |nation, place: &str, listener, far: Option<(Nation, String)>, routing| {
        let log = store.open(&dir.join(place), &format!("{name}.{place}")).await?;
        let credentials = read_keys(dir, nation)?;
        Cell::start(Plan { credentials, nation, dir: dir.join(place), log, listener, far, routing, tenants })
            .await
    };
    let england = listen().await?;
    let at_england = england.local_addr()?.to_string();
    let mut addresses = json!({ "england": at_england });
    let cells = if tenants > 0 {
        vec![start(Nation::England, "england", england, None, true).await?]
    } else {
        let (wales, door) = (listen().await?, listen().await?);
        let at_wales = wales.local_addr()?.to_string();
        (addresses["wales"], addresses["door"]) =
            (at_wales.clone().into(), door.local_addr()?.to_string().into());
        vec![
            start(Nation::England, "england", england, Some((Nation::Wales, at_wales)), true).await?,
            start(Nation::Wales, "wales", wales, Some((Nation::England, at_england)), true).await?,
            start(Nation::England, "door", door, None, false).await?,
        ]
    };
    println!("{addresses}");
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
