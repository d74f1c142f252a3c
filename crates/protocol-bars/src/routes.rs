//! Which path and verb mean what. Pure.

use bulkhead_format_bars::bundle::id_of;
use http::Method;

/// Under any of these, and at the root, the same is served.
const BASES: [&str; 2] = ["/booking-and-referral/FHIR/R4", "/FHIR/R4"];
/// What BaRS has and a broker of referrals does not serve.
const NOT_HERE: [&str; 5] = ["Slot", "Appointment", "DocumentReference", "Endpoint", "HealthcareService"];

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A message.
    ProcessMessage,
    /// The CapabilityStatement.
    Metadata,
    /// The MessageDefinitions.
    MessageDefinition,
    /// One ServiceRequest.
    Read(String),
    /// ServiceRequests by parameters.
    Search,
    /// The path is served, the verb is not; what is.
    WrongVerb(&'static str),
    /// BaRS has it, we do not.
    NotImplemented,
    /// Nobody has it.
    NotFound,
}

impl Route {
    /// The route of a request.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let path = BASES.iter().find_map(|base| under(base, path)).unwrap_or(path);
        let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
        let only = |allowed: Method, name: &'static str, route: Self| {
            if *method == allowed { route } else { Self::WrongVerb(name) }
        };
        match steps.as_slice() {
            ["$process-message" | "%24process-message"] => only(Method::POST, "POST", Self::ProcessMessage),
            ["metadata"] => only(Method::GET, "GET", Self::Metadata),
            ["MessageDefinition"] => only(Method::GET, "GET", Self::MessageDefinition),
            ["ServiceRequest"] => only(Method::GET, "GET", Self::Search),
            ["ServiceRequest", id] => match id_of(id) {
                Some(id) => only(Method::GET, "GET", Self::Read(id.to_owned())),
                None => Self::NotFound,
            },
            [name, ..] if NOT_HERE.contains(name) => Self::NotImplemented,
            _ => Self::NotFound,
        }
    }
}

fn under<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: &Route) {
        assert_eq!(&Route::of(&method.parse().unwrap(), path), expected, "{method} {path}");
    }

    #[test]
    fn paths_and_verbs() {
        for base in ["", "/FHIR/R4", "/booking-and-referral/FHIR/R4"] {
            let check = |method, path: &str, expected| check(method, &format!("{base}{path}"), &expected);
            check("POST", "/$process-message", Route::ProcessMessage);
            check("POST", "/%24process-message", Route::ProcessMessage);
            check("GET", "/$process-message", Route::WrongVerb("POST"));
            check("GET", "/metadata", Route::Metadata);
            check("POST", "/metadata", Route::WrongVerb("GET"));
            check("GET", "/MessageDefinition", Route::MessageDefinition);
            check("DELETE", "/MessageDefinition", Route::WrongVerb("GET"));
            check("GET", "/ServiceRequest", Route::Search);
            check("GET", "/ServiceRequest/a-1", Route::Read("a-1".to_owned()));
            check("PUT", "/ServiceRequest/a-1", Route::WrongVerb("GET"));
            check("GET", "/ServiceRequest/a%20b", Route::NotFound);
            check("GET", "/Slot", Route::NotImplemented);
            check("POST", "/Appointment/7", Route::NotImplemented);
            check("POST", "/Task", Route::NotFound);
            check("GET", "/", Route::NotFound);
        }
        check("GET", "/FHIR/R4x/metadata", &Route::NotFound);
    }
}
