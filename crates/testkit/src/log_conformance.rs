//! What every log must do, whatever it is made of.
//!
//! One suite, run unchanged on each implementation of [`Log`]. It asks for no more than the contract says: offsets
//! are only compared, and what was appended is waited for, never expected at once. A rule that breaks panics with its
//! name. Topics are named after the run, so a shared cluster can be used again and again.

mod appending;
mod case;
mod keeping;
mod reading;
mod sharing;

use std::{sync::Arc, time::Duration};

use bulkhead_log::Log;

use self::case::Case;

/// How long one rule may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the suite. `open` opens the same store each time; the log that it gave before is dropped by then.
pub async fn conformance<F: Future<Output = Arc<dyn Log>>>(open: impl Fn() -> F) {
    let run = format!("conformance.{}", jiff::Timestamp::now().as_nanosecond());
    let log = open().await;

    /// Runs each function as the rule of that name.
    macro_rules! rules {
        ($log:expr, $($group:ident::$rule:ident),* $(,)?) => {$({
            let name = stringify!($rule);
            let case = Case::new($log.clone(), &run, name);
            let held = tokio::time::timeout(PATIENCE, $group::$rule(&case)).await;
            assert!(held.is_ok(), "{name}: no end within {PATIENCE:?}");
        })*};
    }
    rules!(
        log,
        appending::ensure_is_idempotent,
        appending::a_topic_of_another_shape_is_refused,
        appending::every_topic_name_that_parses_is_taken,
        appending::an_append_to_nowhere_writes_nothing,
        appending::appends_land_in_call_order,
        appending::a_dropped_append_still_lands,
        appending::what_is_answered_is_what_is_read,
        appending::many_appenders_keep_their_order,
        appending::small_and_large_records_come_back,
        appending::a_record_over_the_limit_writes_nothing,
        reading::it_reads_on_from_a_position,
        reading::a_reader_waits_for_the_next_entry,
        reading::a_cancelled_read_loses_nothing,
        reading::partitions_are_added_and_removed,
        reading::a_paused_partition_is_silent_and_loses_nothing,
        reading::a_backlog_does_not_starve_the_others,
        reading::answers_keep_within_the_limits,
        reading::two_readers_see_the_same,
        reading::a_start_past_the_end_is_an_error,
        reading::an_unknown_partition_is_said_once,
        keeping::bounds_follow_appends,
        keeping::entries_are_found_at_their_pointers,
        keeping::what_is_trimmed_is_gone,
        keeping::trimming_all_does_not_reuse_offsets,
        keeping::compaction_keeps_the_last_of_each_key,
        sharing::one_node_gets_every_shard,
        sharing::a_node_that_leaves_is_succeeded,
    );

    let before = Case::new(log, &run, "reopening");
    let memory = keeping::fill_before_reopening(&before).await;
    drop(before);
    let again = Case::new(open().await, &run, "reopening");
    let held =
        tokio::time::timeout(PATIENCE, keeping::everything_is_there_after_reopening(&again, memory)).await;
    assert!(held.is_ok(), "reopening: no end within {PATIENCE:?}");
}
