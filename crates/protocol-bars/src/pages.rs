//! `GET /metadata` and `GET /MessageDefinition`: what may be sent here.
//!
//! The local system asks for what the services that it addresses take. A broker does not ask those services, so
//! both are answered from what is configured: every message of the dialect, for each service that the directory
//! knows.

use bulkhead_format_bars::capability::{Capability, Offer as Offered, message_definitions};
use bulkhead_format_bars::{Identifier, Syntax, System};
use uuid::Uuid;

use crate::Offer;
use crate::process::Processor;
use crate::reply::Reply;

/// When what is offered last changed.
const DATE: &str = "2026-08-01";
/// The use case of a service that names none: 111 to urgent and emergency care.
const USE_CASE: &str = "a1t10";

/// `GET /metadata`.
pub(crate) fn metadata(processor: &Processor, host: &str, syntax: Syntax) -> Reply {
    let dialect = &processor.config.dialect;
    let capability = Capability {
        url: format!("http://{host}/FHIR/R4"),
        publisher: dialect.publisher.clone(),
        software: processor.config.software.clone(),
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        api_version: dialect.capability_version.clone(),
        date: DATE.to_owned(),
        receives: dialect.receives.clone(),
    };
    let syntax = dialect.syntax.unwrap_or(syntax);
    Reply::document(&capability.statement(syntax), syntax)
}

/// `GET /MessageDefinition?context=system|value`: for a service, a use case, or both.
pub(crate) async fn definitions(processor: &Processor, host: &str, query: &str, syntax: Syntax) -> Reply {
    let (mut services, mut use_cases) = (Vec::new(), Vec::new());
    for token in contexts(query) {
        match System::of(&token.system) {
            Some(System::UseCase) => use_cases.push(token.value.to_ascii_lowercase()),
            _ => services.push(token),
        }
    }
    let mut offers = Vec::new();
    match services.is_empty() {
        true => offers.extend(processor.config.offers.iter().cloned()),
        false => {
            for service in services {
                let own = processor.config.offers.iter().find(|offer| offer.service.same(&service));
                if let Some(own) = own {
                    offers.push(own.clone());
                } else if processor.broker.resolve(&service).await.is_ok() {
                    offers.push(Offer { service, use_cases: Vec::new() });
                }
            }
        }
    }
    let offered: Vec<Offered> = offers.iter().flat_map(|offer| of(processor, offer, &use_cases)).collect();
    let url = format!("http://{host}/FHIR/R4/MessageDefinition");
    let document = message_definitions(&Uuid::new_v4().to_string(), &url, &offered, syntax);
    Reply::document(&document, syntax)
}

fn of(processor: &Processor, offer: &Offer, wanted: &[String]) -> Vec<Offered> {
    let mut use_cases = offer.use_cases.clone();
    if use_cases.is_empty() {
        // A service without a list is not known to refuse any.
        use_cases = if wanted.is_empty() { vec![USE_CASE.to_owned()] } else { wanted.to_vec() };
    }
    use_cases.retain(|use_case| wanted.is_empty() || wanted.contains(use_case));
    if use_cases.is_empty() {
        return Vec::new();
    }
    let one = |definition| Offered {
        definition,
        service: offer.service.clone(),
        use_cases: use_cases.clone(),
        date: DATE.to_owned(),
    };
    processor.config.dialect.receives.iter().copied().map(one).collect()
}

/// The tokens of the `context` parameters, at most eight.
fn contexts(query: &str) -> Vec<Identifier> {
    let values = query.split('&').filter_map(|parameter| parameter.strip_prefix("context="));
    values.filter_map(|value| Identifier::parse(&decoded(value))).take(8).collect()
}

/// Without percent signs. What is not UTF-8 then is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = more;
            }
            _ => {
                bytes.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_tokens() {
        let query =
            "context=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fdos-service-id%7C20000&x=1&context=a|b&context=none";
        let found = contexts(query);
        assert_eq!(found.len(), 2);
        assert!(found[0].same(&Identifier::dos("20000")));
        assert_eq!(decoded("%zz%2"), "%zz%2");
        assert_eq!(contexts(&"context=a|b&".repeat(50)).len(), 8);
    }
}
