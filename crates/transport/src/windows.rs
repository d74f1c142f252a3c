//! How much may be under way. Both ends use the same numbers: a window of HTTP/2's default size holds
//! one document, and every further one would wait for a round trip.

use std::time::Duration;

/// Bytes under way on one stream.
pub const STREAM_WINDOW: u32 = 4 << 20;
/// Bytes under way on one connection; also what an unread connection can make the other end hold.
pub const CONNECTION_WINDOW: u32 = 16 << 20;
/// The longest HTTP/2 frame.
pub const MAX_FRAME: u32 = 1 << 20;
/// The longest gRPC message: a payload of 5 MiB with its envelope. For
/// `max_decoding_message_size` and `max_encoding_message_size` of every service and client.
pub const MAX_MESSAGE: usize = 6 << 20;

/// How often an idle connection is asked whether it still lives.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long its answer may take: a process that gets no time for as long must not lose its connections.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// After this long a connection has ended whose other end is gone, or stands still, without a word.
pub const NOTICED_AFTER: Duration = KEEPALIVE.saturating_add(KEEPALIVE_TIMEOUT);
