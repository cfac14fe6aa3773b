//! `enforce` in documents: sections that have it, mistakes, and headers that an upstream gets for a request that passes
//! in shadow.

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::enforcement::Enforcement;
use latchkey_core::reason::Reason;
use latchkey_profile::{Profile, TemplateContext, lint};

use crate::support::{NOW, context, denied, header, key, profile, request};

const DOCUMENT: &str = r#"
name = "p"
[[scopes]]
name = "old"
[[scopes]]
name = "new"
enforce = "shadow"
[[routes]]
path = "/v1/old"
scopes = ["old"]
enforce = "on"
[[routes]]
path = "/v1/new"
scopes = ["new"]
enforce = "shadow"
[rate_limits]
default = [{ per = "key", rate = "10/min" }]
plain = { buckets = [{ per = "key", rate = "10/min" }] }
[rate_limits.tried]
enforce = "shadow"
buckets = [{ per = "key", rate = "20/min" }, { per = "tenant", rate = "30/min" }]
[[plans]]
name = "growth"
rate_limits = { tried = [{ per = "key", rate = "40/min" }] }
[upstream_headers]
x-tenant-id = "{{ tenant.slug }}"
x-key-id = "{{ subject.id }}"
x-scopes = "{{ scopes }}"
x-merchant = "{{ bindings.merchant }}"
x-request-id = "{{ request_id }}"
"#;

fn mistake(document: &str) -> String {
    let errors = Profile::compile(document, 1).map(|_| ()).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn every_section_has_its_own_enforcement() {
    let policy = profile(DOCUMENT).policy;
    assert_eq!(policy.enforce, Enforcement::Enforced);
    let routes: Vec<Enforcement> = (0..2).map(|n| policy.routes.get(n).unwrap().enforce).collect();
    assert_eq!(routes, [Enforcement::Enforced, Enforcement::Shadow]);
    assert_eq!(policy.scopes.names(policy.scopes.shadow()).collect::<Vec<_>>(), ["new"]);
    let class = |name| policy.classes.find(name).unwrap();
    for (name, buckets, enforce) in [
        ("default", 1, Enforcement::Enforced),
        ("plain", 1, Enforcement::Enforced),
        ("tried", 2, Enforcement::Shadow),
    ] {
        assert_eq!(policy.classes.rules(class(name)).len(), buckets, "{name}");
        assert_eq!(policy.classes.enforce(class(name)), enforce, "{name}");
    }
    let whole = profile(&format!("enforce = \"shadow\"{DOCUMENT}")).policy;
    assert_eq!(whole.enforce, Enforcement::Shadow);
}

#[test]
fn any_value_but_on_and_shadow_is_a_mistake() {
    let neither = "is neither \"on\"";
    for (document, place) in [
        ("enforce = \"off\"", "2:11 enforce"),
        ("[[routes]]\npath = \"/x\"\nenforce = \"Shadow\"", "4:11 routes[0].enforce"),
        ("[[scopes]]\nname = \"x\"\nenforce = \"\"", "4:11 scopes[0].enforce"),
        ("[rate_limits.x]\nbuckets = []\nenforce = \"log\"", "4:11 rate_limits.x.enforce"),
    ] {
        let document = format!("name = \"p\"\n{document}");
        let errors = Profile::compile(&document, 1).map(|_| ()).unwrap_err().0;
        let places: Vec<_> = errors.iter().map(|e| format!("{}:{} {}", e.line, e.column, e.field)).collect();
        assert_eq!(places, [place]);
        assert!(errors[0].message.contains(neither), "{errors:?}");
    }
    let flag = mistake("name = \"p\"\nenforce = false");
    assert!(flag.contains("expected a text in quotes"), "{flag}");
    let bare = mistake("name = \"p\"\n[rate_limits]\nx = { enforce = \"shadow\" }");
    assert!(bare.contains("\"buckets\" is missing"), "{bare}");
    let text = mistake("name = \"p\"\n[rate_limits]\nx = \"1/s\"");
    assert!(text.contains("expected a list in brackets"), "{text}");
    let field = mistake("name = \"p\"\n[rate_limits.x]\nbuckets = []\nper = \"key\"");
    assert!(field.contains("the fields here are: buckets, enforce"), "{field}");
    let plan = mistake(
        "name = \"p\"\n[rate_limits]\ntried = [{ per = \"key\", rate = \"20/min\" }]\n\
         [[plans]]\nname = \"growth\"\nrate_limits = { tried = { enforce = \"shadow\", buckets = [] } }",
    );
    assert!(plan.contains("a plan changes limits"));
}

#[test]
fn a_profile_that_enforces_nothing_gets_a_warning() {
    let warned_lines = |document: &str| {
        let warnings = lint(document).unwrap().1;
        let concerns_profile =
            |w: &latchkey_profile::DocumentError| w.message.contains("\"p\" enforces nothing");
        warnings.iter().filter(|w| concerns_profile(w)).map(|w| (w.line, w.field.clone())).collect::<Vec<_>>()
    };
    assert_eq!(warned_lines("name = \"p\"\nenforce = \"shadow\""), [(2, "enforce".to_owned())]);
    assert_eq!(warned_lines("name = \"p\"\nenforce = \"on\""), []);
    assert_eq!(warned_lines(DOCUMENT), [], "only a part of the profile is in shadow");
}

/// Returns the headers that are set for the upstream, and the names that are removed.
fn upstream(profile: &Profile, context: &DecisionContext) -> (Vec<(String, String)>, Vec<String>) {
    let forged = [("x-tenant-id", "victim"), ("x-key-id", "victim"), ("x-request-id", "r-1")];
    let request = request("/v1/new", &forged);
    let parsed = profile.parse_request(&request);
    let allow = profile.allow_response(&TemplateContext::new(context, &request, &parsed, NOW));
    let set = allow.set.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    (set, allow.remove.names().map(ToOwned::to_owned).collect())
}

#[test]
fn an_unverified_principal_has_no_identity_headers_upstream() {
    let profile = profile(DOCUMENT);
    let known = context(&profile.policy, key("secret", "live"));
    let shadow = Some(Denial::new(Reason::Revoked));
    let revoked = DecisionContext { shadow: shadow.clone(), principal_invalid: true, ..known.clone() };
    let unknown = DecisionContext { shadow, ..DecisionContext::default() };
    for context in [&revoked, &unknown] {
        let (set, remove) = upstream(&profile, context);
        assert_eq!(set, [("x-request-id".to_owned(), "r-1".to_owned())]);
        for name in ["x-tenant-id", "x_tenant_id", "x-key-id", "x-scopes", "x-merchant"] {
            assert!(remove.iter().any(|n| n == name), "{name}");
        }
    }
    let lacking = DecisionContext { shadow: Some(Denial::new(Reason::InsufficientScope)), ..known.clone() };
    for context in [&known, &lacking] {
        assert_eq!(header(&upstream(&profile, context).0, "x-tenant-id"), Some("acme"));
    }
    let profile = profile_with_a_body();
    let own = DecisionContext { principal_invalid: true, ..context(&profile.policy, key("secret", "live")) };
    assert_eq!(denied(&profile, Reason::Revoked, &own).2, "acme", "a denial still names the tenant");
}

fn profile_with_a_body() -> Profile {
    let denial = "[[denials]]\nheaders = { content-type = \"text/plain\" }\nbody = \"{{ tenant.slug }}\"";
    profile(&format!("name = \"p\"\n{denial}"))
}

#[test]
fn examples_run_as_if_everything_were_enforced() {
    let example = |enforce: &str| {
        format!(
            "name = \"p\"\nenforce = \"{enforce}\"\n[[routes]]\npath = \"/x\"\n\
             [[examples]]\nname = \"no credential\"\nrequest = \"GET /x\"\nexpect = {{ status = 401 }}"
        )
    };
    for enforce in ["on", "shadow"] {
        let profile = profile(&example(enforce));
        for result in profile.run_examples() {
            let latchkey_profile::CaseResult::Done(outcome) = result else {
                panic!("the gate decides it without an endpoint")
            };
            assert_eq!(outcome.failures, Vec::<String>::new(), "{enforce}");
        }
    }
}
