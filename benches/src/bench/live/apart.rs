//! A node in a network of its own, which can be taken from its brokers while tenants still reach it.
//!
//! ```text
//! bench                                   a network namespace (`unshare --net`), `bench within`
//!   TCP, where tenants dial ── unix socket ──▶ TCP, where the node listens
//!   the brokers ◀── switch ── unix socket ◀── TCP, at the brokers' own addresses, where the node dials
//! ```
//!
//! Both ends are TCP at the addresses that everybody knows, so neither the node nor the brokers are set up otherwise.
//! While a broker is out of reach nothing passes, and what was sent meanwhile arrives later, as after a lost route.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Which brokers a node reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    None,
    /// All but the one at this address.
    AllBut(String),
}

impl Reach {
    fn holds(&self, broker: &str) -> bool {
        match self {
            Reach::All => true,
            Reach::None => false,
            Reach::AllBut(lost) => lost != broker,
        }
    }
}

/// What stands between a node and its brokers.
#[derive(Debug, Clone)]
pub(crate) struct Switch(watch::Sender<Reach>);

impl Switch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Reach::All))
    }

    pub(crate) fn set(&self, reach: Reach) {
        self.0.send_replace(reach);
    }
}

/// The switch as one broker's connections see it.
#[derive(Clone)]
struct Gate {
    reach: watch::Receiver<Reach>,
    broker: String,
}

impl Gate {
    /// Waits until something may pass. False: it never will again.
    async fn passes(&mut self) -> bool {
        self.reach.wait_for(|reach| reach.holds(&self.broker)).await.is_ok()
    }
}

/// The outer ends: tenants' way in, and the brokers behind the switch.
pub(super) async fn outer(dir: &Path, ins: &[String], brokers: &[String], switch: &Switch) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for address in ins {
        let (listener, socket) = (TcpListener::bind(address).await?, socket(dir, address));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move { join(tcp, UnixStream::connect(socket).await, None).await });
            }
        });
    }
    for address in brokers {
        let listener = UnixListener::bind(socket(dir, address))?;
        let gate = Gate { reach: switch.0.subscribe(), broker: address.clone() };
        tokio::spawn(async move {
            while let Ok((unix, _)) = listener.accept().await {
                let gate = gate.clone();
                tokio::spawn(async move {
                    join(unix, TcpStream::connect(&gate.broker).await, Some(gate)).await;
                });
            }
        });
    }
    Ok(())
}

/// The command that runs `bench within` in a network of its own.
pub(super) fn command(dir: &Path, ins: &[String], brokers: &[String], node: &[String]) -> Result<Command> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(std::env::current_exe()?).arg("within").arg("--dir").arg(dir);
    command.arg("--ins").arg(ins.join(",")).arg("--brokers").arg(brokers.join(",")).arg("--").args(node);
    Ok(command)
}

/// The inner ends, and the node; until the node ends or this is asked to.
pub(crate) async fn within(dir: &Path, ins: &[String], brokers: &[String], node: &[String]) -> Result<()> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().await?;
    ensure!(up.success(), "there is no loopback");
    for address in brokers {
        let (listener, socket) = (TcpListener::bind(address).await?, socket(dir, address));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move { join(tcp, UnixStream::connect(socket).await, None).await });
            }
        });
    }
    for address in ins {
        let (listener, address) = (UnixListener::bind(socket(dir, address))?, address.clone());
        tokio::spawn(async move {
            while let Ok((unix, _)) = listener.accept().await {
                let address = address.clone();
                tokio::spawn(async move { join(unix, TcpStream::connect(address).await, None).await });
            }
        });
    }
    let (program, arguments) = node.split_first().context("no node")?;
    let mut child = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = child.wait() => {}
        _ = term.recv() => child.kill().await?,
    }
    Ok(())
}

fn socket(dir: &Path, address: &str) -> PathBuf {
    dir.join(address.rsplit(':').next().unwrap_or_default())
}

/// Passes everything on, both ways, while it may; where nobody is at the other end it closes this one.
async fn join(
    one: impl AsyncRead + AsyncWrite,
    other: io::Result<impl AsyncRead + AsyncWrite>,
    gate: Option<Gate>,
) {
    let Ok(other) = other else { return };
    let ((one_out, one_in), (other_out, other_in)) = (split(one), split(other));
    tokio::select! {
        () = pass(one_out, other_in, gate.clone()) => {}
        () = pass(other_out, one_in, gate) => {}
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut gate: Option<Gate>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if let Some(gate) = &mut gate
            && !gate.passes().await
        {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
