//! A copy of a ledger at work, and what a node makes of it.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_process::capture::Capture;

use super::*;
use crate::{Copied, Unfit, copy};

async fn traffic(cell: &Cell, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let message = format!("m-{number}");
        cell.route(facts(&message), number).await;
        if number % 3 > 0 {
            cell.finish(&message).await;
        }
    }
}

/// A directory for another node, with a copy of this cell's ledger in it.
fn copied(cell: &Cell) -> (TempDir, Copied) {
    let directory = tempfile::tempdir().unwrap();
    let copied = copy(&cell.path(), &directory.path().join("ledger.db")).unwrap();
    (directory, copied)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Why a node of that nation does not start on that file.
async fn refused(path: PathBuf, log: &Embedded, nation: Nation) -> Unfit {
    let before = fs::read(&path).unwrap();
    let opened = Ledger::open(Config { path: path.clone(), nation }, Arc::new(log.clone())).await;
    let error = opened.map(|_| ()).unwrap_err();
    assert!(fs::read(&path).unwrap() == before, "what was refused is left as it is");
    let Error::Unfit { path: of, why } = error else { panic!("{error}") };
    assert_eq!(of, path);
    why
}

#[tokio::test]
async fn copied_under_traffic_it_goes_on_from_there_and_says_the_same() {
    let cell = Cell::start().await;
    traffic(&cell, 0..30).await;
    let (path, to) = (cell.path(), tempfile::tempdir().unwrap());
    let place = to.path().join("ledger.db");
    let copying = tokio::task::spawn_blocking(move || copy(&path, &place).unwrap());
    traffic(&cell, 30..40).await;
    let copied = copying.await.unwrap();
    assert_eq!(names(to.path()), ["ledger.db"]);
    assert!(copied.nation == Nation::Wales && copied.referrals >= 30 && copied.referrals <= 40);
    let capture = Capture::new();
    let logged = tracing::subscriber::set_default(capture.subscriber());
    let (ledger, _follower, _drain) = follow(&cell.log, &to).await;
    soon(ledger.caught_up()).await.unwrap();
    traffic(&cell, 40..45).await;
    soon(ledger.caught_up()).await.unwrap();
    drop(logged);
    assert_eq!(dump(&to.path().join("ledger.db")), dump(&cell.path()));
    let read = format!("read={}", copied.events);
    let says = |words: &str| capture.lines().iter().any(|line| line.contains(words) && line.contains(&read));
    assert!(says("the ledger is a copy") && says("the ledger reads the events on"), "{:?}", capture.lines());
    // From now on it is this node's own: it may be copied, and is made again when it is damaged.
    let connection = Connection::open(to.path().join("ledger.db")).unwrap();
    let mark: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert_eq!(mark, 0);
    copy(&to.path().join("ledger.db"), &to.path().join("snapshot")).unwrap();
}

#[tokio::test]
async fn what_no_node_should_go_on_from_is_refused_and_left_as_it_is() {
    let cell = Cell::start().await;
    traffic(&cell, 0..10).await;
    let (directory, _) = copied(&cell);
    let path = || directory.path().join("ledger.db");
    let other = tempfile::tempdir().unwrap();
    let other = Cell { log: Embedded::open(EmbeddedConfig::new(other.path())).unwrap(), ..cell };
    // Its topics of events are as long, and hold other events.
    assert!(matches!(refused(path(), &other.log, Nation::Wales).await, Unfit::OtherLog { .. }));
    let topic = events(0).topic;
    let spec = bulkhead_log::TopicSpec { topic, partitions: SHARDS, compacted: false };
    other.log.ensure(&[spec]).await.unwrap();
    for shard in 0..SHARDS {
        for _ in 0..60 {
            let claimed = ReadEvent { author: author(shard, 1, "other-1", 0), record: EventRecord::Claimed };
            other.append(shard, &claimed).await;
        }
    }
    assert!(matches!(refused(path(), &other.log, Nation::Wales).await, Unfit::OtherLog { .. }));
    let england = refused(path(), &other.log, Nation::England).await;
    assert_eq!(england, Unfit::OtherNation { found: Nation::Wales, wanted: Nation::England });
    let whole = fs::read(path()).unwrap();
    for length in [whole.len() / 2, 4096, 200] {
        fs::write(path(), &whole[..length]).unwrap();
        let torn = refused(path(), &other.log, Nation::Wales).await;
        assert!(matches!(torn, Unfit::Torn { .. }), "{length}: {torn}");
    }
    fs::write(path(), &whole).unwrap();
    Connection::open(path()).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let newer = refused(path(), &other.log, Nation::Wales).await;
    assert!(matches!(newer, Unfit::OtherVersion { found: 999, .. }), "{newer}");
}

#[tokio::test]
async fn what_is_no_ledger_is_not_copied_and_nothing_is_overwritten() {
    let cell = Cell::start().await;
    traffic(&cell, 0..3).await;
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let why = |from: &Path, to: &Path| match copy(from, to) {
        Err(Error::Unfit { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&at("nothing"), &at("to")), Unfit::Missing);
    fs::write(at("text"), "this is no ledger ".repeat(100)).unwrap();
    assert_eq!(why(&at("text"), &at("to")), Unfit::NoLedger);
    Connection::open(at("other")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(why(&at("other"), &at("to")), Unfit::NoLedger);
    copy(&cell.path(), &at("newer")).unwrap();
    Connection::open(at("newer")).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(why(&at("newer"), &at("to")), Unfit::OtherVersion { found: 999, .. }));
    copy(&cell.path(), &at("half")).unwrap();
    let half = fs::File::options().write(true).open(at("half")).unwrap();
    half.set_len(half.metadata().unwrap().len() / 2).unwrap();
    let torn = why(&at("half"), &at("to"));
    assert!(matches!(torn, Unfit::Torn { .. }), "{torn}");
    // None of these left anything where a node would look.
    assert!(names(place.path()).iter().all(|name| !name.starts_with("to")), "{:?}", names(place.path()));
    for taken in ["to", "to-wal"] {
        fs::write(at(taken), "mine").unwrap();
        assert_eq!(why(&cell.path(), &at("to")), Unfit::Occupied);
        assert_eq!(fs::read(at(taken)).unwrap(), b"mine");
        fs::remove_file(at(taken)).unwrap();
    }
    // As a copy leaves it that was ended by force.
    fs::write(at("to.partial"), "half").unwrap();
    assert_eq!(why(&cell.path(), &at("to")), Unfit::Unfinished);
    fs::remove_file(at("to.partial")).unwrap();
    copy(&cell.path(), &at("to")).unwrap();
}
