//! The runbooks, followed step by step: every command of their blocks is run as it stands there, and ends as it says.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Country, country, eventually};

/// A command of a runbook, and the exit code that the runbook promises.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) words: Vec<String>,
    code: i32,
}

/// What a person would put in the place of the runbook's names.
pub(crate) struct Names {
    pub(crate) cut: String,
    code: String,
    certificate: String,
    directory: String,
}

fn runbook(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks").join(name);
    fs::read_to_string(path).unwrap()
}

/// The commands of the text's shell blocks. `# exit code 7` behind one says how it ends, and may go on: `: why`.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut in_block = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if in_block && !line.is_empty() {
            let (command, note) = line.split_once(" #").unwrap_or((line, ""));
            let code = note.trim().strip_prefix("exit code ").map_or(0, |code| {
                let (code, _) = code.split_once(':').unwrap_or((code, ""));
                code.parse().unwrap()
            });
            steps.push(Step { words: words(command), code });
        }
    }
    steps
}

/// As a shell splits them; single quotes keep words together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![];
    for (index, part) in command.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

impl Country {
    /// Runs a step. What asks a person is told yes.
    pub(crate) async fn follow(&self, step: &Step, names: &mut Names) -> String {
        assert_eq!(step.words[0], "bulkhead", "{step:?}");
        let place = |word: &String| match word.as_str() {
            "CUT-ID" => names.cut.clone(),
            "CODE" => names.code.clone(),
            "new.pem" => names.certificate.clone(),
            word if word.starts_with(".bulkhead/") => {
                self.dev().data_dir.join(&word[".bulkhead/".len()..]).display().to_string()
            }
            word if word.ends_with(".html") => format!("{}/{word}", names.directory),
            word => word.to_owned(),
        };
        let mut arguments: Vec<String> = step.words[1..].iter().map(place).collect();
        let asks = match arguments[0].as_str() {
            "cut" => !arguments.contains(&"--plan".to_owned()),
            "cuts" => matches!(arguments[1].as_str(), "confirm" | "withdraw"),
            "restore" => arguments[2] != "status",
            "held" => arguments[1] != "list",
            "pack" | "drill" => true,
            _ => false,
        };
        if asks {
            arguments.push("--yes".into());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = self.bulkhead(&arguments).await;
        assert_eq!(said.code, step.code, "{arguments:?}: {}{}", said.stdout, said.stderr);
        if arguments[0] == "cut" && asks {
            let id = said.stdout.split_whitespace().skip_while(|word| *word != "FORCE").nth(1);
            names.cut = id.expect("it names the cut").to_owned();
            names.code = self.refer_to_it().await;
        }
        said.stdout
    }

    /// Somebody refers a patient to the tenant that is cut off: that is kept, and a pack has it under this code.
    async fn refer_to_it(&self) -> String {
        let sample = self.dev().data_dir.join("sample-referral.xml").display().to_string();
        let send = ["send", &sample, "--from", "wales/ooh-cardiff", "--to", "wales/wast-111-triage"];
        let said = self.bulkhead(&[&send[..], &["--priority", "routine"]].concat()).await;
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        eventually("it is held", async || {
            let list =
                ["held", "list", "--tenant", "wales/wast-111", "--state", "held", "--as", "wales-duty"];
            let said = self.bulkhead(&[&list[..], &["--output", "json"]].concat()).await;
            let listed: Value = serde_json::from_str(&said.stdout).ok()?;
            let id = listed["referrals"][0]["referral_id"].as_str()?.replace('-', "");
            Some(id[..10].to_uppercase())
        })
        .await
    }

    pub(crate) async fn stage_of(&self, cut: &str) -> String {
        let shown = self.asked(&["cuts", "show", cut, "--as", "wales-duty"]).await;
        assert_eq!(shown["adds_up"], true, "{shown}");
        shown["cut"]["stage"].as_str().unwrap().to_owned()
    }

    pub(crate) fn names(&self) -> Names {
        let tenant = self.dev().tenant("wales/wast-111").unwrap();
        Names {
            cut: String::new(),
            code: String::new(),
            certificate: self.dev().data_dir.join(&tenant.certificate).display().to_string(),
            directory: self.place.path().display().to_string(),
        }
    }
}

#[test]
fn a_block_is_read_as_a_shell_would() {
    let text = "1. Do:\n   ```sh\n   bulkhead cut a --reason 'b c' --yes\n   bulkhead status   # exit code 7\n   ```\n`not this`";
    let step = |words: &[&str], code| Step { words: words.iter().map(ToString::to_string).collect(), code };
    let expected =
        [step(&["bulkhead", "cut", "a", "--reason", "b c", "--yes"], 0), step(&["bulkhead", "status"], 7)];
    assert_eq!(steps(text), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runbooks_can_be_followed_as_they_stand() {
    let country = country().await;
    let mut names = country.names();
    let cut_off = runbook("cut-off-a-tenant.md");
    let (cut, undo) = cut_off.split_once("**Undo.**").unwrap();
    assert!(steps(cut).len() >= 6 && steps(undo).len() == 2, "the runbook has lost its commands");
    for step in steps(cut) {
        country.follow(&step, &mut names).await;
    }
    assert_eq!(country.stage_of(&names.cut).await, "in-force");
    for step in steps(undo) {
        country.follow(&step, &mut names).await;
    }
    assert_eq!(country.stage_of(&names.cut).await, "withdrawn");

    for step in steps(cut) {
        country.follow(&step, &mut names).await;
    }
    let restore = runbook("restore-a-tenant.md");
    let (back, undo) = restore.split_once("**Undo.**").unwrap();
    assert!(steps(back).len() >= 7, "the runbook has lost its commands");
    let mut done = String::new();
    for step in steps(back) {
        done = country.follow(&step, &mut names).await;
    }
    assert!(done.contains("restored"), "its last command shows that it is back: {done}");
    assert_eq!(country.stage_of(&names.cut).await, "restored");
    assert_eq!(steps(undo).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_on_the_live_system_passes_and_one_on_a_real_tenant_is_refused() {
    let country = country().await;
    let drill = |tenant| ["drill", "--yes", "--tenant", tenant, "--as", "wales-duty"];
    let refused = country.bulkhead(&drill("wales/wast-111")).await;
    assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
    let said = country.bulkhead(&[&drill("wales/synthetic")[..], &["--output", "json"]].concat()).await;
    let Ok(drilled) = serde_json::from_str::<Value>(&said.stdout) else { panic!("{}", said.stderr) };
    for id in drilled["missing"].as_array().unwrap() {
        let traced = country.bulkhead(&["trace", id.as_str().unwrap(), "--as", "wales-duty"]).await;
        eprintln!("{}{}", traced.stdout, traced.stderr);
    }
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!((&drilled["passed"], &drilled["demo"]), (&true.into(), &true.into()), "{drilled:#}");
    assert_eq!((&drilled["leaked"], &drilled["missing"]), (&0.into(), &json!([])), "{drilled:#}");
    assert!(drilled["bystander"]["sent"].as_u64().unwrap() > 0, "{drilled:#}");
    assert_eq!(country.stage_of(drilled["cut_id"].as_str().unwrap()).await, "restored");
}
