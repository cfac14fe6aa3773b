//! Compiled documents, and the defaults of absent fields.

use std::time::Duration;

use latchkey_core::limit::{BucketAlgorithm, BucketOwner, ChargeCondition, CountingMode};
use latchkey_core::policy::UnmatchedRoute;
use latchkey_core::route::parse;
use latchkey_core::scope::ScopeSet;
use latchkey_profile::Profile;

use crate::support::profile;

/// A document with every section of the format.
const EXAMPLE: &str = include_str!("../fixtures/example.toml");

#[test]
fn a_name_alone_is_a_document() {
    let policy = profile("name = \"p\"").policy;
    assert!(policy.accepts.key && policy.accepts.jwt && !policy.tenant_required);
    assert_eq!(policy.unmatched, UnmatchedRoute::Deny);
    assert!(policy.kinds.is_empty() && policy.environments.is_empty() && policy.classes.fallback().is_none());
}

#[test]
fn the_example_of_the_format_is_a_document() {
    let profile = profile(EXAMPLE);
    let policy = &profile.policy;
    assert_eq!((profile.name(), policy.version), ("paykore", 1));
    assert_eq!(policy.environments, [Box::from("live"), Box::from("test")]);
    let (_, route) = policy.routes.find("POST", "/v1/merchants/m1/payments").found().unwrap();
    assert_eq!(policy.scopes.names(&route.scopes).collect::<Vec<_>>(), ["payments.create"]);
    let rules = policy.classes.rules(route.class.unwrap());
    assert_eq!((rules[0].limit.tokens, rules[0].limit.burst), (5000, Some(500)));
    assert_eq!(
        (rules[0].per, rules[0].algorithm.with_limit(rules[0].limit), rules[0].when),
        (BucketOwner::Key, BucketAlgorithm::TokenBucket, ChargeCondition::Allowed)
    );
    let tokens = profile.tokens().unwrap();
    assert_eq!((tokens.ttl, tokens.refresh_ttl), (Duration::from_hours(1), Duration::from_hours(30 * 24)));
    assert!(profile.role("admin").is_some() && profile.role("guest").is_none());
}

#[test]
fn the_only_kind_is_the_default_and_can_be_granted_everything_but_gets_nothing_by_default() {
    let policy = profile(
        "name = \"p\"\n[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"\n[[kinds]]\nname = \"k\"\nprefix = \"\"",
    )
    .policy;
    let kind = policy.default_kind().unwrap();
    assert_eq!((&kind.max_scopes, &kind.default_scopes), (&policy.scopes.all(), &ScopeSet::default()));
    assert!(kind.matches_format(&"a".repeat(43)));
}

#[test]
fn default_scopes_are_none_where_none_are_named_and_within_what_a_kind_can_have() {
    let document = "name = \"p\"\n[[scopes]]\nname = \"a\"\naliases = [\"x\"]\n[[scopes]]\nname = \"b\"\n\
                    [[kinds]]\nname = \"k\"\nprefix = \"k_\"\nscopes = [\"x\"]\n";
    let policy = profile(document).policy;
    let a = policy.scopes.resolve(&["a"]);
    assert_eq!((&policy.kinds[0].max_scopes, &policy.kinds[0].default_scopes), (&a, &ScopeSet::default()));
    let outside = format!("{document}default_scopes = [\"b\"]");
    assert!(
        Profile::compile(&outside, 1).unwrap_err().to_string().contains("not among the kind's own scopes")
    );
}

#[test]
fn a_kind_whose_values_can_be_read_again_names_its_scopes() {
    let document = "name = \"p\"\n[[scopes]]\nname = \"a\"\n[[routes]]\npath = \"/\"\nscopes = [\"a\"]\n\
                    [[kinds]]\nname = \"k\"\nprefix = \"k_\"\nretrievable = true\n";
    let warnings = |document: &str| latchkey_profile::lint(document).unwrap().1;
    let unbounded = warnings(document);
    assert_eq!(unbounded.len(), 1, "{unbounded:?}");
    assert!(unbounded[0].to_string().contains("can be granted every scope"), "{}", unbounded[0]);
    assert_eq!(warnings(&format!("{document}scopes = [\"a\"]\n")), []);
    assert_eq!(warnings("name = \"p\"\n[[kinds]]\nname = \"k\"\nprefix = \"k_\"\nretrievable = true\n"), []);
}

#[test]
fn a_scope_that_management_requires_has_an_effect_without_a_route() {
    let unused = |scopes: &str| {
        let document = format!("name = \"p\"\n{scopes}[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n");
        latchkey_profile::lint(&document).unwrap().1.len()
    };
    assert_eq!(unused("[[scopes]]\nname = \"api_keys.manage\"\n[[scopes]]\nname = \"api_keys.revive\"\n"), 0);
    assert_eq!(unused("[[scopes]]\nname = \"keys\"\naliases = [\"api_keys.manage\"]\n"), 0);
    assert_eq!(unused("[[scopes]]\nname = \"api_keys.list\"\n"), 1);
}

#[test]
fn limits_are_kept_bucket_by_bucket() {
    let policy = profile(
        r#"
        name = "p"
        [rate_limits]
        default = [
            { per = "tenant", rate = "10/10s" },
            { per = "key", rate = "5/min", algorithm = "fixed_window", mode = "leased" },
            { per = "ip", rate = "3/h", when = "unauthenticated" },
            { per = "ip", rate = "9/h", algorithm = "token_bucket" },
            { per = "ip", rate = "9/min", burst = 2 },
        ]
        [[plans]]
        name = "big"
        rate_limits = { default = [{ per = "tenant", rate = "100/s", burst = 7 }] }
        "#,
    )
    .policy;
    let rules = policy.classes.rules(policy.classes.fallback().unwrap());
    assert_eq!(
        (rules[0].per, rules[0].limit.tokens, rules[0].limit.period.as_secs()),
        (BucketOwner::Tenant, 10, 10)
    );
    assert_eq!(
        (rules[1].algorithm, rules[1].mode),
        (BucketAlgorithm::FixedWindow, Some(CountingMode::Leased))
    );
    assert_eq!(rules[0].mode, None);
    // Other limits in the place of a rule keep the algorithm that it declares.
    assert_eq!((rules[3].algorithm, rules[3].limit.burst), (BucketAlgorithm::TokenBucket, Some(9)));
    assert_eq!((rules[4].algorithm, rules[4].limit.burst), (BucketAlgorithm::default(), Some(2)));
    assert_eq!((rules[2].per, rules[2].when), (BucketOwner::Ip, ChargeCondition::Unauthenticated));
    assert_eq!(policy.plans["big"].0["default"][0].limit.burst, Some(7));
}

#[test]
fn twenty_thousand_routes_compile() {
    let route = |n| format!("[[routes]]\npath = \"/v1/r{n}/{{id}}\"\n");
    let routes = (0..20_000).map(route).collect::<Vec<_>>().concat();
    let policy = profile(&format!("name = \"p\"\n{routes}")).policy;
    assert_eq!(policy.routes.find("GET", "/v1/r19999/x").found().map(|(n, _)| n), Some(19_999));
}

#[test]
fn a_suffix_makes_another_path_if_the_document_says_so() {
    let document = "name = \"p\"\n{switch}\n[[scopes]]\nname = \"a\"\n[[routes]]\npath = \"/v1/export\"\n\
                    scopes = [\"a\"]\n[[routes]]\npath = \"/v1/**\"\n";
    let is_open = |switch: &str| {
        let policy = profile(&document.replace("{switch}", switch)).policy;
        policy.routes.resolve("GET", &parse("/v1/export.csv")).found().is_some()
    };
    assert!(!is_open("") && !is_open("format_suffix = \"unambiguous\""));
    assert!(is_open("format_suffix = \"distinct\""));
    let wrong = document.replace("{switch}", "format_suffix = \"ignore\"");
    let errors = Profile::compile(&wrong, 1).expect_err("no such value").to_string();
    assert!(errors.contains("neither \"unambiguous\" nor \"distinct\""), "{errors}");
}

#[test]
fn a_path_behind_a_script_is_another_path_if_the_document_says_so() {
    let document = "name = \"p\"\n{switch}\n[[scopes]]\nname = \"a\"\n[[routes]]\npath = \"/v1/export\"\n\
                    scopes = [\"a\"]\n[[routes]]\npath = \"/**\"\n";
    let is_open = |switch: &str| {
        let policy = profile(&document.replace("{switch}", switch)).policy;
        policy.routes.resolve("GET", &parse("/index.php/v1/export")).found().is_some()
    };
    assert!(!is_open("") && !is_open("path_info = \"unambiguous\""));
    assert!(is_open("path_info = \"distinct\""));
    let wrong = document.replace("{switch}", "path_info = \"ignore\"");
    let errors = Profile::compile(&wrong, 1).expect_err("no such value").to_string();
    assert!(errors.contains("neither \"unambiguous\" nor \"distinct\""), "{errors}");
}

#[test]
fn a_slash_at_the_end_is_ignored_if_the_document_says_so() {
    let document = "name = \"p\"\n{switch}\n[[scopes]]\nname = \"list\"\n[[scopes]]\nname = \"read\"\n\
                    [[routes]]\npath = \"/v1/orders\"\nscopes = [\"list\"]\n\
                    [[routes]]\npath = \"/v1/orders/**\"\nscopes = [\"read\"]\n";
    let scope = |switch: &str, path: &str| {
        let policy = profile(&document.replace("{switch}", switch)).policy;
        let (_, route) = policy.routes.resolve("GET", &parse(path)).found()?;
        Some(policy.scopes.names(&route.scopes).collect::<String>())
    };
    let ignore = "trailing_slash = \"ignore\"";
    for switch in ["", "trailing_slash = \"unambiguous\""] {
        assert_eq!(scope(switch, "/v1/orders").as_deref(), Some("list"));
        assert_eq!(scope(switch, "/v1/orders/"), None, "the later route has the path with the slash");
    }
    assert_eq!(scope(ignore, "/v1/orders").as_deref(), Some("list"));
    assert_eq!(scope(ignore, "/v1/orders/").as_deref(), Some("list"));
    assert_eq!(scope(ignore, "/v1/orders/7/").as_deref(), Some("read"));
    let wrong = document.replace("{switch}", "trailing_slash = \"exact\"");
    let errors = Profile::compile(&wrong, 1).expect_err("no such value").to_string();
    assert!(errors.contains("neither \"unambiguous\" nor \"ignore\""), "{errors}");
}
