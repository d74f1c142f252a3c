//! A journal over restarts, torn ends and repeats.

use std::fs::OpenOptions;
use std::io::Write;

use bytes::Bytes;

use super::*;
use crate::digest::sha256;

fn arrival(message_id: &str, body: &str) -> Arrival {
    Arrival {
        message_id: message_id.to_owned(),
        from: "APP|FAC".to_owned(),
        case: Some("case".to_owned()),
        kind: Kind::Request,
        request: Some(format!("request-{message_id}")),
        content_type: "text/plain".to_owned(),
        headers: [("x-a".to_owned(), "b".to_owned())].into(),
        bytes: Bytes::copy_from_slice(body.as_bytes()),
    }
}

async fn keep(journal: &Journal, message_id: &str, body: &str) -> Kept {
    journal.keep(arrival(message_id, body)).await.unwrap()
}

#[tokio::test]
async fn a_restart_knows_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.jsonl");
    for turn in 0..3_u64 {
        let journal = opened(&path).await;
        assert_eq!(journal.extent().messages, turn * 3);
        let kept = keep(&journal, "M1", "one").await;
        assert_eq!(kept, Kept { sequence: turn * 3, repeat: turn > 0, changed: false });
        assert!(keep(&journal, "m1", "other").await.changed);
        assert!(!keep(&journal, &format!("N{turn}"), "two").await.repeat);
        assert_eq!(journal.message(message_key("APP|FAC", "M1")), Some(0));
        assert_eq!(journal.subject(case_key("CASE")), Some(turn * 3 + 2));
        assert_eq!(journal.subject(request_key("request-N0")), Some(2));
        for (sequence, body) in [(0, "one"), (1, "other"), (2, "two"), (turn * 3, "one")] {
            let (line, bytes) = journal.whole(sequence).await.unwrap().unwrap();
            assert_eq!((bytes.as_slice(), line.received.sequence), (body.as_bytes(), sequence));
            assert_eq!(line.received.sha256, sha256(body.as_bytes()));
        }
        assert_eq!(journal.lines(1, 100).await.unwrap().len() as u64, turn * 3 + 2);
        assert!(journal.whole(99).await.unwrap().is_none());
    }
}

/// The lock of a journal that was just dropped goes when its thread does.
async fn opened(path: &Path) -> Journal {
    loop {
        match Journal::open(Some(path)) {
            Err(Error::InUse { .. }) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            done => return done.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_a_crash_cut_off_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.jsonl");
    for torn in ["{\"received\":{\"seq", "\0\0\0\n"] {
        keep(&opened(&path).await, "M1", "one").await;
        let before = opened(&path).await.extent().messages;
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
        let journal = opened(&path).await;
        assert_eq!(journal.extent().messages, before);
        keep(&journal, "M2", "two").await;
        drop(journal);
        assert_eq!(opened(&path).await.extent().messages, before + 1);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("no line\n{text}")).unwrap();
    assert!(matches!(Journal::open(Some(&path)), Err(Error::Corrupt { line: 1, .. })));
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.jsonl");
    let first = Journal::open(Some(&path)).unwrap();
    assert!(matches!(Journal::open(Some(&path)), Err(Error::InUse { .. })));
    drop(first);
    opened(&path).await;
    assert!(matches!(Journal::open(Some(Path::new("/nowhere/j"))), Err(Error::Journal { .. })));
}

#[tokio::test]
async fn many_are_kept_together_and_in_order() {
    let journal = Journal::open(None).unwrap();
    let keeping = (0..300).map(|n| {
        let journal = journal.clone();
        tokio::spawn(
            async move { keep(&journal, &format!("M{}", n % 100), &format!("body {}", n % 100)).await },
        )
    });
    let kept: Vec<_> = futures::future::join_all(keeping).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(kept.iter().filter(|kept| !kept.repeat).count(), 100);
    assert!(kept.iter().all(|kept| !kept.changed));
    let lines = journal.lines(0, 1000).await.unwrap();
    assert!(lines.iter().enumerate().all(|(n, line)| line.received.sequence == n as u64));
    for sequence in [0, 150, 299] {
        let (line, bytes) = journal.whole(sequence).await.unwrap().unwrap();
        assert_eq!(line.received.sha256, sha256(&bytes));
    }
}
