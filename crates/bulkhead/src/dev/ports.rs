//! Which port is whose. All are chosen at once, because cells dial one another and simulators their sidecars.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use bulkhead_model::Nation;
use tokio::net::TcpListener;

use super::world;

/// Below the range from which systems give out ports by themselves: what is free when it is chosen is still free
/// when it is opened, a moment later.
const FREE: Range<u16> = 10_000..32_000;

/// Ports that are chosen together are of one block, and who holds a block's first port has the block to itself: two
/// worlds that start at the same moment never choose the same.
const BLOCK: usize = 500;

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
    /// The block's first port, held until all others are open.
    _block: Option<StdListener>,
}

impl PortPlan {
    /// From `base` upwards, or free ones, for so many nodes a cell. Further nodes come after all else, so that the
    /// ports of the first do not depend on how many there are.
    pub(super) fn new(base: Option<u16>, nodes: usize) -> Result<Self> {
        let first = Nation::ALL.len() * 2 + world::TENANTS.len() * 4;
        let count = first + Nation::ALL.len() * 2 * (nodes - 1);
        let (block, addresses) = match base {
            Some(base) => {
                let all = (0..count).map(|n| base.checked_add(u16::try_from(n).ok()?).map(loopback));
                let all = all.collect::<Option<Vec<_>>>();
                (None, all.with_context(|| format!("--port-base {base} leaves no room for {count} ports"))?)
            }
            None => free(count).map(|(block, addresses)| (Some(block), addresses))?,
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
            _block: block,
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

/// So many free ones of a block that nobody else has, and what keeps it.
fn free(count: usize) -> Result<(StdListener, Vec<SocketAddr>)> {
    let starts: Vec<u16> = FREE.step_by(BLOCK).collect();
    let first = rand::random_range(0..starts.len());
    for start in starts[first..].iter().chain(&starts[..first]) {
        let Ok(block) = StdListener::bind(loopback(*start)) else { continue };
        // Held together while they are chosen, so that no two are the same.
        let others = (*start + 1..).take(BLOCK - 1);
        let held = others.filter_map(|port| StdListener::bind(loopback(port)).ok());
        let held: Vec<StdListener> = held.take(count).collect();
        if held.len() == count {
            let addresses = held.iter().map(StdListener::local_addr).collect::<Result<_, _>>()?;
            return Ok((block, addresses));
        }
    }
    bail!("no {count} free ports in one block of {BLOCK} between {} and {}", FREE.start, FREE.end)
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = StdListener::bind(address).with_context(|| format!("port {address} is taken"))?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}
