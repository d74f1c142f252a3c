//! What kind of failure something is: the one classification that every crate's errors answer with.

/// Who can do something about a failure. `wire::status` alone turns one into a gRPC status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller sent something that is wrong; the same again fails again.
    Caller,
    /// The caller may not.
    Denied,
    /// There is no such thing.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// Too much at once; later it will work.
    Overloaded,
    /// A part that is needed is not there now; the same again may work.
    Unavailable,
    /// A defect of ours.
    Internal,
}
