//! What happened since the start, as `/metrics` shows it.
//!
//! Many simulators live in one process, so these are values of their own and not the process's metrics.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::Extent;

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident,)+) => {
        /// Counts since the start.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[doc = $help])+ pub(crate) $name: Counter,)+
        }

        impl Counters {
            fn each(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($help),+).trim_ascii(), self.$name.count()),)+]
            }
        }
    };
}

counters! {
    /// Messages that arrived, good or not.
    arrived,
    /// Messages that were accepted, repeats included.
    accepted,
    /// Messages refused for what they are.
    invalid,
    /// Messages rejected as told.
    rejected,
    /// Messages told to come again, as told.
    put_off,
    /// Messages left without an answer, as told.
    unanswered,
    /// Messages that could not be kept.
    unkept,
    /// Messages sent to the sidecar.
    sent,
    /// Messages sent to the sidecar that it accepted.
    sent_accepted,
}

/// One count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// The text of `/metrics`.
    pub(crate) fn render(&self, tenant: &str, extent: Extent, listening: bool) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "# HELP simulator_{name} {help}\n# TYPE simulator_{name} {kind}\nsimulator_{name}{{tenant=\"{tenant}\"}} {value}\n"
            );
        };
        for (name, help, value) in self.each() {
            metric(&format!("{name}_total"), "counter", help, value);
        }
        metric("kept", "gauge", "Messages in the journal.", extent.messages);
        metric("repeats", "gauge", "Messages in the journal that were repeats.", extent.repeats);
        metric("changed_repeats", "gauge", "Repeats that came with other bytes.", extent.changed);
        metric("listening", "gauge", "Whether connections are taken.", u64::from(listening));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_prometheus_text() {
        let counters = Counters::default();
        counters.put_off.add();
        let text = counters.render("wales/a", Extent { messages: 3, repeats: 1, changed: 0 }, true);
        assert!(text.contains("# HELP simulator_put_off_total Messages told to come again, as told.\n"));
        assert!(text.contains("simulator_put_off_total{tenant=\"wales/a\"} 1\n"));
        assert!(text.contains("simulator_kept{tenant=\"wales/a\"} 3\n"));
    }
}
