//! The embedded log, met from outside.
