//! The directory as a file under version control: TOML in, a whole [`Directory`] out.
//!
//! Every complaint names file, line and column and says what to do, because the reader is a person with an
//! editor open.

use std::ops::Range;

use bulkhead_model::{
    self as model, BadHours, Directory, DirectoryError, IdError, Kind, OnDeadline, OperatorId, Priority,
    Protocol, Quota, ServiceAddress, ServiceId, Span, SupplierId, TakesOver, TenantId,
};
use toml::Spanned;

use crate::place::{Fault, FileError};
use crate::shape::{self, Shape, Text};

/// Reads a directory and checks that it is whole. `file` is only named in errors.
///
/// # Errors
/// The first thing that is wrong, with its place and what to do.
pub fn parse_directory(file: &str, text: &str) -> Result<Directory, FileError> {
    read(text).map_err(|fault| fault.in_file(file, text))
}

fn read(text: &str) -> Result<Directory, Fault> {
    let shape: Shape = toml::from_str(text).map_err(|error| {
        let help = "compare with deploy/directory.example.toml";
        Fault::new(error.span().unwrap_or_default(), error.message().trim(), help)
    })?;
    let suppliers = each(&shape.suppliers, supplier)?;
    let tenants = each(&shape.tenants, tenant)?;
    let services = each(&shape.services, service)?;
    let operators = each(&shape.operators, operator)?;
    Directory::new(suppliers, tenants, services, operators).map_err(|error| misfit(&shape, error))
}

fn each<T, U>(written: &[T], read: impl Fn(&T) -> Result<U, Fault>) -> Result<Vec<U>, Fault> {
    written.iter().map(read).collect()
}

fn supplier(written: &shape::Supplier) -> Result<model::Supplier, Fault> {
    let name = written.name.clone().unwrap_or_else(|| written.id.get_ref().clone());
    Ok(model::Supplier { id: id(&written.id, SupplierId::parse)?, name })
}

fn tenant(written: &shape::Tenant) -> Result<model::Tenant, Fault> {
    Ok(model::Tenant {
        id: id(&written.id, TenantId::parse)?,
        supplier: id(&written.supplier, SupplierId::parse)?,
        successor_of: written.successor_of.as_ref().map(|text| id(text, TenantId::parse)).transpose()?,
        revoked: each(&written.revoked, |text| hex(text, "a SHA-256 fingerprint of a certificate"))?,
        quota: quota(&written.quota),
        synthetic: written.synthetic,
    })
}

fn quota(written: &shape::Quota) -> Quota {
    let default = Quota::default();
    Quota {
        payload_bytes: written.payload_bytes.map_or(default.payload_bytes, Into::into),
        calls_per_second: written.calls_per_second.map_or(default.calls_per_second, Into::into),
        unread_bytes: written.unread_bytes.map_or(default.unread_bytes, Into::into),
        connections: written.connections.map_or(default.connections, Into::into),
        unsettled_bytes: written.unsettled_bytes.map_or(default.unsettled_bytes, Into::into),
    }
}

fn service(written: &shape::Service) -> Result<model::Service, Fault> {
    let fallback = written.fallback.as_ref().map(|text| id(text, ServiceId::parse)).transpose()?;
    let grants = written.grants.as_ref().map(|grants| each(grants, |text| id(text, TenantId::parse)));
    Ok(model::Service {
        id: id(&written.id, ServiceId::parse)?,
        host: id(&written.host, TenantId::parse)?,
        identifiers: each(&written.identifiers, identifier)?,
        protocol: protocol(&written.protocol)?,
        version: written.version.clone(),
        max_bytes: written.max_bytes.map(Into::into),
        grants: grants.transpose()?,
        on_deadline: written.on_deadline.as_ref().map_or(Ok(OnDeadline::default()), on_deadline)?,
        fallback,
        takes_over: each(&written.takes_over, takes_over)?,
    })
}

fn takes_over(written: &shape::TakesOver) -> Result<TakesOver, Fault> {
    Ok(TakesOver {
        from: id(&written.from, ServiceId::parse)?,
        kinds: some(written.kinds.as_ref(), kind)?,
        priorities: some(written.priorities.as_ref(), priority)?,
        hours: some(written.hours.as_ref(), hours)?,
    })
}

/// A list that restricts; an empty one would take nothing, which is said by leaving out who takes it.
fn some<T>(
    written: Option<&Spanned<Vec<Text>>>,
    read: impl Fn(&Text) -> Result<T, Fault>,
) -> Result<Option<Vec<T>>, Fault> {
    match written {
        Some(list) if list.get_ref().is_empty() => {
            let help = "leave it out to take all, or take the line out of takes_over to take nothing";
            Err(Fault::new(list.span(), "an empty list takes nothing", help))
        }
        list => list.map(|list| each(list.get_ref(), read)).transpose(),
    }
}

fn kind(written: &Text) -> Result<Kind, Fault> {
    Kind::parse(written.get_ref()).ok_or_else(|| {
        let problem = format!("{:?} is not a kind of referral", written.get_ref());
        Fault::new(written.span(), problem, "write request, update, cancel or response")
    })
}

fn priority(written: &Text) -> Result<Priority, Fault> {
    Priority::parse(written.get_ref()).ok_or_else(|| {
        let problem = format!("{:?} is not a priority", written.get_ref());
        Fault::new(written.span(), problem, "write emergency, urgent or routine")
    })
}

fn hours(written: &Text) -> Result<Span, Fault> {
    Span::parse(written.get_ref()).map_err(|bad| {
        let help = match &bad {
            BadHours::Nothing(_) => "write 00:00-24:00 for the whole day",
            BadHours::Shape(_) | BadHours::Day(_) | BadHours::Time(_) => {
                "write days and local time, as in \"mon-fri 18:30-08:00\" or \"sat,sun 00:00-24:00\""
            }
        };
        Fault::new(written.span(), bad.to_string(), help)
    })
}

fn operator(written: &shape::Operator) -> Result<model::Operator, Fault> {
    Ok(model::Operator {
        id: id(&written.id, OperatorId::parse)?,
        public_key: hex(&written.public_key, "an Ed25519 public key")?,
        supplier: written.supplier.as_ref().map(|text| id(text, SupplierId::parse)).transpose()?,
        cuts_per_hour: written.cuts_per_hour.unwrap_or(model::Operator::CUTS_PER_HOUR),
    })
}

fn id<T>(text: &Text, parse: impl Fn(&str) -> Result<T, IdError>) -> Result<T, Fault> {
    parse(text.get_ref()).map_err(|error| {
        let help = "write nation/name, or a supplier's name, in small letters, digits and hyphens";
        Fault::new(text.span(), error.to_string(), help)
    })
}

fn identifier(written: &Spanned<shape::Identifier>) -> Result<ServiceAddress, Fault> {
    let shape::Identifier { system, value } = written.get_ref();
    if system.is_empty() {
        let problem = "an identifier without a system would be taken for a service id";
        return Err(Fault::new(written.span(), problem, "name the code system of the value"));
    }
    ServiceAddress::parse(system, value)
        .map_err(|error| Fault::new(written.span(), error.to_string(), "shorten it or fill it in"))
}

fn protocol(written: &Text) -> Result<Protocol, Fault> {
    Protocol::parse(written.get_ref()).ok_or_else(|| {
        let problem = format!("{:?} is not a protocol", written.get_ref());
        Fault::new(written.span(), problem, "write bars, bars-wales or hl7v2")
    })
}

fn on_deadline(written: &Text) -> Result<OnDeadline, Fault> {
    match written.get_ref().as_str() {
        "alert" => Ok(OnDeadline::Alert),
        "return" => Ok(OnDeadline::Return),
        "divert" => Ok(OnDeadline::Divert),
        other => {
            let problem = format!("{other:?} is not something to do on a deadline");
            Err(Fault::new(written.span(), problem, "write alert, return or divert"))
        }
    }
}

/// 64 hexadecimal digits, with or without colons, as certificate tools print them.
fn hex(written: &Text, what: &str) -> Result<String, Fault> {
    let digits: String = written.get_ref().chars().filter(|c| *c != ':').collect();
    if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_lowercase());
    }
    let problem = format!("this is not {what}");
    Err(Fault::new(written.span(), problem, "write its 64 hexadecimal digits"))
}

/// Finds the place of what does not fit together.
fn misfit(shape: &Shape, error: DirectoryError) -> Fault {
    let (span, help) = match &error {
        DirectoryError::Twice(id) => (second(shape, id), "remove one of the two"),
        DirectoryError::Missing { from, to } => {
            (reference(shape, from, to), "add it, or correct the spelling")
        }
        DirectoryError::SameAddress { first, second } => (
            shared_identifier(shape, first.as_str(), second.as_str()),
            "an identifier leads to one service: remove it from one of them",
        ),
        DirectoryError::FarFallback(service) => (
            service_of(shape, service.as_str())
                .and_then(|service| service.fallback.as_ref())
                .map(Spanned::span),
            "name a fallback whose host is in the nation of the service's own host",
        ),
        DirectoryError::NotItsFallback { service, from } => (
            reference(shape, service.as_str(), from.as_str()),
            "name it as that service's fallback, or take the line out of takes_over",
        ),
    };
    Fault::new(span.unwrap_or_default(), error.to_string(), help)
}

fn second(shape: &Shape, id: &str) -> Option<Range<usize>> {
    let sections: [Vec<&Text>; 4] = [
        shape.suppliers.iter().map(|entry| &entry.id).collect(),
        shape.tenants.iter().map(|entry| &entry.id).collect(),
        shape.services.iter().map(|entry| &entry.id).collect(),
        shape.operators.iter().map(|entry| &entry.id).collect(),
    ];
    let mut repeats = sections.iter().filter_map(|ids| ids.iter().filter(|text| text.get_ref() == id).nth(1));
    repeats.next().map(|text| text.span())
}

fn reference(shape: &Shape, from: &str, to: &str) -> Option<Range<usize>> {
    let of_tenants = shape
        .tenants
        .iter()
        .filter(|tenant| tenant.id.get_ref() == from)
        .flat_map(|tenant| std::iter::once(&tenant.supplier).chain(&tenant.successor_of));
    let of_operators = shape
        .operators
        .iter()
        .filter(|operator| operator.id.get_ref() == from)
        .filter_map(|operator| operator.supplier.as_ref());
    let of_service = service_of(shape, from).into_iter().flat_map(|service| {
        let grants = service.grants.iter().flatten();
        let words = service.takes_over.iter().map(|word| &word.from);
        std::iter::once(&service.host).chain(grants).chain(&service.fallback).chain(words)
    });
    of_tenants.chain(of_operators).chain(of_service).find(|text| text.get_ref() == to).map(Spanned::span)
}

fn service_of<'a>(shape: &'a Shape, id: &str) -> Option<&'a shape::Service> {
    shape.services.iter().find(|service| service.id.get_ref() == id)
}

fn shared_identifier(shape: &Shape, first: &str, second: &str) -> Option<Range<usize>> {
    let key = |written: &Spanned<shape::Identifier>| identifier(written).ok().map(|address| address.key());
    let taken: Vec<_> = service_of(shape, first)?.identifiers.iter().map(key).collect();
    let shared = service_of(shape, second)?.identifiers.iter().find(|written| taken.contains(&key(written)));
    shared.map(Spanned::span)
}

#[cfg(test)]
#[path = "directory_file_tests.rs"]
mod tests;
