//! Sources of the credential that take keys or JWTs alone.

use latchkey_core::profile_change::ChangeEffect;
use latchkey_profile::{CaseResult, Profile, diff, lint};

use crate::requests::credential;
use crate::support::{profile, request};

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";

/// Returns a document with these fields of the credential.
fn document(fields: &str) -> String {
    format!(
        "name = \"p\"\n[credential]\nsources = [\"header:x-api-key\", \"header:authorization Bearer\"]\n{fields}\n\
         [[kinds]]\nname = \"k\"\nprefix = \"k_\"\n[jwt]\nissuer = \"https://p.dev\"\naudience = \"p\"\n"
    )
}

const ONLY: &str = "only = { \"header:X-API-Key\" = \"key\", \"header:authorization Bearer\" = \"jwt\" }";

#[test]
fn a_source_takes_the_listed_format_alone() {
    let bearer = format!("Bearer {JWT}");
    let strict = profile(&document(ONLY));
    let open = profile(&document(""));
    for (headers, expected) in [
        (&[("x-api-key", "k_1")][..], "k_1"),
        (&[("x-api-key", JWT)], "NotAKey"),
        (&[("authorization", &bearer)], JWT),
        (&[("authorization", "Bearer k_1")], "NotAJwt"),
        (&[("x-api-key", JWT), ("authorization", &bearer)], "NotAKey"),
        (&[("x-api-key", "k_1"), ("authorization", &bearer)], "Ambiguous"),
        (&[("x-api-key", "a b")], "Malformed"),
        (&[], "Missing"),
    ] {
        assert_eq!(credential(&strict, &request("/", headers)), expected, "{headers:?}");
    }
    assert_eq!(credential(&open, &request("/", &[("x-api-key", JWT)])), JWT);
    let first = profile(&document(&format!("conflict = \"first\"\n{ONLY}")));
    for (headers, expected) in [
        (&[("x-api-key", "k_1"), ("authorization", &bearer)][..], "k_1"),
        (&[("x-api-key", "k_1"), ("authorization", "Bearer k_1")], "k_1"),
        (&[("x-api-key", JWT), ("authorization", &bearer)], "NotAKey"),
    ] {
        assert_eq!(credential(&first, &request("/", headers)), expected, "{headers:?}");
    }
}

#[test]
fn a_product_answers_as_to_a_credential_that_is_not_valid() {
    let denial = |format: &str, status: u16| {
        format!(
            "[[denials]]\nreasons = [\"INVALID_CREDENTIAL\"]\ncredential = \"{format}\"\nstatus = {status}\n"
        )
    };
    let example = |headers: &str, status: u16| {
        format!(
            "[[examples]]\nname = \"a {status}\"\nrequest = \"GET /\"\nheaders = {{ {headers} }}\nexpect = {{ status = {status} }}\n"
        )
    };
    let whole = [
        document(ONLY),
        denial("key", 403),
        denial("jwt", 401),
        example(&format!("x-api-key = '{JWT}'"), 403),
        example("authorization = 'Bearer k_1'", 401),
    ];
    let profile = profile(&whole.concat());
    for result in profile.run_examples() {
        let CaseResult::Done(outcome) = result else { panic!("an endpoint") };
        assert!(outcome.failures.is_empty(), "{}: {:?}", outcome.name, outcome.failures);
    }
}

#[test]
fn a_mistake_in_the_formats_of_sources_is_reported() {
    for (fields, words) in [
        ("only = { \"header:x-key\" = \"key\" }", "\"header:x-key\" is not one of the \"sources\""),
        ("only = { \"x-api-key\" = \"key\" }", "is not a source"),
        ("only = { \"header:x-api-key\" = \"keys\" }", "\"keys\" is neither \"key\" nor \"jwt\""),
        ("only = { \"header:x-api-key\" = \"key\", \"header:X-API-KEY\" = \"key\" }", "listed twice"),
        (
            "accepts = [\"key\"]\nonly = { \"header:x-api-key\" = \"jwt\" }",
            "\"accepts\" does not list \"jwt\"",
        ),
    ] {
        let errors = Profile::compile(&document(fields), 1).map(|_| ()).unwrap_err().to_string();
        assert!(errors.contains(words), "{words}: {errors}");
    }
}

#[test]
fn a_format_that_no_source_takes_is_named() {
    let warnings = |fields: &str| {
        let warnings = lint(&document(fields)).unwrap_or_else(|errors| panic!("{errors}")).1;
        warnings
            .iter()
            .map(ToString::to_string)
            .filter(|text| text.contains("no source takes"))
            .collect::<Vec<_>>()
    };
    let keys = "only = { \"header:x-api-key\" = \"key\", \"header:authorization Bearer\" = \"key\" }";
    let found = warnings(keys);
    assert!(found.len() == 1 && found[0].contains("credential.only: no source takes a jwt"), "{found:#?}");
    assert_eq!(warnings(&format!("accepts = [\"key\"]\n{keys}")), Vec::<String>::new());
    assert_eq!(warnings(ONLY), Vec::<String>::new());
}

#[test]
fn a_source_that_takes_more_or_less_is_a_change() {
    let between = |old: &str, new: &str| {
        let changes = diff(Some(&document(old)), &document(new)).unwrap_or_else(|errors| panic!("{errors}"));
        changes
            .into_iter()
            .map(|change| (change.effect, change.field, change.description))
            .collect::<Vec<_>>()
    };
    let only = "only = { \"header:x-api-key\" = \"key\" }";
    let [(effect, field, text)] = &between("", only)[..] else { panic!("one change") };
    assert!(*effect == ChangeEffect::LosesAccess && field == "credential.only", "{text}");
    assert!(text.starts_with("JWTs in `header:x-api-key` are denied"), "{text}");
    let [(effect, _, text)] = &between(only, "")[..] else { panic!("one change") };
    assert!(*effect == ChangeEffect::GrantsMore, "{text}");
    assert_eq!(between(only, only), []);
}
