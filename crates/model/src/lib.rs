//! tenants, referrals, lifecycle, cuts, and the pure decisions about them
