//! What a sender's referrals weigh that are not settled.

use std::fs;

use super::*;

fn of(message: &str, payload_bytes: u64) -> Facts {
    Facts { payload_bytes, ..facts(message) }
}

fn weighs(cell: &Cell, kib: u64) {
    assert_eq!(cell.ledger.unsettled_bytes(&origin()).unwrap(), kib * 1024);
    assert_eq!(cell.ledger.unsettled_bytes(&receiver()).unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_settled_weighs_on_its_sender_and_goes_with_its_outcome() {
    let cell = Cell::start().await;
    weighs(&cell, 0);
    cell.route(of("m-1", 9 * 1024), 0).await;
    cell.route(of("m-2", 49 * 1024), 1).await;
    weighs(&cell, 60);
    cell.decide(&receiver(), "m-1", 1, offered(1), None).await;
    weighs(&cell, 60);
    cell.decide(&receiver(), "m-1", 1, delivered(1), None).await;
    cell.decide(&receiver(), "m-1", 1, acknowledged(), None).await;
    weighs(&cell, 50);

    let cell = cell.restart().await;
    weighs(&cell, 50);
    cell.route(of("m-3", 0), 2).await;
    weighs(&cell, 51);
    ["db", "db-wal", "db-shm"]
        .iter()
        .for_each(|end| fs::remove_file(cell.path().with_extension(end)).unwrap());
    soon(async {
        while !cell.path().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    cell.route(of("m-4", 0), 3).await;
    weighs(&cell, 52);
    cell.finish("m-2").await;
    soon(cell.ledger.caught_up()).await.unwrap();
    weighs(&cell, 2);
}

#[tokio::test]
async fn another_attempt_weighs_as_much_as_it_has() {
    let cell = Cell::start().await;
    cell.route(of("m-1", 9 * 1024), 0).await;
    let returned = Event::Cancelled { reason: reason(Code::Withdrawn) };
    assert_eq!(cell.decide(&receiver(), "m-1", 1, returned, None).await, Verdict::Counts);
    weighs(&cell, 0);
    let mut again = of("m-1", 19 * 1024);
    again.envelope.attempt = 2;
    let routed = Event::Routed { to: receiver(), bytes: out(&receiver(), 2, 1) };
    assert_eq!(cell.decide(&origin(), "m-1", 2, routed, Some(again)).await, Verdict::Counts);
    weighs(&cell, 20);
}
