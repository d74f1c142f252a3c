//! The README's cut, followed command by command, as a stranger would.

use std::fs;
use std::path::Path;

use crate::runbooks::steps;
use crate::support::country;

#[tokio::test(flavor = "multi_thread")]
async fn the_cut_of_the_readme_can_be_followed_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, cut) = readme.split_once("## Five minutes to a cut").unwrap();
    let (cut, _) = cut.split_once("\n## ").unwrap();
    let country = country().await;
    let mut names = country.names();
    let (steps, mut said) = (steps(cut), String::new());
    assert!(steps.len() >= 15, "the README has lost its commands");
    for step in steps.iter().filter(|step| step.words[0] != "alias") {
        said = country.follow(step, &mut names).await;
    }
    assert!(said.contains("restored"), "its last command shows that it is back: {said}");
    assert_eq!(country.stage_of(&names.cut).await, "restored");
}
