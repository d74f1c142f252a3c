//! What a directory file may say, and how a mistake in one is told.

use super::*;

const EXAMPLE: &str = include_str!("../../../deploy/directory.example.toml");

const WHOLE: &str = r#"
[[suppliers]]
id = "meridian"

[[tenants]]
id = "england/a"
supplier = "meridian"

[[services]]
id = "england/s"
host = "england/a"
identifiers = [{ system = "https://fhir.nhs.uk/Id/dos-service-id", value = "1" }]
protocol = "bars"
version = "1.1.0"
"#;

fn check(more: &str, expected: &str) {
    let text = format!("{WHOLE}{more}");
    let error = parse_directory("d.toml", &text).unwrap_err().to_string();
    assert_eq!(error, format!("d.toml:{expected}"));
}

#[test]
fn the_example_is_whole() {
    let directory = parse_directory("directory.example.toml", EXAMPLE).unwrap();
    let nations: Vec<_> = directory.tenants().map(|tenant| tenant.id.nation()).collect();
    assert!(model::Nation::ALL.iter().all(|nation| nations.contains(nation)));
    // The quota that is written out is the default; one other tenant has its own.
    assert_eq!(directory.tenants().filter(|tenant| tenant.quota != Quota::default()).count(), 1);
    let agreed: Vec<_> = directory.services().filter_map(|service| directory.agreed(service)).collect();
    let terms: Vec<_> = agreed.iter().map(|(_, words)| words[0].to_string()).collect();
    assert_eq!(terms, ["urgent, routine; mon-fri 18:30-08:00 and sat,sun 00:00-24:00"]);
}

#[test]
fn what_is_not_written_has_its_default() {
    let directory = parse_directory("d.toml", WHOLE).unwrap();
    let tenant = directory.tenants().next().unwrap();
    assert_eq!(tenant.quota, Quota::default());
    let service = directory.services().next().unwrap();
    assert_eq!((&service.on_deadline, &service.grants), (&OnDeadline::Return, &None));
    assert_eq!(directory.suppliers().next().unwrap().name, "meridian");
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_to_do() {
    let tenant = "[[tenants]]\nid = \"wales/b\"\n";
    check(
        &format!("{tenant}supplier = \"nobody\"\n"),
        "17:12: wales/b names nobody, which is not in the directory; add it, or correct the spelling",
    );
    check(
        "[[tenants]]\nid = \"england/a\"\nsupplier = \"meridian\"\n",
        "16:6: england/a appears twice; remove one of the two",
    );
    check(
        "[[tenants]]\nid = \"france/a\"\nsupplier = \"meridian\"\n",
        "16:6: not a nation: expected england, wales, scotland or northern-ireland; \
         write nation/name, or a supplier's name, in small letters, digits and hyphens",
    );
    check(
        &format!("{tenant}supplier = \"meridian\"\nrevoked = [\n  \"abc\",\n]\n"),
        "19:3: this is not a SHA-256 fingerprint of a certificate; write its 64 hexadecimal digits",
    );
    check(
        "[[operators]]\nid = \"england/duty\"\npublic_key = \"\"\n",
        "17:14: this is not an Ed25519 public key; write its 64 hexadecimal digits",
    );
}

#[test]
fn services_must_fit_together() {
    let service = "[[services]]\nid = \"england/t\"\nhost = \"england/a\"\nversion = \"1\"\n";
    check(
        &format!("{service}protocol = \"fax\"\n"),
        "19:12: \"fax\" is not a protocol; write bars, bars-wales or hl7v2",
    );
    check(
        &format!("{service}protocol = \"bars\"\non_deadline = \"panic\"\n"),
        "20:15: \"panic\" is not something to do on a deadline; write alert, return or divert",
    );
    let same = "identifiers = [{ system = \"http://FHIR.nhs.uk/Id/dos-service-id/\", value = \"1\" }]";
    check(
        &format!("{service}protocol = \"bars\"\n{same}\n"),
        "20:16: england/s and england/t have the same identifier; \
         an identifier leads to one service: remove it from one of them",
    );
    check(
        &format!("{service}protocol = \"bars\"\nfallback = \"england/none\"\n"),
        "20:12: england/t names england/none, which is not in the directory; add it, or correct the spelling",
    );
}

/// `WHOLE` with a service `england/t` whose fallback is `england/s`, and more at `england/t`.
fn with_fallback(more: &str) -> String {
    let service =
        "[[services]]\nid = \"england/t\"\nhost = \"england/a\"\nversion = \"1\"\nprotocol = \"bars\"\n";
    format!("takes_over = [{more}]\n{service}fallback = \"england/s\"\n")
}

#[test]
fn a_fallback_takes_over_on_its_own_hosts_word() {
    let agreed = |more: &str| {
        let text = format!("{WHOLE}{}", with_fallback(more));
        let directory = parse_directory("d.toml", &text).unwrap();
        let service = directory.service(&ServiceId::parse("england/t").unwrap()).unwrap();
        assert!(service.fallback.is_some());
        directory
            .agreed(service)
            .map(|(_, words)| words.into_iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    // As it was written before there was such a word: named, and no fallback.
    assert_eq!(agreed(""), None);
    assert_eq!(agreed("{ from = \"england/t\" }"), Some(vec!["all, always".to_owned()]));
    let two = "{ from = \"england/t\", kinds = [\"request\"], hours = [\"fri 20:00-06:00\"] }, \
               { from = \"england/t\", priorities = [\"emergency\"] }";
    let both = ["request; fri 20:00-06:00", "emergency"].map(str::to_owned).to_vec();
    assert_eq!(agreed(two), Some(both));
}

#[test]
fn a_word_that_fits_nothing_is_told() {
    let word = |terms: &str, expected: &str| {
        let more = with_fallback(&format!("{{ from = \"england/t\", {terms} }}"));
        check(&more, &format!("15:{expected}"));
    };
    word(
        "hours = [\"always\"]",
        "46: \"always\" is not days and hours; write days and local time, as in \"mon-fri 18:30-08:00\" or \
         \"sat,sun 00:00-24:00\"",
    );
    word(
        "hours = [\"mon-fir 18:30-08:00\"]",
        "46: \"fir\" is not a day of the week; write days and local time, as in \"mon-fri 18:30-08:00\" or \
         \"sat,sun 00:00-24:00\"",
    );
    word(
        "hours = [\"mon 08:00-08:00\"]",
        "46: \"mon 08:00-08:00\" begins and ends at the same time; write 00:00-24:00 for the whole day",
    );
    word(
        "kinds = [\"referral\"]",
        "46: \"referral\" is not a kind of referral; write request, update, cancel or response",
    );
    word("priorities = [\"soon\"]", "51: \"soon\" is not a priority; write emergency, urgent or routine");
    word(
        "priorities = []",
        "50: an empty list takes nothing; leave it out to take all, or take the line out of takes_over to take nothing",
    );
    check(
        &with_fallback("{ from = \"england/none\" }"),
        "15:24: england/s names england/none, which is not in the directory; add it, or correct the spelling",
    );
    check(
        &with_fallback("{ from = \"england/s\" }"),
        "15:24: england/s takes over from england/s, which does not name it as its fallback; \
         name it as that service's fallback, or take the line out of takes_over",
    );
}

#[test]
fn an_unknown_word_is_refused_where_it_stands() {
    let told = |more: &str| parse_directory("d.toml", &format!("{WHOLE}{more}")).unwrap_err();
    let error = told("[[tenants]]\nid = \"wales/b\"\nsuplier = \"meridian\"\n");
    assert_eq!((error.line, error.column), (17, 1), "{error}");
    assert!(error.problem.contains("unknown field `suplier`"), "{error}");
    let error = told("quota = 3\n[[tenants\n");
    assert_eq!(error.line, 16, "{error}");
    let error =
        told("[[tenants]]\nid = \"wales/b\"\nsupplier = \"meridian\"\nquota = { calls_per_second = 0 }\n");
    assert_eq!(error.line, 18, "{error}");
}
