//! A broker that is stopped, with its connections open: what was given up may land, memory stays bounded, and what
//! lies on other brokers goes on.

use std::time::Duration;

use bulkhead_log::{Error, Kafka, KafkaConfig, Log, Partition};
use bulkhead_testkit::brokers::Brokers;
use futures::{StreamExt, stream::FuturesUnordered};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use super::super::cluster::{self, append_until_taken, large, partitions, read, reader, record, values};

const MIB: usize = 1024 * 1024;

/// How often a broker is frozen in the middle of an append until what was given up has landed once.
const TRIES: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_may_land_later() {
    let mut landed_late = 0;
    for attempt in 1..=TRIES {
        // Once or, because it landed after all, twice.
        let copies = copies_of_what_was_given_up().await;
        println!("try {attempt}: it landed {copies} times");
        assert!((1..=2).contains(&copies), "{copies}");
        landed_late += copies - 1;
        if landed_late > 0 {
            return;
        }
    }
    panic!("what was given up never landed in {TRIES} tries: nothing says that it may");
}

/// Gives an append up on a broker that is frozen, repeats it on the same one when it is well, and says how often it lies
/// in the log: never after what came next.
async fn copies_of_what_was_given_up() -> usize {
    let brokers = Brokers::start(1, &[]);
    let config =
        KafkaConfig { append_timeout: Duration::from_secs(2), ..cluster::config(brokers.bootstrap(), 1) };
    let log = Kafka::connect(config).await.unwrap();
    let partition = &partitions(&log, "t", 1).await[0];
    append_until_taken(&log, partition, "before").await;
    brokers.freeze(1);
    let error = log.append(partition, record("given up")).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }) && !error.nothing_written(), "{error:?}");
    brokers.thaw(1);
    let repeated = append_until_taken(&log, partition, "given up").await;
    let last = append_until_taken(&log, partition, "after").await;
    assert!(repeated < last);
    let mut reader = reader(&log, &[partition]).await;
    let mut entries = Vec::new();
    while entries.last().is_none_or(|entry: &bulkhead_log::Entry| entry.offset < last) {
        entries.extend(read(&mut reader, 1).await);
    }
    let values = values(&entries);
    assert_eq!((values.first().unwrap().as_str(), values.last().unwrap().as_str()), ("before", "after"));
    assert!(entries.iter().any(|entry| entry.offset == repeated));
    values.iter().filter(|value| *value == "given up").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_and_memory_is_bounded() {
    let brokers = Brokers::start(3, &[]);
    // One copy each, so that a broker holds up what it leads and nothing else.
    let config = cluster::config(brokers.bootstrap(), 1);
    let limit = config.partition_bytes;
    let log = Kafka::connect(config.clone()).await.unwrap();
    let all = partitions(&log, "t", 6).await;
    for partition in &all {
        append_until_taken(&log, partition, "before").await;
    }
    let led = leaders(&config, &all);
    let frozen = led[0];
    brokers.freeze(frozen);
    let hung = &all[0];
    let mut waiting = Vec::new();
    loop {
        let mut answer = log.append(hung, large(MIB));
        match futures::FutureExt::now_or_never(&mut answer) {
            None => waiting.push(answer),
            Some(answer) => {
                assert_eq!(answer, Err(Error::QueueFull { partition: hung.clone() }));
                break;
            }
        }
        assert!(waiting.len() * MIB <= limit, "{} MiB wait for a broker that hangs", waiting.len());
    }
    // As long as the broker hangs, and longer than an append may take.
    let goes_on: Vec<_> = all.iter().zip(&led).filter(|(_, leader)| **leader != frozen).collect();
    assert!(!goes_on.is_empty());
    for round in 0..30 {
        for (partition, _) in &goes_on {
            let appended = log.append(partition, record(round)).await;
            appended.unwrap_or_else(|error| panic!("{partition} is on another broker: {error}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for answer in waiting {
        let error = answer.await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{error:?}");
    }
    brokers.thaw(frozen);
    append_until_taken(&log, hung, "after").await;
    let readable = goes_on.iter().map(|(partition, _)| *partition).collect::<Vec<_>>();
    let mut reader = reader(&log, &readable).await;
    assert_eq!(read(&mut reader, 31 * readable.len()).await.len(), 31 * readable.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_frozen_broker_leads_leaves_room_for_the_others() {
    let brokers = Brokers::start(3, &[]);
    let config = cluster::config(brokers.bootstrap(), 1);
    let log = Kafka::connect(config.clone()).await.unwrap();
    // Of one topic, so that one producer has them all; what hangs could fill it twice.
    let all = partitions(&log, "t", 24).await;
    for partition in &all {
        append_until_taken(&log, partition, "before").await;
    }
    let led = leaders(&config, &all);
    let frozen = led[0];
    brokers.freeze(frozen);
    let (hung, goes_on): (Vec<_>, Vec<_>) = all.iter().zip(&led).partition(|(_, leader)| **leader == frozen);
    assert!(hung.len() * config.partition_bytes > config.producer_bytes && !goes_on.is_empty());
    let flood = async {
        let mut waiting = FuturesUnordered::new();
        loop {
            for (partition, _) in &hung {
                waiting.push(log.append(partition, large(MIB / 4)));
            }
            let pause = tokio::time::sleep(Duration::from_millis(200));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    Some(answer) = waiting.next() => assert!(answer.is_err()),
                    () = &mut pause => break,
                }
            }
        }
    };
    let others = async {
        let mut refused = 0;
        // Longer than what hangs is kept, twice.
        for _ in 0..75 {
            for (partition, _) in &goes_on {
                // As large, or it would find room between those that hang.
                match log.append(partition, large(MIB / 4)).await {
                    Ok(_) => {}
                    Err(Error::QueueFull { .. }) => refused += 1,
                    Err(error) => panic!("{partition} is on another broker: {error}"),
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        refused
    };
    let refused = tokio::select! {
        () = flood => unreachable!(),
        refused = others => refused,
    };
    brokers.thaw(frozen);
    assert_eq!(refused, 0, "of {}", 75 * goes_on.len());
}

/// Which broker leads each of a topic's partitions.
fn leaders(config: &KafkaConfig, partitions: &[Partition]) -> Vec<u8> {
    let asking: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &config.bootstrap).create().unwrap();
    let name = format!("{}.{}", config.prefix, partitions[0].topic);
    let metadata = asking.fetch_metadata(Some(&name), Duration::from_secs(10)).unwrap();
    let leader = |partition: &Partition| {
        let found = metadata.topics()[0].partitions().iter();
        let found = found.filter(|found| found.id() == i32::try_from(partition.number).unwrap());
        u8::try_from(found.map(|found| found.leader()).next().unwrap()).unwrap()
    };
    partitions.iter().map(leader).collect()
}
