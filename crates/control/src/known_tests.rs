//! A node with its disk, and control logs that are put back under it: as they were, shorter, or another one.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_log::{Embedded, EmbeddedConfig, Log};
use bulkhead_process::Drain;
use bulkhead_wire::fact::SignedFact;
use tempfile::TempDir;

use super::*;
use crate::samples::{NATION, cut, directory, lead, operator, tenant};
use crate::scribe::Scribe;
use crate::{Error, Follower, Following, publish_directory};

const SOON: Duration = Duration::from_secs(5);

/// A log in which that was said.
async fn log_of(facts: &[&SignedFact]) -> (Arc<dyn Log>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(EmbeddedConfig::new(dir.path())).unwrap());
    publish_directory(&log, NATION, "directory.toml", &directory()).await.unwrap();
    say(&log, facts).await;
    (log, dir)
}

async fn say(log: &Arc<dyn Log>, facts: &[&SignedFact]) {
    let scribe = Scribe::open(log.clone(), NATION, crate::Book::new(NATION), "wales-1").await.unwrap();
    for fact in facts {
        scribe.append(fact, None, None).await.unwrap();
    }
}

/// A node that follows until it is drained.
#[derive(Debug)]
struct Node {
    following: Following,
    drain: Drain,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.drain.start();
    }
}

/// Follows until it has caught up, or says why it does not.
async fn follow(log: &Arc<dyn Log>, disk: &Path) -> Result<Node, Error> {
    let (follower, mut following) = Follower::new(log.clone(), NATION);
    let drain = Drain::new();
    let mut running = tokio::spawn(follower.remembering(disk)?.run(drain.clone()));
    tokio::select! {
        ended = &mut running => ended.unwrap().map(|()| unreachable!("nothing drains it")),
        () = following.caught_up() => Ok(Node { following, drain }),
        () = tokio::time::sleep(SOON) => panic!("not in time"),
    }
}

/// Waits until so many facts are on the disk.
async fn written(disk: &Path, count: usize) {
    let lines = || std::fs::read_to_string(disk.join(FILE)).unwrap().lines().count();
    let written = async {
        while lines() != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, written).await.expect("it is on the disk");
}

#[tokio::test]
async fn a_log_that_lacks_what_was_known_is_not_followed_whatever_else_it_has() {
    let (first, second) = (cut(&operator(), 1), cut(&operator(), 2));
    let forged = cut(&lead(), 3);
    let disk = tempfile::tempdir().unwrap();
    let (log, _dir) = log_of(&[&first, &forged]).await;
    let node = follow(&log, disk.path()).await.unwrap();
    assert!(node.following.cuts.borrow().covers_from(&tenant()).is_some());
    // What came later while it ran, too; what does not count does not matter.
    say(&log, &[&second]).await;
    written(disk.path(), 2).await;
    drop(node);

    // As it was, and gone on.
    say(&log, &[&cut(&operator(), 4)]).await;
    let node = follow(&log, disk.path()).await.unwrap();
    written(disk.path(), 3).await;
    drop(node);

    let refused = async |facts: &[&SignedFact], missing: usize, first: u64| {
        let (other, _dir) = log_of(facts).await;
        match follow(&other, disk.path()).await {
            Err(Error::OldLog { known: 3, missing: m, first: f, .. }) => assert_eq!((m, f), (missing, first)),
            other => panic!("{facts:?}: {other:?}"),
        }
    };
    // Cut short; empty of facts; another one that is longer.
    refused(&[&first, &forged], 2, 3).await;
    refused(&[], 3, 1).await;
    let others: Vec<_> = (10..20).map(|n| cut(&operator(), n)).collect();
    refused(&others.iter().collect::<Vec<_>>(), 3, 1).await;
    // What a log says that is not believed is not learned from it.
    follow(&log, disk.path()).await.unwrap();
    written(disk.path(), 3).await;
}

#[tokio::test]
async fn a_line_that_was_being_written_is_forgotten_and_one_that_cannot_be_read_is_not() {
    let disk = tempfile::tempdir().unwrap();
    let (log, _dir) = log_of(&[&cut(&operator(), 1)]).await;
    follow(&log, disk.path()).await.unwrap();
    written(disk.path(), 1).await;
    let path = disk.path().join(FILE);
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}17 ab")).unwrap();
    follow(&log, disk.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    std::fs::write(&path, format!("17 ab\n{whole}")).unwrap();
    assert!(matches!(follow(&log, disk.path()).await, Err(Error::Known(_))));
}
