//! tonic's server builder with our numbers already in it.

use tonic::transport::Server;

use crate::windows::{CONNECTION_WINDOW, KEEPALIVE, KEEPALIVE_TIMEOUT, MAX_FRAME, STREAM_WINDOW};

/// Calls that one connection may have open at a time, and be answered at a time.
const CALLS: u32 = 256;

/// A server tuned for documents: the windows of both ends, keepalive, and a bound on the calls of one
/// connection. Add services and serve an [`crate::Incoming`].
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(CALLS)
        .concurrency_limit_per_connection(CALLS as usize)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}
