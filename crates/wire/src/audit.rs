//! The audit file of a node: who commanded what, one line an entry, each chained to the one before it and signed.
//!
//! ```text
//! {"entry":{"number":1,...,"previous":"00..."},"hash":"...","signature":"..."}
//! {"entry":{"number":2,...,"previous":<hash of 1>},"hash":"...","signature":"..."}
//! {"head":{"node":"wales-1","count":2,"hash":<hash of 2>,"at":"..."},"key":"...","signature":"..."}
//! ```
//!
//! The hash is SHA-256 over a domain and the entry's text; the signature is Ed25519 over the hash by the node's
//! audit key. The head comes last in an export: without it nobody could see that the end is missing. Lines are
//! compared as text, so a change of one byte is found whatever it means.
//!
//! Who has a node's key can write another file. So each node notes in its own what head the others' had
//! ([`Witnessed`]), and [`agree`] holds one export against another's knowledge.

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::fact::{hex, public_key_from_hex, public_key_hex};

const DOMAIN: &[u8] = b"bulkhead.v1.Audit\n";
const HEAD_DOMAIN: &[u8] = b"bulkhead.v1.AuditHead\n";

/// What stands before the first entry.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One thing that was commanded, or what became of it. Never anything about a patient.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 1, without a gap.
    pub number: u64,
    /// The node's clock, RFC 3339.
    pub at: String,
    /// The node.
    pub node: String,
    /// intent (before), outcome (after), refused, heard (read from the control log), or witness (of another node's
    /// audit file).
    pub phase: String,
    /// Who, as the certificate or the signature names it.
    pub who: String,
    /// What, as commands name it.
    pub command: String,
    /// The scope or cut that it is about.
    pub subject: String,
    /// SHA-256 of the signed fact, hex; empty for what is not signed.
    pub fact: String,
    /// The reason of a refusal.
    pub code: String,
    /// In words.
    pub detail: String,
    /// The control position that it has, or 0.
    pub position: u64,
    /// Entries before this one that found no room in the queue and are missing.
    pub missed: u64,
    /// The hash of the entry before it.
    pub previous: String,
}

/// The head of another node's audit file, as a node saw it in that node's pulse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Whose.
    pub node: String,
    /// How many entries it had.
    pub count: u64,
    /// The hash of the last one.
    pub hash: String,
}

/// The phase of an entry about another node's file.
pub const WITNESS: &str = "witness";

impl Entry {
    /// What it says of another node's file. An entry with a code says that something was wrong with it, and no head.
    pub fn witnessed(&self) -> Option<Witnessed> {
        let (count, hash) = self.detail.split_once(' ')?;
        let is_one = self.phase == WITNESS && self.code.is_empty();
        let count = count.parse().ok().filter(|_| is_one)?;
        Some(Witnessed { node: self.subject.clone(), count, hash: hash.to_owned() })
    }
}

impl Witnessed {
    /// As an entry says it.
    pub fn detail(count: u64, hash: &[u8; 32]) -> String {
        format!("{count} {}", hex(hash))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entry: Entry,
    hash: String,
    signature: String,
}

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The node.
    pub node: String,
    /// How many entries.
    pub count: u64,
    /// The hash of the last one.
    pub hash: String,
    /// When it was signed.
    pub at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    head: Head,
    key: String,
    signature: String,
}

/// What an export says, once every line of it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its end.
    pub head: Head,
    /// The key that signed it, hex: compare it with the one that the node shows.
    pub key: String,
    /// How many commands were refused.
    pub refused: u64,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Tampered {
    /// From 1.
    pub line: usize,
    /// What.
    pub problem: &'static str,
}

/// An entry as a line without its end, and its hash.
pub fn line(entry: &Entry, key: &Ed25519KeyPair) -> (String, String) {
    let hash = hash_of(entry);
    let signature = hex(key.sign(&[DOMAIN, hash.as_bytes()].concat()).as_ref());
    let line = Line { entry: entry.clone(), hash: hash.clone(), signature };
    (to_json(&line), hash)
}

/// The head as a line without its end.
pub fn head_line(head: &Head, key: &Ed25519KeyPair) -> String {
    let public = public_key_hex(key);
    let signature = hex(key.sign(&head_bytes(head, &public)).as_ref());
    to_json(&HeadLine { head: head.clone(), key: public, signature })
}

/// Reads one entry of a file whose lines were verified, or are the node's own.
pub fn read(line: &str) -> Option<(Entry, String)> {
    serde_json::from_str::<Line>(line).ok().map(|line| (line.entry, line.hash))
}

/// Whether an export is whole: nothing changed, nothing left out, nothing moved, nothing missing at its end.
///
/// # Errors
/// The first line at fault.
pub fn verify(text: &str) -> Result<Verified, Tampered> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (last, entries) = lines.split_last().ok_or(Tampered { line: 1, problem: "there is nothing" })?;
    let wrong = |line: usize, problem| Tampered { line, problem };
    let end = lines.len();
    let Ok(head) = serde_json::from_str::<HeadLine>(last) else {
        return Err(wrong(end, "this is no signed head: the end of the file is missing or changed"));
    };
    if format!("{}\n", to_json(&head)) != **last {
        return Err(wrong(end, "the head was changed"));
    }
    let key = public_key_from_hex(&head.key).ok_or(wrong(end, "the head's key cannot be read"))?;
    let holds = |bytes: &[u8], signature: &str| {
        unhex(signature)
            .is_some_and(|signature| UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok())
    };
    if !holds(&head_bytes(&head.head, &head.key), &head.signature) {
        return Err(wrong(end, "the head's signature does not hold"));
    }
    let (mut previous, mut refused) = (START.to_owned(), 0);
    for (n, text) in entries.iter().enumerate() {
        let line: Line = serde_json::from_str(text).map_err(|_| wrong(n + 1, "this is no entry"))?;
        if format!("{}\n", to_json(&line)) != **text || hash_of(&line.entry) != line.hash {
            return Err(wrong(n + 1, "the entry was changed"));
        }
        if line.entry.number != n as u64 + 1 || line.entry.previous != previous {
            return Err(wrong(n + 1, "an entry before this one is missing, was moved or changed"));
        }
        if line.entry.node != head.head.node
            || !holds(&[DOMAIN, line.hash.as_bytes()].concat(), &line.signature)
        {
            return Err(wrong(n + 1, "the entry's signature does not hold"));
        }
        refused += u64::from(line.entry.phase == "refused");
        previous = line.hash;
    }
    if head.head.count != entries.len() as u64 || head.head.hash != previous {
        return Err(wrong(end, "the head is of another number of entries: some are missing"));
    }
    Ok(Verified { head: head.head, key: head.key, refused })
}

/// Holds a whole export against what another node's whole export says of it: how many heads of it that node had seen,
/// all of which are in it.
///
/// # Errors
/// The entry that the other node had seen otherwise, or that is missing here.
pub fn agree(text: &str, other: &str) -> Result<usize, Tampered> {
    let entries: Vec<(Entry, String)> = text.lines().filter_map(read).collect();
    let head = text.lines().last().and_then(|line| serde_json::from_str::<HeadLine>(line).ok());
    let node = head.ok_or(Tampered { line: 1, problem: "there is no head" })?.head.node;
    let mut seen = 0;
    for head in other.lines().filter_map(read).filter_map(|(entry, _)| entry.witnessed()) {
        if head.node != node || head.count == 0 {
            continue;
        }
        let place = usize::try_from(head.count).unwrap_or(usize::MAX);
        match entries.get(place - 1) {
            Some((_, hash)) if *hash == head.hash => seen += 1,
            Some(_) => {
                return Err(Tampered { line: place, problem: "another node had seen another entry here" });
            }
            None => {
                let problem = "another node had seen an entry here: the end is missing";
                return Err(Tampered { line: place, problem });
            }
        }
    }
    Ok(seen)
}

/// A hash as bytes.
pub fn hash_bytes(hash: &str) -> Option<[u8; 32]> {
    unhex(hash)?.try_into().ok()
}

fn hash_of(entry: &Entry) -> String {
    hex(digest(&SHA256, &[DOMAIN, to_json(entry).as_bytes()].concat()).as_ref())
}

fn head_bytes(head: &Head, key: &str) -> Vec<u8> {
    [HEAD_DOMAIN, to_json(head).as_bytes(), key.as_bytes()].concat()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of texts and numbers are JSON")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !text.len().is_multiple_of(2) || !text.as_bytes().iter().all(is_lower) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn export(count: u64) -> String {
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let (mut text, mut previous) = (String::new(), START.to_owned());
        for number in 1..=count {
            let entry = Entry {
                number,
                at: format!("2026-03-01T09:00:{number:02}Z"),
                node: "wales-1".into(),
                phase: if number % 3 == 0 { "refused" } else { "intent" }.into(),
                who: "wales/wales-duty".into(),
                command: "cut".into(),
                subject: "wales/wast-111".into(),
                previous,
                ..Entry::default()
            };
            let (line, hash) = line(&entry, &key);
            text.push_str(&line);
            text.push('\n');
            previous = hash;
        }
        let head = Head { node: "wales-1".into(), count, hash: previous, at: "2026-03-01T10:00:00Z".into() };
        text + &head_line(&head, &key) + "\n"
    }

    #[test]
    fn what_was_written_holds() {
        for count in [0, 1, 7] {
            let verified = verify(&export(count)).unwrap();
            assert_eq!((verified.head.count, verified.refused), (count, count / 3));
        }
    }

    #[test]
    fn a_missing_end_a_gap_and_a_swap_are_found() {
        let text = export(6);
        let lines: Vec<&str> = text.lines().collect();
        let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let check = |lines: &[&str], line: usize| assert_eq!(verify(&join(lines)).unwrap_err().line, line);
        check(&lines[..6], 6);
        check(&[&lines[..5], &lines[6..]].concat(), 6);
        check(&[&lines[..2], &lines[3..]].concat(), 3);
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        check(&swapped, 2);
        check(&[&lines[..1], &lines[..]].concat(), 2);
        // The head of a shorter file behind a longer one.
        let shorter = export(5);
        check(&[&lines[..6], &[shorter.lines().last().unwrap()]].concat(), 7);
        assert_eq!(verify("").unwrap_err().line, 1);
    }

    /// What another node noted of such files: their number of entries, and what it took for the hash of the last.
    fn of_another(seen: &[(u64, &str)]) -> String {
        let key = Ed25519KeyPair::from_seed_unchecked(&[6; 32]).unwrap();
        let (mut text, mut previous) = (String::new(), START.to_owned());
        for (n, (count, hash)) in seen.iter().enumerate() {
            let entry = Entry {
                number: n as u64 + 1,
                node: "wales-2".into(),
                phase: WITNESS.into(),
                subject: "wales-1".into(),
                detail: format!("{count} {hash}"),
                previous,
                ..Entry::default()
            };
            let (line, hash) = line(&entry, &key);
            text.push_str(&format!("{line}\n"));
            previous = hash;
        }
        let count = seen.len() as u64;
        let head = Head { node: "wales-2".into(), count, hash: previous, at: String::new() };
        text + &head_line(&head, &key) + "\n"
    }

    #[test]
    fn a_shorter_or_other_file_is_found_by_what_another_node_had_seen() {
        let [five, six] = [5, 6].map(|count| verify(&export(count)).unwrap().head.hash);
        let check = |text: &str, seen: &[(u64, &str)], expected: Result<usize, usize>| {
            assert!(verify(text).is_ok(), "by itself it holds");
            let other = of_another(seen);
            assert!(verify(&other).is_ok());
            assert_eq!(agree(text, &other).map_err(|tampered| tampered.line), expected, "{seen:?}");
        };
        check(&export(6), &[], Ok(0));
        check(&export(6), &[(5, &five), (6, &six)], Ok(2));
        // It has grown since.
        check(&export(7), &[(5, &five), (6, &six)], Ok(2));
        check(&export(5), &[(5, &five), (6, &six)], Err(6));
        check(&export(0), &[(5, &five)], Err(5));
        // Written anew from its fifth entry on, and longer than before.
        check(&export(7), &[(5, &six)], Err(5));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn every_changed_bit_is_found(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = export(4).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(String::from_utf8(bytes).map_or(true, |text| verify(&text).is_err()));
        }
    }
}
