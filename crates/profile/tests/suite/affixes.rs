//! Routes and endpoints whose segments have literal text around a parameter.

use latchkey_core::profile_change::ChangeEffect;
use latchkey_profile::{CaseResult, Request, diff, lint};

use crate::endpoint_values::ask;
use crate::support::{profile, request};

const SHOP: &str = r#"
name = "shop"
unmatched_routes = "deny"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "k"
prefix = "k_"
bindings = ["account"]
"#;

const ACCOUNT: &str = "path = \"/accounts/{id}.json\"\nresource = { account = \"{id}\" }";

/// Returns a document with these routes.
fn document(routes: &[&str]) -> String {
    let routes: Vec<String> = routes.iter().map(|route| format!("[[routes]]\n{route}\n")).collect();
    format!("{SHOP}{}", routes.concat())
}

/// Returns the warnings about a document with these routes.
fn warnings(routes: &[&str]) -> Vec<String> {
    let warnings = lint(&document(routes)).unwrap_or_else(|errors| panic!("{errors}")).1;
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_key_is_bound_to_the_text_between_the_affixes() {
    let version = "methods = [\"POST\"]\npath = \"/accounts/v{id}:close\"\nresource = { account = \"{id}\" }";
    let calls = [
        ("GET /accounts/ac_1.json", 200),
        ("GET /accounts/ac%5F1.json", 200),
        ("GET /accounts/ac_2.json", 403),
        ("GET /accounts/ac_1.json.json", 403),
        ("GET /accounts/.json", 403),
        ("GET /accounts/ac_1", 403),
        ("GET /accounts/ac_1.JSON", 403),
        ("POST /accounts/vac_1:close", 200),
        ("POST /accounts/vac_2:close", 403),
        ("POST /accounts/v:close", 403),
    ];
    let examples = calls.map(|(request, status)| {
        format!(
            "[[examples]]\nname = \"{request}\"\nrequest = \"{request}\"\nheaders = {{ x-api-key = \"{{{{ key }}}}\" }}\n\
             as = {{ bindings = {{ account = \"ac_1\" }} }}\nexpect = {{ status = {status} }}\n"
        )
    });
    let profile = profile(&format!("{}{}", document(&[ACCOUNT, version]), examples.concat()));
    for result in profile.run_examples() {
        let CaseResult::Done(outcome) = result else { panic!("an endpoint") };
        assert!(outcome.failures.is_empty(), "{}: {:?}", outcome.name, outcome.failures);
    }
}

#[test]
fn an_endpoint_reads_the_text_between_the_affixes() {
    let document = format!(
        "{SHOP}[[endpoints]]\nmethod = \"POST\"\npath = \"/keys/{{id}}:revoke\"\nrpc = \"RevokeKey\"\nanswer = \"\"\n\
         [endpoints.fields]\nid = \"{{{{ path.id }}}}\"\n"
    );
    let profile = profile(&document);
    let endpoints = profile.envoy_requirements().endpoints;
    let [endpoint] = &endpoints[..] else { panic!("{endpoints:?}") };
    assert_eq!((&*endpoint.regex, &*endpoint.sample), (r"/keys/[^/]+\:revoke/?", "/keys/x:revoke"));
    let call = |path| Request { method: "POST", ..request(path, &[]) };
    assert_eq!(ask(&profile, &call("/keys/key_%37:revoke")).unwrap()["id"], "key_7");
    for path in ["/keys/:revoke", "/keys/key_7", "/keys/key_7:rotate"] {
        assert!(profile.endpoint(&call(path)).is_none(), "{path}");
    }
}

#[test]
fn a_route_that_a_wider_one_takes_first_is_named() {
    let (plain, literal) = ("path = \"/accounts/{any}\"", "path = \"/accounts/me.json\"");
    let (wide, narrow) = ("path = \"/files/{name}\"", "path = \"/files/v{version}\"");
    for (routes, caught) in [
        ([plain, ACCOUNT], "/accounts/{any}"),
        ([ACCOUNT, literal], "/accounts/{id}.json"),
        ([wide, narrow], "/files/{name}"),
    ] {
        let found = warnings(&routes);
        let words =
            format!("no call reaches this route: routes[0], \"{caught}\", matches all of its calls first");
        assert!(found.iter().any(|warning| warning.contains(&words)), "{found:#?}");
    }
    let read = |path: &str| format!("methods = [\"GET\"]\npath = \"{path}\"");
    let all = "methods = [\"GET\", \"DELETE\"]\npath = \"/accounts/**\"";
    let found = warnings(&[&read("/accounts/{id}.json"), all]);
    let words = "\"/accounts/{id}.json\" with DELETE belongs to the later and wider route \"/accounts/**\"";
    assert!(found.iter().any(|warning| warning.contains(words)), "{found:#?}");
    let other_case = ["path = \"/accounts/{id}.json\"", "path = \"/accounts/{id}.JSON\""];
    let found = warnings(&other_case);
    assert!(found.iter().any(|warning| warning.contains("in another letter case")), "{found:#?}");
    assert_eq!(warnings(&[literal, ACCOUNT, plain]), Vec::<String>::new());
}

#[test]
fn a_further_route_with_text_around_a_parameter_is_compared_with_the_one_that_took_its_calls() {
    let open = "path = \"/accounts/{id}.json\"\npublic = true";
    let wide = "path = \"/accounts/{id}\"";
    let between = |old: &[&str], new: &[&str]| {
        let changes = diff(Some(&document(old)), &document(new)).unwrap_or_else(|errors| panic!("{errors}"));
        changes.into_iter().map(|change| (change.effect, change.description)).collect::<Vec<_>>()
    };
    let found = between(&[wide], &[open, wide]);
    assert!(
        matches!(found.as_slice(), [(ChangeEffect::GrantsMore, words)] if words.contains("`/accounts/{id}.json`")),
        "{found:#?}"
    );
    let found = between(&[open, wide], &[wide]);
    assert!(found.iter().any(|(effect, _)| *effect == ChangeEffect::LosesAccess), "{found:#?}");
    assert_eq!(between(&[wide, open], &[wide]), [], "no call reached the route");
}

#[test]
fn a_resource_that_other_text_surrounds_is_another_part_of_the_path() {
    let route = |path: &str| format!("path = \"{path}\"\nresource = {{ account = \"{{id}}\" }}");
    let wide = route("/accounts/{id}");
    let document = |path: &str| document(&[&route(path), &wide]);
    let (old, new) = (document("/accounts/{id}.json"), document("/accounts/x-{id}.json"));
    let changes = diff(Some(&old), &new).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!changes.is_empty());
    for change in changes {
        assert!(change.description.contains("name `account` by another part of their path"), "{change:#?}");
        assert_eq!(change.effect, ChangeEffect::GrantsMore);
    }
}
