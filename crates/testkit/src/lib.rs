//! samples, fakes, conformance suites, history checker
