//! Who is turned away before a handshake costs anything.
//!
//! A tenant that is cut off and connects as fast as it can would have each of its handshakes paid for, in the others'
//! time. Nobody knows who connects before the handshake is over, so what is remembered is the address: one from which
//! a handshake was refused lately may begin so many a second and no more, and what it begins beyond that is closed
//! unread. Those few are enough to be told why.
//!
//! Others at the same address share its allowance for new connections as long as the refusals go on; those that they
//! have are not touched.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Handshakes that such an address may begin at once, and as many again each second.
const A_SECOND: f64 = 20.0;
/// So long after its last refusal an address is like any other again.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Addresses that are remembered. More: the one that was refused longest ago is forgotten.
const ADDRESSES: usize = 4096;

/// The memory of one port. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doorkeeper {
    refused: Arc<Mutex<HashMap<IpAddr, Allowance>>>,
}

#[derive(Debug)]
struct Allowance {
    left: f64,
    counted_at: Instant,
    refused_at: Instant,
}

impl Doorkeeper {
    /// Whether an address may begin a handshake now.
    pub(crate) fn lets_in(&self, address: IpAddr, now: Instant) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        let Some(known) = refused.get_mut(&address) else { return true };
        if now.saturating_duration_since(known.refused_at) > REMEMBERED {
            refused.remove(&address);
            return true;
        }
        let since = now.saturating_duration_since(known.counted_at);
        known.left = (known.left + since.as_secs_f64() * A_SECOND).min(A_SECOND);
        known.counted_at = now;
        let is_in = known.left >= 1.0;
        if is_in {
            known.left -= 1.0;
        }
        is_in
    }

    /// A handshake from there was refused.
    pub(crate) fn refused(&self, address: IpAddr, now: Instant) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if let Some(known) = refused.get_mut(&address) {
            known.refused_at = now;
            return;
        }
        if refused.len() >= ADDRESSES
            && let Some(oldest) = refused.iter().min_by_key(|(_, known)| known.refused_at).map(|(at, _)| *at)
        {
            refused.remove(&oldest);
        }
        refused.insert(address, Allowance { left: A_SECOND, counted_at: now, refused_at: now });
    }
}

/// Who has one IPv6 address has all of its 64 bits of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn let_in(keeper: &Doorkeeper, text: &str, tries: u32, now: Instant) -> usize {
        (0..tries).filter(|_| keeper.lets_in(address(text), now)).count()
    }

    #[test]
    fn an_address_that_was_refused_begins_so_many_a_second_and_others_as_many_as_they_like() {
        let (keeper, begin) = (Doorkeeper::default(), Instant::now());
        assert_eq!(let_in(&keeper, "192.0.2.1", 1000, begin), 1000);
        keeper.refused(address("192.0.2.1"), begin);
        assert_eq!(let_in(&keeper, "192.0.2.1", 1000, begin), 20);
        assert_eq!(let_in(&keeper, "192.0.2.2", 1000, begin), 1000);
        // A refusal more gives nothing back.
        keeper.refused(address("192.0.2.1"), begin);
        assert_eq!(let_in(&keeper, "192.0.2.1", 1000, begin), 0);
        assert_eq!(let_in(&keeper, "192.0.2.1", 1000, begin + Duration::from_millis(500)), 10);
        assert_eq!(let_in(&keeper, "::ffff:192.0.2.1", 1000, begin + Duration::from_secs(9)), 20);
    }

    #[test]
    fn it_is_forgotten_when_the_refusals_end() {
        let (keeper, begin) = (Doorkeeper::default(), Instant::now());
        keeper.refused(address("192.0.2.1"), begin);
        let later = begin + REMEMBERED + Duration::from_millis(1);
        assert_eq!(let_in(&keeper, "192.0.2.1", 1000, later), 1000);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let (keeper, begin) = (Doorkeeper::default(), Instant::now());
        keeper.refused(address("2001:db8::1"), begin);
        assert_eq!(let_in(&keeper, "2001:db8::2", 1000, begin), 20);
        assert_eq!(let_in(&keeper, "2001:db8:0:1::2", 1000, begin), 1000);
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_is_forgotten_first() {
        let (keeper, begin) = (Doorkeeper::default(), Instant::now());
        for number in 0..=u32::try_from(ADDRESSES).unwrap() {
            let address = IpAddr::V4((0x0a00_0000 + number).into());
            keeper.refused(address, begin + Duration::from_millis(number.into()));
        }
        let now = begin + Duration::from_secs(5);
        assert_eq!(let_in(&keeper, "10.0.0.0", 1000, now), 1000);
        assert_eq!(let_in(&keeper, "10.0.0.1", 1000, now), 20);
        assert_eq!(let_in(&keeper, "10.0.16.0", 1000, now), 20);
    }
}
