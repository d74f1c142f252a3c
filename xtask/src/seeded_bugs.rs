//! `cargo xtask seeded-bugs`: whether the checks can fail. Each patch in `crates/testkit/seeded-bugs` breaks one rule in
//! a scratch copy of the last commit; the check that its header names must find nothing without it, and something
//! with it.
//!
//! ```text
//! Broken: the door says "accepted" before the append has been acknowledged
//! Caught-by: campaign kill-campaign --rounds 8 --seed 1
//!
//! diff --git …
//! ```
//!
//! `Caught-by: test PACKAGE FILTER` names a test instead. Patches live outside the code, so that no switch that breaks
//! it is ever built into a broker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use crate::house::Text;

const FOLDER: &str = "crates/testkit/seeded-bugs";

/// A patch, what it breaks and what must find it.
struct Bug {
    name: String,
    path: String,
    broken: String,
    check: Check,
}

/// What must find a bug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// A campaign of `benches`, with its arguments.
    Campaign(Vec<String>),
    /// The tests of a package whose names hold this.
    Test { package: String, filter: String },
}

/// Patches that say too little, or apply no more.
pub(crate) fn stale(root: &Path, tracked: &[Text]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in tracked.iter().filter(|file| file.path.starts_with(FOLDER) && file.path.ends_with(".patch")) {
        if let Err(error) = Bug::read(&file.path, &file.text) {
            problems.push(format!("{}:1: {error:#}", file.path));
        } else if !git(root, &["apply", "--check", "--recount", &file.path])?.status.success() {
            problems
                .push(format!("{}: applies no more; make it anew from what the code says now", file.path));
        }
    }
    Ok(problems)
}

/// Seeds each of these bugs (all, if none is named) and says what was not caught.
pub(crate) fn run(root: &Path, names: &[String]) -> Result<usize> {
    let mut bugs = read_all(root)?;
    for name in names {
        ensure!(bugs.iter().any(|bug| bug.name == *name), "there is no {FOLDER}/{name}.patch");
    }
    bugs.retain(|bug| names.is_empty() || names.contains(&bug.name));
    let copy = scratch(root)?;
    let mut missed = 0;
    for (check, bugs) in by_check(bugs) {
        check.build(&copy)?;
        ensure!(check.is_content(&copy)?, "{check} finds something wrong where nothing was seeded");
        for bug in bugs {
            apply(root, &copy, &bug)?;
            let caught = check.build(&copy).and_then(|()| Ok(!check.is_content(&copy)?));
            expect(&copy, &["checkout", "--quiet", "--", "."])?;
            let caught = caught.with_context(|| bug.name.clone())?;
            println!("{} {}: {}", if caught { "caught" } else { "MISSED" }, bug.name, bug.broken);
            missed += usize::from(!caught);
        }
    }
    Ok(missed)
}

fn read_all(root: &Path) -> Result<Vec<Bug>> {
    let mut bugs = Vec::new();
    for entry in fs::read_dir(root.join(FOLDER)).context(FOLDER)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.ends_with(".patch") {
            let path = format!("{FOLDER}/{name}");
            let text = fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
            bugs.push(Bug::read(&path, &text).with_context(|| path.clone())?);
        }
    }
    bugs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(bugs)
}

impl Bug {
    fn read(path: &str, text: &str) -> Result<Self> {
        let header = |name: &str| {
            let line = text.lines().take_while(|line| !line.starts_with("diff "));
            let line = line.filter_map(|line| line.strip_prefix(name)).next();
            line.map(|value| value.trim().to_owned())
                .with_context(|| format!("it has no `{name}` before its diff"))
        };
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".patch")).unwrap_or(path);
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            broken: header("Broken:")?,
            check: Check::parse(&header("Caught-by:")?)?,
        })
    }
}

impl Check {
    fn parse(words: &str) -> Result<Self> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["campaign", _, ..] => Ok(Self::Campaign(words[1..].to_vec())),
            ["test", package, filter] => {
                Ok(Self::Test { package: package.to_owned(), filter: filter.to_owned() })
            }
            _ => bail!("`Caught-by:` is `campaign NAME ARGUMENTS` or `test PACKAGE FILTER`"),
        }
    }

    /// Builds what it runs: what does not compile is caught by nobody.
    fn build(&self, copy: &Path) -> Result<()> {
        let built = match self {
            Self::Campaign(_) => {
                cargo(copy, &["build", "-p", "bulkhead", "-p", "bulkhead-benches", "--bins"])?
            }
            Self::Test { package, .. } => cargo(copy, &["test", "-p", package, "--no-run"])?,
        };
        ensure!(built.status.success(), "it does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
        Ok(())
    }

    /// Runs it. True: it found nothing.
    fn is_content(&self, copy: &Path) -> Result<bool> {
        let (output, sign) = match self {
            Self::Campaign(words) => {
                let binary = copy.join("target/debug").join(&words[0]);
                let output = Command::new(binary).args(&words[1..]).current_dir(copy).output();
                (output.with_context(|| words[0].clone())?, "WRONG")
            }
            Self::Test { package, filter } => {
                (cargo(copy, &["test", "-p", package, "--", filter])?, "test result: FAILED")
            }
        };
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            let ran =
                matches!(self, Self::Campaign(_)) || !said.lines().all(|line| !line.ends_with("... ok"));
            ensure!(ran, "{self} runs nothing");
            return Ok(true);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains(sign), "{self} neither ends well nor says what is wrong:\n{said}\n{errors}");
        let tells = |line: &&str| match self {
            Self::Campaign(_) => line.starts_with("  "),
            Self::Test { .. } => line.ends_with("FAILED"),
        };
        said.lines().filter(tells).take(4).for_each(|line| println!("       {}", line.trim()));
        Ok(false)
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Campaign(words) => f.write_str(&words.join(" ")),
            Self::Test { package, filter } => write!(f, "{filter} of {package}"),
        }
    }
}

/// A check is built and run once without a bug for all that name it.
fn by_check(bugs: Vec<Bug>) -> BTreeMap<Check, Vec<Bug>> {
    let mut checks: BTreeMap<Check, Vec<Bug>> = BTreeMap::new();
    for bug in bugs {
        checks.entry(bug.check.clone()).or_default().push(bug);
    }
    checks
}

/// A work tree of the last commit below `target`, where what it builds stays for the next time.
fn scratch(root: &Path) -> Result<PathBuf> {
    let copy = root.join("target/seeded-bugs");
    if copy.join(".git").exists() {
        expect(&copy, &["checkout", "--quiet", "--force", "--detach", &head(root)?])?;
    } else {
        let place = copy.to_str().context("the path of the repository is not UTF-8")?;
        expect(root, &["worktree", "prune"])?;
        expect(root, &["worktree", "add", "--quiet", "--detach", place, "HEAD"])?;
    }
    Ok(copy)
}

fn head(root: &Path) -> Result<String> {
    Ok(String::from_utf8(git(root, &["rev-parse", "HEAD"])?.stdout)?.trim().to_owned())
}

fn apply(root: &Path, copy: &Path, bug: &Bug) -> Result<()> {
    let patch = root.join(&bug.path);
    expect(copy, &["apply", "--recount", patch.to_str().context("the path of the repository is not UTF-8")?])
}

fn expect(at: &Path, arguments: &[&str]) -> Result<()> {
    let output = git(at, arguments)?;
    ensure!(
        output.status.success(),
        "git {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn git(at: &Path, arguments: &[&str]) -> Result<Output> {
    Command::new("git").args(arguments).current_dir(at).output().context("cannot run git")
}

fn cargo(copy: &Path, arguments: &[&str]) -> Result<Output> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo set for this program is not meant for the copy's.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
        cargo.env_remove(name);
    }
    cargo.args(arguments).current_dir(copy).output().context("cannot run cargo")
}
