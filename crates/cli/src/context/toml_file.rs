//! A contexts.toml: a table for each context, with one certificate, an operator's or a tenant's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bulkhead_model::Nation;
use bulkhead_transport::Identity;
use serde::Deserialize;

use super::{CellAddress, Context, Operator, Pair, Tenant, bad, read_text};
use crate::Error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    ca: String,
    certificate: String,
    key: String,
    nodes: BTreeMap<String, Vec<String>>,
    operator: Option<String>,
}

/// The context that is used when none is named and there are several.
const DEFAULT: &str = "default";

/// Reads one context: the one named, else `default`, else the only one.
pub(super) fn read(path: &Path, name: Option<&str>) -> Result<Context, Error> {
    let (name, table) = choose(&read_text(path)?, path, name)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let pair = Pair { certificate: place(folder, &table.certificate), key: place(folder, &table.key) };
    let mut context = Context {
        name,
        path: path.to_owned(),
        demo: false,
        ca: place(folder, &table.ca),
        cells: cells(&table.nodes).map_err(|problem| bad(path, problem))?,
        tenants: Vec::new(),
        operators: Vec::new(),
    };
    let own = context.credentials(&pair)?.own();
    match own.map_err(|error| bad(&pair.certificate, error.to_string()))?.identity {
        Identity::Operator(id) => {
            if table.operator.is_some_and(|wanted| wanted != id.name() && wanted != id.as_str()) {
                return Err(bad(
                    &pair.certificate,
                    format!("it speaks for {id}, not for the operator named"),
                ));
            }
            context.operators.push(Operator { id, pair });
        }
        Identity::Tenant(id) => context.tenants.push(Tenant { id, services: Vec::new(), pair }),
        Identity::Cell { .. } => {
            return Err(bad(&pair.certificate, "it is a cell's; commands are an operator's or a tenant's"));
        }
    }
    Ok(context)
}

fn choose(text: &str, path: &Path, name: Option<&str>) -> Result<(String, Table), Error> {
    let mut tables: BTreeMap<String, Table> =
        toml::from_str(text).map_err(|error| bad(path, error.to_string()))?;
    let known: Vec<String> = tables.keys().cloned().collect();
    let wanted = match (name, known.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => DEFAULT.to_owned(),
    };
    match tables.remove(&wanted) {
        Some(table) => Ok((wanted, table)),
        None => Err(Error::UnknownContext { name: wanted, path: path.to_owned(), known }),
    }
}

fn cells(nodes: &BTreeMap<String, Vec<String>>) -> Result<Vec<CellAddress>, String> {
    let mut cells = Vec::new();
    for (nation, nodes) in nodes {
        let nation: Nation = nation.parse().map_err(|error| format!("nodes: {error}"))?;
        cells.push(CellAddress { nation, nodes: nodes.clone() });
    }
    cells.sort_by_key(|cell| cell.nation);
    Ok(cells)
}

/// A path of the file: relative to it, or to the user's home.
fn place(folder: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [wales]
        ca = "ca.pem"
        certificate = "wales-duty.pem"
        key = "wales-duty.key"
        operator = "wales-duty"
        nodes = { wales = ["w1:1", "w2:1"], england = ["e1:1"] }

        [england]
        ca = "ca.pem"
        certificate = "e.pem"
        key = "e.key"
        nodes = { england = ["e1:1"] }
    "#;

    #[test]
    fn a_context_is_chosen_by_name() {
        let path = Path::new("contexts.toml");
        let (name, table) = choose(TWO, path, Some("wales")).unwrap();
        assert_eq!((name.as_str(), table.operator.as_deref()), ("wales", Some("wales-duty")));
        let cells = cells(&table.nodes).unwrap();
        assert_eq!(cells[0].nation, Nation::England, "in the order in which nations are shown");
        let unknown = choose(TWO, path, None).err().unwrap();
        assert_eq!(unknown.to_string(), "contexts.toml has no context \"default\"");
        assert_eq!(unknown.hint().unwrap(), "it has england, wales; choose with --context");
        let only = TWO.split("[england]").next().unwrap();
        assert_eq!(choose(only, path, None).unwrap().0, "wales");
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        let path = Path::new("contexts.toml");
        let misspelt = TWO.replace("operator =", "operater =");
        assert!(choose(&misspelt, path, Some("wales")).is_err());
        assert!(cells(&BTreeMap::from([("france".to_owned(), Vec::new())])).is_err());
    }
}
