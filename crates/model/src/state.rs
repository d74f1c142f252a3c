//! The names of the states of a referral, and what each means to others.

/// The name of a state, without what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum State {
    Accepted,
    Routed,
    Carried,
    Offered,
    Delivered,
    Acknowledged,
    Rejected,
    Held,
    Parked,
    Quarantined,
    ReturnPending,
    Returned,
    Diverted,
    Cancelled,
    Unknown,
}

impl State {
    /// All of them, in the order of a life.
    pub const ALL: [State; 15] = [
        State::Accepted,
        State::Routed,
        State::Carried,
        State::Offered,
        State::Delivered,
        State::Acknowledged,
        State::Rejected,
        State::Held,
        State::Parked,
        State::Quarantined,
        State::ReturnPending,
        State::Returned,
        State::Diverted,
        State::Cancelled,
        State::Unknown,
    ];

    /// As it is written in commands, JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Routed => "routed",
            State::Carried => "carried",
            State::Offered => "offered",
            State::Delivered => "delivered",
            State::Acknowledged => "acknowledged",
            State::Rejected => "rejected",
            State::Held => "held",
            State::Parked => "parked",
            State::Quarantined => "quarantined",
            State::ReturnPending => "return-pending",
            State::Returned => "returned",
            State::Diverted => "diverted",
            State::Cancelled => "cancelled",
            State::Unknown => "unknown",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// A retry by the sender is answered "duplicate, all is well" only while this holds.
    pub fn is_good(self) -> bool {
        match self {
            State::Accepted
            | State::Routed
            | State::Carried
            | State::Offered
            | State::Delivered
            | State::Acknowledged
            | State::Held
            | State::Diverted => true,
            State::Rejected
            | State::Parked
            | State::Quarantined
            | State::ReturnPending
            | State::Returned
            | State::Cancelled
            | State::Unknown => false,
        }
    }

    /// Nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, State::Acknowledged | State::Rejected | State::Returned | State::Cancelled)
    }

    /// The next referral of the case may go: this one's outcome is known.
    pub fn is_settled(self) -> bool {
        self.is_final() || matches!(self, State::ReturnPending)
    }
}
