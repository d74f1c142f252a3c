//! What becomes of files, told to people and programs; ids of several files.

use std::path::Path;

use bulkhead_model::{Code, ServiceAddress, State};
use bulkhead_wire::status::{Problem, Refusal};
use bulkhead_wire::{state_to_wire, time_to_wire, v1};

use super::letters::Letter;
use super::submit::Outcome;
use super::*;
use crate::cell::Trouble;
use crate::samples::{REFERRAL, at, world};
use crate::view::Address;
use crate::{Color, Output};

fn send(files: &[&Path]) -> Send {
    Send {
        files: files.iter().map(|file| file.to_path_buf()).collect(),
        from: TenantId::parse("england/nhs111-north").unwrap(),
        to: "wales/triage".into(),
        message_id: MessageId::parse("M").ok(),
        case: None,
        kind: Kind::Request,
        priority: None,
        deadline: None,
        content_type: None,
        in_response_to: None,
        wait: Wait::Accepted,
        progress: When::Never,
    }
}

fn letters(send: &Send) -> Letters {
    Letters::new(send, ServiceAddress::parse("", "wales/triage").unwrap(), at("09:00:00")).unwrap()
}

#[test]
fn several_files_have_numbered_ids() {
    let (a, b) = (Path::new("a"), Path::new("b"));
    let ids = |send: &Send| {
        let mut letters = letters(send);
        std::iter::from_fn(move || letters.next())
            .map(|letter| letter.message_id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&send(&[a])), ["M"]);
    assert_eq!(ids(&send(&[a, b])), ["M-1", "M-2"]);
    let unnamed = ids(&Send { message_id: None, ..send(&[a, b]) });
    assert!(unnamed[0] != unnamed[1] && unnamed[0].len() == 36);
}

#[test]
fn an_envelope_says_what_was_stated_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, "{\"resourceType\": \"Bundle\"}").unwrap();
    let mut plain = letters(&send(&[&file]));
    let letter = plain.next().unwrap();
    let request = plain.read(&letter).unwrap();
    let envelope = request.envelope.unwrap();
    assert_eq!(envelope.content_type, "application/fhir+json");
    assert_eq!((envelope.priority, envelope.deadline), (v1::Priority::Unspecified as i32, None));
    assert_eq!(&request.payload[..], b"{\"resourceType\": \"Bundle\"}");

    let stated = Send {
        priority: Some(Priority::Routine),
        deadline: Some(Moment::Away(std::time::Duration::from_secs(3600))),
        content_type: Some("text/plain".into()),
        ..send(&[&file])
    };
    let envelope = letters(&stated).read(&letter).unwrap().envelope.unwrap();
    assert_eq!(envelope.priority, v1::Priority::Routine as i32);
    assert_eq!(envelope.deadline, Some(time_to_wire(at("10:00:00"))));
    assert_eq!(envelope.content_type, "text/plain");
}

#[test]
fn what_is_too_large_is_not_read_whole_and_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large");
    std::fs::File::create(&file).unwrap().set_len(6 << 20).unwrap();
    let mut letters = letters(&Send { content_type: Some("x/y".into()), ..send(&[&file]) });
    let letter = letters.next().unwrap();
    let letters::Unsendable::Refused(trouble) = letters.read(&letter).unwrap_err() else { panic!("sent") };
    assert_eq!(trouble.reason(), "PAYLOAD_TOO_LARGE");
}

/// Three files: accepted, known before, refused.
fn told(output: Output, wanted: Wait) -> (String, String, Exit) {
    let global = Global { output, color: Color::Never, ..Global::default() };
    let mut screen = Screen::memory(&global);
    let report = Report {
        world: world(true),
        nation: "england".into(),
        tenant: "england/nhs111-north".into(),
        to: Address { system: String::new(), value: "wales/triage".into() },
        files: Vec::new(),
    };
    let mut reporter = Reporter::new(report, wanted, When::Never, 3, &mut screen);
    let letter = |index: usize, file: &str| Letter {
        index,
        file: file.into(),
        message_id: MessageId::parse(&format!("M-{}", index + 1)).unwrap(),
    };
    let answer = |state, duplicate| v1::SubmitResponse {
        referral_id: REFERRAL.into(),
        state: state_to_wire(state) as i32,
        duplicate,
        accepted_at: Some(time_to_wire(at("09:00:00.100"))),
        reason: None,
    };
    let accepted = |answer| Outcome::Accepted { answer, repeated: false };
    let cut = Refusal::new(Code::DestinationCut, "wales/ooh-cardiff is cut off").to_wire();
    let cut = Outcome::Failed(Trouble::Answered(Problem::from(&cut)));
    reporter.settled(letter(1, "b.json"), accepted(answer(State::Delivered, true)));
    reporter.settled(letter(0, "a.json"), accepted(answer(State::Accepted, false)));
    reporter.settled(letter(2, "c.json"), cut);
    if wanted == Wait::Acknowledged {
        let referral = crate::samples::referral(State::Acknowledged);
        reporter.followed(0, wait::Followed::There(referral));
        reporter.followed(1, wait::Followed::Late(Some(crate::samples::referral(State::Offered))));
    }
    let error = reporter.finish().unwrap_err();
    screen.error(&error);
    let (data, talk) = screen.told();
    (data, talk, error.exit())
}

#[test]
fn each_files_result_as_text_as_it_is_known() {
    let (data, talk, exit) = told(Output::Text, Wait::Accepted);
    assert_eq!(exit, Exit::Failed);
    insta::assert_snapshot!(format!("{data}---\n{talk}"));
}

#[test]
fn each_files_result_as_json_in_the_order_of_the_files() {
    let (data, _, _) = told(Output::Json, Wait::Accepted);
    insta::assert_snapshot!(data);
}

#[test]
fn followed_files_are_told_when_they_are_there_or_late() {
    let (data, talk, _) = told(Output::Jsonl, Wait::Acknowledged);
    insta::assert_snapshot!(format!("{data}---\n{talk}"));
}
