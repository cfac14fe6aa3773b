//! Warnings of lint about methods, preflights, requirements, headers of denials and addresses of logins.

use latchkey_core::decision::DecisionContext;
use latchkey_core::reason::Reason;
use latchkey_profile::lint;

use crate::support::{denied, header, profile};

const KIND: &str = "[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n";

/// Returns the warnings about a document with a kind of keys.
fn warnings(document: &str) -> Vec<String> {
    let whole = format!("name = \"p\"\n{document}");
    let whole = if whole.contains("[[kinds]]") { whole } else { format!("{whole}{KIND}") };
    let warnings = lint(&whole).unwrap_or_else(|errors| panic!("{errors}")).1;
    warnings.iter().map(ToString::to_string).collect()
}

/// Asserts that a document has one warning, which has these words.
#[track_caller]
fn one(document: &str, words: &str) {
    let found = warnings(document);
    assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:#?}");
}

#[test]
fn an_unknown_method_is_named_with_the_nearest() {
    let route = |method: &str| format!("[[routes]]\nmethods = [\"{method}\"]\npath = \"/x\"\n");
    one(&route("GTE"), "line 3, column 12: routes[0].methods[0]: \"GTE\"");
    for (method, nearest) in [("GTE", "GET"), ("gett", "GET"), ("PSOT", "POST"), ("DELET", "DELETE")] {
        one(&route(method), &format!("the nearest is {nearest}"));
    }
    for method in ["get", "PROPFIND", "PURGE", "QUERY", "VERSION-CONTROL"] {
        assert_eq!(warnings(&route(method)), Vec::<String>::new(), "{method}");
    }
}

#[test]
fn an_unknown_method_of_an_endpoint_is_named_too() {
    let endpoint = |method: &str| {
        format!("[[endpoints]]\nmethod = \"{method}\"\npath = \"/x\"\nrpc = \"ListKeys\"\nanswer = \"\"\n")
    };
    one(&endpoint("GTE"), "do not reach the endpoint; the nearest is GET");
    assert_eq!(warnings(&endpoint("get")), Vec::<String>::new());
}

#[test]
fn a_placeholder_of_another_framework_is_named() {
    let route = |segment: &str| format!("[[routes]]\npath = \"/a/{segment}/b\"\n");
    for segment in [":id", "<id>", "<int:id>", "(id)", "[id]", "[...id]"] {
        one(&route(segment), &format!("\"{segment}\" matches this text alone; write \"{{id}}\""));
    }
    for segment in ["{id}", "id", "x:id", "id:cancel", "$batch", "items(1)", ":"] {
        assert_eq!(warnings(&route(segment)), Vec::<String>::new(), "{segment}");
    }
}

#[test]
fn denials_in_a_format_that_other_errors_do_not_have_are_named() {
    let denial = "[[denials]]\nreasons = [\"TENANT_SUSPENDED\"]\nstatus = 403\nbody = '{}'\n";
    one(denial, "add [[errors]] with a body in the same format");
    assert_eq!(warnings(&format!("{denial}[[errors]]\nbody = '{{}}'\n")), Vec::<String>::new());
    let status = "[[denials]]\nreasons = [\"TENANT_SUSPENDED\"]\nstatus = 403\n";
    assert_eq!(warnings(status), Vec::<String>::new());
}

#[test]
fn a_route_of_which_earlier_ones_take_all_or_some_calls_is_named() {
    let route = |methods: &str, path: &str| format!("[[routes]]\nmethods = [{methods}]\npath = \"{path}\"\n");
    let both = route("\"GET\", \"POST\"", "/x/{id}");
    one(&(route("\"GET\"", "/x/{id}") + &both), "GET never reaches this route: routes[0]");
    let separate = route("\"GET\"", "/x/**") + &route("\"POST\"", "/x/{any}") + &both;
    let found = warnings(&separate);
    let whole = found.iter().filter(|text| text.contains("no call reaches this route")).count();
    assert_eq!((found.len(), whole), (2, 2), "{found:#?}");
}

#[test]
fn a_route_of_which_a_wider_one_takes_paths_with_a_suffix_is_named() {
    let routes =
        "[[routes]]\npath = \"/v1/export\"\n[[routes]]\npath = \"/v1/{id}\"\n[[routes]]\npath = \"/**\"\n";
    one(&format!("format_suffix = \"distinct\"\n{routes}"), "\"/v1/export\" with a suffix such as .json");
    assert_eq!(warnings(routes), Vec::<String>::new());
}

#[test]
fn a_route_of_which_a_wider_one_takes_another_method_is_named() {
    let route = |methods: &str, path: &str| format!("[[routes]]\nmethods = [{methods}]\npath = \"{path}\"\n");
    let (read, wide) = (route("\"GET\"", "/v1/orders/{id}"), route("\"GET\", \"DELETE\"", "/v1/orders/**"));
    one(
        &(read.clone() + &wide),
        "\"/v1/orders/{id}\" with DELETE belongs to the later and wider route \"/v1/orders/**\"",
    );
    for good in [
        read.clone() + &route("\"DELETE\"", "/v1/orders/{id}") + &wide,
        read.clone() + &route("", "/v1/orders/{any}") + &wide,
        // A wider route for other methods alone is for other calls, and one for any method does not take this one.
        read.clone() + &route("\"DELETE\"", "/v1/orders/**"),
        read + &route("", "/v1/orders/**"),
    ] {
        assert_eq!(warnings(&good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_route_of_which_a_wider_one_takes_another_letter_case_is_named() {
    let routes = |narrow: &str, wide: &str| {
        format!("[[routes]]\npath = \"{narrow}\"\n[[routes]]\npath = \"{wide}\"\n")
    };
    let sensitive = |routes: &str| format!("paths = \"case_sensitive\"\n{routes}");
    one(
        &sensitive(&routes("/v1/export", "/v1/{id}")),
        "\"/v1/export\" in another letter case belongs to the later and wider route \"/v1/{id}\"",
    );
    assert_eq!(warnings(&routes("/v1/export", "/v1/{id}")), Vec::<String>::new(), "such a path is denied");
    for good in [routes("/1/{id}", "/**"), routes("/v1/{id}", "/v2/**")] {
        assert_eq!(warnings(&sensitive(&good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_route_whose_path_an_earlier_one_has_in_another_letter_case_is_named() {
    let route = |methods: &str, path: &str| format!("[[routes]]\nmethods = [{methods}]\npath = \"{path}\"\n");
    let pair = |one: &str, two: &str| route("\"GET\"", one) + &route("\"GET\"", two);
    let words = "routes[0], \"/v1/Export\", has the paths of \"/v1/export\" in another letter case";
    one(&pair("/v1/Export", "/v1/export"), words);
    one(&pair("/V1/**", "/v1/export"), "routes[0], \"/V1/**\"");
    one(&(route("\"GET\"", "/v1/Export") + &route("", "/v1/export")), words);
    for good in [
        format!("paths = \"case_sensitive\"\n{}", pair("/v1/Export", "/v1/export")),
        route("\"GET\"", "/v1/Export") + &route("\"POST\"", "/v1/export"),
        pair("/v1/{Id}", "/v2/{id}"),
    ] {
        assert_eq!(warnings(&good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_denial_without_the_headers_that_clients_need_is_named() {
    let denial = |fields: &str| format!("[[denials]]\n{fields}\n");
    one(&denial("reasons = [\"EXPIRED\"]"), "www-authenticate = 'Bearer realm=\"p\"'");
    one(&denial("reasons = [\"INSUFFICIENT_SCOPE\"]\nstatus = 401"), "www-authenticate");
    one(&denial("reasons = [\"RATE_LIMITED\"]"), "retry-after = \"{{ rate_limit.retry_after }}\"");
    assert_eq!(warnings(&denial("status = 401")).len(), 2, "one that matches every reason");
    for good in [
        "reasons = [\"INSUFFICIENT_SCOPE\"]".to_owned(),
        "reasons = [\"EXPIRED\"]\nstatus = 403".to_owned(),
        "reasons = [\"EXPIRED\"]\nheaders = { WWW-Authenticate = \"Bearer\" }".to_owned(),
        "reasons = [\"RATE_LIMITED\"]\nheaders = { retry-after = \"5\" }".to_owned(),
        "reasons = [\"RATE_LIMITED\"]\n[response_headers]\nretry-after = \"5\"".to_owned(),
        format!(
            "reasons = [\"RATE_LIMITED\"]\nheaders = {{ retry-after = \"5\" }}\n{}",
            denial("status = 403")
        ),
    ] {
        assert_eq!(warnings(&denial(&good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_challenge_names_the_scheme_of_the_credential() {
    let sources = |sources: &str| format!("name = \"p\"\n[credential]\nsources = [{sources}]\n{KIND}");
    for (listed, challenge) in [
        ("\"header:x-api-key\"", "ApiKey realm=\"p\""),
        (
            "\"header:x-api-key\", \"header:authorization Bearer\"",
            "Bearer realm=\"p\", error=\"invalid_token\"",
        ),
        ("\"basic:username\"", "Basic realm=\"p\""),
        ("\"header:authorization token\"", "token realm=\"p\""),
        ("\"query:key\"", "ApiKey realm=\"p\""),
    ] {
        let (_, headers, _) =
            denied(&profile(&sources(listed)), Reason::Expired, &DecisionContext::default());
        assert_eq!(header(&headers, "www-authenticate"), Some(challenge), "{listed}");
    }
    let denial = "[credential]\nsources = [\"header:x-api-key\"]\n[[denials]]\nreasons = [\"EXPIRED\"]\n";
    one(
        &format!("{denial}headers = {{ www-authenticate = 'Bearer realm=\"p\"' }}\n"),
        "'ApiKey realm=\"p\"'",
    );
    let fine = format!("{denial}headers = {{ www-authenticate = 'ApiKey realm=\"p\"' }}\n");
    assert_eq!(warnings(&fine), Vec::<String>::new());
}

#[test]
fn preflights_that_browsers_need_have_a_route() {
    let cookie = "[credential]\nsources = [\"cookie:session\"]\n";
    let get =
        "[[routes]]\nmethods = [\"GET\"]\npath = \"/x\"\n[[routes]]\nmethods = [\"POST\"]\npath = \"/y\"\n";
    one(&format!("{cookie}{get}"), "no route answers OPTIONS for \"/x\"");
    one(&format!("[response_headers]\naccess-control-allow-origin = \"*\"\n{get}"), "OPTIONS");
    let preflight = |path: &str, public: bool| {
        format!("[[routes]]\nmethods = [\"OPTIONS\"]\npath = \"{path}\"\npublic = {public}\n")
    };
    assert_eq!(warnings(&format!("{cookie}{get}{}", preflight("/**", true))), Vec::<String>::new());
    one(&format!("{get}{}", preflight("/x", true)), "no route answers OPTIONS for \"/y\"");
    one(&format!("{get}{}", preflight("/**", false)), "without a credential");
    assert_eq!(warnings(get), Vec::<String>::new(), "nothing shows that browsers call");
}

#[test]
fn a_route_that_no_credential_can_use_is_named() {
    let scopes = "[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"\n";
    let kinds = "[[kinds]]\nname = \"k\"\nprefix = \"k_\"\nscopes = [\"a\"]\n[[kinds]]\nname = \"l\"\nprefix = \"l_\"\nscopes = [\"b\"]\n";
    let route = |fields: &str| format!("{scopes}{kinds}[[routes]]\npath = \"/x\"\n{fields}\n");
    one(&route("scopes = [\"a\", \"b\"]"), "no call can use this route");
    one(
        &(route("scopes = [\"a\"]\nkinds = [\"l\"]") + "[[routes]]\npath = \"/y\"\nscopes = [\"b\"]\n"),
        "no call can use",
    );
    let role = "[[roles]]\nname = \"r\"\nscopes = [\"a\", \"b\"]\n";
    assert_eq!(warnings(&format!("{}{role}", route("scopes = [\"a\", \"b\"]"))), Vec::<String>::new());
    assert_eq!(warnings(&route("any_scopes = [\"a\", \"b\"]")), Vec::<String>::new());
}

#[test]
fn a_route_is_usable_without_scopes_in_shadow() {
    let scopes = "[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"\n[[scopes]]\nname = \"trial\"\nenforce = \"shadow\"\n";
    let kind = "[[kinds]]\nname = \"k\"\nprefix = \"k_\"\nscopes = [\"a\"]\n";
    // Of several scopes, one must be had if not all of them are in shadow.
    for (fields, usable) in [
        ("scopes = [\"a\", \"trial\"]", true),
        ("any_scopes = [\"trial\"]", true),
        ("any_scopes = [\"b\", \"trial\"]", false),
        ("scopes = [\"b\", \"trial\"]", false),
    ] {
        let found = warnings(&format!("{scopes}{kind}[[routes]]\npath = \"/x\"\n{fields}\n"));
        let named = found.iter().any(|warning| warning.contains("no call can use this route"));
        assert_eq!(named, !usable, "{fields}: {found:#?}");
    }
}

#[test]
fn a_binding_that_no_request_is_compared_with_is_named() {
    let kind = |name: &str| format!("[[kinds]]\nname = \"k\"\nprefix = \"k_\"\nbindings = [\"{name}\"]\n");
    let route = "[[routes]]\npath = \"/shops/{shop}\"\nresource = { shop = \"{shop}\" }\n";
    let source = "[resource]\nmerchant = \"header:x-merchant\"\n";
    one(&(route.to_owned() + &kind("shpo")), "did you mean \"shop\"?");
    one(
        &(source.to_owned() + route + &kind("store")),
        "nothing compares the binding \"store\" with a request",
    );
    // Neither a comment nor a template of a response sends the binding to a service.
    let described = route.to_owned()
        + &kind("store")
        + "[response_headers]\nx-store = \"{{ bindings.store }}\"\n# bindings.store\n";
    one(&described, "nothing compares the binding \"store\" with a request");
    for good in [
        route.to_owned() + &kind("shop"),
        source.to_owned() + route + &kind("merchant"),
        route.to_owned() + &kind("region") + "[upstream_headers]\nx-region = \"{{ bindings.region }}\"\n",
        kind("store"),
    ] {
        assert_eq!(warnings(&good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_login_by_password_whose_clients_share_the_address_of_envoy_is_named() {
    let endpoint = |fields: &str| {
        format!(
            "[[endpoints]]\nmethod = \"POST\"\npath = \"/x\"\nrpc = \"IssueJwt\"\nanswer = \"\"\n\
             body = {{ secret = \"text\" }}\nfields = {{ {fields} }}\n"
        )
    };
    let login = endpoint(
        "\"password.email\" = \"{{ header.x-email }}\", \"password.password\" = \"{{ body.secret }}\"",
    );
    let address = |document: &str, field: &str| format!("{document}[client_address]\n{field}\n");
    one(&login, "endpoints[0].rpc: behind an Envoy, all clients share its address");
    for field in ["trusted_hops = 1", "header = \"x-client\""] {
        one(&address(&login, field), "list the address of this Envoy in \"envoys\" of [client_address]");
    }
    for good in [address(&login, "envoys = [\"10.0.0.1\"]"), endpoint("api_key = \"{{ body.secret }}\"")] {
        assert_eq!(warnings(&good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_plan_with_no_limits_for_a_class_that_has_some_is_named() {
    let with = |own: &str, limits: &str| {
        format!(
            "[rate_limits]\ndefault = [{own}]\n[[plans]]\nname = \"free\"\nrate_limits = {{ default = [{limits}] }}\n"
        )
    };
    let limit = "{ per = \"key\", rate = \"10/h\" }";
    one(&with(limit, ""), "plans[0].rate_limits.default: the list is empty and replaces no limit");
    for good in [with(limit, limit), with("", "")] {
        assert_eq!(warnings(&good), Vec::<String>::new(), "{good}");
    }
}
