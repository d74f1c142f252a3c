//! What `--to` names: a service id, an address as a protocol writes it, or a value that the context knows.

use bulkhead_model::{ServiceAddress, ServiceId};

use crate::Error;
use crate::context::Context;

/// The address that `text` names. Whether there is such a service the cell decides.
pub(super) fn resolve(text: &str, context: &Context) -> Result<ServiceAddress, Error> {
    if let Some((system, value)) = text.rsplit_once('|') {
        return parse(system, value);
    }
    if ServiceId::parse(text).is_ok() {
        return parse("", text);
    }
    let services = context.tenants.iter().flat_map(|tenant| &tenant.services);
    let mut found: Vec<(&ServiceId, &ServiceAddress)> = Vec::new();
    for service in services {
        let matching = service.identifiers.iter().find(|known| known.value().eq_ignore_ascii_case(text));
        found.extend(matching.map(|address| (&service.id, address)));
    }
    match found.as_slice() {
        [(_, address)] => Ok((*address).clone()),
        [] => Err(Error::Usage {
            what: format!("{text:?} is neither a service id nor a value that the context knows"),
            hint: "write nation/name, or SYSTEM|VALUE with the code system of the value".into(),
        }),
        several => Err(Error::Usage {
            what: format!("{text:?} is the value of several services"),
            hint: format!(
                "choose {}",
                several.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(" or ")
            ),
        }),
    }
}

fn parse(system: &str, value: &str) -> Result<ServiceAddress, Error> {
    ServiceAddress::parse(system, value).map_err(|error| Error::Usage {
        what: format!("--to: {error}"),
        hint: "write nation/name, or SYSTEM|VALUE with the code system of the value".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bulkhead_model::TenantId;

    use super::*;
    use crate::context::{Pair, Service, Tenant};

    fn context() -> Context {
        let dos = "https://fhir.nhs.uk/Id/dos-service-id";
        let service = |id: &str, values: &[&str]| Service {
            id: ServiceId::parse(id).unwrap(),
            identifiers: values.iter().map(|value| ServiceAddress::parse(dos, value).unwrap()).collect(),
        };
        let pair = Pair { certificate: PathBuf::new(), key: PathBuf::new() };
        let tenant = Tenant {
            id: TenantId::parse("wales/ooh-cardiff").unwrap(),
            services: vec![service("wales/triage", &["2000011147", "RYE"]), service("wales/other", &["RYE"])],
            pair,
        };
        Context {
            name: "dev".into(),
            path: PathBuf::new(),
            demo: true,
            ca: PathBuf::new(),
            cells: Vec::new(),
            tenants: vec![tenant],
            operators: Vec::new(),
        }
    }

    #[test]
    fn three_ways_to_name_a_service() {
        let context = context();
        let check = |text: &str, system: &str, value: &str| {
            assert_eq!(
                resolve(text, &context).unwrap(),
                ServiceAddress::parse(system, value).unwrap(),
                "{text}"
            );
        };
        check("wales/triage", "", "wales/triage");
        check("scotland/unknown-here", "", "scotland/unknown-here");
        check("urn:x|A|B", "urn:x|A", "B");
        check("2000011147", "https://fhir.nhs.uk/Id/dos-service-id", "2000011147");
    }

    #[test]
    fn what_names_none_or_several_is_wrong_usage() {
        let context = context();
        for (text, hint) in [
            ("nobody", "SYSTEM|VALUE"),
            ("rye", "choose wales/triage or wales/other"),
            ("x|", "SYSTEM|VALUE"),
        ] {
            let error = resolve(text, &context).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Usage, "{text}");
            assert!(error.hint().unwrap().contains(hint), "{text}: {:?}", error.hint());
        }
    }
}
