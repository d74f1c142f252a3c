//! What was written: a TOML file, then the environment (`BULKHEAD__SECTION__KEY`), as one value.
//!
//! Each process says by its type what may be written; here is only how the two layers become one.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The environment variables that are settings begin with it.
pub const PREFIX: &str = "BULKHEAD__";

/// A setting that is unknown, missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct Invalid {
    /// Its place, such as `broker.addresses`, or the variable's name.
    pub setting: String,
    /// What is wrong.
    pub problem: String,
}

impl Invalid {
    /// A setting and what is wrong with it.
    pub fn new(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { setting: setting.into(), problem: problem.into() }
    }
}

/// Reads a text, then these variables; those without our prefix are left alone.
///
/// # Errors
/// When a setting is unknown, missing or malformed.
pub fn read<S: DeserializeOwned>(
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<S, Invalid> {
    let mut table: Table =
        text.parse().map_err(|error: toml::de::Error| Invalid::new("settings", error.message()))?;
    for (name, value) in variables {
        if let Some(path) = name.strip_prefix(PREFIX) {
            set(&mut table, &name, path, &value)?;
        }
    }
    serde_path_to_error::deserialize(Value::Table(table))
        .map_err(|error| Invalid::new(error.path().to_string(), error.inner().message()))
}

/// Puts one variable in its place. What is not TOML by itself is taken for a text.
fn set(table: &mut Table, name: &str, path: &str, value: &str) -> Result<(), Invalid> {
    let mut keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
    let last = keys.pop().filter(|key| !key.is_empty());
    let last = last.ok_or_else(|| Invalid::new(name, "names no setting"))?;
    let mut at = table;
    for key in keys {
        let section = at.entry(key).or_insert_with(|| Value::Table(Table::new()));
        at = section
            .as_table_mut()
            .ok_or_else(|| Invalid::new(name, "is inside something that is not a section"))?;
    }
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    at.insert(last, parsed.unwrap_or_else(|| Value::String(value.to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        name: String,
        section: Section,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Section {
        hosts: Vec<String>,
        number: u32,
    }

    fn check(variables: &[(&str, &str)]) -> Result<Whole, String> {
        let file = "name = \"a\"\n[section]\nhosts = [\"a:1\"]\nnumber = 1\n";
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        read(file, variables).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn the_environment_comes_last_and_leaves_the_rest() {
        let settings = check(&[("BULKHEAD__NAME", "b"), ("BULKHEAD__SECTION__NUMBER", "7"), ("PATH", "/")]);
        let section = Section { hosts: vec!["a:1".into()], number: 7 };
        assert_eq!(settings.unwrap(), Whole { name: "b".into(), section });
        let hosts = check(&[("BULKHEAD__SECTION__HOSTS", "[\"b:2\", \"c:3\"]")]).unwrap().section.hosts;
        assert_eq!(hosts, ["b:2", "c:3"]);
    }

    #[test]
    fn what_is_unknown_or_has_no_place_is_named() {
        let error = check(&[("BULKHEAD__SECTION__NUMBERS", "1")]).unwrap_err();
        assert!(error.contains("section") && error.contains("numbers"), "{error}");
        let error = check(&[("BULKHEAD__NAME__X", "1")]).unwrap_err();
        assert!(error.starts_with("BULKHEAD__NAME__X: is inside"), "{error}");
        let error = check(&[("BULKHEAD__", "1")]).unwrap_err();
        assert!(error.contains("names no setting"), "{error}");
    }
}
