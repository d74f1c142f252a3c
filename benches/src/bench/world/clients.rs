//! gRPC clients with the keys of the demo world.

use std::path::Path;

use anyhow::{Context, Result};
use bulkhead_testkit::campaign::DevJson;
use bulkhead_transport::{Credentials, Dialer, MAX_MESSAGE};
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::referrals_client::ReferralsClient;
use tonic::transport::Channel;

/// A tenant at its nation's door.
pub(super) fn ingest(dev: &DevJson, tenant: &str) -> Result<IngestClient<Channel>> {
    let tenant = dev.tenant(tenant)?;
    let channel = channel(dev, tenant.nation(), &tenant.certificate, &tenant.key)?;
    Ok(IngestClient::new(channel).max_encoding_message_size(MAX_MESSAGE))
}

/// An operator at a nation's desk.
pub(super) fn referrals(dev: &DevJson, nation: &str) -> Result<ReferralsClient<Channel>> {
    let operator = dev.operators.iter().find(|operator| operator.nation == nation).context("no operator")?;
    Ok(ReferralsClient::new(channel(dev, nation, &operator.certificate, &operator.key)?))
}

fn channel(dev: &DevJson, nation: &str, certificate: &Path, key: &Path) -> Result<Channel> {
    let read = |path: &Path| std::fs::read_to_string(dev.data_dir.join(path));
    let credentials =
        Credentials { ca_pem: read(&dev.ca)?, certificate_pem: read(certificate)?, key_pem: read(key)? };
    let cell = dev.cells.iter().find(|cell| cell.nation == nation).context("no such cell")?;
    let node = cell.nodes.first().context("a cell without a node")?;
    Ok(Dialer::new(&credentials)?.channel(&node.grpc.to_string(), &format!("{nation}.bulkhead.internal"))?)
}
