//! Which port is whose. All are chosen at once, because cells dial one another and simulators their sidecars.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use bulkhead_model::Nation;
use tokio::net::TcpListener;

use super::world;

/// Below the range from which systems give out ports by themselves: what is free when it is chosen is still free
/// when it is opened, a moment later.
const FREE: Range<u16> = 10_000..32_000;

/// The ports of a cell's node.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellPorts {
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
}

impl CellPorts {
    /// Opens both.
    pub(super) fn listeners(&self) -> Result<(TcpListener, TcpListener)> {
        Ok((listen(self.grpc)?, listen(self.http)?))
    }
}

/// The ports of a tenant's sidecar and simulator.
#[derive(Debug, Clone, Copy)]
pub(super) struct TenantPorts {
    pub(super) sidecar_http: SocketAddr,
    pub(super) sidecar_listen: SocketAddr,
    pub(super) simulator_listen: SocketAddr,
    pub(super) simulator_http: SocketAddr,
}

/// All ports of the demo world.
pub(super) struct PortPlan {
    nodes: usize,
    cells: Vec<CellPorts>,
    tenants: Vec<TenantPorts>,
}

impl PortPlan {
    /// From `base` upwards, or free ones, for so many nodes a cell. Further nodes come after all else, so that the
    /// ports of the first do not depend on how many there are.
    pub(super) fn new(base: Option<u16>, nodes: usize) -> Result<Self> {
        let first = Nation::ALL.len() * 2 + world::TENANTS.len() * 4;
        let count = first + Nation::ALL.len() * 2 * (nodes - 1);
        let addresses = match base {
            Some(base) => (0..count)
                .map(|n| base.checked_add(u16::try_from(n).ok()?).map(loopback))
                .collect::<Option<Vec<_>>>()
                .with_context(|| format!("--port-base {base} leaves no room for {count} ports"))?,
            None => free(count)?,
        };
        let (addresses, further) = addresses.split_at(first);
        let (cells, tenants) = addresses.split_at(Nation::ALL.len() * 2);
        Ok(Self {
            nodes,
            cells: [cells, further]
                .concat()
                .chunks_exact(2)
                .map(|two| CellPorts { grpc: two[0], http: two[1] })
                .collect(),
            tenants: tenants
                .chunks_exact(4)
                .map(|four| TenantPorts {
                    sidecar_http: four[0],
                    sidecar_listen: four[1],
                    simulator_listen: four[2],
                    simulator_http: four[3],
                })
                .collect(),
        })
    }

    /// Of a cell's nodes, in the order of their names.
    pub(super) fn cell(&self, nation: Nation) -> Vec<CellPorts> {
        (0..self.nodes).map(|node| self.cells[node * Nation::ALL.len() + nation as usize]).collect()
    }

    /// Where a cell's nodes are reached.
    pub(super) fn addresses(&self, nation: Nation) -> Vec<String> {
        self.cell(nation).into_iter().map(|ports| ports.grpc.to_string()).collect()
    }

    pub(super) fn tenant(&self, index: usize) -> TenantPorts {
        self.tenants[index]
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Free ones, held together while they are chosen so that no two are the same.
fn free(count: usize) -> Result<Vec<SocketAddr>> {
    let first = rand::random_range(FREE);
    let ports = (first..FREE.end).chain(FREE.start..first);
    let held: Vec<StdListener> =
        ports.filter_map(|port| StdListener::bind(loopback(port)).ok()).take(count).collect();
    ensure!(held.len() == count, "no {count} free ports between {} and {}", FREE.start, FREE.end);
    held.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = StdListener::bind(address).with_context(|| format!("port {address} is taken"))?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}
