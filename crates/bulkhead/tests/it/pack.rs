//! What an operator does with what a cut set aside: a pack has all that somebody must phone about, and each code of it
//! is marked or answered with the reason why not.

use std::fs;

use bulkhead_testkit::campaign::http;
use serde_json::{Value, json};

use crate::support::{Country, Said, country, eventually};

const CUT_OFF: &str = "wales/wast-111";
const OTHER: &str = "wales/ooh-cardiff";
const REASON: &str = "continuity, incident 17";

impl Country {
    async fn silence(&self, tenant: &str) {
        let at = self.dev().tenant(tenant).unwrap().simulator.http;
        let silent = json!({ "answer": "silent" });
        assert!(http::put(at, "/behaviour", &silent).await.unwrap().status < 300);
    }

    /// Two of one case: the second waits until the first is answered.
    async fn two_of_a_case(&self, from: &str, to: &str, priority: &str, case: &str) -> [String; 2] {
        let sample = self.dev().data_dir.join("sample-referral.xml").display().to_string();
        let mut ids = vec![];
        for state in ["delivered", "routed"] {
            let send = ["send", &sample, "--from", from, "--to", to, "--priority", priority, "--case", case];
            let sent = self.asked(&send).await;
            let id = sent["files"][0]["referral_id"].as_str().unwrap().to_owned();
            self.until(&id, state).await;
            ids.push(id);
        }
        ids.try_into().unwrap()
    }

    async fn until(&self, id: &str, state: &str) {
        eventually(&format!("{id} is {state}"), async || {
            let traced = self.asked(&["trace", id]).await;
            (traced["referral"]["state"] == state).then_some(())
        })
        .await;
    }

    async fn pack(&self, scope: &str, only: &[&str]) -> (Said, String) {
        let file = self.place.path().join("pack.html").display().to_string();
        let pack = ["pack", scope, "--reason", REASON, "--out", &file, "--yes", "--as", "wales-duty"];
        let said = self.bulkhead(&[&pack[..], only].concat()).await;
        (said, fs::read_to_string(&file).unwrap_or_default())
    }

    async fn marked(&self, codes: &[&str]) -> Said {
        let mark = ["held", "mark-handled", "--note", "phoned, 10:40", "--yes", "--as", "wales-duty"];
        self.bulkhead(&[&mark[..], codes].concat()).await
    }
}

fn code(id: &str) -> String {
    id.replace('-', "")[..10].to_uppercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_has_what_somebody_must_phone_about_and_each_of_its_codes_is_marked_or_answered() {
    let country = country().await;
    country.silence(CUT_OFF).await;
    country.silence(OTHER).await;
    let triage = "wales/wast-111-triage";
    let [had, given_back] = country.two_of_a_case(OTHER, triage, "urgent", "c1").await;
    let [_, suspect] = country.two_of_a_case(CUT_OFF, "wales/cardiff-ooh", "urgent", "c2").await;
    let cut = ["cut", CUT_OFF, "--reason", "seen for sale", "--since", "2h", "--yes", "--as", "wales-duty"];
    country.asked(&cut).await;
    country.until(&given_back, "return-pending").await;
    country.until(&suspect, "quarantined").await;

    let (said, page) = country.pack(CUT_OFF, &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    for id in [&had, &given_back, &suspect] {
        assert!(page.contains(&code(id)), "{id} is not in the pack: {page}");
    }
    let list = ["held", "list", "--tenant", CUT_OFF, "--reason", "DESTINATION_CUT", "--as", "wales-duty"];
    let listed = country.asked(&list).await;
    let listed: Vec<_> =
        listed["referrals"].as_array().unwrap().iter().map(|one| &one["referral_id"]).collect();
    assert_eq!(listed, [given_back.as_str()]);

    // One of them alone; what is not of the scope, never.
    let (said, page) = country.pack(CUT_OFF, &["--referral", &code(&suspect)]).await;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(page.contains(&code(&suspect)) && !page.contains(&code(&had)), "{page}");

    let (said, _) = country.pack("wales/synthetic", &["--referral", &code(&suspect)]).await;
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);

    // What can be marked is, and what cannot is said: nothing is silently left out.
    let said = country.marked(&[&code(&given_back), &code(&suspect), &code(&had), "0123456789"]).await;
    assert_eq!(said.code, 6, "{}{}", said.stdout, said.stderr);
    assert!(!said.stdout.contains("DONE") && said.stdout.contains("PARTLY"), "{}", said.stdout);
    assert!(
        said.stdout.contains("phone its receiver") && said.stdout.contains("0123456789"),
        "{}",
        said.stdout
    );
    for id in [&given_back, &suspect] {
        country.until(id, "returned").await;
        let traced = country.asked(&["trace", id]).await;
        assert!(traced.to_string().contains("who handled it: phoned, 10:40"), "{traced}");
    }
    let said = country.marked(&[&code(&had)]).await;
    assert!(said.code == 3 && said.stderr.contains("its receiver has it"), "{} {}", said.code, said.stderr);
    assert_eq!(country.marked(&["0123456789"]).await.code, 4);
    let (said, _) = country.pack(CUT_OFF, &["--referral", &code(&suspect)]).await;
    assert_eq!(said.code, 3, "what was handled is not opened again: {}{}", said.stdout, said.stderr);

    let audit = country.asked(&["audit", "show", "--as", "wales-duty"]).await;
    let entries: Vec<&Value> = audit["entries"].as_array().unwrap().iter().collect();
    let has = |command: &str, phase: &str, detail: &str| {
        let fits =
            |one: &&&Value| one["command"] == command && one["phase"] == phase && one["detail"] == detail;
        entries.iter().find(fits).is_some()
    };
    assert!(has("break glass", "intent", REASON), "{audit}");
    assert!(has("held order", "intent", "phoned, 10:40"), "{audit}");
}
