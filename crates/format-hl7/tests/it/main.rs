//! Tests of the format from outside: tables, properties, samples, and another implementation.

#[cfg(test)]
mod frames;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod strategies;
