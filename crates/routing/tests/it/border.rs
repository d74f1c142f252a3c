//! Over a border: custody, order, reports, refusals, a far cell that is away.

use std::sync::Arc;

use bulkhead_log::Topic;
use bulkhead_model::{
    Claim, Code, Direction, Directory, Kind, Nation, OnDeadline, Priority, State, shard_of,
};
use bulkhead_routing::Layers;
use bulkhead_testkit::meddled::Failure;
use bulkhead_transport::Dialer;
use bulkhead_wire::record::{Carried, Report};
use bulkhead_wire::status::Problem;
use bulkhead_wire::topics;
use bulkhead_wire::v1::{self, border_client::BorderClient, carry_request, carry_response};
use tokio::net::TcpListener;

use crate::cell::{Cell, Draft, England, Keys, bounded, directory, server_name, tenant};
use crate::sidecar::Sidecar;
use crate::switch::{Switch, cut_of, in_seconds};

pub(crate) struct TwoCells {
    pub(crate) keys: Keys,
    dir: tempfile::TempDir,
    pub(crate) england: Cell,
    pub(crate) wales: Option<Cell>,
    wales_address: std::net::SocketAddr,
}

impl TwoCells {
    /// Where it was away.
    async fn wales_begins(&mut self) {
        let listener = TcpListener::bind(self.wales_address).await.unwrap();
        let (dir, address) = (self.dir.path(), self.england.address.clone());
        let directory = directory(OnDeadline::Return);
        let began = wales(&self.keys, dir, &address, listener, directory, Layers::default()).await;
        self.wales = Some(began);
    }
}

async fn wales(
    keys: &Keys,
    dir: &std::path::Path,
    england: &str,
    listener: TcpListener,
    directory: Arc<Directory>,
    layers: Layers,
) -> Cell {
    let (dir, far) = (dir.join("wales"), Some((england, Nation::England)));
    Cell::start(keys, Nation::Wales, &dir, directory, far, listener, layers, Arc::default()).await
}

pub(crate) async fn two_cells(wales_is_up: bool) -> TwoCells {
    two_cells_with(wales_is_up, OnDeadline::Return).await
}

pub(crate) async fn two_cells_with(wales_is_up: bool, on_deadline: OnDeadline) -> TwoCells {
    two_cells_asking(wales_is_up, on_deadline, &Layers::default()).await
}

/// Both ask the gate only there.
pub(crate) async fn two_cells_asking(
    wales_is_up: bool,
    on_deadline: OnDeadline,
    layers: &Layers,
) -> TwoCells {
    two_cells_in(wales_is_up, &directory(on_deadline), layers).await
}

async fn two_cells_in(wales_is_up: bool, directory: &Arc<Directory>, layers: &Layers) -> TwoCells {
    let (keys, dir) = (Keys::new(), tempfile::tempdir().unwrap());
    let (english, welsh) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (english_address, wales_address) = (english.local_addr().unwrap(), welsh.local_addr().unwrap());
    let far = wales_address.to_string();
    let england = Cell::start(
        &keys,
        Nation::England,
        &dir.path().join("england"),
        directory.clone(),
        Some((&far, Nation::Wales)),
        english,
        layers.clone(),
        Arc::default(),
    )
    .await;
    let wales = if wales_is_up {
        let address = english_address.to_string();
        Some(wales(&keys, dir.path(), &address, welsh, directory.clone(), layers.clone()).await)
    } else {
        None
    };
    TwoCells { keys, dir, england, wales, wales_address }
}

#[tokio::test(flavor = "multi_thread")]
async fn custody_passes_and_every_state_is_reported_home() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let draft = Draft::new("m1", "wales/receiver");
    let id = cells.england.submit(&draft).await;
    cells.england.until(id, State::Carried).await;
    wales.until(id, State::Routed).await;
    let mut sidecar = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    assert_eq!(&offer.payload[..], &draft.payload[..]);
    assert_eq!(offer.tenant, "england/sender");
    sidecar.acknowledged(&offer).await;
    wales.until(id, State::Acknowledged).await;
    let home = cells.england.until(id, State::Acknowledged).await;
    assert_eq!(home.referral.omissions, ["NTE"]);
    assert_eq!(home.referral.lifecycle.destination().unwrap().as_str(), "wales/receiver");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_within_a_case_is_kept_over_the_border() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let mut ids = Vec::new();
    for n in 0..12 {
        let draft = Draft { case: Some("c"), ..Draft::new(&format!("m{n}"), "wales/receiver") };
        ids.push(cells.england.submit(&draft).await.to_string());
    }
    let mut sidecar = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    sidecar.grant(100, 1).await;
    let mut came = Vec::new();
    for _ in 0..12 {
        let offer = sidecar.handed_over().await;
        came.push(offer.referral_id.clone());
        sidecar.acknowledged(&offer).await;
    }
    assert_eq!(came, ids);
}

/// What that cell's door says to a frame of another nation.
async fn told_by(
    keys: &Keys,
    from: Nation,
    cell: &Cell,
    frame: carry_request::Frame,
) -> carry_response::Answer {
    let credentials = keys.issue(&format!("bulkhead://{from}/cell/{from}-1"), None);
    let dialer = Dialer::new(&credentials).unwrap();
    let channel = dialer.channel(&cell.address, &server_name(cell.nation)).unwrap();
    let frames = tokio_stream::iter([v1::CarryRequest { frame: Some(frame) }]);
    let mut answers = BorderClient::new(channel).carry(frames).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().answer.unwrap()
}

/// As an owner of that claim carries it.
fn carried(draft: &Draft, claim: u64) -> carry_request::Frame {
    let from = draft.tenant.nation();
    let claim = Claim { shard: shard_of(&draft.tenant), number: claim, node: format!("{from}-2") };
    carry_request::Frame::Referral(Carried { accepted: draft.accepted(), claim, from }.to_wire())
}

/// The code of what that door refuses for now, with a time to come back.
fn not_now(answer: &carry_response::Answer) -> Option<Code> {
    let carry_response::Answer::Refused(refusal) = answer else { panic!("it was taken: {answer:?}") };
    let problem = Problem::from(refusal);
    assert!(problem.retry_after.is_some() && !problem.is_refusal(), "{problem:?}");
    problem.code
}

fn has(answer: &carry_response::Answer) -> bool {
    matches!(answer, carry_response::Answer::Have(_))
}

/// From Wales to the English receiver.
fn welsh(message: &str) -> Draft {
    Draft { tenant: tenant("wales/receiver"), ..Draft::new(message, "england/receiver") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_whose_log_fails_says_so_and_the_courier_comes_again() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    for failure in [Failure::Full, Failure::Lost, Failure::Landed] {
        wales.meddled.fail_once("in.", failure);
        let frame = carried(&Draft::new(&format!("{failure:?}"), "wales/receiver"), 1);
        let answer = told_by(&cells.keys, Nation::England, wales, frame).await;
        assert_eq!(not_now(&answer), Some(Code::LogUnavailable), "{failure:?}");
    }
    wales.meddled.fail_once("in.", Failure::Full);
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    cells.england.until(id, State::Carried).await;
    wales.until(id, State::Routed).await;
    assert!(wales.meddled.is_done());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_tenant_fills_no_more_than_its_quota() {
    let directory = bounded(&directory(OnDeadline::Return), 2048);
    let england = England::start_in(directory, Layers::default()).await;
    let inward = Topic::new(&topics::inward(&tenant("wales/receiver"))).unwrap().partition(0);
    // The topic is made when routing starts.
    while england.cell.log.bounds(&inward).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told =
        async |draft: &Draft| told_by(&england.keys, Nation::Wales, &england.cell, carried(draft, 1)).await;
    for message in ["m1", "m2"] {
        assert!(has(&told(&welsh(message)).await));
        england.cell.until(welsh(message).id(), State::Routed).await;
    }
    assert_eq!(not_now(&told(&welsh("m3")).await), Some(Code::QuotaExceeded));
    assert!(has(&told(&welsh("m1")).await), "what is here is said to be here");
    assert!(has(&told(&Draft { kind: Kind::Cancel, ..welsh("m4") }).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_filled_its_quota_in_another_nation_waits_and_holds_up_nobody() {
    let directory = bounded(&directory(OnDeadline::Return), 1);
    let cells = two_cells_in(true, &directory, &Layers::default()).await;
    let wales = cells.wales.as_ref().unwrap();
    let first = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    cells.england.until(first, State::Carried).await;
    wales.until(first, State::Routed).await;
    let second = cells.england.submit(&Draft::new("m2", "wales/receiver")).await;
    cells.england.until(second, State::Routed).await;
    // More than the courier has under way at a time, and more urgent than what comes behind.
    for n in 0..40 {
        cells.england.submit(&Draft::new(&format!("more-{n}"), "wales/receiver")).await;
    }
    let (tenant, priority) = (tenant("england/receiver"), Priority::Routine);
    let other = Draft { tenant, priority, ..Draft::new("m3", "wales/receiver") };
    let other = cells.england.submit(&other).await;
    cells.england.until(other, State::Carried).await;

    let mut sidecar = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    sidecar.grant(4, 1).await;
    for _ in 0..2 {
        let offer = sidecar.handed_over().await;
        sidecar.acknowledged(&offer).await;
    }
    // A report passes what is full at home too.
    cells.england.until(first, State::Acknowledged).await;
    cells.england.until(second, State::Carried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_what_one_nation_has_no_other_is_heard() {
    let cells = two_cells(true).await;
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    cells.england.until(id, State::Carried).await;
    let report = Report {
        id,
        nation: Nation::Scotland,
        state: State::ReturnPending,
        reason: None,
        destination: None,
        sequence: 1_000,
        at: jiff::Timestamp::now(),
        omissions: vec![],
    };
    let frame = carry_request::Frame::Report(report.to_wire());
    let answer = told_by(&cells.keys, Nation::Scotland, &cells.england, frame).await;
    let carry_response::Answer::Refused(refusal) = answer else { panic!("it was heard: {answer:?}") };
    assert_eq!(Problem::from(&refusal).code, Some(Code::NotGranted));

    let wales = cells.wales.as_ref().unwrap();
    let mut sidecar = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    sidecar.grant(4, 1).await;
    let offer = sidecar.handed_over().await;
    sidecar.acknowledged(&offer).await;
    cells.england.until(id, State::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_says_that_it_has_what_it_has_before_it_refuses_anything() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let draft = Draft::new("m1", "wales/receiver");
    let id = cells.england.submit(&draft).await;
    wales.until(id, State::Routed).await;
    let mut switch = Switch::new(&wales.cuts, directory(OnDeadline::Return));
    switch.cut(cut_of("wales/1", "england/sender", Direction::Both, in_seconds(60)));

    let again = told_by(&cells.keys, Nation::England, wales, carried(&draft, 1_000)).await;
    assert!(matches!(again, carry_response::Answer::Have(_)), "{again:?}");
    let other = carried(&Draft::new("m2", "wales/receiver"), 1_000);
    let other = told_by(&cells.keys, Nation::England, wales, other).await;
    assert!(matches!(other, carry_response::Answer::Refused(_)), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_cell_that_is_away_loses_nothing() {
    let mut cells = two_cells(false).await;
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    cells.england.until(id, State::Routed).await;
    cells.wales_begins().await;
    cells.england.until(id, State::Carried).await;
    cells.wales.as_ref().unwrap().until(id, State::Routed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_crosses_before_it_is_read_back_that_it_is_carried() {
    let mut cells = two_cells(false).await;
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    cells.england.until(id, State::Routed).await;
    cells.england.meddled.stop("events.");
    cells.wales_begins().await;
    cells.england.meddled.waiting(1).await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let wales = cells.wales.as_ref().unwrap();
    assert!(wales.ledger.get(&id).unwrap().is_none(), "it crossed, and nobody would know");
    cells.england.meddled.go_on();
    cells.england.until(id, State::Carried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_takes_nothing_under_a_claim_older_than_it_has_seen() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let carried = |message: &str, number| carried(&Draft::new(message, "wales/receiver"), number);
    let id = cells.england.submit(&Draft::new("m0", "wales/receiver")).await;
    wales.until(id, State::Routed).await;
    let newer = told_by(&cells.keys, Nation::England, wales, carried("m1", 1_000)).await;
    assert!(matches!(newer, carry_response::Answer::Have(_)), "{newer:?}");
    let older = told_by(&cells.keys, Nation::England, wales, carried("m2", 999)).await;
    let carry_response::Answer::Refused(refusal) = older else { panic!("it was taken: {older:?}") };
    assert_eq!(Problem::from(&refusal).code, Some(Code::NotOwner));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_far_nation_parks_is_seen_at_home() {
    let cells = two_cells(true).await;
    let wales = cells.wales.as_ref().unwrap();
    let mut sidecar = Sidecar::connect(&cells.keys, wales, "wales/receiver", "i").await;
    sidecar.grant(4, 1).await;
    let id = cells.england.submit(&Draft::new("m1", "wales/receiver")).await;
    for _ in 0..2 {
        let offer = sidecar.handed_over().await;
        sidecar.retry(&offer, true).await;
    }
    let home = cells.england.until(id, State::Parked).await;
    assert_eq!(home.referral.lifecycle.reason().unwrap().known(), Some(Code::BudgetSpent));
}
