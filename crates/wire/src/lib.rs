//! bytes to model and back, and the one map from faults to gRPC status
