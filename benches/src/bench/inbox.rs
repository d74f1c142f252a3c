//! How long is the way from the sender's submit into the receiver's durable inbox?

use anyhow::Result;
use bytes::Bytes;
use tokio::time::Instant;

use crate::sender::referral;
use crate::sidecar::Sidecar;
use crate::spread::Spread;
use crate::submit::Door;

/// One referral at a time: from the call until it is out of the inbox.
pub(crate) async fn way(door: &Door<'_>, to: &Sidecar, document: &Bytes, count: usize) -> Result<Spread> {
    let (begin, mut took, mut client) = (Instant::now(), Vec::new(), door.client.clone());
    for _ in 0..count {
        let (request, begin) = (referral(door.to, document), Instant::now());
        // It may be in the inbox before its sender has the answer.
        let (answer, arrived) = tokio::join!(client.submit(request), to.next());
        answer?;
        took.push(arrived?.duration_since(begin));
    }
    Ok(Spread::new(took, begin.elapsed()))
}
