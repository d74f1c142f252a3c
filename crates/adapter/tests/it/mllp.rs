//! MLLP on both sides, against everything that real peers do wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_adapter::{
    MllpClient, MllpClientSettings, MllpServer, MllpServerSettings, OnAck, Outcome, SendMode,
};
use bulkhead_model::Code;
use bulkhead_process::Drain;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::world::SOON;

const SHORT: Duration = Duration::from_millis(300);

struct Port {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Bytes>>>,
    drain: Drain,
    served: tokio::task::JoinHandle<()>,
}

impl Port {
    /// Answers each message with its own bytes behind `ack:`; `quiet` has no answer.
    async fn open(change: impl FnOnce(&mut MllpServerSettings)) -> Self {
        let mut settings = MllpServerSettings::new("127.0.0.1:0".parse().unwrap());
        settings.frame_timeout = SHORT;
        settings.idle_timeout = SOON;
        change(&mut settings);
        let server = MllpServer::bind(settings).await.unwrap();
        let (address, seen, drain) = (server.address(), Arc::<Mutex<Vec<Bytes>>>::default(), Drain::new());
        let kept = seen.clone();
        let handler = move |message: Bytes, _: SocketAddr| {
            kept.lock().unwrap().push(message.clone());
            async move { (&message[..] != b"quiet").then(|| [b"ack:", &message[..]].concat()) }
        };
        let served = tokio::spawn(server.serve(handler, drain.clone()));
        Self { address, seen, drain, served }
    }

    async fn connect(&self) -> Peer {
        Peer { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    fn seen(&self) -> Vec<Bytes> {
        self.seen.lock().unwrap().clone()
    }
}

struct Peer {
    stream: TcpStream,
}

impl Peer {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn read(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let read = tokio::time::timeout(SOON, self.stream.read(&mut buffer)).await.expect("something comes");
        buffer.truncate(read.unwrap_or(0));
        buffer
    }

    async fn expect(&mut self, expected: &[u8]) {
        let mut got = Vec::new();
        while got.len() < expected.len() {
            let read = self.read().await;
            assert!(!read.is_empty(), "closed after {got:?}");
            got.extend(read);
        }
        assert_eq!(got, expected);
    }

    async fn expect_closed(&mut self) {
        assert_eq!(self.read().await, b"");
    }
}

#[tokio::test]
async fn a_message_however_it_is_cut() {
    let port = Port::open(|_| {}).await;
    let mut peer = port.connect().await;
    peer.send(b"\x0Bone\x1C\r").await;
    // One call, so one read has it whole: some peers read only once.
    assert_eq!(peer.read().await, b"\x0Back:one\x1C\r");
    peer.send(b"\x0Btwo\x1C\r\n\x0Bthree\x1C\r").await;
    peer.expect(b"\x0Back:two\x1C\r\x0Back:three\x1C\r").await;
    for byte in b"noise\x0Bfour\x1Cx\r\x1C\r" {
        peer.send(&[*byte]).await;
    }
    peer.expect(b"\x0Back:four\x1Cx\r\x1C\r").await;
    peer.send(b"\x0Bquiet\x1C\r\x0Bfive\x1C\r").await;
    peer.expect(b"\x0Back:five\x1C\r").await;
    assert_eq!(port.seen().len(), 6);
}

#[tokio::test]
async fn a_peer_that_has_said_all_still_hears_its_answer() {
    let port = Port::open(|_| {}).await;
    let mut peer = port.connect().await;
    peer.send(b"\x0Bone\x1C\r").await;
    peer.stream.shutdown().await.unwrap();
    peer.expect(b"\x0Back:one\x1C\r").await;
    peer.expect_closed().await;
}

#[tokio::test]
async fn a_frame_that_does_not_end_is_cut_off() {
    let port = Port::open(|settings| settings.max_frame_bytes = 1000).await;
    let began = Instant::now();
    let mut peer = port.connect().await;
    peer.send(b"\x0Bone").await;
    peer.expect_closed().await;
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + SOON / 2);
    // One byte now and then does not help.
    let (mut peer, began) = (port.connect().await, Instant::now());
    peer.send(b"\x0B").await;
    while peer.stream.write_all(b"x").await.is_ok() && began.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < SOON);
    // Nor does sending quickly: memory is bounded too. What was whole is answered.
    let mut peer = port.connect().await;
    peer.send(&[b"\x0Bone\x1C\r\x0B".as_slice(), &[b'x'; 2000]].concat()).await;
    peer.expect(b"\x0Back:one\x1C\r").await;
    peer.expect_closed().await;
    assert_eq!(port.seen(), ["one"]);
}

#[tokio::test]
async fn garbage_and_silence_end_the_connection() {
    let port = Port::open(|settings| settings.idle_timeout = SHORT).await;
    let mut peer = port.connect().await;
    let _ = peer.stream.write_all(&[b'x'; 4096]).await;
    peer.expect_closed().await;
    let mut peer = port.connect().await;
    peer.expect_closed().await;
    assert!(port.seen().is_empty());
}

#[tokio::test]
async fn connections_are_bounded() {
    let port = Port::open(|settings| settings.max_connections = 1).await;
    let mut first = port.connect().await;
    first.send(b"\x0Bone\x1C\r").await;
    first.expect(b"\x0Back:one\x1C\r").await;
    port.connect().await.expect_closed().await;
    first.send(b"\x0Btwo\x1C\r").await;
    first.expect(b"\x0Back:two\x1C\r").await;
}

#[tokio::test]
async fn a_drain_lets_a_message_that_has_begun_end() {
    let port = Port::open(|settings| settings.frame_timeout = SOON).await;
    let (mut idle, mut busy) = (port.connect().await, port.connect().await);
    busy.send(b"\x0Bon").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    port.drain.start();
    idle.expect_closed().await;
    busy.send(b"e\x1C\r").await;
    busy.expect(b"\x0Back:one\x1C\r").await;
    busy.expect_closed().await;
    tokio::time::timeout(SOON, port.served).await.unwrap().unwrap();
}

/// A peer that answers each connection's messages as told.
struct Receiver {
    address: SocketAddr,
    connections: Arc<Mutex<usize>>,
}

impl Receiver {
    /// `answer` makes the bytes to write from the number of the message; `None` closes.
    async fn open(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(0)));
        let (count, answer, messages) = (connections.clone(), Arc::new(answer), Arc::new(Mutex::new(0)));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                let (answer, messages) = (answer.clone(), messages.clone());
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65536];
                    while let Ok(read) = stream.read(&mut buffer).await
                        && read > 0
                    {
                        let number = {
                            let mut messages = messages.lock().unwrap();
                            *messages += 1;
                            *messages
                        };
                        match answer(number) {
                            Some(bytes) => stream.write_all(&bytes).await.unwrap(),
                            None => return,
                        }
                    }
                });
            }
        });
        Self { address, connections }
    }

    fn client(&self, change: impl FnOnce(&mut MllpClientSettings)) -> MllpClient {
        let mut settings = MllpClientSettings::new(self.address.to_string());
        settings.answer_timeout = SHORT;
        change(&mut settings);
        MllpClient::new(settings)
    }
}

const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|C|D|20260801||REF^I12|M1|P|2.4\rPRD|RP\rPID|1\r";

fn ack(code: &str, control_id: &str) -> Option<Vec<u8>> {
    let text = format!("\x0BMSH|^~\\&|C|D|A|B|20260801||ACK|X1|P|2.4\rMSA|{code}|{control_id}\r\x1C\r");
    Some(text.into_bytes())
}

fn cause(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retry { cause, .. } | Outcome::Down { cause } => cause,
        Outcome::Delivered(receipt) => &receipt.answer,
        Outcome::Refused(reason) => &reason.code,
    }
}

#[tokio::test]
async fn each_answer_means_what_the_policy_says() {
    for (code, expected) in
        [("AA", "AA"), ("CA", "CA"), ("AR", "RECEIVER_REFUSED"), ("CR", "RECEIVER_REFUSED")]
    {
        let peer = Receiver::open(move |_| ack(code, "M1")).await;
        assert_eq!(cause(&peer.client(|_| {}).hand_over(MESSAGE).await), expected);
    }
    let peer = Receiver::open(|_| ack("AE", "M1")).await;
    let outcome = peer.client(|_| {}).hand_over(MESSAGE).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let outcome = peer.client(|settings| settings.answers.ae = OnAck::Refuse).hand_over(MESSAGE).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

#[tokio::test]
async fn the_answer_to_something_else_is_an_unknown_outcome() {
    let peer = Receiver::open(|number| ack("AA", if number == 1 { "M0" } else { "M1" })).await;
    let client = peer.client(|_| {});
    let outcome = client.hand_over(MESSAGE).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert_eq!(cause(&client.hand_over(MESSAGE).await), "AA");
    // The connection was dropped, so that a late answer is nobody's.
    assert_eq!(*peer.connections.lock().unwrap(), 2);
}

#[tokio::test]
async fn silence_is_an_unknown_outcome_and_a_closed_connection_is_a_peer_that_is_down() {
    let peer = Receiver::open(|number| if number == 1 { Some(Vec::new()) } else { None }).await;
    let client = peer.client(|_| {});
    let outcome = client.hand_over(MESSAGE).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let outcome = client.hand_over(MESSAGE).await;
    assert!(matches!(outcome, Outcome::Down { .. }), "{outcome:?}");
    let nobody = MllpClient::new(MllpClientSettings::new("127.0.0.1:1"));
    assert!(matches!(nobody.hand_over(MESSAGE).await, Outcome::Down { .. }));
    assert!(nobody.probe().await.is_err() && client.probe().await.is_ok());
}

#[tokio::test]
async fn connections_are_kept_or_not() {
    for (mode, connections) in [(SendMode::Persistent, 1), (SendMode::PerMessage, 3)] {
        let peer = Receiver::open(|_| ack("AA", "M1")).await;
        let client = peer.client(|settings| settings.mode = mode);
        for _ in 0..3 {
            assert_eq!(cause(&client.hand_over(MESSAGE).await), "AA");
        }
        assert_eq!(*peer.connections.lock().unwrap(), connections, "{mode:?}");
    }
}

#[tokio::test]
async fn a_message_that_the_peer_does_not_take_is_not_sent() {
    let peer = Receiver::open(|_| ack("AA", "M1")).await;
    let client = peer.client(|settings| settings.max_message_bytes = 10);
    let Outcome::Refused(reason) = client.hand_over(MESSAGE).await else { panic!("it was sent") };
    assert_eq!(reason.known(), Some(Code::PayloadTooLarge));
    let outcome = peer.client(|_| {}).hand_over(b"no message").await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(*peer.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_application_answer_behind_the_commit_goes_to_the_others() {
    let both = [ack("CA", "M1").unwrap(), ack("AA", "M1").unwrap()].concat();
    let peer = Receiver::open(move |_| Some(both.clone())).await;
    let (others, mut came) = tokio::sync::mpsc::channel(4);
    let client = peer.client(|_| {}).with_others(others);
    for _ in 0..2 {
        assert_eq!(cause(&client.hand_over(MESSAGE).await), "CA");
        let other = tokio::time::timeout(SOON, came.recv()).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&other).contains("MSA|AA|M1"));
    }
    assert_eq!(*peer.connections.lock().unwrap(), 1);
}
