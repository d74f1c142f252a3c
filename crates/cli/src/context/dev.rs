//! A dev.json, as `bulkhead dev` writes it. Keys that are not read here may be added to it at any time.

use std::path::Path;

use bulkhead_model::{Nation, OperatorId, ServiceAddress, ServiceId, TenantId};
use serde::Deserialize;

use super::{CellAddress, Context, Operator, Pair, Service, Tenant, bad, read_text};
use crate::Error;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    demo: bool,
    ca: String,
    cells: Vec<FileCell>,
    #[serde(default)]
    tenants: Vec<FileTenant>,
    #[serde(default)]
    synthetic: Vec<FileTenant>,
    #[serde(default)]
    operators: Vec<FileOperator>,
}

#[derive(Deserialize)]
struct FileCell {
    nation: String,
    nodes: Vec<FileNode>,
}

#[derive(Deserialize)]
struct FileNode {
    grpc: String,
}

#[derive(Deserialize)]
struct FileTenant {
    id: String,
    #[serde(default)]
    services: Vec<FileService>,
    certificate: String,
    key: String,
}

#[derive(Deserialize)]
struct FileService {
    id: String,
    #[serde(default)]
    identifiers: Vec<FileIdentifier>,
}

#[derive(Deserialize)]
struct FileIdentifier {
    system: String,
    value: String,
}

#[derive(Deserialize)]
struct FileOperator {
    name: String,
    nation: String,
    key: String,
    certificate: String,
}

/// Reads a dev.json; its paths are relative to it.
pub(super) fn read(path: &Path) -> Result<Context, Error> {
    parse(&read_text(path)?, path)
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Context, Error> {
    let file: File = serde_json::from_str(text).map_err(|error| bad(path, error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = || -> Result<Context, bulkhead_model::IdError> {
        Ok(Context {
            name: "dev".into(),
            path: path.to_owned(),
            demo: file.demo,
            ca: folder.join(&file.ca),
            cells: file.cells.iter().map(cell).collect::<Result<_, _>>()?,
            tenants: file
                .tenants
                .iter()
                .chain(&file.synthetic)
                .map(|one| tenant(one, folder))
                .collect::<Result<_, _>>()?,
            operators: file.operators.iter().map(|one| operator(one, folder)).collect::<Result<_, _>>()?,
        })
    };
    read().map_err(|error| bad(path, error.to_string()))
}

type Read<T> = Result<T, bulkhead_model::IdError>;

fn cell(file: &FileCell) -> Read<CellAddress> {
    let nodes = file.nodes.iter().map(|node| node.grpc.clone()).collect();
    Ok(CellAddress { nation: file.nation.parse()?, nodes })
}

fn tenant(file: &FileTenant, folder: &Path) -> Read<Tenant> {
    Ok(Tenant {
        id: TenantId::parse(&file.id)?,
        services: file.services.iter().map(service).collect::<Read<_>>()?,
        pair: pair(&file.certificate, &file.key, folder),
    })
}

fn service(file: &FileService) -> Read<Service> {
    let identifiers = file.identifiers.iter().map(|one| ServiceAddress::parse(&one.system, &one.value));
    Ok(Service { id: ServiceId::parse(&file.id)?, identifiers: identifiers.collect::<Read<_>>()? })
}

fn operator(file: &FileOperator, folder: &Path) -> Read<Operator> {
    let nation: Nation = file.nation.parse()?;
    let id = OperatorId::parse(&format!("{nation}/{}", file.name))?;
    Ok(Operator { id, pair: pair(&file.certificate, &file.key, folder) })
}

fn pair(certificate: &str, key: &str, folder: &Path) -> Pair {
    Pair { certificate: folder.join(certificate), key: folder.join(key) }
}
