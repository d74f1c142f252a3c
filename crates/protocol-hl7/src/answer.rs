//! Writes our answer to a message of the local system.
//!
//! No text of an answer is taken from the message: it says what and where, never what stands there.

use bulkhead_format_hl7::ack::{Reply, Stamp, ack};
use bulkhead_format_hl7::time::Precision;
use bulkhead_format_hl7::{AckCode, Condition, Message, Mode, Original, Ts};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use crate::refusal::{Blame, Refusal};
use crate::settings::{Acknowledgement, Answers, Negative};

/// The most of MSA-3 that v2.4 has room for (HL7 v2.4 section 2.16.8.3).
const TEXT: usize = 80;

/// What the local system is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is taken; the text says how, where that is worth saying.
    Taken(Option<&'static str>),
    /// It is not.
    Not(Refusal),
}

/// Which answers a message gets: what it asks for, or what is configured.
pub(crate) fn mode(configured: Acknowledgement, asked: Mode) -> Mode {
    match (configured, asked) {
        (Acknowledgement::Original, _) => Mode::Original,
        (Acknowledgement::Enhanced, Mode::Original) => {
            Mode::Enhanced { accept: Condition::Always, application: Condition::Never }
        }
        (Acknowledgement::AsAsked | Acknowledgement::Enhanced, asked) => asked,
    }
}

/// The answer that goes out at once; `None` where the message asks for none. Where it asks for no commit but for an
/// application acknowledgement, what is refused is refused in that form: there will be nothing to wait for.
pub(crate) fn write(
    original: &Original,
    mode: Mode,
    letters: &Answers,
    verdict: &Verdict,
) -> Option<Message> {
    let taken = matches!(verdict, Verdict::Taken(_));
    let commit = match mode {
        Mode::Original => false,
        Mode::Enhanced { accept, .. } if accept.wants(taken) => true,
        Mode::Enhanced { application, .. } if !taken && application.wants(false) => false,
        Mode::Enhanced { .. } => return None,
    };
    let reply = match verdict {
        Verdict::Taken(text) => {
            let code = if commit { AckCode::CommitAccept } else { AckCode::ApplicationAccept };
            text.iter().fold(Reply::new(code), |reply, text| reply.text(*text))
        }
        Verdict::Not(refusal) => {
            let reply = Reply::new(code(letters, refusal.blame, commit));
            reply.text(shortened(&refusal.text)).issues(refusal.issues.iter().cloned())
        }
    };
    ack(original, &reply, &stamp()).ok()
}

/// The letters of a negative answer.
pub(crate) fn code(letters: &Answers, blame: Blame, commit: bool) -> AckCode {
    let negative = match blame {
        Blame::Unsupported => letters.unsupported,
        Blame::Content => letters.content,
        Blame::Refused => letters.refused,
        Blame::TryAgain => letters.try_again,
    };
    match (negative, commit) {
        (Negative::Ae, false) => AckCode::ApplicationError,
        (Negative::Ar, false) => AckCode::ApplicationReject,
        (Negative::Ae, true) => AckCode::CommitError,
        (Negative::Ar, true) => AckCode::CommitReject,
    }
}

/// The header to answer to bytes that hold none: MSA-2 is then empty, and ERR says why.
pub(crate) fn headless() -> Option<Original> {
    Original::salvage(b"MSH|^~\\&|||BULKHEAD|||||||P|2.4\r")
}

/// Now, under a control id that nobody has had.
pub(crate) fn stamp() -> Stamp {
    let random = Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    Stamp { at: Ts::with_offset(&now, Precision::Second), control_id: random[..20].to_owned() }
}

/// As much as has room, up to the end of a word; dots say that more was to be said (ERR has the whole).
pub(crate) fn shortened(text: &str) -> String {
    const MORE: &str = " ...";
    if text.chars().count() <= TEXT {
        return text.to_owned();
    }
    let kept: String = text.chars().take(TEXT - MORE.len() + 1).collect();
    match kept.rsplit_once(' ') {
        Some((words, _)) => words.trim_end_matches([' ', ',', ';', ':']).to_owned() + MORE,
        None => kept[..kept.floor_char_boundary(kept.len() - 1)].to_owned() + MORE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<Condition> = None;

    #[track_caller]
    fn check(configured: Acknowledgement, asked: [Option<Condition>; 2], taken: &str, refused: &str) {
        let asked = match asked {
            [None, None] => Mode::Original,
            [accept, application] => Mode::Enhanced {
                accept: accept.unwrap_or(Condition::Never),
                application: application.unwrap_or(Condition::Never),
            },
        };
        let original = headless().unwrap();
        let said = |verdict: Verdict| {
            let answer = write(&original, mode(configured, asked), &Answers::HL7, &verdict);
            answer.map_or(String::new(), |answer| answer.field("MSA", 1).text().into_owned())
        };
        assert_eq!(said(Verdict::Taken(None)), taken, "{configured:?} {asked:?}");
        assert_eq!(said(Verdict::Not(Refusal::of_issues(Vec::new()))), refused, "{configured:?} {asked:?}");
    }

    #[test]
    fn every_mode_has_its_letters() {
        use Acknowledgement::{AsAsked, Enhanced, Original};
        use Condition::{Always, Never, OnError, OnSuccess};
        check(AsAsked, [NONE, NONE], "AA", "AE");
        check(AsAsked, [Some(Always), Some(Never)], "CA", "CE");
        check(AsAsked, [Some(OnError), NONE], "", "CE");
        check(AsAsked, [Some(OnSuccess), NONE], "CA", "");
        check(AsAsked, [Some(Never), Some(Always)], "", "AE");
        check(AsAsked, [Some(Never), Some(Never)], "", "");
        check(Original, [Some(Always), Some(Never)], "AA", "AE");
        check(Original, [Some(Never), Some(Never)], "AA", "AE");
        check(Enhanced, [NONE, NONE], "CA", "CE");
        check(Enhanced, [Some(Never), Some(OnError)], "", "AE");
    }

    #[test]
    fn a_text_has_room_in_version_2_4() {
        assert_eq!(shortened(&"\u{175}".repeat(200)).chars().count(), TEXT);
        let text = format!("{} and more", "1234567 ".repeat(9) + "12345678");
        assert_eq!(shortened(&text[..TEXT]), text[..TEXT]);
        let short = shortened(&text);
        assert!(short.chars().count() <= TEXT && short.ends_with("1234567 ..."), "{short}");
    }

    #[test]
    fn a_control_id_is_20_alphanumerics_and_its_own() {
        let ids = [stamp().control_id, stamp().control_id];
        assert!(ids.iter().all(|id| id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert_ne!(ids[0], ids[1]);
    }
}
