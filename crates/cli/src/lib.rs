//! the operators' and integrators' commands
