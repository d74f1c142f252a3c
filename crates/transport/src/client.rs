//! The calling end: channels over mutual TLS with the same windows as the server.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::tls::client_config;
use crate::windows::{CONNECTION_WINDOW, KEEPALIVE, KEEPALIVE_TIMEOUT, MAX_FRAME, STREAM_WINDOW};
use crate::{Credentials, Error};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens channels as one identity, cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    tls: TlsConnector,
    window: u32,
}

impl Dialer {
    /// Reads the keys.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(credentials: &Credentials) -> Result<Self, Error> {
        Ok(Self { tls: TlsConnector::from(Arc::new(client_config(credentials)?)), window: STREAM_WINDOW })
    }

    /// The same, with so many bytes under way on a stream: for one that reads slowly and lets the rest wait at the
    /// other end.
    #[must_use]
    pub fn with_window(self, window: u32) -> Self {
        Self { window, ..self }
    }

    /// A channel to `address` (`host:port`), whose certificate must be for `server_name`, such as
    /// `england.bulkhead.internal`. It connects at the first call, and again at the first call after the
    /// connection ended; a call that cannot connect within 5 s fails.
    ///
    /// # Errors
    /// When `server_name` is not a DNS name.
    pub fn channel(&self, address: &str, server_name: &str) -> Result<Channel, Error> {
        let not_a_name = || Error::ServerName(server_name.to_owned());
        let name = ServerName::try_from(server_name.to_owned()).map_err(|_| not_a_name())?;
        let origin: Uri = format!("https://{server_name}").parse().map_err(|_| not_a_name())?;
        // TLS is the connector's, so for tonic the connection is a plain one.
        let endpoint = Endpoint::from_shared(format!("http://{server_name}"))
            .map_err(|_| not_a_name())?
            .origin(origin)
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(self.window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let (tls, address) = (self.tls.clone(), Arc::<str>::from(address));
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            connect(tls.clone(), address.clone(), name.clone())
        })))
    }
}

async fn connect(
    tls: TlsConnector,
    address: Arc<str>,
    name: ServerName<'static>,
) -> io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
    let tcp = TcpStream::connect(&*address).await?;
    tcp.set_nodelay(true)?;
    Ok(TokioIo::new(tls.connect(name, tcp).await?))
}

/// The name of the TLS alert behind a failed call, such as `UnknownCA`: the other end refused our
/// certificate, which is a refusal and not an outage.
///
/// HTTP/2 keeps only the text of an I/O error, so the text is what is read here.
pub fn tls_alert(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<io::Error>()
            && let Some(alert) = error.to_string().strip_prefix("received fatal alert: ")
        {
            return Some(alert.to_owned());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::AlertDescription;

    #[test]
    fn the_alerts_text_is_as_expected() {
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let error = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert_eq!(tls_alert(&error).as_deref(), Some("UnknownCA"));
        assert_eq!(tls_alert(&io::Error::other("closed")), None);
    }
}
