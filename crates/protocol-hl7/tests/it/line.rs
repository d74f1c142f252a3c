//! Both ends of MLLP as a local system has them: a line to the sidecar, and a port that the sidecar connects to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_format_hl7::ack::{Reply, Stamp, ack};
use bulkhead_format_hl7::mllp::encode;
use bulkhead_format_hl7::{AckCode, Framer, Message, Mode, Original, Rules, Ts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{PLANTED, SOON, eventually};

/// A connection to the sidecar.
pub(crate) struct Line {
    stream: TcpStream,
    framer: Framer,
}

impl Line {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), framer: Framer::default() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends one message and reads the answer.
    pub(crate) async fn ask(&mut self, message: impl AsRef<[u8]>) -> Said {
        self.write(&encode(message.as_ref()).unwrap()).await;
        self.answer().await.expect("an answer")
    }

    /// The next answer; `None` when the connection is closed instead.
    pub(crate) async fn answer(&mut self) -> Option<Said> {
        tokio::time::timeout(SOON, self.next()).await.expect("an answer or an end in time")
    }

    /// Nothing comes for a while.
    pub(crate) async fn silence(&mut self) {
        let next = tokio::time::timeout(Duration::from_millis(400), self.next()).await;
        assert!(next.is_err(), "an answer or an end that nobody wants");
    }

    async fn next(&mut self) -> Option<Said> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.framer.next_frame() {
                return Some(Said::read(&frame));
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.framer.push(&buffer[..read]).unwrap(),
            }
        }
    }
}

/// An answer of the sidecar. That it names no patient is looked at when it is read.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) whole: String,
    pub(crate) message: Message,
}

impl Said {
    fn read(frame: &[u8]) -> Self {
        let whole = String::from_utf8(frame.to_vec()).unwrap();
        for planted in PLANTED {
            assert!(!whole.contains(planted), "{whole}");
        }
        let message = Message::parse_with(frame.to_vec(), &Rules::any_version()).unwrap();
        Self { whole, message }
    }

    /// MSA-1 and MSA-2.
    pub(crate) fn code(&self) -> (String, String) {
        let text = |number| self.message.field("MSA", number).text().into_owned();
        (text(1), text(2))
    }

    /// MSA-1, and the code of the first error.
    pub(crate) fn error(&self) -> (String, u16) {
        let answer = bulkhead_format_hl7::Answer::parse(&self.message).unwrap();
        (answer.code.unwrap().as_str().to_owned(), answer.issues.first().map_or(0, |issue| issue.code.0))
    }

    /// MSA-3.
    pub(crate) fn text(&self) -> String {
        self.message.field("MSA", 3).text().into_owned()
    }
}

/// What the local system does with the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Answer(AckCode),
    Close,
    /// An RRI with AA in it.
    Rri,
}

/// A local system that listens.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    script: Arc<Mutex<VecDeque<Does>>>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, script) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<VecDeque<_>>>::default());
        let peer = Self { address, received: received.clone(), script: script.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, received.clone(), script.clone()));
            }
        });
        peer
    }

    /// The next answers; after them all is well.
    pub(crate) fn does(&self, script: impl IntoIterator<Item = Does>) {
        self.script.lock().unwrap().extend(script);
    }

    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }

    /// The first message that it got, when it has one.
    pub(crate) async fn first(&self) -> Message {
        let first = eventually("a message", async || self.received().into_iter().next()).await;
        Message::parse_with(first, &Rules::any_version()).unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    script: Arc<Mutex<VecDeque<Does>>>,
) {
    let (mut framer, mut buffer) = (Framer::default(), [0; 4096]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => framer.push(&buffer[..read]).unwrap(),
        }
        while let Some(frame) = framer.next_frame() {
            received.lock().unwrap().push(frame.to_vec());
            let message = Message::parse_with(frame, &Rules::any_version()).unwrap();
            if message.header().field(9).component(1).text() == "ACK" {
                continue;
            }
            let good = match Mode::of(&message) {
                Mode::Original => AckCode::ApplicationAccept,
                Mode::Enhanced { .. } => AckCode::CommitAccept,
            };
            let next = script.lock().unwrap().pop_front().unwrap_or(Does::Answer(good));
            let stamp = Stamp { at: Ts::parse("20260801").unwrap(), control_id: "P1".to_owned() };
            let answer = match next {
                Does::Answer(code) => ack(&Original::of(&message), &Reply::new(code), &stamp).unwrap(),
                Does::Rri => {
                    let reply = Reply::new(AckCode::ApplicationAccept);
                    bulkhead_format_hl7::ack::rri(&message, &reply, None, &stamp).unwrap()
                }
                Does::Close => return,
            };
            if stream.write_all(&encode(answer.as_bytes()).unwrap()).await.is_err() {
                return;
            }
        }
    }
}
