//! The pages of `docs/errors`, built in, and which reason has which page.
//!
//! BH0001 and those after it are the reasons that cells give ([`bulkhead_model::Code`]), in its order; BH0101 and
//! on are what commands meet; BH0201 and on are the alerts of `status`.

use bulkhead_model::Code;

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its code, for example BH0001.
    pub code: &'static str,
    /// The reason or alert that it explains, as it is written on the wire.
    pub reason: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

macro_rules! pages {
    ($($code:literal $reason:literal,)*) => {
        [$(Page {
            code: $code,
            reason: $reason,
            text: include_str!(concat!("../../../docs/errors/", $code, ".md")),
        }),*]
    };
}

/// All of them, by code.
pub const PAGES: [Page; 56] = pages![
    "BH0001" "TENANT_CUT",
    "BH0002" "DESTINATION_CUT",
    "BH0003" "TENANT_UNKNOWN",
    "BH0004" "SERVICE_UNKNOWN",
    "BH0005" "NOT_GRANTED",
    "BH0006" "INVALID_ENVELOPE",
    "BH0007" "PAYLOAD_TOO_LARGE",
    "BH0008" "CONFLICTING_DUPLICATE",
    "BH0009" "QUOTA_EXCEEDED",
    "BH0010" "CREDENTIAL_REVOKED",
    "BH0011" "CREDENTIAL_EXPIRED",
    "BH0012" "NOT_OWNER",
    "BH0013" "NODE_UNSURE",
    "BH0014" "LOG_UNAVAILABLE",
    "BH0015" "SECOND_PERSON_NEEDED",
    "BH0016" "PLAN_CHANGED",
    "BH0017" "SIGNATURE_INVALID",
    "BH0018" "UNREADABLE",
    "BH0019" "BORDER_REFUSED",
    "BH0020" "RECEIVER_REFUSED",
    "BH0021" "BUDGET_SPENT",
    "BH0022" "DEADLINE_PASSED",
    "BH0023" "WITHDRAWN",
    "BH0024" "DIGEST_MISMATCH",
    "BH0025" "NOT_TRANSLATABLE",
    "BH0026" "SCOPE_UNKNOWN",
    "BH0027" "ALREADY_CUT",
    "BH0101" "CANNOT_REACH",
    "BH0102" "WRONG_CONTEXT",
    "BH0103" "CERTIFICATE_NOT_ACCEPTED",
    "BH0104" "NOT_FOUND",
    "BH0105" "SEVERAL_MATCH",
    "BH0106" "SOME_FILES_FAILED",
    "BH0107" "NOT_IN_TIME",
    "BH0108" "LEDGER_UNFIT",
    "BH0109" "CONTROL_LOG_OLD",
    "BH0201" "OVERDUE",
    "BH0202" "PARKED",
    "BH0203" "RETURN_PENDING",
    "BH0204" "SENT_AFTER_ALL",
    "BH0205" "UNANSWERED",
    "BH0206" "CREDENTIAL_EXPIRES",
    "BH0207" "CARRIED_UNKNOWN",
    "BH0208" "NOT_CONNECTED",
    "BH0209" "NOT_TAKING",
    "BH0210" "REJECTED",
    "BH0211" "CUT_IN_FORCE",
    "BH0212" "CUT_UNCONFIRMED",
    "BH0213" "CUT_WAITS",
    "BH0214" "HELD",
    "BH0215" "QUARANTINED",
    "BH0216" "UNKNOWN",
    "BH0217" "NOT_RECALLED",
    "BH0218" "AUDIT_BEHIND",
    "BH0219" "NEWER_RELEASE",
    "BH0220" "LOG_SHORT",
];

impl Page {
    /// What happened, in a few words: the page's heading.
    pub fn title(&self) -> &'static str {
        let heading = self.text.lines().next().unwrap_or_default();
        heading.split_once(": ").map_or(heading, |(_, title)| title)
    }
}

/// The page of a code (`BH0001`) or a reason (`TENANT_CUT`, `tenant-cut`).
pub fn find(text: &str) -> Option<&'static Page> {
    let wanted = text.trim().to_ascii_uppercase().replace('-', "_");
    PAGES.iter().find(|page| page.code == wanted || page.reason == wanted)
}

/// The page of a reason that a cell gave.
pub fn of(code: Code) -> Option<&'static Page> {
    find(code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_page_in_the_models_order() {
        for (n, code) in Code::ALL.into_iter().enumerate() {
            let page = of(code).unwrap_or_else(|| panic!("{code} has no page"));
            assert_eq!(page.code, format!("BH{:04}", n + 1), "{code}");
        }
    }

    #[test]
    fn every_page_has_the_same_parts() {
        for page in &PAGES {
            let heading = format!("# {} {}: ", page.code, page.reason);
            assert!(page.text.starts_with(&heading), "{} should start with {heading}", page.code);
            for part in ["\n## What happened\n", "\n## What to check\n", "\n## What to do\n"] {
                assert!(page.text.contains(part), "{} lacks {part}", page.code);
            }
            assert!(!page.title().is_empty());
        }
    }

    #[test]
    fn every_page_of_the_folder_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(code) = name.strip_suffix(".md").filter(|name| name.starts_with("BH")) {
                assert!(find(code).is_some(), "{name} is not in the table");
            }
        }
    }

    #[test]
    fn a_page_is_found_by_code_and_reason_however_they_are_written() {
        for text in ["BH0001", "bh0001", "TENANT_CUT", "tenant-cut", " tenant_cut "] {
            assert_eq!(find(text).map(|page| page.code), Some("BH0001"), "{text}");
        }
        assert_eq!(find("BH-none"), None);
    }
}
