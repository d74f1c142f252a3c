//! Who takes over for a service whose host cannot: on whose word, for what, and when.
//!
//! A service names its fallback. The fallback's own service says for whom it takes over and on what terms, which is
//! the word of its host; without that word there is no fallback. Hours are local time of the four nations, which
//! share one. One who takes over is never taken over for in turn, so nothing goes round in circles.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::gate::Provenance;
use crate::{Cuts, Directory, Kind, Nation, Priority, Service, ServiceId};

/// A host's word that its service takes over for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakesOver {
    /// The service whose work it takes.
    pub from: ServiceId,
    /// Which kinds of it; none: all.
    pub kinds: Option<Vec<Kind>>,
    /// How urgent; none: all.
    pub priorities: Option<Vec<Priority>>,
    /// When; none: always.
    pub hours: Option<Vec<Span>>,
}

/// What somebody is to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// What it does to its case.
    pub kind: Kind,
    /// How soon somebody must look.
    pub priority: Priority,
    /// How large its document is.
    pub bytes: usize,
    /// When it would be taken over.
    pub at: Timestamp,
}

impl TakesOver {
    /// Whether that word covers this.
    pub fn takes(&self, wanted: &Wanted) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&wanted.kind))
            && self.priorities.as_ref().is_none_or(|all| all.contains(&wanted.priority))
            && self.is_open(wanted.at)
    }

    /// Whether it takes anything at that time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(london()).datetime();
        self.hours.as_ref().is_none_or(|spans| spans.iter().any(|span| span.holds(local)))
    }
}

/// The terms, as a person reads them: "urgent request; mon-fri 18:30-08:00".
impl fmt::Display for TakesOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priorities = self.priorities.iter().flatten().map(|priority| priority.as_str());
        let kinds = self.kinds.iter().flatten().map(|kind| kind.as_str());
        let hours: Vec<_> = self.hours.iter().flatten().map(|span| span.text.as_str()).collect();
        let parts = [listed(priorities), listed(kinds), hours.join(" and ")];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(if parts.is_empty() { "all, always" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// Some hours of some days of the week, in local time. What ends before it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Monday first.
    days: [bool; 7],
    /// Minute of the day.
    from: u16,
    /// Minute of the day, not part of it.
    until: u16,
    text: String,
}

/// What is wrong with hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// Not days and hours.
    #[error("{0:?} is not days and hours")]
    Shape(String),
    /// A day that is none.
    #[error("{0:?} is not a day of the week")]
    Day(String),
    /// A time that is none.
    #[error("{0:?} is not a time of day")]
    Time(String),
    /// Nothing, or a whole day: it could be meant either way.
    #[error("{0:?} begins and ends at the same time")]
    Nothing(String),
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WHOLE_DAY: u16 = 24 * 60;

impl Span {
    /// Reads days and hours: `mon-fri 18:30-08:00`, `sat,sun 00:00-24:00`.
    ///
    /// # Errors
    /// With the word that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadHours> {
        let shape = || BadHours::Shape(text.to_owned());
        let (named, hours) = text.split_once(' ').ok_or_else(shape)?;
        let (from, until) = hours.split_once('-').ok_or_else(shape)?;
        let (from, until) = (minute(from)?, minute(until)?);
        if from == until {
            return Err(BadHours::Nothing(text.to_owned()));
        }
        if from == WHOLE_DAY {
            return Err(BadHours::Time("24:00".to_owned()));
        }
        let mut days = [false; 7];
        for part in named.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            while at != last {
                days[at] = true;
                at = (at + 1) % 7;
            }
            days[last] = true;
        }
        Ok(Self { days, from, until, text: text.to_owned() })
    }

    fn holds(&self, local: DateTime) -> bool {
        let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        if self.from < self.until {
            return self.days[today] && (self.from..self.until).contains(&minute);
        }
        let since_yesterday = self.days[(today + 6) % 7] && minute < self.until;
        since_yesterday || (self.days[today] && minute >= self.from)
    }
}

fn day(text: &str) -> Result<usize, BadHours> {
    DAYS.iter().position(|day| *day == text).ok_or_else(|| BadHours::Day(text.to_owned()))
}

fn minute(text: &str) -> Result<u16, BadHours> {
    let wrong = || BadHours::Time(text.to_owned());
    let two = |digits: &str| match digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse::<u16>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    let of_day = hour * 60 + minute;
    if minute < 60 && of_day <= WHOLE_DAY { Ok(of_day) } else { Err(wrong()) }
}

/// The time of all four nations, as a rule, so that every node has the same whatever files it has.
fn london() -> TimeZone {
    TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").expect("a constant that the tests of this module read")
}

impl Directory {
    /// The service that takes over for that one, and its host's word on it; none without that word.
    pub fn agreed(&self, service: &Service) -> Option<(&Service, Vec<&TakesOver>)> {
        let fallback = self.service(service.fallback.as_ref()?)?;
        let words: Vec<_> = fallback.takes_over.iter().filter(|word| word.from == service.id).collect();
        (!words.is_empty()).then_some((fallback, words))
    }
}

/// The service that takes this over for one whose host is cut off or late: agreed, hosted here, open at that time for
/// such a referral, large enough for it, and itself open for this sender.
pub fn fallback<'a>(
    asked: &Provenance,
    service: &Service,
    wanted: &Wanted,
    home: Nation,
    directory: &'a Directory,
    cuts: &Cuts,
) -> Option<&'a Service> {
    let (fallback, words) = directory.agreed(service)?;
    let asked = Provenance { destination: Some(fallback.host.clone()), ..asked.clone() };
    let takes = fallback.host.nation() == home
        && fallback.takes_from(&asked.origin)
        && fallback.max_bytes.is_none_or(|max| wanted.bytes <= max)
        && words.iter().any(|word| word.takes(wanted));
    (takes && cuts.ask(&asked).is_open()).then_some(fallback)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::cases;

    fn open(hours: &[&str], at: &str) -> bool {
        let hours = hours.iter().map(|text| Span::parse(text).unwrap()).collect();
        let word = TakesOver {
            from: ServiceId::parse("england/s").unwrap(),
            kinds: None,
            priorities: None,
            hours: Some(hours),
        };
        word.is_open(at.parse().unwrap())
    }

    #[test]
    fn hours_are_local_time_and_may_pass_midnight() {
        let night = ["mon-fri 18:30-08:00"];
        // Winter, Monday.
        assert!(!open(&night, "2026-01-05T18:29:59Z"));
        assert!(open(&night, "2026-01-05T18:30:00Z"));
        assert!(open(&night, "2026-01-06T07:59:59Z"));
        assert!(!open(&night, "2026-01-06T08:00:00Z"));
        // The night to Saturday is Friday's; the one to Monday is Sunday's, who is not named.
        assert!(open(&night, "2026-01-10T03:00:00Z"));
        assert!(!open(&night, "2026-01-05T03:00:00Z"));
        // Summer, Monday: an hour earlier.
        assert!(open(&night, "2026-07-06T17:30:00Z"));
        assert!(!open(&night, "2026-07-07T07:00:00Z"));
        let weekend = ["sat,sun 00:00-24:00"];
        assert!(open(&weekend, "2026-07-03T23:00:00Z"));
        assert!(open(&weekend, "2026-07-05T22:59:59Z"));
        assert!(!open(&weekend, "2026-07-05T23:00:00Z"));
        assert!(open(&[night[0], weekend[0]], "2026-01-11T12:00:00Z"));
        // The hour that is repeated in October counts twice; the one left out in March, never.
        let small_hours = ["sun 01:00-02:00"];
        assert!(open(&small_hours, "2026-10-25T00:30:00Z") && open(&small_hours, "2026-10-25T01:30:00Z"));
        assert!(!open(&small_hours, "2026-03-29T00:59:59Z") && !open(&small_hours, "2026-03-29T01:00:00Z"));
    }

    #[test]
    fn what_is_not_hours_is_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Span::parse(text).unwrap_err().to_string(), expected);
        };
        check("always", "\"always\" is not days and hours");
        check("mon 08:00", "\"mon 08:00\" is not days and hours");
        check("mon-fir 08:00-09:00", "\"fir\" is not a day of the week");
        check("Mon 08:00-09:00", "\"Mon\" is not a day of the week");
        check("mon 8:00-09:00", "\"8:00\" is not a time of day");
        check("mon 08:00-24:01", "\"24:01\" is not a time of day");
        check("mon 08:60-09:00", "\"08:60\" is not a time of day");
        check("mon 24:00-09:00", "\"24:00\" is not a time of day");
        check("mon 08:00-08:00", "\"mon 08:00-08:00\" begins and ends at the same time");
    }

    #[test]
    fn the_terms_read_well() {
        let mut word = TakesOver {
            from: ServiceId::parse("england/s").unwrap(),
            kinds: None,
            priorities: None,
            hours: None,
        };
        assert_eq!(word.to_string(), "all, always");
        word.hours = Some(vec![Span::parse("mon-fri 18:30-08:00").unwrap()]);
        assert_eq!(word.to_string(), "mon-fri 18:30-08:00");
        word.priorities = Some(vec![Priority::Urgent, Priority::Routine]);
        word.kinds = Some(vec![Kind::Request]);
        assert_eq!(word.to_string(), "urgent, routine; request; mon-fri 18:30-08:00");
    }

    proptest! {
        #![proptest_config(cases(4_000))]

        /// Of one span and what it leaves out, exactly one is open at any minute, in both halves of the year.
        #[test]
        fn a_span_and_its_complement_share_no_minute(
            from in 0_u16..1440,
            until in 0_u16..1440,
            at in 1_767_225_600_i64..1_830_297_600,
        ) {
            prop_assume!(from != until);
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let one = format!("mon-sun {}-{}", clock(from), clock(until));
            let other = format!("sun-sat {}-{}", clock(until), clock(from));
            let at = Timestamp::from_second(at).unwrap().to_string();
            prop_assert!(open(&[&one], &at) != open(&[&other], &at), "{one} and {other} at {at}");
        }

        #[test]
        fn any_text_is_hours_or_told(text in "[a-z0-9:, -]{0,24}|\\PC{0,24}") {
            if let Ok(span) = Span::parse(&text) {
                prop_assert!(span.days.contains(&true) && span.from != span.until, "{text:?}");
            }
        }

        #[test]
        fn what_is_taken_is_of_a_kind_and_priority_that_was_named(
            kind in prop::sample::select(vec![Kind::Request, Kind::Update, Kind::Cancel, Kind::Response]),
            priority in crate::samples::any_priority(),
            kinds in prop::option::of(prop::collection::vec(
                prop::sample::select(vec![Kind::Request, Kind::Update, Kind::Cancel, Kind::Response]), 1..3)),
            priorities in prop::option::of(prop::collection::vec(crate::samples::any_priority(), 1..3)),
        ) {
            let from = ServiceId::parse("england/s").unwrap();
            let word = TakesOver { from, kinds: kinds.clone(), priorities: priorities.clone(), hours: None };
            let takes = word.takes(&Wanted { kind, priority, bytes: 1, at: Timestamp::UNIX_EPOCH });
            let named = kinds.is_none_or(|all| all.contains(&kind))
                && priorities.is_none_or(|all| all.contains(&priority));
            prop_assert_eq!(takes, named);
        }
    }
}
