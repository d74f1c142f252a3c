//! BaRS to HL7 v2 REF and back, as pure functions
