//! A referral for a service that is cut off arrives at the one that has agreed to take over, addressed to that one.

use crate::support::country;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_cut_service_arrives_where_it_is_taken_over() {
    let country = country().await;
    for (host, operator) in
        [("scotland/ooh-lothian", "scotland-duty"), ("england/ooh-riverside", "england-duty")]
    {
        let cut = ["cut", host, "--reason", "seen for sale", "--since", "now", "--yes", "--as", operator];
        country.asked(&cut).await;
    }

    // HL7 v2: the sender wrote MSH-5 and MSH-6 for the service that is cut off.
    country.send("scotland/nhs24", "scotland/ooh-lothian").await;
    country.until_received("scotland/nhs24", 1).await;
    let message = String::from_utf8_lossy(&country.bytes("scotland/nhs24", 0).await).into_owned();
    let header: Vec<_> = message.split(['\r', '\n']).next().unwrap().split('|').collect();
    assert_eq!(header[4..6], ["NHS24", "SB9"], "{header:?}");
    let said = "sent to scotland/lothian-ooh, taken over by scotland/nhs24-hub (DESTINATION_CUT)|DIVERTED^";
    assert!(message.contains(said), "{message}");

    // BaRS.
    country.send("england/nhs111-north", "england/ooh-riverside").await;
    country.until_received("england/nhs111-north", 1).await;
    let message = String::from_utf8_lossy(&country.bytes("england/nhs111-north", 0).await).into_owned();
    let said = "sent to england/riverside-ooh, taken over by england/nhs111-north-triage (DESTINATION_CUT)";
    assert!(message.contains(said), "{message}");
    assert!(message.contains("https://fhir.nhs.uk/Id/dos-service-id|2000011147"), "{message}");
}
