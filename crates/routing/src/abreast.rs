//! Coming to where the log ends, before a node takes part: what it does not know it would decide again.
//!
//! One look at the ends takes as long as it takes to read up to them, and more comes meanwhile. So it is looked again
//! until a look was quick: then the ledger is that close to the end.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::Error;

/// How close.
const CLOSE: Duration = Duration::from_secs(1);
/// So many looks are usual at most: each has only what came during the one before it.
const USUAL: u32 = 8;

/// Reads on, look after look, until one was quick. Safe to cancel.
pub(crate) async fn reach<Read>(mut read_up: impl FnMut() -> Read) -> Result<(), Error>
where
    Read: Future<Output = Result<(), Error>>,
{
    for look in 1.. {
        let begin = Instant::now();
        read_up().await?;
        let took = begin.elapsed();
        if took < CLOSE {
            break;
        }
        if look < USUAL {
            info!(look, ?took, "the ledger has come to where the log ended, and reads what has come since");
        } else {
            warn!(
                look,
                ?took,
                "the ledger does not come close to the log's end: this node does not take part yet"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks it takes when each takes so long.
    async fn looks(seconds: &[f64]) -> usize {
        let mut looks = 0;
        reach(|| {
            let takes = Duration::from_secs_f64(seconds[looks]);
            looks += 1;
            async move {
                tokio::time::sleep(takes).await;
                Ok(())
            }
        })
        .await
        .unwrap();
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_look_is_followed_by_another() {
        assert_eq!(looks(&[0.2]).await, 1);
        assert_eq!(looks(&[60.0, 3.0, 1.0, 0.9, 0.1]).await, 4);
        assert_eq!(looks(&[[2.0; 20].as_slice(), &[0.1]].concat()).await, 21);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said() {
        assert!(reach(|| async { Err(Error::NotOwner { shard: 1 }) }).await.is_err());
    }
}
