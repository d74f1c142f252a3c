//! The kill campaign in its short form: `BULKHEAD_KILLS=100 cargo test -p bulkhead --test it kill` for more,
//! `BULKHEAD_SEED=N` for the same again.

use bulkhead_testkit::campaign::Campaign;

use crate::support::{binary, now, number};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_reordered_by_kills() {
    let seed = number("BULKHEAD_SEED").unwrap_or_else(now);
    let rounds = number("BULKHEAD_KILLS").unwrap_or(20);
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("world");
    std::fs::create_dir(&data_dir).unwrap();
    let campaign = Campaign::new(binary(), rounds.try_into().unwrap(), seed, data_dir);
    let report = campaign.run().await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{report}");
    if !report.is_good() {
        panic!("seed {seed}, files in {}:\n{report}", place.keep().display());
    }
}
