//! The file is derived: gone, damaged or foreign, it is made again.

use std::fs;

use super::*;

async fn traffic(cell: &Cell, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let message = format!("m-{number}");
        let before = (number % 3 > 0).then(|| format!("m-{}", number - 1));
        let facts = in_case(&message, &format!("c-{}", number / 3), before.as_deref());
        cell.route(facts, number).await;
        if number % 4 > 0 {
            cell.finish(&message).await;
        }
    }
}

/// The dump of a second ledger that follows the same log from its start.
async fn afresh(cell: &Cell) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _follower, _drain) = follow(&cell.log, &directory).await;
    soon(ledger.caught_up()).await.unwrap();
    dump(&directory.path().join("ledger.db"))
}

async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_under_traffic_it_is_made_again_and_equal() {
    delete(&["db"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_with_all_that_belongs_to_it_it_is_made_again_and_equal() {
    delete(&["db", "db-wal", "db-shm"]).await;
}

async fn delete(which: &[&str]) {
    let cell = Cell::start().await;
    traffic(&cell, 0..20).await;
    let mut changes = cell.ledger.changes();
    which.iter().for_each(|end| fs::remove_file(cell.path().with_extension(end)).unwrap());
    // Every verdict of these is waited for, and every referral is found all the while.
    for numbers in [20..40, 40..60] {
        traffic(&cell, numbers).await;
        assert!(cell.ledger.get(&id("m-3")).unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    until(|| cell.path().exists()).await;
    traffic(&cell, 60..70).await;
    soon(cell.ledger.caught_up()).await.unwrap();
    assert_eq!(dump(&cell.path()), afresh(&cell).await);
    let told = std::iter::from_fn(|| changes.try_recv().ok()).filter(|change| change.step.event == "routed");
    assert_eq!(told.count(), 50);
    assert!(cell.path().with_extension("db-wal").exists());
}

#[tokio::test]
async fn damaged_under_traffic_it_is_made_again() {
    let cell = Cell::start().await;
    traffic(&cell, 0..20).await;
    fs::write(cell.path(), vec![0xA5; 200_000]).unwrap();
    let asked = || cell.ledger.find("m-1", None);
    until(|| {
        cell.ledger.counts().ok();
        !asked().is_ok_and(|rows| rows.is_empty())
    })
    .await;
    traffic(&cell, 20..30).await;
    until(|| asked().is_ok()).await;
    soon(cell.ledger.caught_up()).await.unwrap();
    assert_eq!(cell.ledger.find("m-1", None).unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_of_another_version_or_none_of_ours_is_made_again() {
    let mut cell = Cell::start().await;
    traffic(&cell, 0..5).await;
    let expected = afresh(&cell).await;
    for damage in 0..3 {
        cell.follower.abort();
        let path = cell.path();
        soon(&mut cell.follower).await.unwrap_err();
        match damage {
            0 => {
                // What the write-ahead file holds could mend it.
                fs::remove_file(path.with_extension("db-wal")).unwrap();
                fs::write(&path, "this is no ledger ".repeat(100)).unwrap();
            }
            1 => Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap(),
            _ => {
                let connection = Connection::open(&path).unwrap();
                connection.execute("UPDATE meta SET nation = 'england'", []).unwrap();
            }
        }
        let (ledger, follower, drain) = follow(&cell.log, &cell.directory).await;
        (cell.ledger, cell.follower, cell._drain) = (ledger, follower, drain);
        soon(cell.ledger.caught_up()).await.unwrap();
        assert_eq!(dump(&path), expected);
        assert!(path.with_extension("db.aside").exists());
    }
}

#[tokio::test]
async fn a_ledger_that_has_read_more_than_the_log_has_stands_until_somebody_removes_it() {
    let cell = Cell::start().await;
    traffic(&cell, 0..5).await;
    let Cell { ledger, follower, directory, .. } = cell;
    follower.abort();
    follower.await.unwrap_err();
    drop(ledger);
    let other = tempfile::tempdir().unwrap();
    let log = Embedded::open(EmbeddedConfig::new(other.path())).unwrap();
    let (ledger, _follower, _drain) = follow(&log, &directory).await;
    until(|| ledger.lost().is_some()).await;
    // What it knows is still to be asked, and nothing may be decided by it.
    assert!(ledger.get(&id("m-1")).unwrap().is_some());
    let stands = |error| matches!(error, Err(Error::Stands { .. }));
    assert!(stands(soon(ledger.caught_up()).await));
    assert!((0..SHARDS).all(|shard| stands(ledger.events_stand(shard))));
    fs::remove_file(directory.path().join("ledger.db")).unwrap();
    until(|| ledger.get(&id("m-1")).is_ok_and(|row| row.is_none())).await;
    soon(ledger.caught_up()).await.unwrap();
    assert_eq!(ledger.lost(), None);
    assert_eq!(ledger.in_read_on("in.wales.wast-111").unwrap(), 0);
}
