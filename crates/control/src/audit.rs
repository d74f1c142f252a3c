//! The node's audit file: who commanded what, before and after.
//!
//! It never delays a command: entries go through a bounded queue to a thread that writes. When the queue is full
//! the entry is dropped, and the next one that finds room says how many are missing. See `bulkhead_wire::audit` for
//! what a line is.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::AuditHead;
use bulkhead_wire::audit::{self as line, Entry, Head, WITNESS, Witnessed};
use bulkhead_wire::fact::{public_key_hex, signing_key};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use tokio::sync::oneshot;
use tracing::error;

/// Entries that may wait for the disk.
const QUEUE: usize = 1_024;

/// Where entries are noted. Cheap to clone; clones are the same file.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: SyncSender<Task>,
    missed: Arc<AtomicU64>,
    public_key: Arc<str>,
    head: Arc<Mutex<AuditHead>>,
    /// What it said of other nodes' files when it was opened: the furthest head of each.
    witnessed: Arc<BTreeMap<String, Witnessed>>,
}

/// What is to be noted; the file adds the rest.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// intent, outcome, refused, heard or witness.
    pub phase: &'static str,
    /// Who.
    pub who: String,
    /// What.
    pub command: String,
    /// The scope or cut.
    pub subject: String,
    /// The signed fact, hex.
    pub fact: String,
    /// The reason of a refusal.
    pub code: String,
    /// In words, free of patient data.
    pub detail: String,
    /// Its control position, or 0.
    pub position: u64,
}

#[derive(Debug)]
enum Task {
    Note(Box<Note>, Timestamp),
    /// All lines from that number on, and the head.
    Export(u64, oneshot::Sender<io::Result<Vec<String>>>),
}

struct Book {
    file: File,
    path: PathBuf,
    node: String,
    key: Ed25519KeyPair,
    count: u64,
    own: u64,
    previous: String,
    head: Arc<Mutex<AuditHead>>,
}

impl Audit {
    /// Opens `audit.jsonl` in that directory, with the key beside it; both are made where they are missing.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn open(directory: &Path, node: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let key = open_key(&directory.join("audit.key"))?;
        let public_key = public_key_hex(&key).into();
        let path = directory.join("audit.jsonl");
        let found = Found::of(&path)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let head = Arc::new(Mutex::new(found.head()));
        let mut book = Book {
            file,
            path,
            node: node.to_owned(),
            key,
            count: found.count,
            own: found.own,
            previous: found.previous,
            head: head.clone(),
        };
        let (queue, tasks) = sync_channel(QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        if found.torn > 0 {
            let detail =
                format!("{} bytes of a line that was being written were removed at a start", found.torn);
            book.note(
                Note { phase: "outcome", command: "start".into(), detail, ..Note::default() },
                Timestamp::now(),
                0,
            )?;
        }
        let lost = missed.clone();
        std::thread::Builder::new().name(format!("audit-{node}")).spawn(move || book.write(&tasks, &lost))?;
        Ok(Self { queue, missed, public_key, head, witnessed: Arc::new(found.witnessed) })
    }

    /// How far the file goes, durably.
    pub fn head(&self) -> AuditHead {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The furthest head of each other node's file that this one had noted when it was opened.
    pub(crate) fn witnessed(&self) -> &BTreeMap<String, Witnessed> {
        &self.witnessed
    }

    /// Notes it, or counts it as missed. Never waits.
    pub fn note(&self, note: Note) {
        let task = Task::Note(Box::new(note), Timestamp::now());
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(task) {
            self.missed.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("bulkhead_audit_missed_total").increment(1);
        }
    }

    /// Whom its signatures are checked with, hex.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The lines from that number on, and the signed head.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn export(&self, from: u64) -> io::Result<Vec<String>> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.clone();
        let gone = || io::Error::other("the audit file is not written any more");
        tokio::task::spawn_blocking(move || queue.send(Task::Export(from, answer)))
            .await
            .map_err(io::Error::other)?
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Book {
    fn write(mut self, tasks: &Receiver<Task>, missed: &AtomicU64) {
        while let Ok(task) = tasks.recv() {
            match task {
                Task::Note(note, at) => {
                    let lost = missed.swap(0, Ordering::Relaxed);
                    if let Err(cause) = self.note(*note, at, lost) {
                        missed.fetch_add(lost + 1, Ordering::Relaxed);
                        error!(node = %self.node, %cause, "the audit file cannot be written");
                    }
                }
                // Who asked may have gone away.
                Task::Export(from, answer) => drop(answer.send(self.export(from))),
            }
        }
    }

    fn note(&mut self, note: Note, at: Timestamp, missed: u64) -> io::Result<()> {
        let entry = Entry {
            number: self.count + 1,
            at: at.to_string(),
            node: self.node.clone(),
            phase: note.phase.to_owned(),
            who: note.who,
            command: note.command,
            subject: note.subject,
            fact: note.fact,
            code: note.code,
            detail: note.detail,
            position: note.position,
            missed,
            previous: self.previous.clone(),
        };
        let (text, hash) = line::line(&entry, &self.key);
        self.file.write_all(format!("{text}\n").as_bytes())?;
        self.file.sync_data()?;
        (self.count, self.previous) = (self.count + 1, hash);
        self.own += u64::from(entry.phase != WITNESS);
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) =
            head_of(self.count, self.own, &self.previous);
        Ok(())
    }

    fn export(&self, from: u64) -> io::Result<Vec<String>> {
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let lines = BufReader::new(File::open(&self.path)?).lines();
        let mut lines = lines.skip(skipped).collect::<io::Result<Vec<_>>>()?;
        let head = Head {
            node: self.node.clone(),
            count: self.count,
            hash: self.previous.clone(),
            at: Timestamp::now().to_string(),
        };
        lines.push(line::head_line(&head, &self.key));
        Ok(lines)
    }
}

/// What a file holds when it is opened.
struct Found {
    count: u64,
    own: u64,
    previous: String,
    torn: u64,
    witnessed: BTreeMap<String, Witnessed>,
}

impl Found {
    fn head(&self) -> AuditHead {
        head_of(self.count, self.own, &self.previous)
    }

    fn of(path: &Path) -> io::Result<Self> {
        let previous = line::START.to_owned();
        let mut found = Self { count: 0, own: 0, previous, torn: 0, witnessed: BTreeMap::new() };
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path) else { return Ok(found) };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            found.torn = (text.len() - whole) as u64;
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
            file.sync_data()?;
        }
        for text in String::from_utf8_lossy(&text[..whole]).lines() {
            // A line that was changed stays, and `audit verify` finds it: what comes behind it is chained to it.
            found.count += 1;
            let Some((entry, hash)) = line::read(text) else { continue };
            found.previous = hash;
            found.own += u64::from(entry.phase != WITNESS);
            if let Some(head) = entry.witnessed()
                && found.witnessed.get(&head.node).is_none_or(|known| known.count <= head.count)
            {
                found.witnessed.insert(head.node.clone(), head);
            }
        }
        Ok(found)
    }
}

fn head_of(count: u64, own: u64, hash: &str) -> AuditHead {
    // The last line may be one that cannot be read; then nobody's knowledge of it agrees.
    AuditHead { count, own, hash: line::hash_bytes(hash).unwrap_or_default() }
}

fn open_key(path: &Path) -> io::Result<Ed25519KeyPair> {
    let unusable = || io::Error::other(format!("{} is no Ed25519 key", path.display()));
    match fs::read(path) {
        Ok(bytes) => signing_key(&bytes).map_err(|_| unusable()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| unusable())?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(made.as_ref())?;
            file.sync_all()?;
            signing_key(made.as_ref()).map_err(|_| unusable())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(command: &str) -> Note {
        Note {
            phase: "intent",
            who: "wales/wales-duty".into(),
            command: command.into(),
            position: 4,
            ..Note::default()
        }
    }

    async fn exported(audit: &Audit) -> String {
        audit.export(1).await.unwrap().into_iter().map(|line| line + "\n").collect()
    }

    #[tokio::test]
    async fn a_file_goes_on_where_it_stopped_and_holds() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(directory.path(), "wales-1").unwrap();
        audit.note(note("cut"));
        audit.note(note("confirm"));
        let first = exported(&audit).await;
        assert_eq!(line::verify(&first).unwrap().head.count, 2);
        drop(audit);
        let again = Audit::open(directory.path(), "wales-1").unwrap();
        again.note(note("withdraw"));
        let verified = line::verify(&exported(&again).await).unwrap();
        assert_eq!((verified.head.count, verified.key.as_str()), (3, again.public_key()));
    }

    #[tokio::test]
    async fn a_torn_line_is_removed_and_said() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(directory.path(), "wales-1").unwrap();
        audit.note(note("cut"));
        exported(&audit).await;
        drop(audit);
        let path = directory.path().join("audit.jsonl");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"entry\":{\"num").unwrap();
        let again = Audit::open(directory.path(), "wales-1").unwrap();
        let text = exported(&again).await;
        assert_eq!(line::verify(&text).unwrap().head.count, 2);
        assert!(text.contains("14 bytes of a line"), "{text}");
    }

    #[tokio::test]
    async fn r17_a_full_queue_delays_no_command_and_what_is_missing_is_said() {
        let directory = tempfile::tempdir().unwrap();
        drop(Audit::open(directory.path(), "england-1").unwrap());
        let key = open_key(&directory.path().join("audit.key")).unwrap();
        let (queue, tasks) = sync_channel(QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        let audit = Audit {
            queue,
            missed: missed.clone(),
            public_key: public_key_hex(&key).into(),
            head: Arc::default(),
            witnessed: Arc::default(),
        };
        // The disk stands still: nobody takes anything out.
        for _ in 0..QUEUE + 10 {
            audit.note(note("cut"));
        }
        assert_eq!(missed.load(Ordering::Relaxed), 10);
        let path = directory.path().join("audit.jsonl");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let found = Found::of(&path).unwrap();
        let book = Book {
            file,
            path,
            node: "england-1".into(),
            key,
            count: found.count,
            own: found.own,
            previous: found.previous,
            head: audit.head.clone(),
        };
        std::thread::spawn(move || book.write(&tasks, &missed));
        let text = exported(&audit).await;
        assert!(line::verify(&text).is_ok(), "{text:.200}");
        assert!(text.contains("\"missed\":10"), "{text:.400}");
    }
}
