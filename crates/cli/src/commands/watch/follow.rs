//! One cell's events for as long as anybody listens, over as many connections as it takes.

use std::time::Duration;

use bulkhead_model::Nation;
use bulkhead_wire::v1;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::cell::{Cell, Trouble};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What happens while a cell is followed.
pub(super) enum Heard {
    /// Its events come from now on.
    Connected(Nation),
    /// One of them.
    Event(Nation, Box<v1::WatchEventsResponse>),
    /// The connection ended or cannot be made; it is tried again.
    Lost(Nation, Trouble),
    /// It refuses; it is not tried again.
    Ended(Nation, Trouble),
}

/// Nobody listens any more.
struct Unheard;

/// Follows one cell until it refuses or nobody listens.
pub(super) async fn follow(cell: Cell, tenant: String, heard: mpsc::Sender<Heard>) {
    let mut pause = FIRST_PAUSE;
    for node in 0.. {
        let trouble = match connect(&cell, node, &tenant).await {
            Ok(stream) => {
                pause = FIRST_PAUSE;
                match pass_on(cell.nation, stream, &heard).await {
                    Ok(trouble) => trouble,
                    Err(Unheard) => return,
                }
            }
            Err(trouble) => trouble,
        };
        let goes_on = trouble.may_pass();
        let news = if goes_on { Heard::Lost } else { Heard::Ended };
        if heard.send(news(cell.nation, trouble)).await.is_err() || !goes_on {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(
    cell: &Cell,
    node: usize,
    tenant: &str,
) -> Result<Streaming<v1::WatchEventsResponse>, Trouble> {
    let no_node = || Trouble::Silent { cause: "the context names no node".into() };
    let mut client = cell.referrals(node).ok_or_else(no_node)?;
    let request = v1::WatchEventsRequest { tenant: tenant.to_owned() };
    let answer = client.watch_events(request).await.map_err(|status| Trouble::of(&status))?;
    Ok(answer.into_inner())
}

async fn pass_on(
    nation: Nation,
    mut stream: Streaming<v1::WatchEventsResponse>,
    heard: &mpsc::Sender<Heard>,
) -> Result<Trouble, Unheard> {
    heard.send(Heard::Connected(nation)).await.map_err(|_| Unheard)?;
    loop {
        match stream.message().await {
            Ok(Some(event)) => {
                heard.send(Heard::Event(nation, Box::new(event))).await.map_err(|_| Unheard)?
            }
            Ok(None) => return Ok(Trouble::Silent { cause: "the stream ended".into() }),
            Err(status) => return Ok(Trouble::of(&status)),
        }
    }
}
