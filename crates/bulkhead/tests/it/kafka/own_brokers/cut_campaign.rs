//! The cut campaign with nodes that die alone, in its short form: `BULKHEAD_CYCLES=12` for more, `BULKHEAD_SEED=N` for
//! the same again.

use bulkhead_testkit::brokers::Brokers;
use bulkhead_testkit::campaign::{CutCampaign, Further};

use crate::support::{binary, now, number};

#[tokio::test(flavor = "multi_thread")]
async fn cuts_hold_and_come_back_whole_while_single_nodes_die_and_stand_still() {
    let seed = number("BULKHEAD_SEED").unwrap_or_else(now);
    let cycles = number("BULKHEAD_CYCLES").unwrap_or(2);
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("world");
    std::fs::create_dir(&data_dir).unwrap();
    let brokers = tokio::task::spawn_blocking(|| Brokers::start(3, &[])).await.unwrap();
    let mut campaign = CutCampaign::new(binary(), cycles.try_into().unwrap(), seed, data_dir);
    let (bootstrap, prefix) = (brokers.bootstrap().to_owned(), format!("cuts-{}", std::process::id()));
    campaign.further = Some(Further { bootstrap, prefix, count: 1 });
    let cycled = campaign.run().await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{cycled}");
    if !cycled.report.is_good() {
        panic!("seed {seed}, files in {}:\n{cycled}", place.keep().display());
    }
}
