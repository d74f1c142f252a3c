//! signals, drain, telemetry, health: what every long-running process does alike
