//! Tests of the wire from outside: golden files, round trips, and bytes of any kind.

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod newer;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod strategies;
