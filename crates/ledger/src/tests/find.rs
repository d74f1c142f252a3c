//! Finding, listing, counting, alerts, what is due and what is to be told.

use std::collections::{BTreeSet, HashMap};

use bulkhead_log::TopicSpec;
use bulkhead_model::{CutId, State};

use super::*;
use crate::{AlertCode, AlertCount, AsideCount, Count, Filter, Listed, Row, Touched, referral_to_wire};

fn with_deadline(message: &str, second: i64, priority: Priority) -> Facts {
    let mut facts = facts(message);
    (facts.envelope.deadline, facts.envelope.priority) = (Some(at(second)), priority);
    facts
}

#[tokio::test]
async fn one_is_found_by_each_of_its_names() {
    let cell = Cell::start().await;
    cell.route(in_case("m-1", "c", None), 1).await;
    cell.route(in_case("m-2", "c", Some("m-1")), 2).await;
    let found = |text: &str, tenant: Option<&TenantId>| {
        let rows = cell.ledger.find(text, tenant).unwrap();
        rows.into_iter().map(|row| row.facts.envelope.message_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("m-1", None), ["m-1"]);
    assert_eq!(found(&id("m-2").to_string(), None), ["m-2"]);
    assert_eq!(found("c", None).len(), 2);
    assert_eq!(found("c", Some(&receiver())).len(), 2);
    assert_eq!(found("c", Some(&tenant("wales/other"))), Vec::<String>::new());
    assert_eq!(found("%", None), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_goes_on_page_by_page_while_referrals_are_added_and_settled() {
    let cell = Cell::start().await;
    for number in 0..25_u64 {
        let message = format!("m-{number}");
        let due = i64::try_from(number % 4).unwrap();
        let facts = match number % 5 {
            0 => facts(&message),
            _ => with_deadline(&message, 100 + due, Priority::Urgent),
        };
        cell.route(facts, number).await;
    }
    cell.finish("m-7").await;
    let mut filter = Filter { tenant: Some(receiver()), limit: 4, ..Filter::default() };
    let whole = cell.ledger.list(&Filter { limit: 100, ..filter.clone() }).unwrap();
    assert!(whole.rows.len() == 25 && whole.next.is_none());
    let (mut seen, mut pages) = (HashMap::new(), 0);
    loop {
        let Listed { rows, total, next } = cell.ledger.list(&filter).unwrap();
        assert_eq!(total, 25 + pages);
        assert!(rows.len() == 4 || next.is_none());
        rows.iter().for_each(|row| *seen.entry(row.id).or_insert(0) += 1);
        let Some(next) = next else { break };
        filter.after = Some(next);
        // One that is due before all others, and the end of one that was on this page.
        pages += 1;
        cell.route(with_deadline(&format!("new-{pages}"), 1, Priority::Emergency), 100 + pages).await;
        if pages == 2 {
            cell.finish(&rows[0].facts.envelope.message_id.to_string()).await;
        }
    }
    assert!(whole.rows.iter().all(|row| seen.contains_key(&row.id)), "{seen:?}");
    assert_eq!(seen.values().filter(|times| **times == 2).count(), 1);
    assert_eq!(seen.len(), 25);
}

#[tokio::test]
async fn the_list_begins_with_what_is_due_first() {
    let cell = Cell::start().await;
    cell.route(facts("none"), 1).await;
    cell.route(with_deadline("late", 500, Priority::Emergency), 2).await;
    cell.route(with_deadline("early", 100, Priority::Routine), 3).await;
    cell.route(with_deadline("urgent", 100, Priority::Urgent), 4).await;
    cell.route(with_deadline("done", 50, Priority::Urgent), 5).await;
    cell.finish("done").await;
    let list = |filter: Filter| {
        let Listed { rows, total, .. } = cell.ledger.list(&filter).unwrap();
        let names: Vec<String> = rows.iter().map(|row| row.facts.envelope.message_id.to_string()).collect();
        (names.join(" "), total)
    };
    assert_eq!(list(Filter::default()), ("urgent early late none done".into(), 5));
    assert_eq!(list(Filter { limit: 2, ..Filter::default() }), ("urgent early".into(), 5));
    let overdue = Filter { overdue_at: Some(at(200)), ..Filter::default() };
    assert_eq!(list(overdue), ("urgent early".into(), 2));
    let done = Filter { states: vec![State::Acknowledged, State::Returned], ..Filter::default() };
    assert_eq!(list(done), ("done".into(), 1));
    let emergency = Filter {
        priority: Some(Priority::Emergency),
        tenant: Some(receiver()),
        since: Some(at(0)),
        ..Filter::default()
    };
    assert_eq!(list(emergency), ("late".into(), 1));
    assert_eq!(cell.ledger.next_due(&receiver()).unwrap(), Some(at(100)));
    assert_eq!(cell.ledger.next_due(&origin()).unwrap(), None);
    let count = |state, count| Count { origin: origin(), destination: Some(receiver()), state, count };
    assert_eq!(cell.ledger.counts().unwrap(), [count(State::Acknowledged, 1), count(State::Routed, 4)]);
}

#[tokio::test]
async fn what_needs_a_person_is_counted() {
    let cell = Cell::start().await;
    cell.route(with_deadline("overdue", 100, Priority::Urgent), 1).await;
    cell.route(facts("parked"), 2).await;
    let parked = Event::Parked { reason: reason(Code::BudgetSpent) };
    cell.decide(&receiver(), "parked", 1, parked, None).await;
    cell.route(facts("returned"), 3).await;
    let back = Event::ReturnPending { to: None, reason: reason(Code::DeadlinePassed) };
    cell.decide(&receiver(), "returned", 1, back, None).await;
    cell.route(facts("refused"), 6).await;
    cell.decide(&receiver(), "refused", 1, offered(1), None).await;
    cell.decide(&receiver(), "refused", 1, delivered(1), None).await;
    let refused = Event::Rejected { reason: reason(Code::ReceiverRefused) };
    cell.decide(&receiver(), "refused", 1, refused, None).await;
    cell.route(facts("silent"), 4).await;
    cell.decide(&receiver(), "silent", 1, offered(1), None).await;
    cell.decide(&receiver(), "silent", 1, delivered(1), None).await;
    cell.decide(&origin(), "silent", 0, Event::Withdrawn { up_to: 1 }, None).await;
    let border = Place { topic: topics::border(Nation::England), partition: 2, offset: 4 };
    let far = tenant("england/ooh-riverside");
    let event = Event::ToBorder { nation: Nation::England, to: far.clone(), bytes: border };
    cell.decide(&origin(), "away", 0, event, Some(facts("away"))).await;
    cell.decide(&origin(), "away", 0, Event::Carrying { nation: Nation::England }, None).await;

    let alert = |code, subject| AlertCount { code, subject, count: 1 };
    let soon_after = [
        alert(AlertCode::Overdue, receiver()),
        alert(AlertCode::Parked, receiver()),
        alert(AlertCode::ReturnPending, origin()),
        alert(AlertCode::Rejected, origin()),
        alert(AlertCode::SentAfterAll, origin()),
    ];
    assert_eq!(cell.ledger.alerts(at(200)).unwrap(), soon_after);
    let later = cell.ledger.alerts(at(2000)).unwrap();
    assert_eq!(later[5..], [alert(AlertCode::Unanswered, receiver()), alert(AlertCode::CarriedUnknown, far)]);
}

#[tokio::test]
async fn what_each_cut_keeps_is_counted_with_what_of_it_is_due() {
    let cell = Cell::start().await;
    let cut = CutId::parse("wales/3f0c9a12be77").unwrap();
    let held = || Event::Held { to: None, cut: cut.clone(), reason: reason(Code::TenantCut) };
    for (message, deadline) in [("past", 100), ("soon", 300), ("later", 400)] {
        cell.route(with_deadline(message, deadline, Priority::Urgent), 1).await;
        cell.decide(&receiver(), message, 1, held(), None).await;
    }
    cell.route(facts("suspect"), 4).await;
    let quarantined = Event::Quarantined { to: None, cut: cut.clone(), reason: reason(Code::TenantCut) };
    cell.decide(&receiver(), "suspect", 1, quarantined, None).await;
    let count =
        |state, count, overdue, next_due| AsideCount { cut: cut.clone(), state, count, overdue, next_due };
    let expected = [count(State::Held, 3, 1, Some(at(300))), count(State::Quarantined, 1, 0, None)];
    assert_eq!(cell.ledger.aside_counts(at(200)).unwrap(), expected);
}

#[tokio::test]
async fn the_account_of_a_cut_knows_what_it_touched_and_what_was_recalled() {
    let cell = Cell::start().await;
    let cut = CutId::parse("wales/3f0c9a12be77").unwrap();
    let why = |code| Reason::new(code, format!("the receiver is cut off by {cut}"));
    for message in ["held", "given-back", "recalled", "kept", "answered", "untouched"] {
        cell.route(facts(message), 1).await;
    }
    let held = Event::Held { to: None, cut: cut.clone(), reason: why(Code::DestinationCut) };
    cell.decide(&receiver(), "held", 1, held, None).await;
    cell.decide(&receiver(), "held", 1, Event::Resumed { by: "the end of a cut".into() }, None).await;
    let back = Event::ReturnPending { to: None, reason: why(Code::DestinationCut) };
    cell.decide(&receiver(), "given-back", 1, back, None).await;
    cell.finish("answered").await;
    for message in ["recalled", "kept"] {
        cell.decide(&receiver(), message, 1, offered(1), None).await;
        cell.decide(&receiver(), message, 1, delivered(1), None).await;
    }
    let recalled = Event::Recalled { cut: cut.clone(), reason: why(Code::TenantCut) };
    cell.decide(&receiver(), "recalled", 1, recalled, None).await;
    let kept = Event::NotRecalled { cut: cut.clone(), answer: "being handed over".into() };
    cell.decide(&receiver(), "kept", 1, kept, None).await;

    let states =
        vec![(State::Delivered, 1), (State::Quarantined, 1), (State::ReturnPending, 1), (State::Routed, 1)];
    assert_eq!(cell.ledger.touched(&cut).unwrap(), [Touched { origin: origin(), states }]);
    let always = at(-1)..at(1);
    let recalls = cell.ledger.recalls(&origin(), &always).unwrap();
    assert_eq!(recalls, [("not-recalled".to_owned(), 2), ("recalled".to_owned(), 1)]);
    let had: Vec<String> = cell
        .ledger
        .sent_and_handed_over(&origin(), &always, 10)
        .unwrap()
        .into_iter()
        .map(|row| row.facts.envelope.message_id.to_string())
        .collect();
    assert_eq!(had.len(), 3, "{had:?}");
    assert_eq!(cell.ledger.last_accepted(&origin()).unwrap(), Some(at(0)));
    let begun = cell.ledger.trace(&id("kept")).unwrap();
    let begun = begun.iter().rfind(|step| step.event == "offered").map(|step| step.at);
    assert_eq!(cell.ledger.last_offered(&receiver()).unwrap(), begun);
    assert_eq!(cell.ledger.last_offered(&origin()).unwrap(), None);
    assert!(["recalled", "kept", "answered"].iter().all(|name| had.iter().any(|one| one == name)), "{had:?}");
}

#[tokio::test]
async fn what_lies_in_a_tenants_topic_and_is_not_decided_is_counted() {
    let cell = Cell::start().await;
    let topic = topics::inward(&origin());
    let partition = Topic::new(&topic).unwrap().partition(0);
    assert!(cell.ledger.in_undecided(&topic).await.is_err(), "there is no such topic yet");
    let spec = TopicSpec { topic: Topic::new(&topic).unwrap(), partitions: 1, compacted: false };
    cell.log.ensure(&[spec]).await.unwrap();
    for _ in 0..3 {
        let record = Record { key: bytes::Bytes::new(), value: "a referral".into() };
        cell.log.append(&partition, record).await.unwrap();
    }
    assert_eq!(cell.ledger.in_undecided(&topic).await.unwrap(), 3);
    cell.ledger.in_gap(&topic, 1..2);
    assert_eq!(cell.ledger.in_undecided(&topic).await.unwrap(), 2, "settled ahead of those before it");
}

#[tokio::test]
async fn what_is_due_is_noted_first_and_then_acted_upon() {
    let cell = Cell::start().await;
    cell.route(with_deadline("open", 100, Priority::Urgent), 1).await;
    cell.route(with_deadline("offered", 110, Priority::Urgent), 2).await;
    cell.decide(&receiver(), "offered", 1, offered(1), None).await;
    let due = |second| {
        let rows = cell.ledger.due(at(second), |_| true, 10).unwrap();
        rows.into_iter().map(|row| row.facts.envelope.message_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((due(99), due(100)), (vec![], vec!["open".into()]));
    assert_eq!(due(200), ["open", "offered"]);
    let mine = |row: &Row| row.facts.envelope.message_id.as_str() == "offered";
    assert_eq!(cell.ledger.due(at(200), mine, 1).unwrap().len(), 1);
    cell.decide(&receiver(), "open", 1, Event::Overdue, None).await;
    assert_eq!(due(200), ["offered", "open"]);
    cell.decide(&receiver(), "offered", 1, Event::Overdue, None).await;
    assert_eq!(due(200), ["open"]);
    let back = Event::ReturnPending { to: None, reason: reason(Code::DeadlinePassed) };
    cell.decide(&receiver(), "open", 1, back, None).await;
    assert_eq!(due(200), Vec::<String>::new());
}

#[tokio::test]
async fn another_nation_is_told_until_it_knows() {
    let cell = Cell::start().await;
    let bell = cell.ledger.reports(Nation::Wales);
    // The tenants of these tests are Welsh: what counts is that it was carried here from their nation.
    let mut carried = facts("m-1");
    carried.from_nation = Some(Nation::Wales);
    cell.route(carried, 1).await;
    soon(bell.notified()).await;
    let shards: BTreeSet<u32> = (0..SHARDS).collect();
    let others = &shards - &BTreeSet::from([shard_of(&origin())]);
    let due_in = |shards: &BTreeSet<u32>, skip: &HashMap<ReferralId, u64>| {
        cell.ledger.reports_due(Nation::Wales, shards, skip, 10).unwrap().len()
    };
    let due = |skip: &HashMap<ReferralId, u64>| due_in(&shards, skip);
    assert_eq!(due_in(&others, &HashMap::new()), 0);
    assert_eq!(due(&HashMap::new()), 1);
    assert_eq!((due(&HashMap::from([(id("m-1"), 1)])), due(&HashMap::from([(id("m-1"), 0)]))), (0, 1));
    cell.decide(&origin(), "m-1", 0, Event::Told { version: 1 }, None).await;
    assert_eq!(due(&HashMap::new()), 0);
    cell.decide(&receiver(), "m-1", 1, offered(1), None).await;
    assert_eq!(due(&HashMap::new()), 1);
}

#[tokio::test]
async fn a_sender_hears_until_its_system_knows() {
    let cell = Cell::start().await;
    let mut carried = facts("carried");
    carried.from_nation = Some(Nation::England);
    for (offset, facts) in [facts("refused"), facts("parked"), facts("given-back"), facts("well"), carried]
        .into_iter()
        .enumerate()
    {
        cell.route(facts, offset as u64).await;
    }
    let none = HashMap::new();
    let due = |skip: &HashMap<ReferralId, u64>| -> Vec<(String, u64)> {
        let rows = cell.ledger.notices_due(&origin(), skip, 10).unwrap();
        let named = |row: crate::Row| (row.facts.envelope.message_id.to_string(), row.referral.state_since);
        rows.into_iter().map(named).collect()
    };
    assert_eq!(due(&none), []);
    for message in ["refused", "carried"] {
        cell.decide(&receiver(), message, 1, offered(1), None).await;
        cell.decide(&receiver(), message, 1, delivered(1), None).await;
        let refused = Event::Rejected { reason: reason(Code::ReceiverRefused) };
        cell.decide(&receiver(), message, 1, refused, None).await;
    }
    let parked = Event::Parked { reason: reason(Code::BudgetSpent) };
    cell.decide(&receiver(), "parked", 1, parked.clone(), None).await;
    let back = Event::ReturnPending { to: None, reason: reason(Code::DeadlinePassed) };
    cell.decide(&receiver(), "given-back", 1, back, None).await;
    // An item of its own has the message id of another referral.
    let own = ReadEvent {
        author: author(shard_of(&origin()), 1, "wales-1", 11),
        record: EventRecord::Decision {
            id: ReferralId::of_record("in.wales.wast-111", 0, 9),
            numbered: Numbered { custody: 0, event: parked },
            source: None,
            facts: Some(Box::new(facts("well"))),
        },
    };
    let at = cell.append(shard_of(&origin()), &own).await;
    assert_eq!(soon(cell.ledger.verdict(&at)).await.unwrap(), Verdict::Counts);

    let all = [("given-back".to_owned(), 2), ("parked".to_owned(), 2), ("refused".to_owned(), 4)];
    let mut found = due(&none);
    found.sort();
    assert_eq!(found, all);
    assert_eq!(due(&HashMap::from([(id("parked"), 2), (id("given-back"), 1), (id("refused"), 4)])).len(), 1);
    assert_eq!(cell.ledger.notices_due(&receiver(), &none, 10).unwrap(), []);
    let told = |version| Event::SenderTold { version, answer: "AA".into() };
    cell.decide(&origin(), "parked", 0, told(2), None).await;
    cell.decide(&origin(), "refused", 0, told(3), None).await;
    assert_eq!(due(&none).len(), 2);
    cell.decide(&origin(), "refused", 0, told(4), None).await;
    cell.decide(&origin(), "given-back", 2, Event::Returned { by: "its system".into() }, None).await;
    assert_eq!(due(&none), []);
    let alerts = cell.ledger.alerts(super::at(20)).unwrap();
    assert!(alerts.iter().all(|alert| alert.code == AlertCode::Parked), "{alerts:?}");
}

#[tokio::test]
async fn what_is_in_need_is_everything_of_these_tenants_earliest_due_first() {
    let cell = Cell::start().await;
    cell.route(facts("none"), 1).await;
    cell.route(with_deadline("late", 500, Priority::Emergency), 2).await;
    cell.route(with_deadline("early", 100, Priority::Routine), 3).await;
    let names = |tenants: &[TenantId], states: &[State]| {
        let found = cell.ledger.in_need(tenants, states).unwrap();
        let name = |found| cell.ledger.get(found).unwrap().unwrap().facts.envelope.message_id.to_string();
        found.iter().map(name).collect::<Vec<_>>()
    };
    let all = ["early", "late", "none"];
    assert_eq!(names(&[receiver()], &[State::Routed]), all);
    let sender = facts("none").tenant;
    assert_eq!(names(&[sender, receiver()], &[State::Held, State::Routed]), all, "each once");
    assert_eq!(names(&[receiver()], &[State::Held]), Vec::<String>::new());
    assert_eq!(names(&[tenant("wales/other")], &[State::Routed]), Vec::<String>::new());
    assert_eq!(names(&[], &[State::Routed]), Vec::<String>::new());
}

#[tokio::test]
async fn a_code_finds_what_it_begins_in_whatever_state_and_nothing_else() {
    let cell = Cell::start().await;
    cell.route(facts("waits"), 1).await;
    cell.route(facts("done"), 2).await;
    cell.finish("done").await;
    for message in ["waits", "done"] {
        let whole = id(message).to_string();
        let begun = |code: &str| {
            let found = cell.ledger.begun(code, 8).unwrap();
            found.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(begun(&whole), [id(message)]);
        for digits in [10, 11, 32] {
            let code = whole.replace('-', "")[..digits].to_uppercase();
            assert_eq!(begun(&code), [id(message)], "{code}");
        }
        for other in ["0000000000", "no digits", &format!("{whole}0"), "é", "/../"] {
            assert_eq!(begun(other), [], "{other}");
        }
    }
    assert_eq!(cell.ledger.begun("", 1).unwrap().len(), 1, "as many as were asked for");
}

#[tokio::test]
async fn what_was_given_back_is_found_by_whom_it_was_for_until_somebody_has_it_and_after_that() {
    let cell = Cell::start().await;
    let cut = CutId::parse("wales/3f0c9a12be77").unwrap();
    let why = Reason::new(Code::DestinationCut, format!("the receiver is cut off by {cut}"));
    cell.route(with_deadline("waited", 100, Priority::Urgent), 1).await;
    let back = Event::ReturnPending { to: None, reason: why.clone() };
    cell.decide(&receiver(), "waited", 1, back, None).await;
    // Nobody had decided yet where this one goes.
    let facts = with_deadline("new", 50, Priority::Emergency);
    let back = Event::ReturnPending { to: Some(receiver()), reason: why };
    cell.decide(&origin(), "new", 0, back, Some(facts)).await;
    let named = |id: &ReferralId| cell.ledger.get(id).unwrap().unwrap().facts.envelope.message_id.to_string();
    let in_need: Vec<_> = {
        let found = cell.ledger.in_need(&[receiver()], &[State::ReturnPending]).unwrap();
        found.iter().map(named).collect()
    };
    assert_eq!(in_need, ["new", "waited"]);
    let listed = |states: Vec<State>| {
        let filter = Filter { tenant: Some(receiver()), states, limit: 10, ..Filter::default() };
        let found = cell.ledger.list(&filter).unwrap();
        (found.rows.iter().map(|row| named(&row.id)).collect::<Vec<_>>(), found.total)
    };
    assert_eq!(listed(vec![State::ReturnPending]), (vec!["new".into(), "waited".into()], 2));
    let handled = Event::Returned { by: "wales/duty, who handled it: phoned".into() };
    cell.decide(&origin(), "waited", 2, handled, None).await;
    assert_eq!(listed(vec![State::ReturnPending]), (vec!["new".into()], 1));
    assert_eq!(listed(vec![State::Returned]), (vec!["waited".into()], 1));
}

#[tokio::test]
async fn what_was_carried_and_taken_back_says_so_where_it_is_counted_and_where_it_is_shown() {
    let cell = Cell::start().await;
    let border = Place { topic: topics::border(Nation::England), partition: 2, offset: 4 };
    let to = tenant("england/ooh-riverside");
    let event = Event::ToBorder { nation: Nation::England, to, bytes: border };
    cell.decide(&origin(), "away", 0, event, Some(facts("away"))).await;
    cell.decide(&origin(), "away", 0, Event::Carrying { nation: Nation::England }, None).await;
    cell.decide(&origin(), "away", 0, Event::Carried { nation: Nation::England }, None).await;
    let shown = |cell: &Cell| referral_to_wire(&cell.ledger.get(&id("away")).unwrap().unwrap()).alerts;
    assert_eq!((cell.ledger.alerts(at(200)).unwrap(), shown(&cell)), (vec![], vec![]));

    cell.decide(&origin(), "away", 0, Event::Withdrawn { up_to: 1 }, None).await;
    let counted = AlertCount { code: AlertCode::SentAfterAll, subject: origin(), count: 1 };
    assert_eq!(cell.ledger.alerts(at(200)).unwrap(), [counted]);
    assert_eq!(shown(&cell), ["SENT_AFTER_ALL"]);
}
