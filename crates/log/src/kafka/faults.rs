//! Kafka's errors in our words.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::client::Ear;
use crate::{Error, Partition};

/// What became of a call that is not an append.
pub(super) fn failed(doing: &'static str, error: &KafkaError, ear: &Ear) -> Error {
    let Some(code) = code(error) else {
        return Error::Store { doing, cause: error.to_string() };
    };
    refused(doing, code, error.to_string(), ear)
}

/// Kafka's code, also of what rdkafka has none for.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// The same, where only a code is known, and words for it.
pub(super) fn refused(doing: &'static str, code: Code, cause: String, ear: &Ear) -> Error {
    if is_denied(code) {
        return Error::Denied { doing, cause };
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
            None => Error::Unreachable { doing, cause },
        },
        // That something is absent is an answer, and no failure, wherever it is asked about. Here a client means that it
        // has not learned yet what there is.
        code if is_passing(code) || is_absent(code) => Error::Unreachable { doing, cause },
        _ => Error::Store { doing, cause },
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

/// Whether it is so for a moment only, while a partition's leader moves or a client leaves a broker that is gone.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::DestroyBroker
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_be_answered_later_is_no_failure_of_the_store() {
        let ear = Ear::default();
        for passing in [
            KafkaError::AdminOp(Code::OperationTimedOut),
            KafkaError::MetadataFetch(Code::DestroyBroker),
            KafkaError::MetadataFetch(Code::UnknownPartition),
            KafkaError::OffsetFetch(Code::LeaderNotAvailable),
        ] {
            let told = failed("asking", &passing, &ear);
            assert!(matches!(told, Error::Unreachable { .. }), "{passing}: {told}");
        }
        let told = failed("asking", &KafkaError::AdminOp(Code::PolicyViolation), &ear);
        assert!(matches!(told, Error::Store { .. }), "{told}");
    }
}
