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
    assert!(directory.services().any(|service| service.fallback.is_some() && service.grants.is_some()));
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
