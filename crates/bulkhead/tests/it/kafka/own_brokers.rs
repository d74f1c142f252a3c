//! The failure campaign in its short form: `BULKHEAD_FAILURES=300 cargo test -p bulkhead --test it own_brokers` for
//! more, `BULKHEAD_SEED=N` for the same again.

mod cut_campaign;
mod ledger_copy;

use bulkhead_testkit::campaign::FailureCampaign;

use crate::support::{binary, now, number};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_reordered_by_failures_of_nodes_and_brokers() {
    let seed = number("BULKHEAD_SEED").unwrap_or_else(now);
    let failures = number("BULKHEAD_FAILURES").unwrap_or(6);
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("world");
    std::fs::create_dir(&data_dir).unwrap();
    let campaign = FailureCampaign {
        binary: binary(),
        spare_brokers: false,
        failures: failures.try_into().unwrap(),
        seed,
        data_dir,
        senders: 6,
        nodes: 1,
        full_disk: false,
        clock_off: false,
    };
    let survived = campaign.run().await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{survived}");
    if !survived.report.is_good() {
        panic!("seed {seed}, files in {}:\n{survived}", place.keep().display());
    }
}
