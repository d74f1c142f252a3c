//! Cuts as text.

use super::{Done, Listed, Shown};
use crate::Paint;
use crate::commands::cut::text::{account, border_only};
use crate::desk::Desked;
use crate::table::{Cell, Table, plain};
use crate::time::{distance, local, utc};
use crate::view::{Account, Cut, Look};

pub(super) fn list(listed: &Listed, look: &Look) -> String {
    let mut text = listed.desk.banner(look.paint);
    if listed.cuts.is_empty() {
        return text + "nothing is cut, and nothing was\n";
    }
    let mut table = Table::new(&["cut", "scope", "", "stage", "suspect since", "made", "by", "reason"]);
    for cut in &listed.cuts {
        table.row([
            cut.cut_id.as_str().into(),
            cut.scope.as_str().into(),
            cut.direction.as_str().into(),
            stage(cut),
            cut.since.map(utc).unwrap_or_default().into(),
            cut.made_at.map(|at| distance(at, look.now)).unwrap_or_default().into(),
            cut.by.as_str().into(),
            cut.reason.as_str().into(),
        ]);
    }
    text.push_str(&table.render(look.paint, ""));
    text
}

pub(super) fn show(shown: &Shown, look: &Look) -> String {
    let Some(cut) = &shown.account.cut else { return shown.desk.banner(look.paint) };
    let mut text = one(&shown.desk, cut, look);
    text.push_str(&format!("tenants {}\n", plain(&cut.tenants.join(", "))));
    if !shown.account.border_only.is_empty() {
        let said = border_only(&shown.account.border_only.join(", "));
        text.push_str(&format!("{}\n", look.paint.warn(&plain(&said))));
    }
    if !shown.account.not_covered.is_empty() {
        let others = shown.account.not_covered.join(", ");
        text.push_str(&format!("not covered, though of the same supplier: {}\n", plain(&others)));
    }
    text.push_str(&account(&shown.account, look));
    text.push_str(&timeline(&shown.account, look));
    if let Some(proposal) = &shown.account.proposal {
        text.push_str(&format!(
            "\nproposed by {}: {}\n  certificates {}\n  inbox {}\n",
            plain(&proposal.by),
            plain(&proposal.evidence),
            plain(&proposal.certificates.join(", ")),
            plain(proposal.inbox_id.as_deref().unwrap_or("none")),
        ));
    }
    for other in &shown.others {
        let also = format!("{} still covers {} ({})", other.cut_id, other.scope, other.stage);
        text.push_str(&format!("{}\n", look.paint.warn(&plain(&also))));
    }
    text
}

/// What was said, and when each node was first heard to act upon it, in the order of time.
fn timeline(account: &Account, look: &Look) -> String {
    let words = account.steps.iter().map(|step| {
        let node = step.node.as_deref().unwrap_or("");
        (step.at, step.by.as_str(), node, step.what.as_str(), step.detail.clone())
    });
    let nodes = account.nodes.iter().map(|node| {
        let after = format!("heard by its pulse {} ms after the log took it", node.after_us / 1_000);
        (node.at, "", node.node.as_str(), "in force", after)
    });
    let mut all: Vec<_> = words.chain(nodes).collect();
    // Equal times keep the word before the nodes that act upon it.
    all.sort_by_key(|(at, ..)| *at);
    let mut table = Table::new(&["when", "who", "node", "what", ""]);
    for (at, who, node, what, detail) in all {
        table.row([
            at.map(utc).unwrap_or_default().into(),
            who.into(),
            node.into(),
            what.into(),
            detail.into(),
        ]);
    }
    table.render(look.paint, "")
}

/// One cut in a few lines.
pub(super) fn one(desk: &Desked, cut: &Cut, look: &Look) -> String {
    let mut text = desk.banner(look.paint);
    let paint = look.paint;
    text.push_str(&format!(
        "{}  {}  ({})  {}\n",
        paint.bold(&plain(&cut.cut_id)),
        plain(&cut.scope),
        cut.direction,
        if cut.active { paint.bad(&cut.stage) } else { cut.stage.clone() }
    ));
    if let Some(since) = cut.since {
        text.push_str(&format!("suspect since {} ({} here)\n", utc(since), local(since, &look.zone)));
    }
    text.push_str(&format!("made by {}: {}\n", plain(&cut.by), plain(&cut.reason)));
    match (&cut.confirmed_by, cut.unconfirmed) {
        (Some(by), _) => text.push_str(&format!("confirmed by {}\n", plain(by))),
        (None, true) => text.push_str(&format!("{}\n", paint.bad("nobody has confirmed it"))),
        (None, false) => {}
    }
    text
}

pub(super) fn done(done: &Done, look: &Look) -> String {
    let paint = look.paint;
    let word = if done.pending { paint.warn("WAITS") } else { paint.good("DONE") };
    let mut text = format!("{word}  {}\n", plain(&done.effect));
    if let Some(cut) = &done.cut {
        text.push_str(&format!("{}  {}  {}\n", plain(&cut.cut_id), plain(&cut.scope), cut.stage));
    }
    text
}

/// How far a cut is, red while it covers anything.
pub(crate) fn stage(cut: &Cut) -> Cell {
    let text = if cut.unconfirmed { format!("{}, unconfirmed", cut.stage) } else { cut.stage.clone() };
    match cut.active || cut.unconfirmed {
        true => Cell::painted(&text, Paint::bad),
        false => text.into(),
    }
}
