//! The rules, each a function over the whole history.

use std::collections::{BTreeMap, HashMap};

use bulkhead_model::State;

use super::{Answer, Entry, History, Reception, Submit, Turn, Wrong, cut, due, outage};

/// Everything that is wrong.
pub(super) fn all(history: &History) -> Vec<Wrong> {
    let arrived = Arrived::of(history);
    let mut wrong = Vec::new();
    for (place, submit) in history.submits.iter().enumerate() {
        let receptions = arrived.of_submit(place);
        whereabouts(history, submit, receptions, &mut wrong);
        arrival(history, submit, receptions, &mut wrong);
        ledgers(submit, &mut wrong);
        due::detours(history, submit, &mut wrong);
        outage::yes(history, submit, &mut wrong);
    }
    wrong.extend(arrived.strangers.iter().map(|reception| Wrong::Stranger {
        message_id: reception.message_id.clone(),
        case: reception.case.clone(),
        at: reception.at.clone(),
    }));
    order(history, &arrived, &mut wrong);
    cut::all(history, &mut wrong);
    wrong
}

/// How many accepted messages arrived somewhere.
pub(super) fn arrived(history: &History) -> usize {
    let arrived = Arrived::of(history);
    let came = |(place, submit): &(usize, &Submit)| {
        submit.answer == Answer::Accepted && !arrived.of_submit(*place).is_empty()
    };
    history.submits.iter().enumerate().filter(came).count()
}

/// Which reception is of which submit.
struct Arrived<'a> {
    by_submit: Vec<Vec<&'a Reception>>,
    strangers: Vec<&'a Reception>,
}

impl<'a> Arrived<'a> {
    fn of(history: &'a History) -> Self {
        // The receiver may be wrong, so that a message is looked for wherever it came; where ids of two senders
        // are the same, the one that it is for comes first.
        let mut known: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, submit) in history.submits.iter().enumerate() {
            for id in &submit.arrives_as {
                known.entry(id.to_ascii_lowercase()).or_default().push(place);
            }
        }
        let mut arrived = Self { by_submit: vec![Vec::new(); history.submits.len()], strangers: Vec::new() };
        for reception in &history.receptions {
            let places = known.get(&reception.message_id.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
            let meant = places.iter().find(|place| history.submits[**place].to == reception.at);
            match meant.or(places.first()) {
                Some(place) => arrived.by_submit[*place].push(reception),
                None => arrived.strangers.push(reception),
            }
        }
        for receptions in &mut arrived.by_submit {
            receptions.sort_by_key(|reception| (&reception.at, reception.sequence));
        }
        arrived
    }

    fn of_submit(&self, place: usize) -> &[&'a Reception] {
        &self.by_submit[place]
    }
}

/// Accepted and received, or accepted and visibly somewhere else.
fn whereabouts(history: &History, submit: &Submit, receptions: &[&Reception], wrong: &mut Vec<Wrong>) {
    let message_id = || submit.message_id.clone();
    match submit.answer {
        Answer::Open => wrong.push(Wrong::NeverAnswered { message_id: message_id() }),
        Answer::Refused => {
            let said_so = submit.ledgers.iter().any(|entry| entry.sent_after_all);
            if let Some(reception) = receptions.first().filter(|_| !said_so) {
                wrong.push(Wrong::ReceivedThoughRefused {
                    message_id: message_id(),
                    at: reception.at.clone(),
                });
            }
        }
        Answer::Accepted => match submit.state() {
            None => wrong.push(Wrong::Vanished { message_id: message_id() }),
            Some(State::Acknowledged) if receptions.is_empty() => {
                wrong.push(Wrong::NeverArrived { message_id: message_id(), to: submit.to.clone() });
            }
            Some(State::Routed | State::Accepted | State::Carried) if waits_behind(history, submit) => {}
            Some(
                state
                @ (State::Accepted | State::Routed | State::Carried | State::Offered | State::Delivered),
            ) => wrong.push(Wrong::Stuck { message_id: message_id(), state }),
            Some(
                State::Acknowledged
                | State::Rejected
                | State::Held
                | State::Parked
                | State::Quarantined
                | State::ReturnPending
                | State::Returned
                | State::Diverted
                | State::Cancelled
                | State::Unknown,
            ) => {}
        },
    }
}

/// A person has to look at an earlier one of its case; until then this one waits, by design.
fn waits_behind(history: &History, submit: &Submit) -> bool {
    submit.case.is_some()
        && history.submits.iter().any(|earlier| {
            line(earlier) == line(submit)
                && earlier.order < submit.order
                && earlier.state().is_some_and(|state| {
                    matches!(state, State::Parked | State::Held | State::Quarantined | State::Unknown)
                })
        })
}

/// Once, by whom it is for or was diverted to, under one id, and again only after a crash.
fn arrival(history: &History, submit: &Submit, receptions: &[&Reception], wrong: &mut Vec<Wrong>) {
    let message_id = || submit.message_id.clone();
    let is_astray = |at: &str| at != submit.to && !due::was_diverted_to(submit, at);
    for reception in receptions.iter().filter(|reception| is_astray(&reception.at)) {
        let (to, at) = (submit.to.clone(), reception.at.clone());
        wrong.push(Wrong::Astray { message_id: message_id(), to, at });
    }
    let mut ids: Vec<String> = receptions.iter().map(|r| r.message_id.to_ascii_lowercase()).collect();
    ids.sort();
    ids.dedup();
    if ids.len() > 1 {
        wrong.push(Wrong::UnderTwoIds { message_id: message_id(), ids });
    }
    for reception in receptions {
        if reception.changed {
            wrong.push(Wrong::RepeatChanged { message_id: message_id(), at: reception.at.clone() });
        }
        if submit.same_bytes && reception.sha256 != submit.sha256 {
            let (sent, arrived) = (submit.sha256.clone(), reception.sha256.clone());
            wrong.push(Wrong::BytesDiffer { message_id: message_id(), sent, arrived });
        }
    }
    for (before, again) in receptions.iter().zip(receptions.iter().skip(1)) {
        if before.at != again.at {
            continue;
        }
        let at = again.at.clone();
        if !again.repeat {
            wrong.push(Wrong::Twice { message_id: message_id(), at });
        } else if !began_anew(history, before, again) {
            wrong.push(Wrong::NeedlessRepeat { message_id: message_id(), at });
        }
    }
}

/// Whether there is a reason to offer it again: a crash, or a cut of its receiver, which comes back with a new inbox.
fn began_anew(history: &History, before: &Reception, again: &Reception) -> bool {
    let between = before.time..=again.time;
    let cut_off = history.cuts.iter().filter(|cut| cut.to && cut.tenant == again.at);
    let closings = cut_off.flat_map(|cut| &cut.turns).filter_map(|turn| match turn {
        Turn::Closed { at, .. } => Some(at),
        Turn::Open { .. } | Turn::Withdrawn { .. } => None,
    });
    let concern = history.crashes.iter().filter(|crash| crash.of.as_ref().is_none_or(|of| *of == again.at));
    concern.map(|crash| &crash.dead_by).chain(closings).any(|moment| between.contains(moment))
}

/// Every ledger that knows it agrees with what was sent and with the others.
fn ledgers(submit: &Submit, wrong: &mut Vec<Wrong>) {
    for entry in submit.ledgers.iter().filter(|entry| entry.digest != submit.sha256) {
        let (message_id, nation) = (submit.message_id.clone(), entry.nation.clone());
        wrong.push(Wrong::DigestDiffers { message_id, nation });
    }
    // The nation that it came from comes first. What waits in another is carried to it; what another has given back is
    // returned there when it knows, and at home when its sender does.
    let agree = |two: &[Entry]| match (two[0].state, two[1].state) {
        (State::Carried, State::Accepted | State::Routed) | (State::ReturnPending, State::Returned) => true,
        (home, there) => home == there,
    };
    if !submit.ledgers.windows(2).all(agree) {
        let said = submit.ledgers.iter().map(|entry| (entry.nation.clone(), entry.state)).collect();
        wrong.push(Wrong::LedgersDisagree { message_id: submit.message_id.clone(), said });
    }
}

/// One sender's messages of one case to one receiver.
fn line(submit: &Submit) -> (&str, &str, Option<&str>) {
    (&submit.from, &submit.to, submit.case.as_deref())
}

/// Each message of a case is done with before the next one begins, its repeats too.
fn order(history: &History, arrived: &Arrived, wrong: &mut Vec<Wrong>) {
    let mut cases: BTreeMap<_, Vec<(&Submit, &[&Reception])>> = BTreeMap::new();
    for (place, submit) in history.submits.iter().enumerate() {
        let receptions = arrived.of_submit(place);
        if submit.case.is_some() && receptions.iter().any(|reception| reception.at == submit.to) {
            cases.entry(line(submit)).or_default().push((submit, receptions));
        }
    }
    for ((.., case), mut sent) in cases {
        sent.sort_by_key(|(submit, _)| submit.order);
        let places = |(submit, receptions): &(&Submit, &[&Reception])| {
            let there = receptions.iter().filter(|reception| reception.at == submit.to);
            let places: Vec<u64> = there.map(|reception| reception.sequence).collect();
            (places.first().copied(), places.last().copied())
        };
        for two in sent.windows(2) {
            let ((_, end_of_first), (begin_of_next, _)) = (places(&two[0]), places(&two[1]));
            if end_of_first > begin_of_next {
                wrong.push(Wrong::OutOfOrder {
                    case: case.unwrap_or_default().to_owned(),
                    first: two[0].0.message_id.clone(),
                    later: two[1].0.message_id.clone(),
                });
            }
        }
    }
}
