//! Public and constructed sample messages, read from the folder that `BULKHEAD_SAMPLES` names.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_format_hl7::mllp::FrameLimits;
use bulkhead_format_hl7::{Charset, Message, Mode, ParseErrorKind, Referral, Ts, structure};

use crate::frames::frames;
use crate::strategies::{check_message, parse};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BULKHEAD_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: BULKHEAD_SAMPLES is not set");
    }
    folder
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_sample = path.extension().is_some_and(|extension| extension == "hl7" || extension == "txt");
        match path.is_dir() {
            true => collect(&path, found),
            false if is_sample => found.push(path),
            false => {}
        }
    }
}

/// The messages of a file: each from a line that begins with MSH to before the next one.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(b"MSH") && (*at == 0 || matches!(bytes[at - 1], b'\r' | b'\n')))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]).collect()
}

/// Why a file as a whole is no message, for those that are none.
fn refusal(name: &str) -> Option<ParseErrorKind> {
    match name {
        "pyhl7-batch-two.hl7" | "pyhl7-file-two-batches.hl7" => Some(ParseErrorKind::Batch),
        "hapi-messages-odd-delimiters.txt" => Some(ParseErrorKind::NoHeader),
        "hapi-oml-o21-nonascii.hl7" => Some(ParseErrorKind::SecondMessage),
        "lfh-sample-unix.hl7" => {
            Some(ParseErrorKind::Delimiters(bulkhead_format_hl7::DelimiterFault::Repeated))
        }
        _ => None,
    }
}

#[test]
fn every_sample_is_given_back() {
    let Some(folder) = folder() else { return };
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match parse(&bytes) {
            Ok(message) => check_message(&bytes, &message),
            Err(error) => assert_eq!(Some(error.kind), refusal(&name), "{name}"),
        }
        for (index, single) in messages(&bytes).into_iter().enumerate() {
            match parse(single) {
                Ok(message) => check_message(single, &message),
                Err(error) => assert!(refusal(&name).is_some(), "{name}, message {index}: {error}"),
            }
        }
    }
}

fn sample(path: &str) -> Option<Message> {
    let bytes = fs::read(folder()?.join(path)).unwrap();
    Some(parse(&bytes).unwrap())
}

#[test]
fn the_scottish_referral_is_understood() {
    let Some(message) = sample("scotland/constructed-ref-i12-v24.hl7") else { return };
    assert_eq!(structure::check(&message), []);
    let referral = Referral::read(&message).unwrap();
    assert_eq!(referral.id().unwrap().value, "24029171");
    assert_eq!(
        referral.identifiers().map(|id| id.authority.namespace).collect::<Vec<_>>(),
        ["CHI", "S08000024"]
    );
    assert!(matches!(Mode::of(&message), Mode::Enhanced { .. }));
}

#[test]
fn the_northern_irish_referral_is_understood() {
    let Some(message) = sample("northern-ireland/constructed-ref-i12-v24.hl7") else { return };
    assert_eq!(structure::check(&message), []);
    let referral = Referral::read(&message).unwrap();
    assert_eq!(referral.id().unwrap().authority.name(), "DALRIADA");
    assert!(referral.provider("RP").is_some() && referral.provider("RT").is_some());
}

#[test]
fn the_referral_with_all_groups_is_understood() {
    let Some(message) = sample("hl7v2/ms-ref-i12-01.hl7") else { return };
    let issues = structure::check(&message);
    assert!(structure::is_acceptable(&issues), "{issues:?}");
}

#[test]
fn the_referral_without_a_control_id_is_not_accepted() {
    let Some(message) = sample("hl7v2/hapi-ref-i12-nte-tail.hl7") else { return };
    let issues = structure::check(&message);
    let places: Vec<_> = issues.iter().map(|issue| issue.place.as_ref().unwrap().to_string()).collect();
    assert!(places.contains(&"MSH[1]-10".to_owned()), "{places:?}");
    assert!(!structure::is_acceptable(&issues));
}

#[test]
fn the_welsh_time_stamp_is_tolerated() {
    let Some(message) = sample("wales/phw-a28-v25.hl7") else { return };
    let ts = Ts::parse(&message.field("MSH", 7).text()).unwrap();
    assert!(ts.is_hyphenated() && ts.to_string() == "20250505232328");
}

#[test]
fn the_declared_charset_is_used() {
    let Some(message) = sample("hl7v2/hapi-erp-z99-8859-1.hl7") else { return };
    assert_eq!(message.reading().used, Charset::iso8859(1).unwrap());
}

#[test]
fn two_frames_in_one_write_are_two_messages() {
    let Some(folder) = folder() else { return };
    let bytes = fs::read(folder.join("hl7v2/mllp-two-frames-one-write.bin")).unwrap();
    for cuts in [vec![], vec![1; bytes.len()], vec![77, 3]] {
        let (found, error) = frames(&bytes, &cuts, FrameLimits::default());
        let ids: Vec<_> = found
            .iter()
            .map(|payload| parse(payload).unwrap().field("MSH", 10).text().into_owned())
            .collect();
        assert_eq!((ids, error), (vec!["M1".to_owned(), "M2".to_owned()], None));
    }
}
