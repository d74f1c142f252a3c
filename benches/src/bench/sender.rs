//! The sender's end: one connection with a tenant's certificate.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bulkhead_transport::{Dialer, MAX_MESSAGE};
use bulkhead_wire::v1::ingest_client::IngestClient;
use bulkhead_wire::v1::{Envelope, Kind, ServiceAddress, SubmitRequest};
use bytes::Bytes;
use tonic::transport::Channel;

use crate::cell::SENDER;
use crate::host::Place;
use crate::keys::{Keys, server_name};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A connection to a cell with that tenant's certificate, made when it is first used.
pub(crate) fn channel(keys: &Keys, cell: &Place, tenant: &str) -> Result<Channel> {
    Ok(Dialer::new(&keys.tenant(tenant)?)?.channel(&cell.address, &server_name(cell.nation))?)
}

/// A client of a cell's door.
pub(crate) fn client(keys: &Keys, cell: &Place) -> Result<IngestClient<Channel>> {
    Ok(IngestClient::new(channel(keys, cell, SENDER)?)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}

/// A referral with an id of its own.
pub(crate) fn referral(to: &str, payload: &Bytes) -> SubmitRequest {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let envelope = Envelope {
        message_id: format!("bench-{number}"),
        attempt: 1,
        to: Some(ServiceAddress { system: String::new(), value: to.to_owned() }),
        kind: Kind::Request as i32,
        content_type: "application/octet-stream".into(),
        ..Envelope::default()
    };
    SubmitRequest { envelope: Some(envelope), payload: payload.clone() }
}

/// A document of so many bytes that no store can make smaller.
pub(crate) fn document(bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut document = Vec::with_capacity(bytes + 8);
    while document.len() < bytes {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        document.extend_from_slice(&state.to_le_bytes());
    }
    document.truncate(bytes);
    document.into()
}
