//! A mix of referrals like real ones, from a seed: who sends what to whom, one after the other.
//!
//! Sizes are those of real NHS 111 messages, 2 to 437 KB with a median of 57 KB; 5 in 100 are emergencies, 70
//! urgent, 25 routine. About one request in six is followed by an update or a cancellation of its case, some
//! referrals later. When to send is the caller's affair.

use std::collections::VecDeque;

use crate::config::Protocol;
use crate::send::random::Random;
use crate::send::{Address, Priority, SendKind, Sending};

const SMALLEST: usize = 2_000;
const MEDIAN: f64 = 57_000.0;
const LARGEST: usize = 437_000;
/// How far sizes spread: one in six is more than twice the median.
const SPREAD: f64 = 0.72;
/// How many cases may wait for what follows; more have nothing following.
const MOST_WAITING: usize = 32;

/// How a party numbers its cases, and what it can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Bars,
    BarsWales,
    Hl7,
}

/// One who sends and receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    address: Address,
    speaks: Speaks,
}

impl Party {
    /// A service that is addressed so, behind a simulator that speaks so.
    pub fn new(address: Address, protocol: &Protocol) -> Self {
        let speaks = match protocol {
            Protocol::Bars { .. } => Speaks::Bars,
            Protocol::BarsWales => Speaks::BarsWales,
            Protocol::Mllp(_) => Speaks::Hl7,
        };
        Self { address, speaks }
    }
}

/// One referral of the mix: the simulator of party `from` is to send `send`, which is for party `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Which party sends, counted from 0.
    pub from: usize,
    /// Which party it is for.
    pub to: usize,
    /// What is sent.
    pub send: Sending,
}

/// The mix. It never ends, unless there are fewer than two parties.
#[derive(Debug, Clone)]
pub struct Traffic {
    parties: Vec<Party>,
    random: Random,
    /// What follows later, and after how many others.
    waiting: VecDeque<(usize, Errand)>,
}

impl Traffic {
    /// The mix of a seed between those parties.
    pub fn new(seed: u64, parties: Vec<Party>) -> Self {
        Self { parties, random: Random::new(seed), waiting: VecDeque::new() }
    }

    fn request(&mut self) -> Errand {
        let from = self.random.below(self.parties.len());
        // Anybody but oneself.
        let to = (from + 1 + self.random.below(self.parties.len() - 1)) % self.parties.len();
        let seed = self.random.next();
        let send = Sending {
            to: self.parties[to].address.clone(),
            kind: SendKind::Request,
            priority: self.priority(),
            bytes: self.size(),
            case: Some(case(self.parties[from].speaks, seed)),
            message_id: None,
            due_in_s: None,
            seed: Some(seed),
        };
        Errand { from, to, send }
    }

    fn priority(&mut self) -> Priority {
        match self.random.below(100) {
            0..5 => Priority::Emergency,
            5..75 => Priority::Urgent,
            _ => Priority::Routine,
        }
    }

    /// Log-normal, by the sum of twelve even choices.
    fn size(&mut self) -> usize {
        const STEPS: usize = 1 << 20;
        let sum: usize = (0..12).map(|_| self.random.below(STEPS)).sum();
        #[allow(clippy::cast_precision_loss)] // The sum has 24 bits.
        let deviation = sum as f64 / STEPS as f64 - 6.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is between 1 KB and 5 MB.
        let size = (MEDIAN * (SPREAD * deviation).exp()) as usize;
        size.clamp(SMALLEST, LARGEST)
    }

    /// Puts what follows a request in line.
    fn follow(&mut self, request: &Errand) {
        if self.waiting.len() >= MOST_WAITING || !self.random.percent(16) {
            return;
        }
        let updates = self.parties[request.from].speaks != Speaks::BarsWales;
        let mut after = 3 + self.random.below(30);
        let kinds: &[SendKind] = match self.random.below(3) {
            0 if updates => &[SendKind::Update],
            1 if updates => &[SendKind::Update, SendKind::Cancel],
            _ => &[SendKind::Cancel],
        };
        for kind in kinds {
            let mut errand = request.clone();
            errand.send.kind = *kind;
            self.waiting.push_back((after, errand));
            after += 3 + self.random.below(30);
        }
    }

    /// What has waited long enough.
    fn due(&mut self) -> Option<Errand> {
        for (left, _) in &mut self.waiting {
            *left = left.saturating_sub(1);
        }
        let place = self.waiting.iter().position(|(left, _)| *left == 0)?;
        self.waiting.remove(place).map(|(_, errand)| errand)
    }
}

impl Iterator for Traffic {
    type Item = Errand;

    fn next(&mut self) -> Option<Errand> {
        if self.parties.len() < 2 {
            return None;
        }
        if let Some(errand) = self.due() {
            return Some(errand);
        }
        let request = self.request();
        self.follow(&request);
        Some(request)
    }
}

fn case(speaks: Speaks, seed: u64) -> String {
    match speaks {
        Speaks::Bars | Speaks::BarsWales => {
            uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &seed.to_be_bytes()).to_string()
        }
        Speaks::Hl7 => format!("T{seed:016X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mllp;
    use std::collections::HashMap;

    fn traffic(seed: u64) -> Traffic {
        let address = |n: usize| Address { system: "s".to_owned(), value: n.to_string() };
        let protocols = [
            Protocol::Bars { syntax: bulkhead_format_bars::Syntax::Json },
            Protocol::BarsWales,
            Protocol::Mllp(Mllp::new("2.4", "A", "F")),
        ];
        Traffic::new(seed, protocols.iter().enumerate().map(|(n, p)| Party::new(address(n), p)).collect())
    }

    #[test]
    fn the_mix_is_like_real_ones_and_the_same_for_a_seed() {
        let mix: Vec<Errand> = traffic(7).take(10_000).collect();
        assert_eq!(mix[..100], traffic(7).take(100).collect::<Vec<_>>());
        assert_ne!(mix[..100], traffic(8).take(100).collect::<Vec<_>>());
        let share = |what: &dyn Fn(&Errand) -> bool| mix.iter().filter(|e| what(e)).count() / 100;
        assert!((4..=6).contains(&share(&|e| e.send.priority == Priority::Emergency)));
        assert!((67..=73).contains(&share(&|e| e.send.priority == Priority::Urgent)));
        assert!((10..=30).contains(&share(&|e| e.send.kind != SendKind::Request)));
        let mut sizes: Vec<_> = mix.iter().map(|errand| errand.send.bytes).collect();
        sizes.sort_unstable();
        assert!((55_000..59_000).contains(&sizes[5_000]), "median {}", sizes[5_000]);
        assert!(sizes[0] >= SMALLEST && sizes[9_999] <= LARGEST && sizes[9_999] > 300_000);
        assert!(mix.iter().all(|e| e.from != e.to && e.send.to.value == e.to.to_string()));
    }

    #[test]
    fn a_case_begins_with_its_request_and_goes_one_way() {
        let mut cases: HashMap<String, (usize, usize, SendKind)> = HashMap::new();
        for errand in traffic(1).take(5_000) {
            let case = errand.send.case.clone().unwrap();
            let begun = cases.insert(case, (errand.from, errand.to, errand.send.kind));
            match begun {
                None => assert_eq!(errand.send.kind, SendKind::Request),
                Some((from, to, before)) => {
                    assert_eq!((from, to), (errand.from, errand.to));
                    assert_ne!(before, SendKind::Cancel);
                    assert!(errand.send.kind != SendKind::Update || errand.from != 1, "Wales has no updates");
                }
            }
        }
    }

    #[test]
    fn one_party_alone_has_nothing_to_say() {
        let mut alone = traffic(1);
        alone.parties.truncate(1);
        assert_eq!(alone.next(), None);
    }
}
