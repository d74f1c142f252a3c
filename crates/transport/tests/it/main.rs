//! Both ends of mutual TLS together: who gets in, who is told what, and how a connection ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests may")]

mod harness;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use bulkhead_transport::{Acceptor, Connections, Identity, Limits, Refusal, tls_alert};
use harness::{Authority, Port, check, days};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tonic::Code;

const NORTH: &str = "bulkhead://england/nhs111-north";
const RIVERSIDE: &str = "bulkhead://england/ooh-riverside";
const SOON: Duration = Duration::from_secs(5);

fn quick() -> Limits {
    Limits { handshake_timeout: Duration::from_millis(200), ..Limits::default() }
}

#[tokio::test]
async fn a_good_certificate_is_known_by_its_identity() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    for identity in [NORTH, "bulkhead://wales/cell/wales-1", "bulkhead://england/operator/england-duty"] {
        check(&port, &ca.issue(&[identity], days(1))).await.unwrap();
        assert_eq!(port.last_caller().unwrap().to_string(), identity);
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_gets_the_alert() {
    let (ca, other) = (Authority::new(), Authority::new());
    let port = Port::open(&ca, Limits::default()).await;
    // An expired one of another authority is still nobody's.
    for end in [days(1), days(-1)] {
        let credentials = other.issue(&[NORTH], end).believing(&ca);
        let status = check(&port, &credentials).await.unwrap_err();
        assert_eq!(tls_alert(&status), Some("UnknownCA".to_owned()), "{status:?}");
    }
    assert_eq!(port.last_caller(), None);
}

#[tokio::test]
async fn a_refused_credential_is_told_why_at_each_call() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let reason = async |credentials| {
        let status = check(&port, &credentials).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        status.message().to_owned()
    };
    assert_eq!(reason(ca.issue(&[NORTH], days(-1))).await, "CREDENTIAL_EXPIRED");
    assert_eq!(reason(ca.issue(&[], days(1))).await, "TENANT_UNKNOWN");
    assert_eq!(reason(ca.issue(&[NORTH, RIVERSIDE], days(1))).await, "TENANT_UNKNOWN");

    let north = ca.issue(&[NORTH], days(1));
    port.refuse(NORTH, Refusal::Revoked);
    assert_eq!(reason(north.clone()).await, "CREDENTIAL_REVOKED");
    port.refuse(NORTH, Refusal::Unknown);
    assert_eq!(reason(north).await, "TENANT_UNKNOWN");
}

#[tokio::test]
async fn the_policy_is_asked_again_on_an_open_connection() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let mut client = port.client(&ca.issue(&[NORTH], days(1)));
    harness::call(&mut client).await.unwrap();
    port.refuse(NORTH, Refusal::Revoked);
    let status = harness::call(&mut client).await.unwrap_err();
    assert_eq!(status.message(), "CREDENTIAL_REVOKED");
    assert_eq!(port.connections.total(), 1);
}

#[tokio::test]
async fn without_a_certificate_there_is_no_connection() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let mut stream = port.tls(&ca.client_without_certificate()).await;
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(tls_alert(&error), Some("CertificateRequired".to_owned()), "{error:?}");
}

#[tokio::test]
async fn sessions_are_not_resumed() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let willing = ca.client_that_resumes(&ca.issue(&[NORTH], days(1)));
    for _ in 0..3 {
        let mut stream = port.tls(&willing).await;
        // Read something, so that a ticket would have arrived.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        stream.read_u8().await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let ca = Authority::new();
    let port = Port::open(&ca, quick()).await;

    let mut before_tls = TcpStream::connect(port.address).await.unwrap();
    let read = tokio::time::timeout(SOON, before_tls.read(&mut [0])).await.expect("dropped in time");
    assert!(matches!(read, Ok(0) | Err(_)));

    let mut after_tls = port.tls(&ca.client_that_resumes(&ca.issue(&[NORTH], days(1)))).await;
    // The server speaks first in HTTP/2, and then gives up waiting.
    let ended = async { while after_tls.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(SOON, ended).await.expect("dropped in time");
    port.until_connections(0).await;
}

#[tokio::test]
async fn silent_clients_do_not_stop_the_others() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits { handshakes: 4, ..quick() }).await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(TcpStream::connect(port.address).await.unwrap());
    }
    let north = ca.issue(&[NORTH], days(1));
    tokio::time::timeout(SOON, check(&port, &north)).await.expect("answered in time").unwrap();
}

#[tokio::test]
async fn severing_one_tenant_ends_its_streams_at_once_and_no_others() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let north = ca.issue(&[NORTH], days(1));
    let (mut first, mut second) = (port.client(&north), port.client(&north));
    let mut other = port.client(&ca.issue(&[RIVERSIDE], days(1)));
    let mut streams = [
        harness::watch(&mut first).await,
        harness::watch(&mut second).await,
        harness::watch(&mut other).await,
    ];
    for stream in &mut streams {
        stream.message().await.unwrap().unwrap();
    }

    let identity: Identity = NORTH.parse().unwrap();
    assert_eq!(port.connections.count(&identity), 2);
    let began = Instant::now();
    assert_eq!(port.connections.sever(&identity), 2);
    let [mut one, mut two, mut three] = streams;
    one.message().await.unwrap_err();
    two.message().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    port.until_connections(1).await;

    let nothing = tokio::time::timeout(Duration::from_millis(100), three.message()).await;
    assert!(nothing.is_err(), "the other tenant's stream goes on");
    harness::call(&mut other).await.unwrap();
    // Not cut, only severed: it may come back.
    harness::call(&mut first).await.unwrap();
}

#[tokio::test]
async fn severing_wakes_a_write_that_the_peer_does_not_take() {
    let ca = Authority::new();
    let connections = Connections::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = harness::config(&ca, connections.clone(), Limits::default());
    let mut incoming = Acceptor::new(config).unwrap().listen(listener);
    let mut client = harness::connect(address, &ca.client_that_resumes(&ca.issue(&[NORTH], days(1)))).await;
    let mut connection = incoming.next().await.unwrap().unwrap();

    let mut written = 0;
    let stuck = async {
        while let Ok(count) = connection.write(&[7; 65536]).await {
            written += count
        }
    };
    tokio::time::timeout(Duration::from_millis(300), stuck).await.expect_err("the buffers fill");
    let writing = tokio::spawn(async move { connection.write(&[7; 65536]).await.unwrap_err().kind() });
    assert_eq!(connections.sever(&NORTH.parse().unwrap()), 1);
    let ended = tokio::time::timeout(SOON, writing).await.expect("woken").unwrap();
    assert_eq!(ended, ErrorKind::ConnectionAborted);
    assert_eq!(connections.total(), 0);

    // What waited in the server's kernel does not arrive after the cut.
    let mut read = Vec::new();
    let reset = client.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert!(read.len() < written, "{} of {written}", read.len());
}

#[tokio::test]
async fn one_identity_cannot_take_every_place() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits { connections_per_identity: 2, ..Limits::default() }).await;
    let north = ca.issue(&[NORTH], days(1));
    let mut clients = [port.client(&north), port.client(&north), port.client(&north)];
    harness::call(&mut clients[0]).await.unwrap();
    harness::call(&mut clients[1]).await.unwrap();
    harness::call(&mut clients[2]).await.unwrap_err();
    check(&port, &ca.issue(&[RIVERSIDE], days(1))).await.unwrap();

    let [first, ..] = clients;
    drop(first);
    tokio::time::timeout(SOON, async { while check(&port, &north).await.is_err() {} }).await.unwrap();
}

#[tokio::test]
async fn a_tenant_over_its_connections_is_told_so_and_others_are_not() {
    let ca = Authority::new();
    let port = Port::open_allowing(&ca, Limits::default(), &[(NORTH, 2)]).await;
    let north = ca.issue(&[NORTH], days(1));
    let mut clients = [port.client(&north), port.client(&north), port.client(&north)];
    harness::call(&mut clients[0]).await.unwrap();
    harness::call(&mut clients[1]).await.unwrap();
    let status = harness::call(&mut clients[2]).await.unwrap_err();
    assert_eq!(status.message(), "QUOTA_EXCEEDED", "{status:?}");
    for _ in 0..3 {
        check(&port, &ca.issue(&[RIVERSIDE], days(1))).await.unwrap();
    }

    let [first, _second, mut third] = clients;
    drop(first);
    let served = async { while harness::call(&mut third).await.is_err() {} };
    tokio::time::timeout(SOON, served).await.expect("the connection that waited takes the place");
}

#[tokio::test]
async fn the_client_checks_the_servers_name_and_authority() {
    let (ca, other) = (Authority::new(), Authority::new());
    let port = Port::open(&ca, Limits::default()).await;
    let north = ca.issue(&[NORTH], days(1));
    harness::call(&mut port.client_for(&north, "wales.bulkhead.internal")).await.unwrap_err();
    harness::call(&mut port.client(&north.believing(&other))).await.unwrap_err();
    assert_eq!(port.last_caller(), None);
}

#[tokio::test]
async fn who_is_cut_off_and_connects_without_end_is_turned_away_and_still_told() {
    let ca = Authority::new();
    let port = Port::open(&ca, Limits::default()).await;
    let mut other = port.client(&ca.issue(&[RIVERSIDE], days(1)));
    harness::call(&mut other).await.unwrap();
    port.refuse(NORTH, Refusal::Cut);
    let north = ca.issue(&[NORTH], days(1));
    assert_eq!(check(&port, &north).await.unwrap_err().message(), "TENANT_CUT");

    let mut opened = Vec::new();
    for _ in 0..300 {
        opened.push(TcpStream::connect(port.address).await);
    }
    let mut turned_away = 0;
    for tcp in &mut opened {
        let is_away = match tcp {
            Ok(tcp) => tokio::time::timeout(Duration::from_millis(20), tcp.read(&mut [0])).await.is_ok(),
            Err(_) => true,
        };
        turned_away += u32::from(is_away);
    }
    assert!(turned_away > 200, "{turned_away}");
    drop(opened);
    harness::call(&mut other).await.unwrap();

    let told = async { while check(&port, &north).await.unwrap_err().message() != "TENANT_CUT" {} };
    tokio::time::timeout(SOON, told).await.expect("told again");
}
