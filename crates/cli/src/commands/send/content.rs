//! What a file is, by its first bytes. A wrong guess would reach a clinical system, so what is not certain
//! is asked for.

/// How far into a file is looked.
const LOOK: usize = 4096;

/// The media type of these bytes, when it is certain.
pub(super) fn guess(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = &start[..start.len().min(LOOK)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start();
    if text.starts_with("MSH|") || text.trim_start_matches('\u{b}').starts_with("MSH|") {
        return Some("x-application/hl7-v2+er7");
    }
    if text.starts_with('{') && text.contains("\"resourceType\"") {
        return Some("application/fhir+json");
    }
    (root_element(text) == Some("Bundle")).then_some("application/fhir+xml")
}

/// The local name of the first element, behind a declaration and comments.
fn root_element(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start().strip_prefix('<')?;
        let end = match rest {
            _ if rest.starts_with("!--") => "-->",
            _ if rest.starts_with('?') || rest.starts_with('!') => ">",
            _ => break,
        };
        rest = rest.split_once(end)?.1;
    }
    let name = rest.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next()?;
    Some(name.split_once(':').map_or(name, |(_, local)| local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_is_guessed() {
        let check = |bytes: &[u8], expected| assert_eq!(guess(bytes), expected, "{}", bytes.escape_ascii());
        check(b"{\n  \"resourceType\": \"Bundle\"", Some("application/fhir+json"));
        check(b"\xef\xbb\xbf{\"id\":\"1\",\"resourceType\":\"Bundle\"}", Some("application/fhir+json"));
        check(b"<Bundle xmlns=\"http://hl7.org/fhir\">", Some("application/fhir+xml"));
        check(
            b"<?xml version=\"1.0\"?>\n<!-- a > b -->\n<f:Bundle xmlns:f=\"http://hl7.org/fhir\"/>",
            Some("application/fhir+xml"),
        );
        check(b"MSH|^~\\&|A|B|", Some("x-application/hl7-v2+er7"));
        check(b"\x0bMSH|^~\\&|A|B|", Some("x-application/hl7-v2+er7"));
        check(b"{\"kind\": \"Bundle\"}", None);
        check(b"<BundleList>", None);
        check(b"<html><Bundle>", None);
        check(b"%PDF-1.7", None);
        check(b"", None);
    }
}
