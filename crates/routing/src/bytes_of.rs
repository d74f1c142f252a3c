//! The bytes that an event names, held against the referral that it is about: where a topic was made anew, others lie in
//! that place.

use bulkhead_ledger::Row;
use bulkhead_wire::Accepted;
use bulkhead_wire::record::Out;
use bytes::Bytes;

/// What was appended for that referral, or why these bytes are not that.
pub(crate) fn out(bytes: Option<Bytes>, row: &Row) -> Result<Out, String> {
    let bytes = bytes.ok_or("its bytes are not where its event says")?;
    let out = Out::decode(bytes).map_err(|unreadable| unreadable.to_string())?;
    match is_of(&out.accepted, row) {
        true => Ok(out),
        false => Err("other bytes than its own are where its event says".to_owned()),
    }
}

/// Whether these are the referral's bytes.
pub(crate) fn is_of(accepted: &Accepted, row: &Row) -> bool {
    accepted.id == row.id && accepted.digest == row.facts.digest
}
