//! One life from several ledgers. A referral that crossed a border is in two of them, each with the steps
//! that its own nation decided.

use bulkhead_model::Nation;
use bulkhead_wire::v1;
use jiff::Timestamp;
use serde::Serialize;

use crate::view::{Reason, Referral, Step, moment, state_name, stated};

/// One referral, and all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// The referral as the nation that has custody shows it.
    pub referral: Referral,
    /// What each nation that knows it says.
    pub cells: Vec<InCell>,
    /// Every event of every nation, in the order of time.
    pub steps: Vec<Step>,
}

/// What one nation says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InCell {
    /// Which.
    pub nation: String,
    /// The state in its ledger.
    pub state: String,
    /// Why.
    pub reason: Option<Reason>,
    /// Who has it or will get it.
    pub destination: Option<String>,
    /// When that state began.
    pub updated_at: Option<Timestamp>,
}

type Copy = (Nation, v1::Referral);

/// The lives that the answers tell of, each with the copies of all cells, in the order in which the first
/// cell named them.
pub(super) fn merge(answers: Vec<(Nation, v1::GetReferralResponse)>) -> Vec<Life> {
    let mut lives: Vec<Vec<Copy>> = Vec::new();
    for (nation, answer) in answers {
        for referral in answer.referrals {
            let same = |copies: &&mut Vec<Copy>| copies[0].1.referral_id == referral.referral_id;
            match lives.iter_mut().find(same) {
                Some(copies) => copies.push((nation, referral)),
                None => lives.push(vec![(nation, referral)]),
            }
        }
    }
    lives.into_iter().filter_map(life).collect()
}

fn life(mut copies: Vec<Copy>) -> Option<Life> {
    // The sender's nation tells first.
    copies.sort_by_key(|(nation, referral)| nation_of(&referral.tenant) != nation.as_str());
    let holder = holder(&copies)?;
    let mut referral = Referral::of(&holder.1);
    for (_, copy) in &copies {
        add_missing(&mut referral.omissions, &copy.omissions);
        add_missing(&mut referral.alerts, &copy.alerts);
        referral.overdue |= copy.overdue;
        referral.cut = referral.cut.take().or_else(|| stated(&copy.cut));
        referral.next = referral.next.take().or_else(|| stated(&copy.next));
    }
    // When its sender was told "accepted" only its own nation knows.
    referral.accepted_at = copies.first().and_then(|(_, home)| moment(home.accepted_at));
    Some(Life { referral, cells: copies.iter().map(in_cell).collect(), steps: steps(&copies) })
}

/// The copy of the nation that decides about it: the sender's, unless that says that another has it and
/// the other has told too.
fn holder(copies: &[Copy]) -> Option<&Copy> {
    let home = copies.first()?;
    let away = copies[1..].iter().find(|(nation, _)| nation_of(&home.1.destination) == nation.as_str());
    Some(away.unwrap_or(home))
}

/// The part before the `/`; all of it where a nation stands for itself.
fn nation_of(text: &str) -> &str {
    text.split_once('/').map_or(text, |(nation, _)| nation)
}

fn in_cell((nation, copy): &Copy) -> InCell {
    InCell {
        nation: nation.to_string(),
        state: state_name(copy.state),
        reason: copy.reason.as_ref().and_then(Reason::of),
        destination: Some(copy.destination.clone()).filter(|text| !text.is_empty()),
        updated_at: moment(copy.updated_at),
    }
}

/// By time over the nations, but never against the order in which one nation told its own: within a nation
/// the log's order is the truth, and the nodes' clocks are only close.
fn steps(copies: &[Copy]) -> Vec<Step> {
    let mut sources: Vec<_> = copies
        .iter()
        .map(|(nation, copy)| copy.steps.iter().map(|step| Step::of(*nation, step)).peekable())
        .collect();
    let mut merged = Vec::new();
    loop {
        let heads = sources.iter_mut().enumerate();
        let next = heads.filter_map(|(n, steps)| Some((steps.peek()?.at, n))).min();
        match next.and_then(|(_, n)| sources[n].next()) {
            Some(step) => merged.push(step),
            None => return merged,
        }
    }
}

fn add_missing(all: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}
