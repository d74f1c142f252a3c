//! The version of HL7 that a message says it follows.

use std::fmt;

/// MSH-12 as numbers, so that versions can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u8,
    minor: u8,
    patch: u8,
}

impl Version {
    /// HL7 v2.3.1.
    pub const V2_3_1: Self = Self::new(2, 3, 1);
    /// HL7 v2.4.
    pub const V2_4: Self = Self::new(2, 4, 0);
    /// HL7 v2.5.
    pub const V2_5: Self = Self::new(2, 5, 0);
    /// HL7 v2.5.1.
    pub const V2_5_1: Self = Self::new(2, 5, 1);

    /// The version `major.minor.patch`; a patch of 0 is not written.
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `2.5` or `2.5.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.').map(number);
        let version = Self {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next().unwrap_or(Some(0))?,
        };
        numbers.next().is_none().then_some(version)
    }

    /// Whether ERR has its later form: location, code and severity in fields of their own (HL7 v2.5 section
    /// 2.15.5). Before v2.5 all of it stands in ERR-1.
    pub fn has_error_locations(self) -> bool {
        self >= Self::V2_5
    }
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_written_and_ordered() {
        for text in ["2.3.1", "2.4", "2.5", "2.5.1"] {
            assert_eq!(Version::parse(text).unwrap().to_string(), text);
        }
        assert!(Version::V2_3_1 < Version::V2_4 && Version::V2_5 < Version::V2_5_1);
        assert!(!Version::V2_4.has_error_locations() && Version::V2_5.has_error_locations());
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in ["", "2", "2.", "x.5", "2.5.1.1", "2.+5", "2.999"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
