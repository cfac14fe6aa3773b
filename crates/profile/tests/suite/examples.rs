//! Tests of documents by their own examples, and warnings about documents.

use latchkey_core::record::ProfileRecord;
use latchkey_core::time::Timestamp;
use latchkey_profile::{
    CaseResult, ExampleOutcome, Profile, lint, lint_shared_hosts, profile_conflicts, shared_issuers,
};

use crate::support::profile;

/// The shipped documents, and a sixth one from the tests.
const SHIPPED: [(&str, &str); 6] = [
    ("luxcore", include_str!("../../../../profiles/luxcore.toml")),
    ("lumen", include_str!("../../../../profiles/lumen.toml")),
    ("auxvault", include_str!("../../../../profiles/auxvault.toml")),
    ("paykore", include_str!("../../../../profiles/paykore.toml")),
    ("luxor", include_str!("../../../../profiles/luxor.toml")),
    ("octo", include_str!("../../../../tests/products/octo.toml")),
];

const DOCUMENT: &str = r#"
name = "p"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "k"
prefix = "k_"
checksum = true
default_scopes = ["a"]
[[scopes]]
name = "a"
aliases = ["b"]
[[routes]]
path = "/v1/**"
scopes = ["a"]
[rate_limits]
default = [{ per = "key", rate = "2/min" }]
[upstream_headers]
x-tenant = "{{ tenant.slug }}"
"#;

fn outcomes(examples: &str) -> Vec<(String, Vec<String>)> {
    let profile = profile(&format!("{DOCUMENT}{examples}"));
    let result = profile.run_examples().into_iter();
    result.filter_map(decided_by_gate).map(|outcome| (outcome.name, outcome.failures)).collect()
}

/// Returns the outcome of an example that needs no endpoint.
fn decided_by_gate(result: CaseResult<'_>) -> Option<ExampleOutcome> {
    match result {
        CaseResult::Done(outcome) => Some(outcome),
        CaseResult::Endpoint(_) => None,
    }
}

#[test]
fn every_shipped_document_passes_its_examples() {
    for (name, document) in SHIPPED {
        let profile = profile(document);
        let result = profile.run_examples();
        assert!(result.len() > 3, "{name} has {} examples", result.len());
        for outcome in result.into_iter().filter_map(decided_by_gate) {
            assert!(outcome.failures.is_empty(), "{name}: {}: {:#?}", outcome.name, outcome.failures);
        }
    }
}

#[test]
fn no_shipped_document_has_a_warning() {
    let profiles = SHIPPED.map(|(name, document)| {
        let (profile, warnings) = lint(document).unwrap();
        assert!(warnings.is_empty(), "{name}: {warnings:#?}");
        profile
    });
    assert!(lint_shared_hosts(&profiles).is_empty());
}

#[test]
fn an_example_that_matches_has_no_failures() {
    let examples = r#"
        [[examples]]
        name = "passes"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = { scopes = ["b"], tenant = "acme" }
        expect = { status = 200, upstream = { x-tenant = "acme", x-api-key = "" } }
        [[examples]]
        name = "limited"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = {}
        repeat = 3
        expect = { status = 429, headers = { retry-after = "60" } }
        [[examples]]
        name = "expired"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = { state = "expired" }
        expect = { status = 401, body = '{"type":"about:blank",{{ any }}"The credential expired on 2025-01-01."{{ any }}' }
    "#;
    let passed = |name: &str| (name.to_owned(), vec![]);
    assert_eq!(outcomes(examples), [passed("passes"), passed("limited"), passed("expired")]);
}

#[test]
fn an_example_that_differs_lists_the_differences() {
    let examples = r#"
        [[examples]]
        name = "wrong"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = { state = "revoked" }
        expect = { status = 200, body = "no", upstream = { x-tenant = "acme" } }
    "#;
    let (_, failures) = outcomes(examples).remove(0);
    assert_eq!(failures.len(), 3, "{failures:#?}");
    assert_eq!(failures[0], "expected the status 200, got 401");
    assert_eq!(failures[2], "expected x-tenant: \"acme\" for the upstream, got \"\"");
}

#[test]
fn former_names_of_an_examples_fields_are_accepted_but_not_beside_the_present_ones() {
    let example = |fields: &str| {
        format!(
            "[[examples]]\nname = \"x\"\nrequest = \"GET /v1/x\"\nheaders = {{ x-api-key = \"{{{{ key }}}}\" }}\n\
             {fields}\nexpect = {{ status = 200 }}"
        )
    };
    let present = "as = { scopes = [\"b\"] }\nexisting_keys = [{ name = \"till\" }]";
    let former = "who = { scopes = [\"b\"] }\nothers = [{ name = \"till\" }]";
    for fields in [present, former] {
        assert_eq!(outcomes(&example(fields)), [("x".to_owned(), vec![])], "{fields}");
    }
    let mistakes = |fields: &str| {
        let errors =
            Profile::compile(&format!("{DOCUMENT}{}", example(fields)), 1).map(|_| ()).unwrap_err().0;
        errors.into_iter().map(|error| (error.field, error.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        mistakes(&format!("{present}\n{former}")),
        [
            (
                "examples[0].who".to_owned(),
                "\"who\" is the former name of \"as\"; write \"as\" alone".to_owned()
            ),
            (
                "examples[0].others".to_owned(),
                "\"others\" is the former name of \"existing_keys\"; write \"existing_keys\" alone"
                    .to_owned()
            ),
        ]
    );
    let unknown = mistakes("whom = {}").remove(0);
    assert_eq!(unknown.0, "examples[0].whom");
    assert!(unknown.1.contains("body, as, existing_keys, repeat"), "{}", unknown.1);
}

#[test]
fn an_example_that_cannot_exist_is_a_mistake_with_its_location() {
    let example = r#"
[[examples]]
name = "x"
request = "/v1/x"
as = { kind = "z", plan = "gold", scopes = ["c"], state = "gone" }
repeat = 0
expect = { state = 200 }
"#;
    let errors = Profile::compile(&format!("{DOCUMENT}{example}"), 1).map(|_| ()).unwrap_err().0;
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "examples[0].request",
            "examples[0].as",
            "examples[0].as.plan",
            "examples[0].as.scopes[0]",
            "examples[0].as.state",
            "examples[0].repeat",
            "examples[0].expect",
            "examples[0].expect.state",
        ]
    );
    assert_eq!((errors[0].line, errors[0].column), (23, 11));
}

#[test]
fn warnings_have_a_location() {
    let document = r#"name = "p"
[[hosts]]
host = "*.a.dev"
[[hosts]]
host = "b.a.dev"
[[scopes]]
name = "used"
aliases = ["other"]
[[scopes]]
name = "idle"
[[scopes]]
name = "api_keys.manage"
[[routes]]
methods = ["get", "POST"]
path = "/v1/{id}"
scopes = ["other"]
[[routes]]
methods = ["GET"]
path = "/v1/x"
[[routes]]
path = "/v1/x"
[[denials]]
[[denials]]
reasons = ["EXPIRED"]
"#;
    let (_, warnings) = lint(document).unwrap();
    let locations: Vec<(usize, &str, bool)> =
        warnings.iter().map(|w| (w.line, w.field.as_str(), w.message.is_empty())).collect();
    assert_eq!(
        locations,
        [
            (5, "hosts[1].host", false),
            (10, "scopes[1].name", false),
            (16, "routes[0].scopes[0]", false),
            (19, "routes[1].path", false),
            (22, "denials[0]", false),
            (22, "denials[0]", false),
            (23, "denials[1]", false),
        ],
        "{warnings:#?}"
    );
}

#[test]
fn a_host_of_another_profile_is_a_conflict_if_its_keys_have_the_same_prefix() {
    let of = |name: &str, host: &str, prefix: &str| {
        format!(
            "name = \"{name}\"\n[[hosts]]\nhost = \"{host}\"\n[[kinds]]\nname = \"k\"\nprefix = \"{prefix}\""
        )
    };
    let others = [profile(&of("x", "*.a.dev", "sk_")), profile(&of("z", "*", "sk_"))];
    let conflicts = profile_conflicts(&of("y", "*.A.dev", "sk_"), &others).unwrap_err().0;
    assert_eq!(
        (conflicts[0].line, conflicts[0].column, conflicts[0].field.as_str()),
        (3, 8, "hosts[0].host")
    );
    assert!(
        conflicts[0].message.contains("\"x\"") && conflicts[0].message.contains("\"sk_\""),
        "{conflicts:?}"
    );
    for (name, host, prefix) in
        [("x", "*.a.dev", "sk_"), ("y", "*.a.dev", "pk_"), ("y", "b.a.dev", "sk_"), ("y", "*", "sk_")]
    {
        assert_eq!(profile_conflicts(&of(name, host, prefix), &others), Ok(()), "{name} {host} {prefix}");
    }
}

#[test]
fn the_issuer_of_another_profile_is_a_conflict_however_it_is_spelled() {
    let of = |name: &str, issuer: &str| {
        format!("name = \"{name}\"\n[jwt]\nissuer = \"{issuer}\"\naudience = \"{name}\"")
    };
    let others = [profile("name = \"w\""), profile(&of("x", "https://a.dev"))];
    for issuer in ["https://a.dev", "https://a.dev/", "https://A.dev//", " https://a.dev"] {
        let conflicts = profile_conflicts(&of("y", issuer), &others).unwrap_err().0;
        let [conflict] = conflicts.as_slice() else { panic!("{conflicts:?}") };
        assert_eq!((conflict.line, conflict.field.as_str()), (3, "jwt.issuer"));
        assert!(conflict.message.contains("\"x\"") && conflict.message.contains("\"https://a.dev\""));
        assert_eq!(profile_conflicts(&of("x", issuer), &others), Ok(()), "a new version of the same profile");
    }
    for issuer in ["https://b.dev", "https://a.dev/b", "http://a.dev"] {
        assert_eq!(profile_conflicts(&of("y", issuer), &others), Ok(()), "{issuer}");
    }
    let stored = |name: &str, issuer: &str| ProfileRecord {
        name: name.into(),
        version: 1,
        document: of(name, issuer),
        applied: Timestamp(0),
        applied_by: "".into(),
        comment: "".into(),
        revision: 1,
    };
    let shared = shared_issuers(&[
        stored("x", "https://a.dev"),
        stored("y", "https://b.dev"),
        stored("z", "https://A.dev/"),
    ]);
    assert_eq!(shared.len(), 1, "{shared:?}");
    assert!(shared[0].contains("\"x\" and \"z\""), "{shared:?}");
}

#[test]
fn a_host_that_two_products_claim_is_a_warning() {
    let of = |name: &str| profile(&format!("name = \"{name}\"\n[[hosts]]\nhost = \"*.A.dev\""));
    let warning = "the host \"*.a.dev\" is claimed by x and y; a request whose key matches none of their formats \
                   belongs to x";
    assert_eq!(lint_shared_hosts(&[of("y"), of("x")]), [warning]);
}
