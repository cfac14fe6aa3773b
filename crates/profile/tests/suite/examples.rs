//! Documents tested by their own examples, and what is likely a mistake in them.

use latchkey_profile::{CaseResult, ExampleOutcome, Profile, host_conflicts, lint, lint_shared_hosts};

use crate::support::profile;

/// What ships, and a sixth that shows the way.
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

/// What the gate alone could play.
fn decided_by_gate(result: CaseResult<'_>) -> Option<ExampleOutcome> {
    match result {
        CaseResult::Done(outcome) => Some(outcome),
        CaseResult::Endpoint(_) => None,
    }
}

#[test]
fn every_shipped_document_keeps_the_promises_of_its_examples() {
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
fn an_example_that_is_right_is_told_to_be() {
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
        expect = { status = 429, headers = { retry-after = "30" } }
        [[examples]]
        name = "expired"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = { state = "expired" }
        expect = { status = 401, body = '{"type":"about:blank",{{ any }}"The credential expired on 2025-01-01."{{ any }}' }
    "#;
    let right = |name: &str| (name.to_owned(), vec![]);
    assert_eq!(outcomes(examples), [right("passes"), right("limited"), right("expired")]);
}

#[test]
fn an_example_that_is_wrong_says_what_was_not_as_promised() {
    let examples = r#"
        [[examples]]
        name = "wrong"
        request = "GET /v1/x"
        headers = { x-api-key = "{{ key }}" }
        as = { state = "revoked" }
        expect = { status = 200, body = "no", upstream = { x-tenant = "acme" } }
    "#;
    let (_, wrong) = outcomes(examples).remove(0);
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert_eq!(wrong[0], "status 200 was promised, and it is 401");
    assert_eq!(wrong[2], "the upstream was promised x-tenant: \"acme\", and gets \"\"");
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
fn an_example_of_nothing_that_can_be_is_refused_with_its_place() {
    let wrong = r#"
[[examples]]
name = "x"
request = "/v1/x"
as = { kind = "z", plan = "gold", scopes = ["c"], state = "gone" }
repeat = 0
expect = { state = 200 }
"#;
    let errors = Profile::compile(&format!("{DOCUMENT}{wrong}"), 1).map(|_| ()).unwrap_err().0;
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
    assert_eq!((errors[0].line, errors[0].column), (22, 11));
}

#[test]
fn what_is_likely_a_mistake_is_told_with_its_place() {
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
    let told: Vec<(usize, &str, bool)> =
        warnings.iter().map(|w| (w.line, w.field.as_str(), w.message.is_empty())).collect();
    assert_eq!(
        told,
        [
            (5, "hosts[1].host", false),
            (10, "scopes[1].name", false),
            (16, "routes[0].scopes[0]", false),
            (19, "routes[1].path", false),
            (23, "denials[1]", false),
        ],
        "{warnings:#?}"
    );
}

#[test]
fn a_host_of_another_profile_is_contested_where_its_keys_look_the_same() {
    let of = |name: &str, host: &str, prefix: &str| {
        format!(
            "name = \"{name}\"\n[[hosts]]\nhost = \"{host}\"\n[[kinds]]\nname = \"k\"\nprefix = \"{prefix}\""
        )
    };
    let theirs = [profile(&of("x", "*.a.dev", "sk_")), profile(&of("z", "*", "sk_"))];
    let told = host_conflicts(&of("y", "*.A.dev", "sk_"), &theirs).unwrap_err().0;
    assert_eq!((told[0].line, told[0].column, told[0].field.as_str()), (3, 8, "hosts[0].host"));
    assert!(told[0].message.contains("\"x\"") && told[0].message.contains("\"sk_\""), "{told:?}");
    for (name, host, prefix) in
        [("x", "*.a.dev", "sk_"), ("y", "*.a.dev", "pk_"), ("y", "b.a.dev", "sk_"), ("y", "*", "sk_")]
    {
        assert_eq!(host_conflicts(&of(name, host, prefix), &theirs), Ok(()), "{name} {host} {prefix}");
    }
}

#[test]
fn a_host_that_two_products_claim_is_told() {
    let of = |name: &str| profile(&format!("name = \"{name}\"\n[[hosts]]\nhost = \"*.A.dev\""));
    let told = "the host \"*.a.dev\" is claimed by x and y; a request whose key is of neither's form is x's";
    assert_eq!(lint_shared_hosts(&[of("y"), of("x")]), [told]);
}
