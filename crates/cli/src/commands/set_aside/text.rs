//! What is set aside, as text.

use super::{Ended, Left, Listed};
use crate::Paint;
use crate::table::{Cell, Table, plain, thousands};
use crate::time::distance;
use crate::view::Look;

pub(super) fn list(listed: &Listed, look: &Look) -> String {
    let mut text = count(listed, look);
    let mut table = Table::new(&["referral", "state", "priority", "due", "from", "to", "reason"]);
    for one in &listed.referrals {
        let overdue = one.deadline.is_some_and(|due| due <= look.now);
        let due = one.deadline.map(|due| distance(due, look.now)).unwrap_or_default();
        table.row([
            one.referral_id.as_str().into(),
            one.state.as_str().into(),
            one.priority.as_str().into(),
            if overdue { Cell::painted(&due, Paint::bad) } else { due.into() },
            one.tenant.as_str().into(),
            one.destination.as_deref().unwrap_or("").into(),
            one.reason.as_ref().map(crate::view::Reason::text).unwrap_or_default().into(),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&table.render(look.paint, ""));
    }
    text
}

/// How many, and of which states.
pub(super) fn count(listed: &Listed, look: &Look) -> String {
    let mut states: Vec<(&str, u64)> = Vec::new();
    for one in &listed.referrals {
        match states.iter_mut().find(|(state, _)| *state == one.state) {
            Some((_, count)) => *count += 1,
            None => states.push((&one.state, 1)),
        }
    }
    let each: Vec<String> =
        states.iter().map(|(state, count)| format!("{} {state}", thousands(*count))).collect();
    let which = if each.is_empty() { "nothing is set aside".to_owned() } else { each.join(", ") };
    let more = match listed.total > listed.referrals.len() as u64 {
        true => format!(" of {} that match", thousands(listed.total)),
        false => String::new(),
    };
    format!("{}{which}{more}\n", listed.desk.banner(look.paint))
}

/// What came of a command. Where something is left, the word is not that it is done.
pub(super) fn ended(ended: &Ended, look: &Look) -> String {
    let word = match (ended.done.pending, ended.left.is_empty()) {
        (true, _) => look.paint.warn("WAITS"),
        (false, true) => look.paint.good("DONE"),
        (false, false) => look.paint.warn("PARTLY"),
    };
    format!("{word}  {}\n", plain(&ended.done.effect)) + &left(&ended.left, look)
}

/// Those about which nothing was done, each with the reason.
pub(super) fn left(left: &[Left], look: &Look) -> String {
    let each = left.iter().map(|one| {
        let state = one.state.as_deref().map(|state| format!("{state}: ")).unwrap_or_default();
        format!("  {} {}  {state}{}\n", look.paint.bad("not"), plain(&one.asked), plain(&one.why))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use bulkhead_model::State;
    use bulkhead_wire::v1;

    use super::*;
    use crate::samples::{desked, look, referral};
    use crate::view::Referral;

    fn listed(states: &[State]) -> Listed {
        let one = |state: &State| {
            let mut one = referral(*state);
            one.reason = Some(v1::Reason {
                code: "TENANT_CUT".into(),
                text: "sent while the sender was under the cut wales/3f0c9a12be77".into(),
            });
            Referral::of(&one)
        };
        Listed { desk: desked(), total: 5, referrals: states.iter().map(one).collect() }
    }

    #[test]
    fn what_is_quarantined_as_text() {
        insta::assert_snapshot!(list(&listed(&[State::Quarantined]), &look(Paint::PLAIN)));
    }

    #[test]
    fn what_is_held_as_text() {
        let listed = listed(&[State::Held, State::Parked, State::ReturnPending, State::Held]);
        insta::assert_snapshot!(list(&listed, &look(Paint::PLAIN)));
    }

    #[test]
    fn nothing_set_aside_as_text() {
        let none = Listed { total: 0, ..listed(&[]) };
        insta::assert_snapshot!(list(&none, &look(Paint::PLAIN)));
    }
}
