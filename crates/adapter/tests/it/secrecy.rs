//! No payload comes out in a log line, a span, an error or a page.

use bulkhead_model::{Code, Priority};
use bulkhead_process::capture::Capture;
use bulkhead_testkit::sidecar::OnSubmit;
use bulkhead_wire::v1;

use crate::system::{refused, retry};
use crate::world::{World, offer, submission, until};

const PATIENT: &str = "Bronwen 9434765919";

/// The capture is the whole process's, so it hears all threads, and the other tests too.
#[tokio::test]
async fn no_payload_is_logged() {
    let capture = Capture::new();
    tracing::subscriber::set_global_default(capture.subscriber()).unwrap();
    let mut world = World::new().await;
    world.inbox.budget = 2;
    world.system.answers([retry(), refused(), retry(), retry()]);
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    let secret = |id: &str| {
        let mut submission = submission(id, Priority::Routine);
        submission.payload = PATIENT.into();
        submission
    };
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::NotGranted));
    sidecar.kit.submit(secret("m1")).await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    sidecar.kit.submit(secret("m2")).await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::NotGranted));
    until("the local system is told", || !world.system.told().is_empty()).await;
    for id in ["d1", "d2"] {
        let digest = ring::digest::digest(&ring::digest::SHA256, PATIENT.as_bytes());
        let digest = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        stream.deliver(&v1::Offer { payload: PATIENT.into(), digest, ..offer(id, 1, None) }).await;
        for _ in 0..2 {
            stream.outcome().await;
        }
    }
    let spoiled = v1::Offer { payload: PATIENT.into(), ..offer("d3", 1, None) };
    stream.deliver(&spoiled).await;
    stream.outcome().await;
    let page = sidecar.page("/readyz").await;
    assert!(page.contains("m2") && !page.contains("9434765919"));
    assert!(!format!("{:?}", secret("m3")).contains("9434765919"));
    assert!(!format!("{:?}", world.system.told()).contains("9434765919"));
    sidecar.stop().await;
    assert!(capture.find("set aside").is_some() && capture.find("has been refused").is_some());
    capture.assert_absent(&["Bronwen", "9434765919"]);
}
