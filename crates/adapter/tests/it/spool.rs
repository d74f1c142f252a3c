//! From the local system to the broker: what the local system hears, and what becomes of it.

use std::time::Duration;

use bulkhead_adapter::{Answer, Submission};
use bulkhead_model::{Code, Priority, State};
use bulkhead_testkit::sidecar::OnSubmit;
use bulkhead_wire::status::Problem;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::world::{PATIENCE, World, envelope, submission, until};

const EMERGENCY: Priority = Priority::Emergency;
const URGENT: Priority = Priority::Urgent;
const ROUTINE: Priority = Priority::Routine;

fn code(answer: &Answer) -> Option<Code> {
    match answer {
        Answer::Refused { problem: Problem { code, .. } } => *code,
        _ => None,
    }
}

fn is_try_again(answer: &Answer) -> bool {
    matches!(answer, Answer::TryAgain { .. })
}

#[tokio::test]
async fn the_brokers_yes_is_heard() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    let answer = sidecar.kit.submit(submission("m1", URGENT)).await;
    let Answer::Accepted { duplicate: false, state: State::Accepted, .. } = answer else {
        panic!("{answer:?}")
    };
    let submitted = world.broker.memory.submitted();
    assert_eq!(
        (submitted.len(), submitted[0].envelope.attempt, &*submitted[0].payload),
        (1, 1, &b"payload of m1"[..])
    );
    let again = sidecar.kit.submit(submission("m1", URGENT)).await;
    assert!(matches!(again, Answer::Accepted { duplicate: true, .. }), "{again:?}");
    let mut other = submission("m1", URGENT);
    other.payload = "other bytes".into();
    assert_eq!(code(&sidecar.kit.submit(other).await), Some(Code::ConflictingDuplicate));
    assert!(world.broker.memory.withdrawn().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn a_refusal_is_heard_at_once() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::ServiceUnknown));
    let began = Instant::now();
    let answer = sidecar.kit.submit(submission("m1", ROUTINE)).await;
    assert_eq!(code(&answer), Some(Code::ServiceUnknown));
    assert!(began.elapsed() < PATIENCE);
    // The sender's own retry is a new attempt, and welcome.
    world.broker.memory.on_submit(OnSubmit::Accept);
    let answer = sidecar.kit.submit(submission("m1", ROUTINE)).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(world.broker.memory.attempts("m1"), [1, 2]);
    assert_eq!(world.broker.memory.withdrawn()[0], ("m1".to_owned(), 1));
    assert_eq!(sidecar.unmet("credential"), None);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_cut_is_a_no_and_turns_the_sidecar_red() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::TenantCut));
    assert_eq!(code(&sidecar.kit.submit(submission("m1", ROUTINE)).await), Some(Code::TenantCut));
    let why = sidecar.unmet("credential").unwrap();
    assert!(why.contains("TENANT_CUT"), "{why}");
    assert!(sidecar.page("/readyz").await.contains("503"));
    world.broker.memory.on_submit(OnSubmit::Accept);
    sidecar.kit.submit(submission("m2", ROUTINE)).await;
    assert_eq!(sidecar.unmet("credential"), None);
    sidecar.stop().await;
}

#[tokio::test]
async fn without_an_answer_only_a_routine_referral_is_acknowledged() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    let began = Instant::now();
    let (emergency, urgent, routine) = tokio::join!(
        sidecar.kit.submit(submission("emergency", EMERGENCY)),
        sidecar.kit.submit(submission("urgent", URGENT)),
        sidecar.kit.submit(submission("routine", ROUTINE)),
    );
    assert!(began.elapsed() >= PATIENCE);
    assert!(is_try_again(&emergency) && is_try_again(&urgent), "{emergency:?} {urgent:?}");
    assert_eq!(routine, Answer::OnSpool);
    until("what was told no is withdrawn", || world.broker.memory.withdrawn().len() == 2).await;
    // What was promised goes on until it is answered.
    world.broker.memory.on_submit(OnSubmit::Accept);
    let memory = &world.broker.memory;
    until("the routine one is submitted again", || {
        memory.submitted().iter().filter(|submitted| submitted.envelope.message_id == "routine").count() > 1
    })
    .await;
    until("nothing is left", || world.broker.memory.attempts("routine") == [1]).await;
    assert_eq!(world.broker.memory.attempts("urgent"), [1]);
    assert!(!world.broker.memory.withdrawn().iter().any(|(id, _)| id == "routine"));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_log_that_is_unavailable_is_an_outage_and_no_refusal() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::LogUnavailable));
    let (urgent, routine) = tokio::join!(
        sidecar.kit.submit(submission("urgent", URGENT)),
        sidecar.kit.submit(submission("routine", ROUTINE)),
    );
    assert!(is_try_again(&urgent), "{urgent:?}");
    assert_eq!(routine, Answer::OnSpool);
    let memory = &world.broker.memory;
    until("what was told no is withdrawn", || memory.withdrawn().contains(&("urgent".to_owned(), 1))).await;
    let taken = || memory.taken().into_iter().map(|one| one.envelope.message_id).collect::<Vec<_>>();
    assert!(taken().is_empty());
    memory.on_submit(OnSubmit::Accept);
    until("the spool hands in what it promised, and nothing else", || taken() == ["routine"]).await;
    assert_eq!((memory.attempts("routine"), memory.attempts("urgent")), (vec![1], vec![1]));
    assert_eq!(sidecar.unmet("credential"), None);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_spool_speaks_for_the_broker_only_briefly() {
    let mut world = World::new().await;
    world.spool.speaks_for = Duration::from_secs(2);
    let sidecar = world.connected().await;
    sidecar.kit.submit(submission("m0", ROUTINE)).await;
    world.broker.stop().await;
    let gone = Instant::now();
    assert_eq!(sidecar.kit.submit(submission("m1", ROUTINE)).await, Answer::OnSpool);
    tokio::time::sleep_until(gone + Duration::from_secs(2)).await;
    let answer = sidecar.kit.submit(submission("m2", ROUTINE)).await;
    assert!(is_try_again(&answer), "{answer:?}");
    world.broker.start_again().await;
    let memory = &world.broker.memory;
    until("the promised one is submitted", || memory.attempts("m1") == [1]).await;
    // It was never sent for certain, but a try was made: so it is taken back.
    until("the other one is withdrawn", || memory.withdrawn().contains(&("m2".to_owned(), 1))).await;
    assert!(memory.attempts("m2").is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn without_any_contact_nothing_is_promised() {
    let mut world = World::new().await;
    world.broker.stop().await;
    let sidecar = world.start().await;
    let answer = sidecar.kit.submit(submission("m1", ROUTINE)).await;
    assert!(is_try_again(&answer), "{answer:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_broker_that_says_not_now_is_not_spoken_for() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::QuotaExceeded));
    let answer = sidecar.kit.submit(submission("m1", ROUTINE)).await;
    assert!(is_try_again(&answer), "{answer:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_withdrawal_is_repeated_over_a_restart() {
    let world = World::new().await;
    world.broker.memory.answers_withdrawals(false);
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::TakeSilently);
    assert!(is_try_again(&sidecar.kit.submit(submission("m1", URGENT)).await));
    sidecar.stop().await;
    world.broker.memory.on_submit(OnSubmit::Accept);
    let sidecar = world.connected().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(world.broker.memory.withdrawn().is_empty());
    assert_eq!(world.broker.memory.attempts("m1"), [1]);
    world.broker.memory.answers_withdrawals(true);
    until("it is withdrawn", || world.broker.memory.withdrawn().contains(&("m1".to_owned(), 1))).await;
    let answer = sidecar.kit.submit(submission("m1", URGENT)).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(world.broker.memory.attempts("m1"), [1, 2]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_new_attempt_waits_for_the_withdrawal_of_the_former() {
    let world = World::new().await;
    world.broker.memory.answers_withdrawals(false);
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    assert!(is_try_again(&sidecar.kit.submit(submission("m1", URGENT)).await));
    world.broker.memory.on_submit(OnSubmit::Accept);
    assert!(is_try_again(&sidecar.kit.submit(submission("m1", URGENT)).await));
    assert_eq!(world.broker.memory.attempts("m1"), [1]);
    world.broker.memory.answers_withdrawals(true);
    let answer = sidecar.kit.submit(submission("m1", URGENT)).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(world.broker.memory.attempts("m1").last(), Some(&3));
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_promised_survives_a_restart() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    sidecar.kit.submit(submission("m0", ROUTINE)).await;
    world.broker.stop().await;
    assert_eq!(sidecar.kit.submit(submission("m1", ROUTINE)).await, Answer::OnSpool);
    sidecar.stop().await;
    world.broker.start_again().await;
    let sidecar = world.connected().await;
    until("it is submitted", || world.broker.memory.attempts("m1") == [1]).await;
    assert_eq!(&world.broker.memory.submitted().last().unwrap().payload[..], b"payload of m1");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_repeat_joins_the_attempt_that_runs() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    let mut other = submission("m1", URGENT);
    other.payload = "other bytes".into();
    let (first, second, conflict) = tokio::join!(
        sidecar.kit.submit(submission("m1", URGENT)),
        sidecar.kit.submit(submission("m1", URGENT)),
        sidecar.kit.submit(other),
    );
    assert!(is_try_again(&first) && is_try_again(&second));
    assert_eq!(code(&conflict), Some(Code::ConflictingDuplicate));
    assert_eq!(world.broker.memory.attempts("m1"), [1]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_later_refusal_is_told_and_shown() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    assert_eq!(sidecar.kit.submit(submission("m1", ROUTINE)).await, Answer::OnSpool);
    world.broker.memory.on_submit(OnSubmit::Refuse(Code::NotGranted));
    until("the local system is told", || !world.system.told().is_empty()).await;
    let told = world.system.told().remove(0);
    assert_eq!(told.envelope.message_id.as_str(), "m1");
    assert_eq!(told.reason.known(), Some(Code::NotGranted));
    assert_eq!(&told.payload.bytes()[..], b"payload of m1");
    until("it is withdrawn", || world.broker.memory.withdrawn() == [("m1".to_owned(), 1)]).await;
    sidecar.stop().await;
    let sidecar = world.connected().await;
    let page = sidecar.page("/readyz").await;
    assert!(page.contains("200 OK") && page.contains("m1 (NOT_GRANTED"), "{page}");
    assert_eq!(sidecar.kit.refused_later().await.unwrap().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_was_accepted_is_never_taken_back() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    sidecar.kit.submit(submission("m1", URGENT)).await;
    sidecar.stop().await;
    let sidecar = world.connected().await;
    // Nor when a cut came since and the broker refuses what is new.
    for otherwise in [OnSubmit::Silent, OnSubmit::Refuse(Code::DestinationCut)] {
        world.broker.memory.on_submit(otherwise);
        let answer = sidecar.kit.submit(submission("m1", URGENT)).await;
        assert!(matches!(answer, Answer::Accepted { duplicate: true, .. }), "{answer:?}");
    }
    assert!(world.broker.memory.withdrawn().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn order_is_kept_within_a_case() {
    let world = World::new().await;
    let sidecar = world.connected().await;
    let of_case = |id: &str| Submission {
        envelope: envelope(id, ROUTINE, Some("case-1")),
        payload: id.to_owned().into(),
    };
    world.broker.memory.on_submit_of("first", OnSubmit::Silent);
    let (first, second, other) = tokio::join!(
        sidecar.kit.submit(of_case("first")),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sidecar.kit.submit(of_case("second")).await
        },
        sidecar.kit.submit(submission("other", ROUTINE)),
    );
    assert_eq!((first, second), (Answer::OnSpool, Answer::OnSpool));
    assert!(matches!(other, Answer::Accepted { .. }));
    assert!(world.broker.memory.attempts("second").is_empty());
    world.broker.memory.on_submit_of("first", OnSubmit::Accept);
    until("the second follows", || world.broker.memory.attempts("second") == [1]).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_full_spool_says_try_again() {
    let mut world = World::new().await;
    world.spool.max_entries = 1;
    let sidecar = world.connected().await;
    world.broker.memory.on_submit(OnSubmit::Silent);
    assert_eq!(sidecar.kit.submit(submission("m1", ROUTINE)).await, Answer::OnSpool);
    let began = Instant::now();
    assert!(is_try_again(&sidecar.kit.submit(submission("m2", ROUTINE)).await));
    assert!(began.elapsed() < PATIENCE);
    assert!(sidecar.unmet("spool").is_some());
    world.broker.memory.on_submit(OnSubmit::Accept);
    until("there is room again", || sidecar.unmet("spool").is_none()).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn deadlines_on_the_spool_are_shown() {
    let mut world = World::new().await;
    let sidecar = world.connected().await;
    let mut stream = world.broker.stream().await;
    assert_eq!(stream.report().await.entries, 0);
    world.broker.memory.on_submit(OnSubmit::Silent);
    let mut due = submission("m1", ROUTINE);
    let deadline = Timestamp::now() + SignedDuration::from_millis(400);
    due.envelope.deadline = Some(deadline);
    assert_eq!(sidecar.kit.submit(due).await, Answer::OnSpool);
    let report = stream.report().await;
    assert_eq!(report.entries, 1);
    assert_eq!(bulkhead_wire::time_from_wire(report.next_due.unwrap()), Some(deadline));
    let page = sidecar.page("/readyz").await;
    assert!(page.contains("503") && page.contains("deadline"), "{page}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_here() {
    let mut world = World::new().await;
    world.spool.max_payload_bytes = 10;
    let sidecar = world.connected().await;
    let answer = sidecar.kit.submit(submission("m1", ROUTINE)).await;
    assert_eq!(code(&answer), Some(Code::PayloadTooLarge));
    assert!(world.broker.memory.submitted().is_empty());
    sidecar.stop().await;
}
