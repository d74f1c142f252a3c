//! admits a referral and appends it
