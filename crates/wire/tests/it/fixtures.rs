//! Golden files: old bytes read to exactly the same value, and today's writer writes the same bytes.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use bulkhead_wire::v1;
use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

use crate::golden;

/// Set it to write the files that are missing; a file that is there is never written.
const ADD: &str = "BULKHEAD_ADD_FIXTURES";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/fixtures")
}

fn read(name: &str, bytes: &[u8]) -> Bytes {
    let path = folder().join(format!("{name}.bin"));
    if std::env::var_os(ADD).is_some() {
        let new = OpenOptions::new().write(true).create_new(true).open(&path);
        if let Ok(mut file) = new {
            file.write_all(bytes).unwrap();
            eprintln!("added {name}.bin");
        }
    }
    match fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{name}.bin: {error}; run with {ADD}=1 to add it"),
    }
}

#[test]
fn old_bytes_still_read_and_are_still_written() {
    for (name, record) in golden::all() {
        let written = record.encode();
        let stored = read(name, &written);
        let value = record.read_alike(stored.clone());
        assert_eq!(value.as_ref(), Ok(&record), "{name}.bin no longer reads as it did");
        assert_eq!(stored, written, "{name}.bin is no longer what is written");
    }
    let expected: BTreeSet<String> = golden::all().iter().map(|(name, _)| format!("{name}.bin")).collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".bin"))
        .collect();
    assert_eq!(found, expected, "a file that nothing reads");
}

#[test]
fn what_a_newer_release_adds_is_passed_over() {
    // Field 1000, length-delimited, two bytes: no message of ours has it.
    let unknown = [0xc2, 0x3e, 0x02, b'h', b'i'];
    for (name, record) in golden::all() {
        let newer: Vec<u8> = [record.encode().as_ref(), &unknown].concat();
        assert_eq!(record.read_alike(newer.into()), Ok(record), "{name}");
    }
}

/// The fields of a oneof, as the protos have them.
fn variants<'a>(messages: &'a [DescriptorProto], message: &str, oneof: &str) -> Vec<&'a str> {
    let message = messages.iter().find(|found| found.name() == message).unwrap();
    let index = message.oneof_decl.iter().position(|found| found.name() == oneof).unwrap() as i32;
    message.field.iter().filter(|field| field.oneof_index == Some(index)).map(|field| field.name()).collect()
}

#[test]
fn every_kind_of_record_has_a_file() {
    let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
    let messages: Vec<DescriptorProto> = files
        .into_iter()
        .filter(|file| file.package() == "bulkhead.v1")
        .flat_map(|file| file.message_type)
        .collect();
    let names: BTreeSet<&str> = golden::all().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), golden::all().len(), "a name twice");
    let check = |kind: &str, message: &str, oneof: &str| {
        for field in variants(&messages, message, oneof) {
            let name = format!("{kind}-{}", field.replace('_', "-"));
            let is_group = name == "event-decision";
            assert!(is_group || names.contains(name.as_str()), "{message}.{field} has no golden file {name}");
        }
    };
    check("in", "InRecord", "record");
    check("event", "EventRecord", "record");
    check("event", "Decision", "event");
    check("control", "ControlRecord", "fact");
    assert!(names.contains("out"));
}
