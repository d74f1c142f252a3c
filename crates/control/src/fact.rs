//! Records of `control.<nation>`: bytes both ways.

use bulkhead_log::{Entry, Record};
use bulkhead_model::{CutId, Moment, Nation, OperatorId, Pulse};
use bulkhead_wire::fact::SignedFact;
use bulkhead_wire::v1::{
    AnomalyFact, ControlRecord, DirectoryFact, HomePlace, SignedCopy, control_record::Fact as WireFact,
};
use bulkhead_wire::{Unreadable, pulse_from_wire, time_from_wire, time_to_wire};
use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use ring::digest::{SHA256, digest};

use crate::authority::{Copy, Refused};
use crate::{FileError, parse_directory};

/// A fact of authority.
#[derive(Debug)]
pub(crate) enum Fact {
    /// The whole directory.
    Directory(DirectoryText),
    /// A copy of what an operator signed; nothing of it is believed yet.
    Signed(Box<Copy>),
    /// A node says that it is there.
    Pulse(Pulse),
    /// A node saw what breaks a restore off.
    Anomaly(Seen),
}

/// What a node saw of a tenant on its way back.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) cut: CutId,
    pub(crate) by: OperatorId,
    pub(crate) what: String,
    /// Where it lies in the log of the nation whose node saw it, when that is another one.
    pub(crate) home: Option<(Nation, Moment)>,
}

/// The text of a directory whose digest holds.
#[derive(Debug)]
pub(crate) struct DirectoryText(pub(crate) String);

/// Why a record of the control log says nothing to this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unheard {
    #[error("it is {0}")]
    Wire(#[from] Unreadable),
    #[error("its fact is of a kind that this release does not know")]
    Unknown,
    #[error("its text does not have the digest that it states")]
    Digest,
    #[error("its directory is not whole: {0}")]
    Directory(#[from] FileError),
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl Fact {
    /// Reads what an entry says.
    pub(crate) fn read(entry: &Entry) -> Result<Self, Unheard> {
        let record = ControlRecord::decode(entry.record.value.clone()).map_err(|_| Unreadable::Malformed)?;
        match record.fact.ok_or(Unheard::Unknown)? {
            WireFact::Directory(fact) if *sha256(&fact.toml) != *fact.digest => Err(Unheard::Digest),
            WireFact::Directory(fact) => Ok(Fact::Directory(DirectoryText(fact.toml))),
            WireFact::Pulse(fact) => Ok(Fact::Pulse(pulse_from_wire(fact)?)),
            WireFact::Anomaly(fact) => Ok(Fact::Anomaly(read_anomaly(fact)?)),
            WireFact::Signed(copy) => {
                let here = Moment { position: entry.offset, at: entry.at };
                Ok(Fact::Signed(Box::new(read_copy(copy, here)?)))
            }
        }
    }
}

/// What is appended for a copy of a signed fact. `number` is random: every copy has a key of its own, so that
/// compacting loses none.
pub(crate) fn signed_record(
    fact: &SignedFact,
    node: &str,
    now: Timestamp,
    taken_at: Option<Timestamp>,
    home: Option<(Nation, Moment)>,
    number: [u8; 8],
) -> Record {
    let copy = SignedCopy {
        fact: Some(fact.to_wire()),
        node: node.to_owned(),
        taken_at: taken_at.map(time_to_wire),
        home: home.map(home_to_wire),
        audit: None,
    };
    let key = [b"fact/", &fact.id().0[..], b"/", &number].concat();
    let record = ControlRecord { at: Some(time_to_wire(now)), fact: Some(WireFact::Signed(copy)) };
    Record { key: key.into(), value: record.encode_to_vec().into() }
}

/// What is appended for what a node saw. Each has a key of its own, so that compacting loses none.
pub(crate) fn anomaly_record(seen: &Seen, now: Timestamp) -> Record {
    let key = format!("anomaly/{}/{}/{}", seen.cut, seen.by.name(), now.as_nanosecond());
    let record =
        ControlRecord { at: Some(time_to_wire(now)), fact: Some(WireFact::Anomaly(anomaly_to_wire(seen))) };
    Record { key: key.into(), value: record.encode_to_vec().into() }
}

/// As it lies in a log, or is carried to another nation.
pub(crate) fn anomaly_to_wire(seen: &Seen) -> AnomalyFact {
    AnomalyFact {
        node: seen.by.name().to_owned(),
        cut_id: seen.cut.to_string(),
        what: seen.what.clone(),
        home: seen.home.map(home_to_wire),
    }
}

pub(crate) fn home_to_wire((nation, moment): (Nation, Moment)) -> HomePlace {
    HomePlace { nation: nation.to_string(), position: moment.position, at: Some(time_to_wire(moment.at)) }
}

pub(crate) fn read_home(home: HomePlace) -> Result<(Nation, Moment), Unreadable> {
    let nation = home.nation.parse().map_err(|_| Unreadable::Field("home nation"))?;
    let at = home.at.and_then(time_from_wire).ok_or(Unreadable::Field("home time"))?;
    Ok((nation, Moment { position: home.position, at }))
}

/// A node speaks under its own name beside those of people: nation/node.
pub(crate) fn read_anomaly(wire: AnomalyFact) -> Result<Seen, Unreadable> {
    let cut = CutId::parse(&wire.cut_id).map_err(|_| Unreadable::Field("cut_id"))?;
    let by = format!("{}/{}", cut.nation(), wire.node);
    let by = OperatorId::parse(&by).map_err(|_| Unreadable::Field("node"))?;
    Ok(Seen { cut, by, what: wire.what, home: wire.home.map(read_home).transpose()? })
}

fn read_copy(wire: SignedCopy, here: Moment) -> Result<Copy, Unheard> {
    Ok(Copy {
        fact: SignedFact::from_wire(wire.fact.ok_or(Unreadable::Field("fact"))?),
        here,
        taken_at: wire.taken_at.and_then(time_from_wire),
        home: wire.home.map(read_home).transpose()?,
        node: wire.node,
    })
}

impl DirectoryText {
    /// The directory that it describes.
    pub(crate) fn parse(&self, file: &str) -> Result<bulkhead_model::Directory, FileError> {
        parse_directory(file, &self.0)
    }

    /// What is appended for it. Every copy has a key of its own: the newest directory counts, but who was an operator
    /// when a cut was made is what the one before that cut says, so compacting must lose none.
    pub(crate) fn record(&self, now: Timestamp) -> Record {
        let digest = sha256(&self.0);
        let key = [b"directory/", &digest[..], b"/", &now.as_nanosecond().to_be_bytes()].concat();
        let fact = DirectoryFact { toml: self.0.clone(), digest };
        let record = ControlRecord { at: Some(time_to_wire(now)), fact: Some(WireFact::Directory(fact)) };
        Record { key: key.into(), value: record.encode_to_vec().into() }
    }
}

fn sha256(text: &str) -> Bytes {
    Bytes::copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref())
}
