//! The failure campaign in its short form: `BULKHEAD_FAILURES=300 cargo test -p bulkhead --test it own_brokers` for
//! more, `BULKHEAD_SEED=N` for the same again.

mod cut_campaign;
mod ledger_copy;

use bulkhead_testkit::campaign::{Failure, FailureCampaign};

use crate::support::{binary, now, number};

/// Runs the campaign that `change` makes of the short one, and looks at what the judge says.
#[allow(clippy::print_stdout, reason = "it is shown when a test fails")]
async fn survive(change: impl FnOnce(&mut FailureCampaign)) {
    let seed = number("BULKHEAD_SEED").unwrap_or_else(now);
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("world");
    std::fs::create_dir(&data_dir).unwrap();
    let mut campaign = FailureCampaign {
        binary: binary(),
        spare_brokers: false,
        failures: 8,
        only: Vec::new(),
        seed,
        data_dir,
        senders: 6,
        nodes: 1,
        only_in: None,
        full_disk: false,
        clock_off: false,
        sidecars: 2,
    };
    change(&mut campaign);
    let survived = campaign.run().await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{survived}");
    if !survived.report.is_good() {
        panic!("seed {seed}, files in {}:\n{survived}", place.keep().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_reordered_by_failures_of_nodes_sidecars_and_brokers() {
    survive(|campaign| {
        if let Some(failures) = number("BULKHEAD_FAILURES") {
            campaign.failures = failures.try_into().unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_that_comes_back_late_does_no_harm() {
    survive(|campaign| {
        campaign.only = vec![Failure::NodeStoppedMidway, Failure::ClaimedTwice];
        (campaign.nodes, campaign.only_in, campaign.sidecars) = (2, Some("england".into()), 0);
    })
    .await;
}
