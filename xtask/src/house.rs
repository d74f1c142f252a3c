//! Reads the repository once: manifests, sources, pages and every tracked text. Checks are pure.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A file and what it says; the path is relative to the repository.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What the checks look at.
pub(crate) struct House {
    /// `crates/*/Cargo.toml`.
    pub(crate) manifests: Vec<Text>,
    /// `crates/*/src/**/*.rs`.
    pub(crate) sources: Vec<Text>,
    /// The codes that have a page in `docs/errors`.
    pub(crate) error_pages: BTreeSet<String>,
    /// Every file that git knows or would add, without those that hold no text.
    pub(crate) tracked: Vec<Text>,
}

impl House {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let tracked: Vec<Text> = files(root)?
            .into_iter()
            .filter_map(|path| read_text(root, path).transpose())
            .collect::<Result<_>>()?;
        let select = |wanted: fn(&[&str]) -> bool| {
            let matching = tracked.iter().filter(|file| wanted(&file.path.split('/').collect::<Vec<_>>()));
            matching.map(|file| Text { path: file.path.clone(), text: file.text.clone() }).collect::<Vec<_>>()
        };
        let manifests = select(|path| matches!(path, ["crates", _, "Cargo.toml"]));
        let sources = select(|path| match path {
            ["crates", _, "src", .., file] => file.ends_with(".rs"),
            _ => false,
        });
        let error_pages = tracked.iter().filter_map(|file| {
            file.path.strip_prefix("docs/errors/")?.strip_suffix(".md").map(str::to_owned)
        });
        Ok(Self { manifests, sources, error_pages: error_pages.collect(), tracked })
    }
}

fn files(root: &Path) -> Result<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    ensure!(listing.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listing.stderr).trim());
    let names = String::from_utf8(listing.stdout).context("a file's name is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// `None` for what holds no text, and for what was deleted but not yet committed.
fn read_text(root: &Path, path: String) -> Result<Option<Text>> {
    let file = root.join(&path);
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
    Ok(String::from_utf8(bytes).ok().map(|text| Text { path, text }))
}
