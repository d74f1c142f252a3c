//! the kit of every sidecar: stream, spool, inbox, outcomes
