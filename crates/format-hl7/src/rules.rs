//! What a reader accepts: how much, and of which versions.

use crate::Version;

/// Bounds on one message. Over any of them a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a message: 5 MiB by default. Public NHS 111 messages are 23 to 437 KB.
    pub bytes: usize,
    /// The most segments of a message: 10,000 by default.
    pub segments: usize,
    /// The most fields of a segment: 1,000 by default, which also bounds what an edit may add.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 5 * 1024 * 1024, segments: 10_000, fields: 1_000 }
    }
}

/// What [`Message::parse_with`](crate::Message::parse_with) accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Bounds on one message.
    pub limits: Limits,
    /// The versions taken in MSH-12; `None` takes any, even none at all.
    pub versions: Option<Vec<Version>>,
}

impl Rules {
    /// Any version, under the default limits.
    pub fn any_version() -> Self {
        Self { limits: Limits::default(), versions: None }
    }

    /// No bound and any version, for bytes that this crate wrote itself.
    pub(crate) fn unbounded() -> Self {
        let limits = Limits { bytes: usize::MAX, segments: usize::MAX, fields: usize::MAX };
        Self { limits, versions: None }
    }

    pub(crate) fn takes(&self, version: Option<Version>) -> bool {
        self.versions.as_ref().is_none_or(|taken| version.is_some_and(|version| taken.contains(&version)))
    }
}

/// The four versions met in Wales, Scotland and Northern Ireland: 2.3.1, 2.4, 2.5 and 2.5.1.
impl Default for Rules {
    fn default() -> Self {
        let versions = vec![Version::V2_3_1, Version::V2_4, Version::V2_5, Version::V2_5_1];
        Self { limits: Limits::default(), versions: Some(versions) }
    }
}
