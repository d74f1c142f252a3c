//! samples, fakes, conformance suites, history checker
pub mod history;
pub mod log_conformance;
