//! What became of each file, told as soon as it is known; JSON in one document at the end.

use bulkhead_model::{Nation, ServiceAddress, State, TenantId};
use bulkhead_wire::{state_from_wire, v1};
use jiff::Timestamp;
use serde::Serialize;

use super::letters::{Letter, Unsendable};
use super::progress::Progress;
use super::submit::Outcome;
use super::wait::Followed;
use super::{Wait, When};
use crate::cell::Trouble;
use crate::context::Context;
use crate::error::describe;
use crate::global::Output;
use crate::screen::Paint;
use crate::table::plain;
use crate::view::{Address, Reason, World, meaning, moment, state_name, state_paint};
use crate::{Error, Exit, Screen};

/// The whole command, as JSON has it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which world it was sent in.
    #[serde(flatten)]
    pub world: World,
    /// The cell that it was sent to.
    pub nation: String,
    /// The sender.
    pub tenant: String,
    /// The service addressed.
    pub to: Address,
    /// What became of each file, in the order of the files.
    pub files: Vec<Sent>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The file, as it was named.
    pub file: String,
    /// It came as far as was asked.
    pub ok: bool,
    /// The sender's id.
    pub message_id: String,
    /// The broker's id, once accepted.
    pub referral_id: Option<String>,
    /// Its newest known state.
    pub state: Option<String>,
    /// That state in words.
    pub meaning: Option<String>,
    /// Why it is in that state.
    pub reason: Option<Reason>,
    /// The message id was known before this command.
    pub duplicate: bool,
    /// When the log appended it.
    pub accepted_at: Option<Timestamp>,
    /// Why it did not come as far as was asked.
    pub error: Option<Reason>,
}

/// One line of `jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    world: &'a World,
    tenant: &'a str,
    #[serde(flatten)]
    sent: &'a Sent,
}

/// Hears what becomes of each file and tells it.
pub(super) struct Reporter<'a> {
    report: Report,
    /// By place among the files; some are known before others.
    known: Vec<Option<(Sent, Exit)>>,
    wanted: Wait,
    progress: Progress,
    screen: &'a mut Screen,
}

impl Report {
    /// Before the first file.
    pub(super) fn new(context: &Context, tenant: &TenantId, to: &ServiceAddress) -> Self {
        Self {
            world: World::of(context),
            nation: tenant.nation().to_string(),
            tenant: tenant.to_string(),
            to: Address { system: to.system().to_owned(), value: to.value().to_owned() },
            files: Vec::new(),
        }
    }

    /// What is about to be done, in which world, as whom.
    pub(super) fn announcement(&self, files: usize) -> String {
        let demo = if self.world.demo { "DEMO  " } else { "" };
        let what = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        format!(
            "{demo}context {}, nation {}: as {}, {what} to {}",
            self.world.context,
            self.nation,
            self.tenant,
            self.to.text()
        )
    }
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        report: Report,
        wanted: Wait,
        when: When,
        total: usize,
        screen: &'a mut Screen,
    ) -> Self {
        let progress = Progress::new(when, total, screen);
        Self { report, known: vec![None; total], wanted, progress, screen }
    }

    /// The cell's answer for one file, or its absence.
    pub(super) fn settled(&mut self, letter: Letter, outcome: Outcome) {
        let (sent, exit) = Sent::of(&letter, outcome);
        let index = letter.index;
        let is_last_word = self.wanted == Wait::Accepted || !sent.ok;
        self.known[index] = Some((sent, exit));
        if is_last_word {
            self.tell(index);
        }
    }

    /// How far one file came that was followed.
    pub(super) fn followed(&mut self, index: usize, followed: Followed) {
        if let Some((sent, exit)) = &mut self.known[index] {
            *exit = sent.follow(followed, self.wanted);
        }
        self.tell(index);
    }

    /// Said once for each try that failed.
    pub(super) fn outage(&mut self, nation: Nation, trouble: &Trouble) {
        let text = format!("{}; trying again", describe(&[(nation, trouble.clone())]));
        self.progress.aside(|| self.screen.talk(&text));
    }

    /// What was accepted, to be followed: place and referral id.
    pub(super) fn accepted(&self) -> Vec<(usize, String)> {
        let known = self.known.iter().enumerate();
        let accepted = known.filter_map(|(index, known)| {
            let (sent, _) = known.as_ref().filter(|(sent, _)| sent.ok)?;
            Some((index, sent.referral_id.clone()?))
        });
        accepted.collect()
    }

    fn tell(&mut self, index: usize) {
        let Some((sent, _)) = &self.known[index] else { return };
        self.progress.advance(sent.ok, self.screen);
        self.progress.aside(|| match self.screen.output() {
            Output::Text => {
                let line = sent.line(self.screen.paint());
                self.screen.data(&line);
            }
            Output::Jsonl => {
                let line = Line { world: &self.report.world, tenant: &self.report.tenant, sent };
                self.screen.json_line(&line);
            }
            Output::Json => {}
        });
    }

    /// The last word, and whether all came as far as was asked.
    pub(super) fn finish(mut self) -> Result<Exit, Error> {
        self.progress.finish(self.screen);
        let total = self.known.len();
        let (files, exits): (Vec<Sent>, Vec<Exit>) = self.known.into_iter().flatten().unzip();
        self.report.files = files;
        if self.screen.output() == Output::Json {
            self.screen.json(&self.report);
        }
        let failed: Vec<&Sent> = self.report.files.iter().filter(|sent| !sent.ok).collect();
        let Some(first) = failed.first().and_then(|sent| sent.error.clone()) else {
            return Ok(Exit::Done);
        };
        let alike = failed.len() == total && exits.iter().all(|exit| *exit == exits[0]);
        Err(Error::Files {
            total,
            failed: failed.iter().map(|sent| sent.file.clone()).collect(),
            exit: if alike { exits[0] } else { Exit::Failed },
            reason: if alike { first.code.clone() } else { "SOME_FILES_FAILED".into() },
            first: plain(&first.text),
            wanted: self.wanted.as_str(),
        })
    }
}

impl Sent {
    fn of(letter: &Letter, outcome: Outcome) -> (Self, Exit) {
        let mut sent = Self {
            file: letter.file.display().to_string(),
            ok: false,
            message_id: letter.message_id.to_string(),
            referral_id: None,
            state: None,
            meaning: None,
            reason: None,
            duplicate: false,
            accepted_at: None,
            error: None,
        };
        let exit = match outcome {
            Outcome::Accepted { answer, repeated } => sent.accept(answer, repeated),
            Outcome::Failed(trouble) => sent.fail(trouble.reason(), trouble.to_string(), trouble.exit()),
            Outcome::NotSent(Unsendable::Refused(trouble)) => {
                sent.fail(trouble.reason(), "the file is larger than 5 MiB".into(), trouble.exit())
            }
            Outcome::NotSent(Unsendable::Unreadable(why)) => sent.fail("", why, Exit::Failed),
            Outcome::NotSent(Unsendable::UnknownContent) => {
                let why = "what it contains is not recognised: name it with --content-type";
                sent.fail("", why.into(), Exit::Usage)
            }
        };
        (sent, exit)
    }

    fn accept(&mut self, answer: v1::SubmitResponse, repeated: bool) -> Exit {
        self.referral_id = Some(answer.referral_id);
        self.duplicate = answer.duplicate && !repeated;
        self.accepted_at = moment(answer.accepted_at);
        self.be(answer.state, answer.reason.as_ref());
        if state_from_wire(answer.state).is_some_and(|state| state.is_good()) {
            self.ok = true;
            return Exit::Done;
        }
        self.fail_in_state()
    }

    fn follow(&mut self, followed: Followed, wanted: Wait) -> Exit {
        match followed {
            Followed::There(referral) => {
                self.be(referral.state, referral.reason.as_ref());
                Exit::Done
            }
            Followed::Stuck(referral) => {
                self.be(referral.state, referral.reason.as_ref());
                self.fail_in_state()
            }
            Followed::Late(last) => {
                if let Some(referral) = last {
                    self.be(referral.state, referral.reason.as_ref());
                }
                let state = self.state.as_deref().unwrap_or("accepted");
                let why = format!("it is safe and {state}, but was not {} in time", wanted.as_str());
                self.fail("NOT_IN_TIME", why, Exit::Failed)
            }
            Followed::Refused(trouble) => self.fail(trouble.reason(), trouble.to_string(), trouble.exit()),
        }
    }

    fn be(&mut self, state: i32, reason: Option<&v1::Reason>) {
        self.state = Some(state_name(state));
        self.meaning = Some(meaning(state).to_owned());
        self.reason = reason.and_then(Reason::of);
    }

    /// It is known to the broker, in a state that does not lead where it should.
    fn fail_in_state(&mut self) -> Exit {
        let state = self.state.clone().unwrap_or_default();
        let code = self.reason.as_ref().map(|reason| reason.code.clone()).unwrap_or_default();
        let because = self.reason.as_ref().map(|reason| format!(" ({})", reason.text())).unwrap_or_default();
        let meaning = self.meaning.clone().unwrap_or_default();
        self.fail(&code, format!("it is {state}: {meaning}{because}"), Exit::Failed)
    }

    fn fail(&mut self, code: &str, text: String, exit: Exit) -> Exit {
        self.ok = false;
        self.error = Some(Reason { code: code.to_owned(), text });
        exit
    }

    fn line(&self, paint: Paint) -> String {
        let state = match (&self.error, &self.state) {
            (Some(_), _) => paint.bad(&format!("{:<12}", "failed")),
            (None, Some(state)) => state_paint(state)(paint, &format!("{state:<12}")),
            (None, None) => String::new(),
        };
        let known = if self.duplicate { ", known before" } else { "" };
        let more = match (&self.error, &self.meaning) {
            (Some(error), _) => format!(": {}", plain(&error.text)),
            // "Acknowledged" must not read as if somebody had seen it.
            (None, Some(meaning)) if self.state.as_deref() == Some(State::Acknowledged.as_str()) => {
                format!(": {meaning}")
            }
            (None, _) => String::new(),
        };
        format!(
            "{state}  {}  {}  (message id {}{known}){more}",
            self.referral_id.as_deref().unwrap_or("-"),
            plain(&self.file),
            plain(&self.message_id),
        )
    }
}
