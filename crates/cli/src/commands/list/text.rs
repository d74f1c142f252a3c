//! The list as text: a line for each referral.

use bulkhead_model::State;

use super::Listed;
use crate::screen::Paint;
use crate::table::{Cell, Table, thousands};
use crate::time::{distance, utc};
use crate::view::{Look, Referral, state_paint};

pub(super) fn render(listed: &Listed, look: &Look) -> String {
    let mut text = listed.world.banner(look);
    if listed.referrals.is_empty() {
        text.push_str("no referral matches\n");
    } else {
        text.push_str(&rows(&listed.referrals, look).render(look.paint, ""));
    }
    if let Some(one) = listed.referrals.iter().find(|one| one.state == State::Acknowledged.as_str()) {
        text.push_str(&format!("{}\n", look.paint.dim(&format!("{}: {}", one.state, one.meaning))));
    }
    text.push_str(&summary(listed, look));
    for one in &listed.unanswered {
        text.push_str(&look.paint.warn(&format!("{} {}", one.nation, one.message)));
        text.push('\n');
    }
    text
}

fn rows(referrals: &[Referral], look: &Look) -> Table {
    let mut table = Table::new(&[
        "due",
        "priority",
        "state",
        "from",
        "with",
        "kind",
        "referral",
        "message id",
        "case",
        "accepted (UTC)",
    ]);
    for one in referrals {
        let due = one.deadline.map_or("–".to_owned(), |at| distance(at, look.now));
        let due_paint: fn(Paint, &str) -> String =
            if one.overdue { Paint::bad } else { |_, text| text.to_owned() };
        let due = if one.overdue { format!("OVERDUE {due}") } else { due };
        table.row([
            Cell::painted(&due, due_paint),
            one.priority.as_str().into(),
            Cell::painted(&state(one), state_paint(&one.state)),
            one.tenant.as_str().into(),
            one.destination.as_deref().unwrap_or("–").into(),
            one.kind.as_str().into(),
            one.referral_id.as_str().into(),
            one.message_id.as_str().into(),
            one.case_id.as_deref().unwrap_or("–").into(),
            one.accepted_at.map(utc).unwrap_or_default().into(),
        ]);
    }
    table
}

/// The state, and the cut that keeps it there.
fn state(one: &Referral) -> String {
    match &one.cut {
        Some(cut) => format!("{} ({cut})", one.state),
        None => one.state.clone(),
    }
}

/// How many there are in all, when not all are shown.
fn summary(listed: &Listed, look: &Look) -> String {
    let shown = listed.referrals.len() as u64;
    if listed.totals.iter().all(|total| total.matching <= shown) {
        return String::new();
    }
    let each: Vec<String> =
        listed.totals.iter().map(|total| format!("{} {}", total.nation, thousands(total.matching))).collect();
    let text = format!(
        "the first {}; matching: {} (--limit shows more; --tenant, --state, --priority and --since narrow it)",
        thousands(shown),
        each.join(", ")
    );
    format!("{}\n", look.paint.dim(&text))
}
