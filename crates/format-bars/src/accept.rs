//! `Accept: application/fhir+json; version=1.4.0`: which syntax and which version of the API the sender
//! wants answered. The highest version wins and 1.0.0 is the default (API specification 1.4.0); a major
//! version that is too new is 406 (BaRS guide, Error-Handling).

use std::fmt;

use crate::document::Syntax;
use crate::headers::syntax_of;

/// What is answered. Versions are data: the guide is ahead of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptRule {
    /// Either syntax, any version up to this major one.
    UpTo {
        /// The highest major version.
        major: u64,
    },
    /// One syntax and one version only, in any order (NWRI).
    Exactly {
        /// The syntax.
        syntax: Syntax,
        /// The version.
        version: &'static str,
    },
}

/// What the sender accepts, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The syntax to answer in.
    pub syntax: Syntax,
    /// The version of the API.
    pub version: Version,
}

impl Accept {
    /// What to ask of a peer.
    pub fn new(syntax: Syntax, version: Version) -> Self {
        Self { syntax, version }
    }

    /// Reads the header; without one, the syntax of the body is answered. `None` is 406.
    pub fn read(header: Option<&[u8]>, body: Syntax, rule: &AcceptRule) -> Option<Self> {
        let text = match header {
            Some(header) => std::str::from_utf8(header).ok()?,
            None => "*/*",
        };
        let ranges: Vec<Range> = text.split(',').filter_map(Range::parse).collect();
        match rule {
            AcceptRule::UpTo { major } => best(&ranges, body, *major),
            AcceptRule::Exactly { syntax, version } => {
                let [only] = ranges.as_slice() else { return None };
                let exact = only.media == Media::Fhir(*syntax) && only.version == Version::parse(version);
                exact.then(|| Self { syntax: *syntax, version: only.version.unwrap_or(Version::DEFAULT) })
            }
        }
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; version={}", self.syntax.media_type(), self.version)
    }
}

fn best(ranges: &[Range], body: Syntax, major: u64) -> Option<Accept> {
    ranges
        .iter()
        .filter(|range| range.version.is_none_or(|v| v.0 <= major))
        .filter_map(|range| {
            let syntax = match range.media {
                Media::Fhir(syntax) => syntax,
                Media::Any => body,
                Media::Other => return None,
            };
            Some(Accept { syntax, version: range.version.unwrap_or(Version::DEFAULT) })
        })
        .max_by_key(|accept| (accept.version, accept.syntax == body))
}

/// A version of the API, `major.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64, pub u64, pub u64);

impl Version {
    /// What a sender means that names no version.
    pub const DEFAULT: Self = Self(1, 0, 0);

    /// Reads `1`, `1.4` or `1.4.0`; what follows a hyphen is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"');
        let mut parts = text.split_once('-').map_or(text, |(version, _)| version).split('.');
        let mut next = || parts.next().map_or(Some(0), |p| p.parse().ok());
        let version = Self(next()?, next()?, next()?);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Fhir(Syntax),
    Any,
    Other,
}

struct Range {
    media: Media,
    version: Option<Version>,
}

impl Range {
    /// One range of the header. A version that cannot be read makes the range void.
    fn parse(text: &str) -> Option<Self> {
        let mut range = Self { media: Media::Other, version: None };
        for part in text.split(';').map(str::trim) {
            match part.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("version") => {
                    range.version = Some(Version::parse(value)?);
                }
                Some(_) => {}
                None if matches!(part, "*/*" | "application/*") => range.media = Media::Any,
                None => range.media = syntax_of(part).map_or(Media::Other, Media::Fhir),
            }
        }
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Option<&str>, rule: &AcceptRule, expected: Option<&str>) {
        let read = Accept::read(header.map(str::as_bytes), Syntax::Xml, rule);
        assert_eq!(read.map(|a| a.to_string()).as_deref(), expected, "{header:?}");
    }

    #[test]
    fn the_highest_version_wins() {
        let rule = AcceptRule::UpTo { major: 1 };
        check(None, &rule, Some("application/fhir+xml; version=1.0.0"));
        check(Some("*/*"), &rule, Some("application/fhir+xml; version=1.0.0"));
        check(
            Some("application/fhir+json;version=1.4.0"),
            &rule,
            Some("application/fhir+json; version=1.4.0"),
        );
        let two = "application/fhir+xml; version=1.1.0, application/fhir+json; version=1.10.0";
        check(Some(two), &rule, Some("application/fhir+json; version=1.10.0"));
        check(
            Some("application/fhir+json; version=2.0.0, application/fhir+json; version=1.1.0"),
            &rule,
            Some("application/fhir+json; version=1.1.0"),
        );
        check(Some("application/fhir+json; version=2.0.0"), &rule, None);
        check(Some("application/fhir+json; version=new"), &rule, None);
        check(Some("text/html"), &rule, None);
        check(Some(""), &rule, None);
    }

    #[test]
    fn wales_wants_one_version() {
        let rule = AcceptRule::Exactly { syntax: Syntax::Json, version: "1.2.0" };
        check(
            Some("application/fhir+json; version=1.2.0"),
            &rule,
            Some("application/fhir+json; version=1.2.0"),
        );
        check(
            Some("version=1.2.0;application/fhir+json"),
            &rule,
            Some("application/fhir+json; version=1.2.0"),
        );
        check(Some("application/fhir+json; version=1.3.0"), &rule, None);
        check(Some("application/fhir+json"), &rule, None);
        check(None, &rule, None);
    }
}
