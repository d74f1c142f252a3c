//! How many deliveries the broker may still send: credits, counted.
//!
//! A credit is spent by an offer and comes back when what was offered has been handed over. An emergency spends
//! one of any lane while there is one, and then the one that is kept for it.

use bulkhead_model::Lane;

/// The credits of one stream.
#[derive(Debug)]
pub(crate) struct Window {
    size: u32,
    any: u32,
    emergency: u32,
}

/// What is granted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Grant {
    pub(crate) any: u32,
    pub(crate) emergency: u32,
}

impl Window {
    /// A new stream: nothing is granted.
    pub(crate) fn new(size: u32) -> Self {
        Self { size, any: 0, emergency: 0 }
    }

    /// An offer came. False: it was not granted.
    pub(crate) fn spend(&mut self, lane: Lane) -> bool {
        if self.any > 0 {
            self.any -= 1;
            return true;
        }
        if lane == Lane::ALL[0] && self.emergency > 0 {
            self.emergency -= 1;
            return true;
        }
        false
    }

    /// What to grant while `held` are offered, being written or waiting for their hand-over.
    pub(crate) fn grant(&mut self, held: usize) -> Option<Grant> {
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        let any = self.size.saturating_sub(held).saturating_sub(self.any);
        // Emergencies too have a bound: as many again as there is room for others.
        let emergency = u32::from(self.emergency == 0 && held < self.size.saturating_mul(2));
        self.any += any;
        self.emergency += emergency;
        let grant = Grant { any, emergency };
        (grant != Grant::default()).then_some(grant)
    }

    /// The local system is down: what was granted and not spent is void.
    pub(crate) fn void(&mut self) {
        self.any = 0;
        self.emergency = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMERGENCY: Lane = Lane::ALL[0];
    const ROUTINE: Lane = Lane::ALL[2];

    #[test]
    fn what_is_held_is_not_granted_again() {
        let mut window = Window::new(3);
        assert_eq!(window.grant(0), Some(Grant { any: 3, emergency: 1 }));
        assert_eq!(window.grant(0), None);
        assert!(window.spend(ROUTINE) && window.spend(EMERGENCY));
        assert_eq!(window.grant(2), None);
        assert_eq!(window.grant(1), Some(Grant { any: 1, emergency: 0 }));
    }

    #[test]
    fn one_is_kept_for_an_emergency() {
        let mut window = Window::new(1);
        window.grant(0);
        assert!(window.spend(ROUTINE));
        assert!(!window.spend(ROUTINE));
        assert!(window.spend(EMERGENCY));
        assert!(!window.spend(EMERGENCY));
        assert_eq!(window.grant(1), Some(Grant { any: 0, emergency: 1 }));
        assert!(window.spend(EMERGENCY));
        assert_eq!(window.grant(2), None);
    }

    #[test]
    fn nothing_is_left_of_what_is_void() {
        let mut window = Window::new(2);
        window.grant(0);
        window.void();
        assert!(!window.spend(EMERGENCY));
        assert_eq!(window.grant(1), Some(Grant { any: 1, emergency: 1 }));
    }
}
