//! What another directory would change, entry by entry and line by line, as its editor knows them: by the tables, ids and
//! keys of the file.

use std::collections::BTreeMap;

use bulkhead_wire::v1::{DirectoryChange, directory_change::Kind};
use toml::{Table, Value};

/// An entry of the file is known by this key.
const ID: &str = "id";

/// From one text to the other, in the order of tables and ids; nothing, when they say the same.
///
/// # Errors
/// When one of them is no TOML.
pub(crate) fn difference(before: &str, after: &str) -> Result<Vec<DirectoryChange>, toml::de::Error> {
    let (before, after) = (entries(before)?, entries(after)?);
    let mut changes = Vec::new();
    for (name, entry) in &before {
        match after.get(name) {
            None => changes.push(change(name, Kind::Removed, lines(entry))),
            Some(now) if now != entry => changes.push(change(name, Kind::Changed, changed(entry, now))),
            Some(_) => {}
        }
    }
    let added = after.iter().filter(|(name, _)| !before.contains_key(*name));
    changes.extend(added.map(|(name, entry)| change(name, Kind::Added, lines(entry))));
    changes.sort_by(|one, other| (&one.table, &one.id).cmp(&(&other.table, &other.id)));
    Ok(changes)
}

/// By table and id.
type Entries = BTreeMap<(String, String), Table>;

fn entries(text: &str) -> Result<Entries, toml::de::Error> {
    let mut entries = Entries::new();
    for (table, rows) in text.parse::<Table>()? {
        let Value::Array(rows) = rows else { continue };
        for row in rows {
            if let Value::Table(mut row) = row
                && let Some(Value::String(id)) = row.remove(ID)
            {
                entries.insert((table.clone(), id), row);
            }
        }
    }
    Ok(entries)
}

fn change((table, id): &(String, String), kind: Kind, lines: Vec<String>) -> DirectoryChange {
    DirectoryChange { table: table.clone(), id: id.clone(), kind: kind as i32, lines }
}

fn lines(entry: &Table) -> Vec<String> {
    entry.iter().map(|(key, value)| format!("{key} = {value}")).collect()
}

fn changed(before: &Table, after: &Table) -> Vec<String> {
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    let line = |key: &String| match (before.get(key), after.get(key)) {
        (Some(was), Some(is)) if was != is => Some(format!("{key} = {was} -> {is}")),
        (Some(was), None) => Some(format!("{key} = {was} -> left out")),
        (None, Some(is)) => Some(format!("{key} = left out -> {is}")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    keys.filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
        [[tenants]]
        id = "wales/a"
        supplier = "meridian"
        [[tenants]]
        id = "wales/gone"
        supplier = "castell"
        [[services]]
        id = "wales/s"
        grants = ["wales/a"]
    "#;
    const AFTER: &str = r#"
        [[services]]
        id = "wales/s"
        grants = ["wales/a", "wales/b"]
        max_bytes = 10
        # The order of entries and what is said beside them change nothing.
        [[tenants]]
        id = "wales/b"
        supplier = "meridian"
        [[tenants]]
        id = "wales/a"
        supplier = "meridian"
    "#;

    #[test]
    fn what_is_added_removed_and_changed() {
        let changes = difference(BEFORE, AFTER).unwrap();
        let told: Vec<_> = changes
            .iter()
            .map(|one| (one.kind(), format!("{} {}", one.table, one.id), one.lines.join("; ")))
            .collect();
        let expected = [
            (
                Kind::Changed,
                "services wales/s",
                r#"grants = ["wales/a"] -> ["wales/a", "wales/b"]; max_bytes = left out -> 10"#,
            ),
            (Kind::Added, "tenants wales/b", r#"supplier = "meridian""#),
            (Kind::Removed, "tenants wales/gone", r#"supplier = "castell""#),
        ];
        assert_eq!(told, expected.map(|(kind, name, lines)| (kind, name.to_owned(), lines.to_owned())));
    }

    #[test]
    fn the_same_differs_in_nothing() {
        assert_eq!(difference(AFTER, AFTER), Ok(vec![]));
    }
}
