//! The listener of a simulator, which can be closed and opened again at the same address.
//!
//! While it is closed the port stays bound without listening: connections are refused, and nobody else can
//! take the port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The most connections at a time; more wait in the backlog.
const MOST_GUESTS: usize = 256;
const BACKLOG: u32 = 1024;
/// How long to wait when the system has no more descriptors, or the port is not free yet.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens and closes a listener.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    wanted: watch::Sender<bool>,
    actual: watch::Receiver<bool>,
}

/// The loop behind a door, to be run.
#[derive(Debug)]
pub(crate) struct Porter {
    address: SocketAddr,
    listener: TcpListener,
    wanted: watch::Receiver<bool>,
    actual: watch::Sender<bool>,
}

impl Door {
    /// An open door at that address.
    pub(crate) fn open_at(address: SocketAddr) -> io::Result<(Self, Porter)> {
        let listener = bind(address)?.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (wanted, wanted_of) = watch::channel(true);
        let (actual_of, actual) = watch::channel(true);
        let porter = Porter { address, listener, wanted: wanted_of, actual: actual_of };
        Ok((Self { address, wanted, actual }, porter))
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections are taken.
    pub(crate) fn is_open(&self) -> bool {
        *self.actual.borrow()
    }

    /// Opens or closes it, and waits until it is so or the porter has gone.
    pub(crate) async fn set(&self, open: bool) {
        self.wanted.send_replace(open);
        let _ = self.actual.clone().wait_for(|actual| *actual == open).await;
    }
}

impl Porter {
    /// Gives each connection to `serve`, until `stop`.
    pub(crate) async fn run<S, F>(mut self, stop: CancellationToken, serve: S)
    where
        S: Fn(TcpStream) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut listener = self.listener;
        loop {
            let closing = attend(&listener, &mut self.wanted, &serve);
            // Dropping it drops the connections, which is what closing means.
            tokio::select! {
                () = stop.cancelled() => return,
                () = closing => {}
            }
            drop(listener);
            let reserved = retry(|| bind(self.address)).await;
            self.actual.send_replace(false);
            tokio::select! {
                () = stop.cancelled() => return,
                () = until(&mut self.wanted, true) => {}
            }
            listener = match reserved.listen(BACKLOG) {
                Ok(listener) => listener,
                Err(_) => retry(|| bind(self.address)?.listen(BACKLOG)).await,
            };
            self.actual.send_replace(true);
        }
    }
}

/// Takes connections until the door is to be closed.
async fn attend<S, F>(listener: &TcpListener, wanted: &mut watch::Receiver<bool>, serve: &S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut guests = JoinSet::new();
    loop {
        // Every branch is safe to cancel.
        tokio::select! {
            () = until(wanted, false) => return,
            Some(_) = guests.join_next(), if !guests.is_empty() => {}
            accepted = listener.accept(), if guests.len() < MOST_GUESTS => match accepted {
                Ok((stream, _)) => {
                    // Without it a small answer may wait for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    guests.spawn(serve(stream));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Waits until the door is wanted so. Nobody wants anything once the door is dropped, and `stop` ends it.
async fn until(wanted: &mut watch::Receiver<bool>, open: bool) {
    if wanted.wait_for(|wanted| *wanted == open).await.is_err() {
        std::future::pending().await
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn hello(mut stream: TcpStream) {
        let _ = stream.write_all(b"hello").await;
        let _ = stream.read(&mut [0; 8]).await;
    }

    async fn greeting(address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        let mut read = [0; 5];
        stream.read_exact(&mut read).await?;
        assert_eq!(&read, b"hello");
        Ok(stream)
    }

    #[tokio::test]
    async fn a_closed_door_refuses_and_opens_again_at_the_same_address() {
        let (door, porter) = Door::open_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(porter.run(stop.clone(), hello));
        for _ in 0..3 {
            let mut guest = greeting(door.address()).await.unwrap();
            door.set(false).await;
            assert!(!door.is_open());
            let refused = TcpStream::connect(door.address()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            assert!(matches!(guest.read(&mut [0; 8]).await, Ok(0) | Err(_)), "the guest was not cut off");
            door.set(true).await;
            greeting(door.address()).await.unwrap();
        }
        stop.cancel();
        running.await.unwrap();
        door.set(false).await;
    }
}
