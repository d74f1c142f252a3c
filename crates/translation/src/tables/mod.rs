//! The tables of the translation, as data: numbers, code systems, demographics, dispositions.

pub mod codes;
pub mod demographics;
pub mod dispositions;
pub mod numbers;
