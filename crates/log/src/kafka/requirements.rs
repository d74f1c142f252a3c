//! What a topic must be like to keep what the contract promises: what a new one is given, and what is asked of one
//! that exists.

use std::collections::HashMap;

use super::{asker::Seen, client::OVERHEAD, config::KafkaConfig};
use crate::{Error, Topic, TopicSpec};

const POLICY: &str = "cleanup.policy";
const RETENTION: [&str; 2] = ["retention.ms", "retention.bytes"];
const IN_SYNC: &str = "min.insync.replicas";
const LARGEST: &str = "max.message.bytes";
const TIME: &str = "message.timestamp.type";
/// Brokers compact only what lies in ended segments, which by themselves end after a GB or a week.
const SEGMENT: [(&str, &str); 2] = [("segment.ms", "3600000"), ("segment.bytes", "16777216")];
const UNCLEAN: &str = "unclean.leader.election.enable";

/// A topic's settings, by their names.
pub(super) type Settings = HashMap<String, String>;

/// The settings of a new topic.
pub(super) fn settings(config: &KafkaConfig, compacted: bool) -> Vec<(&'static str, String)> {
    let largest = config.max_record_bytes + OVERHEAD;
    let mut settings = vec![
        (POLICY, policy(compacted).to_owned()),
        (IN_SYNC, config.min_in_sync.to_string()),
        (LARGEST, largest.to_string()),
        (TIME, "LogAppendTime".to_owned()),
        (UNCLEAN, "false".to_owned()),
    ];
    settings.extend(RETENTION.map(|name| (name, "-1".to_owned())));
    if compacted {
        settings.extend(SEGMENT.map(|(name, value)| (name, value.to_owned())));
    }
    settings
}

fn policy(compacted: bool) -> &'static str {
    if compacted { "compact" } else { "delete" }
}

/// Whether a topic that exists is what was asked for, and can keep what is promised.
pub(super) fn check(
    config: &KafkaConfig,
    spec: &TopicSpec,
    seen: Seen,
    settings: &Settings,
) -> Result<(), Error> {
    let topic = &spec.topic;
    differs(topic, seen.partitions, spec.partitions, "partitions")?;
    let setting = |name: &str| settings.get(name).map_or("not said", String::as_str);
    let (found, wanted) = (setting(POLICY), policy(spec.compacted));
    if found != wanted {
        let [found, wanted] = [found, wanted].map(|policy| format!("{POLICY}={policy}"));
        return Err(Error::TopicDiffers { topic: topic.clone(), found, wanted });
    }
    let unfit = |name: &str, wanted: String, change| {
        let what = format!("{name} of topic {topic}");
        Err(Error::Unfit { what, found: setting(name).to_owned(), wanted, change })
    };
    if seen.replicas < usize::from(config.replicas) {
        return Err(Error::Unfit {
            what: format!("the number of replicas of topic {topic}"),
            found: seen.replicas.to_string(),
            wanted: format!("at least {}", config.replicas),
            change: "reassign its partitions to more brokers",
        });
    }
    if !number(setting(IN_SYNC)).is_some_and(|n| (i64::from(config.min_in_sync)..).contains(&n)) {
        let change = "raise it, or an acknowledged record may lie on too few brokers";
        return unfit(IN_SYNC, format!("at least {}", config.min_in_sync), change);
    }
    // A compacted topic has no retention, whatever these say.
    for name in RETENTION.iter().filter(|_| !spec.compacted) {
        if setting(name) != "-1" {
            return unfit(name, "-1".to_owned(), "set it to -1, or brokers delete what is still needed");
        }
    }
    if setting(TIME) != "LogAppendTime" {
        return unfit(
            TIME,
            "LogAppendTime".to_owned(),
            "set it, so that brokers say when a record was appended",
        );
    }
    if setting(UNCLEAN) != "false" {
        return unfit(UNCLEAN, "false".to_owned(), "set it to false, or acknowledged records may be lost");
    }
    let (name, longest) = (SEGMENT[0].0, 24 * 3_600_000);
    if spec.compacted && number(setting(name)).is_none_or(|n| n > longest) {
        let change = "lower it, or nothing is compacted and every start reads all pulses";
        return unfit(name, format!("at most {longest}"), change);
    }
    let largest = config.max_record_bytes + OVERHEAD;
    if number(setting(LARGEST)).is_none_or(|n| n < i64::try_from(largest).unwrap_or(i64::MAX)) {
        return unfit(LARGEST, format!("at least {largest}"), "raise it, or the largest records are refused");
    }
    Ok(())
}

/// Whether a topic has as many partitions as it should.
pub(super) fn differs(topic: &Topic, found: u32, wanted: u32, of: &str) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    let [found, wanted] = [found, wanted].map(|count| format!("{count} {of}"));
    Err(Error::TopicDiffers { topic: topic.clone(), found, wanted })
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Whether brokers make topics by themselves: one that was deleted would be back, empty and with settings of its own.
pub(super) fn check_broker(id: i32, settings: &Settings) -> Result<(), Error> {
    const NAME: &str = "auto.create.topics.enable";
    match settings.get(NAME).map(String::as_str) {
        Some("true") => Err(Error::Unfit {
            what: format!("{NAME} of broker {id}"),
            found: "true".to_owned(),
            wanted: "false".to_owned(),
            change: "set it to false, or a topic that was deleted comes back with settings that lose records",
        }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> KafkaConfig {
        KafkaConfig::new("localhost:9092", "bulkhead.wales", "wales")
    }

    fn check_with(change: &[(&str, &str)], seen: Seen, compacted: bool) -> Result<(), Error> {
        let topic = Topic::new("t").unwrap();
        let mut found: Settings = settings(&config(), compacted)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        found.extend(change.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        check(&config(), &TopicSpec { topic, partitions: 3, compacted }, seen, &found)
    }

    const SEEN: Seen = Seen { partitions: 3, replicas: 3, led: true };

    #[test]
    fn what_we_make_is_what_we_ask_for() {
        assert_eq!(check_with(&[], SEEN, false), Ok(()));
        assert_eq!(check_with(&[], SEEN, true), Ok(()));
        assert_eq!(check_with(&[("retention.ms", "604800000")], SEEN, true), Ok(()), "compacted");
    }

    #[test]
    fn another_shape_differs() {
        for answer in [
            check_with(&[], Seen { partitions: 2, ..SEEN }, false),
            check_with(&[("cleanup.policy", "compact")], SEEN, false),
            check_with(&[("cleanup.policy", "compact,delete")], SEEN, true),
        ] {
            assert!(matches!(answer, Err(Error::TopicDiffers { .. })), "{answer:?}");
        }
    }

    #[test]
    fn what_loses_records_is_refused_and_says_what_to_change() {
        for change in [
            ("min.insync.replicas", "1"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "1"),
            ("message.timestamp.type", "CreateTime"),
            ("unclean.leader.election.enable", "true"),
            ("max.message.bytes", "1048588"),
        ] {
            let answer = check_with(&[change], SEEN, false);
            let Err(error @ Error::Unfit { .. }) = answer else { panic!("{change:?}: {answer:?}") };
            assert!(error.to_string().contains(change.0), "{error}");
        }
        let answer = check_with(&[("segment.ms", "604800000")], SEEN, true);
        assert!(matches!(answer, Err(Error::Unfit { .. })), "{answer:?}");
        let answer = check_with(&[], Seen { replicas: 2, ..SEEN }, false);
        assert!(matches!(answer, Err(Error::Unfit { .. })), "{answer:?}");
    }

    #[test]
    fn brokers_that_make_topics_by_themselves_are_refused() {
        let with = |value: &str| {
            check_broker(1, &Settings::from([("auto.create.topics.enable".into(), value.into())]))
        };
        assert_eq!(with("false"), Ok(()));
        assert!(matches!(with("true"), Err(Error::Unfit { .. })));
    }
}
