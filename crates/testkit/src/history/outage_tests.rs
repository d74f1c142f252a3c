//! A yes that nothing stands behind.

use super::tests::{at, check, id, reception, submit};
use super::{Outage, Submit, Wrong, Yes};

/// Told and appended at these seconds, with an outage from 10 to 20.
#[track_caller]
fn judge(told: i64, appended: i64, spool_may_speak: bool, is_wrong: bool) {
    let yes = Yes { at: at(told), appended: at(appended), spool_may_speak };
    let wrong = Wrong::AcceptedInOutage { message_id: id(), at: at(told) };
    check(
        |history| {
            history.submitted(Submit { yes: Some(yes), ..submit("m1") });
            history.received(reception("m1", 30));
            history.outage(Outage { since: at(10), until: at(20) });
        },
        if is_wrong { std::slice::from_ref(&wrong) } else { &[] },
    );
}

#[test]
fn one_that_was_appended_and_accepted_while_nothing_could_become_durable() {
    judge(12, 11, false, true);
}

#[test]
fn what_the_log_had_before_may_be_told_and_what_came_meanwhile_after_it() {
    judge(12, 9, false, false);
    judge(21, 11, false, false);
    judge(9, 8, false, false);
    judge(22, 21, false, false);
}

#[test]
fn a_spool_may_speak_for_what_is_appended_later() {
    judge(12, 11, true, false);
    // Appended after it was told: the log never said so.
    judge(12, 21, true, false);
    judge(12, 21, false, true);
}
