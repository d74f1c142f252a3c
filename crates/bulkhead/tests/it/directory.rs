//! The directory under version control: what would change is shown, what may not change is refused.

use std::fs;

use crate::support::{Country, country};

impl Country {
    /// Writes another directory beside the demo world's and asks what it would change.
    fn write(&self, text: &str) -> String {
        let path = self.place.path().join("next.toml");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_planned_applied_and_refused() {
    let country = country().await;
    let now = fs::read_to_string(country.dev().data_dir.join("directory.toml")).unwrap();
    let plan = async |text: &str| {
        let file = country.write(text);
        country.asked(&["apply", "-f", &file, "--plan", "--as", "wales-lead"]).await["changes"].clone()
    };
    assert_eq!(plan(&now).await, serde_json::json!([]));

    let next = now.clone() + "\n[[tenants]]\nid = \"wales/new\"\nsupplier = \"castell\"\n";
    let expected = serde_json::json!([{
        "table": "tenants", "id": "wales/new", "kind": "added", "lines": ["supplier = \"castell\""],
    }]);
    for _ in 0..2 {
        assert_eq!(plan(&next).await, expected, "a plan changes nothing");
    }
    let file = country.write(&next);
    let applied = country.bulkhead(&["apply", "-f", &file, "--yes", "--as", "wales-lead"]).await;
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert!(applied.stdout.contains("+ tenants wales/new"), "{}", applied.stdout);
    assert_eq!(plan(&next).await, serde_json::json!([]));

    let file = country.write(&next.replace("supplier = \"castell\"", "supplier = \"nobody\""));
    let refused = country.bulkhead(&["apply", "-f", &file, "--plan", "--as", "wales-lead"]).await;
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("names nobody, which is not in the directory"), "{}", refused.stderr);

    let cut =
        ["cut", "wales/synthetic", "--reason", "a test", "--since", "now", "--yes", "--as", "wales-duty"];
    country.asked(&cut).await;
    let without: Vec<&str> = next.split("\n\n").filter(|block| !block.contains("wales/synthetic")).collect();
    let file = country.write(&without.join("\n\n"));
    let refused = country.bulkhead(&["apply", "-f", &file, "--yes", "--as", "wales-lead"]).await;
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(refused.stderr.contains("would remove wales/synthetic, which is cut off"), "{}", refused.stderr);
    assert_eq!(plan(&next).await, serde_json::json!([]));
}
