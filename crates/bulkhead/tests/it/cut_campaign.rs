//! The cut campaign in its short form: `BULKHEAD_CYCLES=50 cargo test -p bulkhead --test it cut_campaign` for more,
//! `BULKHEAD_SEED=N` for the same again.

use bulkhead_testkit::campaign::CutCampaign;

use crate::support::{binary, now, number};

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_cut_off_and_come_back_and_nothing_is_lost_doubled_or_let_through() {
    let seed = number("BULKHEAD_SEED").unwrap_or_else(now);
    let cycles = number("BULKHEAD_CYCLES").unwrap_or(4);
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("world");
    std::fs::create_dir(&data_dir).unwrap();
    let campaign = CutCampaign::new(binary(), cycles.try_into().unwrap(), seed, data_dir);
    let cycled = campaign.run().await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{cycled}");
    if !cycled.report.is_good() {
        panic!("seed {seed}, files in {}:\n{cycled}", place.keep().display());
    }
}
