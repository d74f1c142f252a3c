//! the state of each referral, derived from the log
