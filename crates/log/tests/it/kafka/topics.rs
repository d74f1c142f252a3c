//! Topics that come, go and are cut short while somebody reads them.

use std::time::Duration;

use bulkhead_log::{Error, Kafka, Log, Start};

use super::cluster::{self, Operator, fault, partitions, read, reader, record, values};

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_while_consumers_run() {
    let config = cluster::three();
    // Another node of the cell, which has not heard of the topic.
    let (log, other) = (Kafka::connect(config.clone()).await.unwrap(), Kafka::connect(config).await.unwrap());
    let first = partitions(&log, "first", 3).await;
    let mut reader = reader(&other, &first.iter().collect::<Vec<_>>()).await;
    log.append(&first[0], record("first")).await.unwrap();
    assert_eq!(values(&read(&mut reader, 1).await), ["first"]);
    for round in 0..10 {
        let made = partitions(&log, &format!("made.{round}"), 3).await;
        reader.add(made.iter().map(|partition| Start { partition: partition.clone(), offset: 0 }).collect());
        for partition in &made {
            // By the node that did not make it.
            other.append(partition, record(round)).await.unwrap();
        }
        assert_eq!(values(&read(&mut reader, 3).await), [round; 3].map(|round| round.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_one_is_said_loudly_and_the_others_go_on() {
    let config = cluster::one();
    let operator = Operator::of(&config);
    let log = Kafka::connect(config).await.unwrap();
    let (gone, stays) = (&partitions(&log, "gone", 1).await[0], &partitions(&log, "stays", 1).await[0]);
    let mut reader = reader(&log, &[gone, stays]).await;
    log.append(gone, record("before")).await.unwrap();
    assert_eq!(values(&read(&mut reader, 1).await), ["before"]);
    operator.delete("gone").await;
    let error = fault(&mut reader).await;
    assert_eq!(error, Error::UnknownTopic { topic: gone.topic.clone() });
    log.append(stays, record("goes on")).await.unwrap();
    assert_eq!(values(&read(&mut reader, 1).await), ["goes on"]);
    let error = log.append(gone, record("late")).await.unwrap_err();
    let said =
        matches!(error, Error::Unknown { .. } | Error::UnknownTopic { .. } | Error::UnknownPartition { .. });
    assert!(said, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_cut_short_is_said_loudly() {
    let config = cluster::one();
    let operator = Operator::of(&config);
    let log = Kafka::connect(config).await.unwrap();
    let (short, stays) = (&partitions(&log, "short", 1).await[0], &partitions(&log, "stays", 1).await[0]);
    for n in 0..5 {
        log.append(short, record(n)).await.unwrap();
    }
    let mut reader = reader(&log, &[short, stays]).await;
    read(&mut reader, 5).await;
    // Whatever cuts a topic short, what is left ends before the place that we have read to.
    operator.delete("short").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let settings = [
        ("retention.ms", "-1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", "9000000"),
    ];
    operator.make("short", 1, 1, &settings).await;
    let error = fault(&mut reader).await;
    let lost = matches!(&error, Error::PastEnd { partition, offset: 5, .. } if partition == short)
        || matches!(&error, Error::UnknownTopic { topic } if *topic == short.topic);
    assert!(lost, "{error:?}");
    log.append(stays, record("goes on")).await.unwrap();
    assert_eq!(values(&read(&mut reader, 1).await), ["goes on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_under_a_reader_is_passed_over() {
    let log = Kafka::connect(cluster::one()).await.unwrap();
    let partition = &partitions(&log, "trimmed", 1).await[0];
    let mut reader = reader(&log, &[partition]).await;
    log.append(partition, record("first")).await.unwrap();
    read(&mut reader, 1).await;
    reader.pause(std::slice::from_ref(partition), true);
    for n in 0..10 {
        log.append(partition, record(n)).await.unwrap();
    }
    log.trim(partition, 6).await.unwrap();
    reader.pause(std::slice::from_ref(partition), false);
    assert_eq!(values(&read(&mut reader, 5).await), ["5", "6", "7", "8", "9"]);
}
