//! samples, fakes, conformance suites, history checker
pub mod log_conformance;
