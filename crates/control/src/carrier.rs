//! Carries to every other nation's cell what this nation's operators say about its own tenants, and what its cell broke
//! off by itself.
//!
//! A far cell keeps what it has, so everything may be carried again: after a restart all of it is. It carries at
//! once when something new is in the log, and again and again while a far cell does not answer.

use std::time::Duration;

use bulkhead_model::{Moment, Nation};
use bulkhead_process::Drain;
use bulkhead_wire::v1::control_client::ControlClient;
use bulkhead_wire::v1::{CarriedAbort, CarriedFact, CarryFactsRequest};
use tokio::time::timeout;
use tonic::transport::Channel;
use tracing::warn;

use crate::authority::Carriable;
use crate::book::Book;
use crate::fact::{anomaly_to_wire, home_to_wire};

/// Between two attempts at a far cell that does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);
/// Facts in one call.
const AT_ONCE: usize = 32;

/// A far cell: its nodes in turn.
pub struct FarDesk {
    /// Whose.
    pub nation: Nation,
    /// One for each node.
    pub nodes: Vec<Channel>,
}

/// The loop towards one far cell.
pub struct Carrier {
    book: Book,
    home: Nation,
    far: FarDesk,
}

impl Carrier {
    /// One that has carried nothing.
    pub fn new(book: Book, home: Nation, far: FarDesk) -> Self {
        Self { book, home, far }
    }

    /// Carries until the drain begins.
    pub async fn run(self, drain: Drain) {
        tokio::select! {
            () = drain.started() => {}
            () = self.carry() => {}
        }
    }

    async fn carry(self) {
        let mut cuts = self.book.cuts();
        let (mut carried, mut node) = (0, 0);
        loop {
            cuts.borrow_and_update();
            let facts = self.book.ask(|authority| authority.carriable(carried, AT_ONCE));
            if facts.is_empty() {
                if cuts.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let (request, taken) = request_of(self.home, facts);
            match self.send(node, request).await {
                Ok(()) => carried += taken,
                Err(why) => {
                    warn!(to = %self.far.nation, %why, "another nation does not have what was said about our tenants");
                    node += 1;
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn send(&self, node: usize, request: CarryFactsRequest) -> Result<(), String> {
        let channel = self.far.nodes.get(node % self.far.nodes.len().max(1)).ok_or("it has no node")?;
        let mut client = ControlClient::new(channel.clone());
        match timeout(ANSWER, client.carry(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err("no answer".into()),
        }
    }
}

/// A call and how much it carries. Aborts are heard behind the facts of their call, so it ends where a fact follows one.
fn request_of(home: Nation, carriables: Vec<(Carriable, Moment)>) -> (CarryFactsRequest, usize) {
    let mut request = CarryFactsRequest::default();
    let mut taken = 0;
    for (carriable, moment) in carriables {
        let home = Some(home_to_wire((home, moment)));
        match carriable {
            Carriable::Signed(_) if !request.aborts.is_empty() => break,
            Carriable::Signed(fact) => request.facts.push(CarriedFact { fact: Some(fact.to_wire()), home }),
            Carriable::Abort(seen) => {
                request.aborts.push(CarriedAbort { anomaly: Some(anomaly_to_wire(&seen)), home });
            }
        }
        taken += 1;
    }
    (request, taken)
}

#[cfg(test)]
#[path = "carrier_tests.rs"]
mod tests;
