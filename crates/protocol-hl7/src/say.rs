//! Sends a message that nobody answers, such as an ACK, on a connection of its own.

use std::time::Duration;

use bulkhead_adapter::MllpClientSettings;
use bulkhead_format_hl7::{Message, mllp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the peer has for a commit that it may give although none was asked for, or to close.
const LINGER: Duration = Duration::from_secs(1);

/// Connects, writes, and closes.
pub(crate) async fn say(peer: &MllpClientSettings, message: &Message) -> Result<(), String> {
    let frame = mllp::encode(message.as_bytes()).map_err(|error| error.to_string())?;
    let connecting = TcpStream::connect(&peer.address);
    let mut stream = match timeout(peer.connect_timeout, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("cannot connect: {}", error.kind())),
        Err(_) => return Err("cannot connect in time".to_owned()),
    };
    let write = async {
        stream.write_all(&frame).await?;
        stream.shutdown().await
    };
    match timeout(peer.answer_timeout, write).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(format!("cannot write: {}", error.kind())),
        Err(_) => return Err("cannot write in time".to_owned()),
    }
    // Closing with something unread would reset the connection and could take our own message with it.
    let mut rest = [0; 1024];
    let drained = async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
    let _ = timeout(LINGER, drained).await;
    Ok(())
}
