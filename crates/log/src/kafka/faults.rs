//! Kafka's errors in our words.

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode as Code},
    types::RDKafkaErrorCode,
};

use super::client::Ear;
use crate::{Error, Partition};

/// What became of a call that is not an append.
pub(super) fn failed(doing: &'static str, error: &KafkaError, ear: &Ear) -> Error {
    let Some(code) = error.rdkafka_error_code() else {
        return Error::Store { doing, cause: error.to_string() };
    };
    refused(doing, code, error, ear)
}

fn refused(doing: &'static str, code: RDKafkaErrorCode, error: &KafkaError, ear: &Ear) -> Error {
    if is_denied(code) {
        return Error::Denied { doing, cause: error.to_string() };
    }
    match code {
        Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::BrokerNotAvailable => match ear.trouble() {
            Some((trouble, cause)) if is_denied(trouble) => Error::Denied { doing, cause },
            Some((_, cause)) => Error::Unreachable { doing, cause },
            None => Error::Unreachable { doing, cause: error.to_string() },
        },
        code if is_passing(code) => Error::Unreachable { doing, cause: error.to_string() },
        _ => Error::Store { doing, cause: error.to_string() },
    }
}

/// Whether credentials or their permissions are the reason.
pub(super) fn is_denied(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

/// Whether the topic or the partition is not there, as far as who says so knows.
pub(super) fn is_absent(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition)
}

/// Whether it is so for a moment only, while a partition's leader moves.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
    )
}

/// What became of an append. Only what surely came before the write is told as such; a time-out never is, because
/// librdkafka may have sent the record, and a broker may still store it.
pub(super) fn append_failed(to: &Partition, code: Code, bytes: usize, limit: usize) -> Error {
    match code {
        // The broker's word for a partition that is out of range is librdkafka's own, so this is about the topic.
        Code::UnknownTopic | Code::UnknownTopicOrPartition => Error::UnknownTopic { topic: to.topic.clone() },
        Code::UnknownPartition => Error::UnknownPartition { partition: to.clone() },
        Code::QueueFull => Error::QueueFull { partition: to.clone() },
        Code::MessageSizeTooLarge => Error::TooLarge { partition: to.clone(), bytes, limit },
        Code::PurgeQueue => Error::Closed,
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Error::Denied { doing: "appending", cause: format!("{to}: {code}") }
        }
        _ => Error::Unknown { partition: to.clone(), cause: code.to_string() },
    }
}
