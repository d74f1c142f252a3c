//! Where a context is looked for. A name is a name of the user's contexts.toml; what looks like a file is
//! one. The dev.json of this folder is the default only where the user has no contexts.toml.

use std::path::{Path, PathBuf};

use crate::Error;

/// The default of a folder in which `bulkhead dev` runs.
const DEV: &str = "./.bulkhead/dev.json";

/// Where a context stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A dev.json.
    Dev(PathBuf),
    /// A contexts.toml, and the context in it if one was named.
    Toml { path: PathBuf, name: Option<String> },
}

/// What the search depends on.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The user's home.
    pub(super) home: Option<PathBuf>,
    /// What relative paths are relative to.
    pub(super) here: PathBuf,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { home, here: PathBuf::new() }
    }

    /// The user's contexts.toml, when there is one.
    fn user_file(&self) -> Option<PathBuf> {
        let path = self.home.as_ref()?.join(".config/bulkhead/contexts.toml");
        path.is_file().then_some(path)
    }
}

/// The place of what `--context` names, or of the default.
pub(super) fn find(wanted: Option<&str>, around: &Surroundings) -> Result<Place, Error> {
    let Some(wanted) = wanted else {
        let dev = around.here.join(DEV);
        return match around.user_file() {
            Some(path) => Ok(Place::Toml { path, name: None }),
            None if dev.is_file() => Ok(Place::Dev(dev)),
            None => Err(Error::NoContext),
        };
    };
    if is_file_like(wanted) {
        let path = around.here.join(wanted);
        return Ok(match path.extension().is_some_and(|extension| extension == "toml") {
            true => Place::Toml { path, name: None },
            // A data folder stands for the dev.json in it.
            false if path.is_dir() => Place::Dev(path.join("dev.json")),
            false => Place::Dev(path),
        });
    }
    match around.user_file() {
        Some(path) => Ok(Place::Toml { path, name: Some(wanted.to_owned()) }),
        None => Err(Error::UnknownContext {
            name: wanted.to_owned(),
            path: Path::new("~/.config/bulkhead/contexts.toml").to_owned(),
            known: Vec::new(),
        }),
    }
}

fn is_file_like(wanted: &str) -> bool {
    wanted.contains('/') || wanted.ends_with(".json") || wanted.ends_with(".toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_comes_before_the_folders_dev_json() {
        let home = tempfile::tempdir().unwrap();
        let here = tempfile::tempdir().unwrap();
        let around = Surroundings { home: Some(home.path().to_owned()), here: here.path().to_owned() };
        assert!(matches!(find(None, &around), Err(Error::NoContext)));

        let dev = here.path().join(DEV);
        std::fs::create_dir_all(dev.parent().unwrap()).unwrap();
        std::fs::write(&dev, "{}").unwrap();
        assert_eq!(find(None, &around).unwrap(), Place::Dev(dev.clone()));
        assert!(matches!(find(Some("wales"), &around), Err(Error::UnknownContext { .. })));

        let path = home.path().join(".config/bulkhead/contexts.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(find(None, &around).unwrap(), Place::Toml { path: path.clone(), name: None });
        let named = Place::Toml { path, name: Some("wales".into()) };
        assert_eq!(find(Some("wales"), &around).unwrap(), named);
        assert_eq!(
            find(Some(".bulkhead/dev.json"), &around).unwrap(),
            Place::Dev(here.path().join(".bulkhead/dev.json"))
        );
        assert!(
            matches!(find(Some("./.bulkhead"), &around).unwrap(), Place::Dev(path) if path.ends_with("dev.json"))
        );
        assert!(matches!(find(Some("mine.toml"), &around).unwrap(), Place::Toml { name: None, .. }));
    }
}
