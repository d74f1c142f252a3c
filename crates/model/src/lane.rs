//! How soon somebody must look, and the lane that follows from it.

/// As the sender stated it. Not stated or not understood = urgent (architecture section 4, Urgency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Life at risk.
    Emergency,
    /// Today.
    Urgent,
    /// May wait.
    Routine,
}

impl Priority {
    /// As it is written in commands and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Emergency => "emergency",
            Priority::Urgent => "urgent",
            Priority::Routine => "routine",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Lane::ALL.into_iter().map(Lane::priority).find(|priority| priority.as_str() == text)
    }
}

/// The partition of `out` and the queue of a spool that a referral waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(Priority);

impl Lane {
    /// All three, most urgent first.
    pub const ALL: [Lane; 3] = [Lane(Priority::Emergency), Lane(Priority::Urgent), Lane(Priority::Routine)];

    /// The lane of that priority.
    pub fn of(priority: Priority) -> Self {
        Self(priority)
    }

    /// The partition of `out.<tenant>`.
    pub fn partition(self) -> u32 {
        self.0 as u32
    }

    /// The lane of that partition of `out.<tenant>`.
    pub fn from_partition(partition: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.partition() == partition)
    }

    /// The priority that it is for.
    pub fn priority(self) -> Priority {
        self.0
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}
