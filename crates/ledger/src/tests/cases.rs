//! Order within a case: gating, lifting, following.

use std::collections::HashSet;

use bulkhead_model::Lane;

use super::*;
use crate::{Skip, case_key};

fn waiting(cell: &Cell, priority: Priority) -> Vec<ReferralId> {
    let lane = Lane::of(priority);
    let waiting = cell.ledger.waiting_out(&receiver(), lane, &HashSet::new(), 100).unwrap();
    waiting.into_iter().map(|waiting| waiting.id).collect()
}

#[tokio::test]
async fn a_later_one_of_a_case_waits_until_the_former_is_settled() {
    let cell = Cell::start().await;
    cell.route(in_case("m-1", "c", None), 1).await;
    cell.route(in_case("m-2", "c", Some("m-1")), 2).await;
    cell.route(in_case("m-3", "d", None), 3).await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-1"), id("m-3")]);
    assert_eq!(cell.ledger.waiting_counts(&receiver()).unwrap(), [0, 0, 3]);
    let bell = cell.ledger.newly_waiting(&receiver());
    cell.decide(&receiver(), "m-1", 1, offered(1), None).await;
    cell.decide(&receiver(), "m-1", 1, delivered(1), None).await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-3")]);
    cell.decide(&receiver(), "m-1", 1, acknowledged(), None).await;
    soon(bell.notified()).await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-2"), id("m-3")]);
    let key = case_key(&origin(), &in_case("x", "c", None).envelope);
    assert_eq!(cell.ledger.last_of_case(&key, &id("m-9")).unwrap(), Some(id("m-2")));
    assert_eq!(cell.ledger.last_of_case(&key, &id("m-2")).unwrap(), Some(id("m-1")), "a new attempt of it");
}

#[tokio::test]
async fn what_another_nation_has_holds_nothing_back_here() {
    let cell = Cell::start().await;
    let border = Place { topic: topics::border(Nation::England), partition: 2, offset: 4 };
    let far = tenant("england/ooh-riverside");
    let event = Event::ToBorder { nation: Nation::England, to: far.clone(), bytes: border };
    cell.decide(&origin(), "m-1", 0, event, Some(in_case("m-1", "c", None))).await;
    let (shard, lane) = (shard_of(&origin()), Lane::of(Priority::Routine));
    let at_border = |cell: &Cell| {
        let skip = Skip { referrals: &HashSet::new(), origins: &HashSet::new() };
        cell.ledger.waiting_border(Nation::England, shard, lane, skip, 10).unwrap()
    };
    assert_eq!(at_border(&cell)[0].id, id("m-1"));
    cell.route(in_case("m-2", "c", Some("m-1")), 2).await;
    cell.decide(&origin(), "m-1", 0, Event::Carrying { nation: Nation::England }, None).await;
    assert_eq!((at_border(&cell).len(), waiting(&cell, Priority::Routine).len()), (1, 0));
    cell.decide(&origin(), "m-1", 0, Event::Carried { nation: Nation::England }, None).await;
    assert_eq!((at_border(&cell).len(), waiting(&cell, Priority::Routine)), (0, vec![id("m-2")]));
}

#[tokio::test]
async fn one_that_ended_out_of_turn_lets_nothing_behind_it_past_those_before_it() {
    let cell = Cell::start().await;
    for (message, predecessor, offset) in [("m-1", None, 1), ("m-2", Some("m-1"), 2), ("m-3", Some("m-2"), 3)]
    {
        cell.route(in_case(message, "c", predecessor), offset).await;
    }
    let back = Event::ReturnPending { to: None, reason: reason(Code::DeadlinePassed) };
    cell.decide(&receiver(), "m-2", 1, back, None).await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-1")]);
    cell.finish("m-1").await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-3")]);
}

#[tokio::test]
async fn a_more_urgent_one_lifts_those_before_it() {
    let cell = Cell::start().await;
    cell.route(in_case("m-1", "c", None), 1).await;
    cell.route(in_case("m-2", "c", Some("m-1")), 2).await;
    cell.route(facts("m-3"), 3).await;
    let mut urgent = in_case("m-4", "c", Some("m-2"));
    urgent.envelope.priority = Priority::Emergency;
    cell.route(urgent, 1).await;
    assert_eq!(waiting(&cell, Priority::Emergency), [id("m-1")]);
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-3")]);
    assert_eq!(cell.ledger.waiting_counts(&receiver()).unwrap(), [3, 0, 1]);
    let lifted = cell.ledger.get(&id("m-2")).unwrap().unwrap();
    assert_eq!(lifted.effective_lane, Lane::of(Priority::Emergency));
    cell.finish("m-1").await;
    cell.finish("m-2").await;
    assert_eq!(waiting(&cell, Priority::Emergency), [id("m-4")]);
}

#[tokio::test]
async fn one_sent_again_stands_behind_those_that_came_meanwhile() {
    let cell = Cell::start().await;
    cell.route(in_case("m-1", "c", None), 1).await;
    cell.route(in_case("m-2", "c", Some("m-1")), 2).await;
    let cancelled = Event::Cancelled { reason: reason(Code::Withdrawn) };
    cell.decide(&receiver(), "m-1", 1, cancelled, None).await;
    let mut again = in_case("m-1", "c", Some("m-2"));
    again.envelope.attempt = 2;
    cell.decide(&origin(), "m-1", 2, routed(9), Some(again)).await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-2")]);
    let row = cell.ledger.get(&id("m-1")).unwrap().unwrap();
    assert_eq!((row.facts.envelope.attempt, row.referral.custody), (2, 3));
    let key = case_key(&origin(), &row.facts.envelope);
    assert_eq!(cell.ledger.last_of_case(&key, &id("m-9")).unwrap(), Some(id("m-1")));
    cell.finish("m-2").await;
    assert_eq!(waiting(&cell, Priority::Routine), [id("m-1")]);
}

#[tokio::test]
async fn a_cancel_behind_is_found_until_it_is_handed_over() {
    let cell = Cell::start().await;
    cell.route(in_case("m-1", "c", None), 1).await;
    assert_eq!(cell.ledger.cancel_behind(&id("m-1")).unwrap(), None);
    let mut cancel = in_case("m-2", "c", Some("m-1"));
    cancel.envelope.kind = Kind::Cancel;
    cell.route(cancel, 2).await;
    assert_eq!(cell.ledger.cancel_behind(&id("m-1")).unwrap(), Some(id("m-2")));
    let cancelled = Event::Cancelled { reason: reason(Code::Withdrawn) };
    cell.decide(&receiver(), "m-2", 1, cancelled, None).await;
    assert_eq!(cell.ledger.cancel_behind(&id("m-1")).unwrap(), None);
}

#[test]
fn a_referral_without_a_case_is_a_case_of_its_own() {
    let alone = facts("abc").envelope;
    let mut named = facts("other").envelope;
    named.case_id = Some(CaseId::parse("abc").unwrap());
    assert_eq!(case_key(&origin(), &alone), case_key(&origin(), &alone));
    assert_ne!(case_key(&origin(), &alone), case_key(&origin(), &named));
    assert_ne!(case_key(&origin(), &alone), case_key(&origin(), &facts("abd").envelope));
    let longest = facts(&"m".repeat(255)).envelope;
    assert_eq!(case_key(&origin(), &longest).case.as_str().len(), 255);
}
