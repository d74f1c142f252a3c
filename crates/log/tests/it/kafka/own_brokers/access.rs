//! TLS, SCRAM and an authorizer: who is let in, what the roles of `deploy/kafka/README.md` may do, and what they may
//! not.

use bulkhead_log::{
    Error, Kafka, KafkaConfig, KafkaScram, KafkaSecurity, KafkaTls, Log, ScramMechanism, ShardChange,
};
use bulkhead_testkit::brokers::Brokers;

use super::super::cluster::{self, partitions, read, reader, record, values};

const ACLS: &str = "org.apache.kafka.tools.AclCommand";

/// Brokers that let in whom they know, and what their operator does.
struct Guarded {
    brokers: Brokers,
    admin: String,
}

impl Guarded {
    fn start() -> Self {
        let brokers = Brokers::start(
            1,
            &["--secure", "--user", "node=node-password", "--user", "inspector=inspector-password"],
        );
        let admin = brokers.directory().join("admin.properties");
        let settings = format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.\
             ScramLoginModule required username=\"admin\" password=\"admin-password\";\n",
            brokers.directory().join("ca.pem").display()
        );
        std::fs::write(&admin, settings).unwrap();
        Self { admin: admin.to_str().unwrap().to_owned(), brokers }
    }

    fn allow(&self, names: &[&str], resource: &[&str], operations: &[&str]) {
        let principals: Vec<_> = names.iter().map(|name| format!("User:{name}")).collect();
        let mut arguments = vec!["--command-config", &self.admin, "--add", "--force"];
        arguments.extend(principals.iter().flat_map(|principal| ["--allow-principal", principal]));
        arguments.extend(resource);
        arguments.extend(operations.iter().flat_map(|operation| ["--operation", operation]));
        self.brokers.tool(ACLS, &arguments);
    }

    fn config(&self, prefix: &str, user: &str, password: &str) -> KafkaConfig {
        let scram = KafkaScram {
            mechanism: ScramMechanism::Sha512,
            username: user.into(),
            password: password.into(),
        };
        let tls = KafkaTls { ca: Some(self.brokers.directory().join("ca.pem")), certificate: None };
        KafkaConfig {
            prefix: prefix.into(),
            security: KafkaSecurity { tls: Some(tls), scram: Some(scram) },
            ..cluster::config(self.brokers.bootstrap(), 1)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_may_do_what_is_said_and_nothing_else() {
    let guarded = Guarded::start();
    let prefixed = |kind, prefix| [kind, prefix, "--resource-pattern-type", "prefixed"];
    let (topics, groups) = (prefixed("--topic", "bulkhead.wales."), prefixed("--group", "bulkhead.wales."));
    guarded.allow(&["node", "inspector"], &groups, &["Read"]);
    guarded.allow(&["node", "inspector"], &["--cluster"], &["DescribeConfigs"]);
    guarded.allow(&["node"], &topics, &["Read", "Write", "Create", "DescribeConfigs", "Delete"]);
    guarded.allow(&["inspector"], &topics, &["Read", "DescribeConfigs"]);
    let with = |prefix, user: &str| guarded.config(prefix, user, &format!("{user}-password"));

    let log = Kafka::connect(with("bulkhead.wales", "node")).await.unwrap();
    let partition = &partitions(&log, "t", 1).await[0];
    for n in 0..4 {
        log.append(partition, record(n)).await.unwrap();
    }
    log.trim(partition, 1).await.unwrap();
    assert_eq!(values(&read(&mut reader(&log, &[partition]).await, 3).await), ["1", "2", "3"]);
    assert!(log.read_at(&[partition.at(2)]).await.unwrap()[0].is_some());
    let mut shards = log.own_shards(&partition.topic, "wales-1").await.unwrap();
    assert_eq!(shards.next().await, Ok(ShardChange::Assigned(vec![0])));

    let inspector = Kafka::connect(with("bulkhead.wales", "inspector")).await.unwrap();
    assert_eq!(values(&read(&mut reader(&inspector, &[partition]).await, 3).await), ["1", "2", "3"]);
    let denied = |error: Error| assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    let error = inspector.append(partition, record("no")).await.unwrap_err();
    assert!(error.nothing_written(), "{error}");
    denied(error);
    denied(inspector.trim(partition, 2).await.unwrap_err());

    denied(Kafka::connect(with("bulkhead.scotland", "node")).await.unwrap_err());
    denied(Kafka::connect(guarded.config("bulkhead.wales", "node", "wrong")).await.unwrap_err());
    denied(Kafka::connect(with("bulkhead.wales", "nobody")).await.unwrap_err());
    let mut stranger = with("bulkhead.wales", "node");
    // An authority that has signed nothing here: the one that the system trusts.
    stranger.security.tls = Some(KafkaTls::default());
    denied(Kafka::connect(stranger).await.unwrap_err());
}
