//! Values of an endpoint's request that are there and cannot be used: the call is refused, because without them it would
//! do something else than its sender asked for.

use latchkey_core::decision::DecisionContext;
use latchkey_profile::{Profile, Request, TemplateContext};
use serde_json::{Value, json};

use crate::support::{NOW, profile, request};

fn document(bindings: &str) -> Profile {
    document_with(bindings, "default_scopes = ['a']")
}

/// Returns a document with further fields of the kind.
fn document_with(bindings: &str, extra: &str) -> Profile {
    profile(&format!(
        r#"
name = "p"
[[kinds]]
name = "k"
prefixes = {{ live = "k_", test = "t_" }}
default = true
{extra}
[[scopes]]
name = "a"
[resource]
merchant = "header:x-merchant"
till = "body:/till"
[[endpoints]]
method = "POST"
path = "/keys/{{id}}"
rpc = "CreateKey"
body = {{ name = "text?", days = "number?", list = "texts?" }}
other_fields = "ignore"
answer = "{{}}"
[endpoints.fields]
name = "{{{{ body.name }}}}"
environment = '{{{{ query.environment or "live" }}}}'
scopes = "{{{{ body.list }}}}"
ttl = "{{{{ body.days }}}}d"
bindings = {{ shop = '{bindings}' }}
"#
    ))
}

pub(crate) fn ask(profile: &Profile, request: &Request<'_>) -> Result<Value, String> {
    let parsed = profile.parse_request(request);
    let context = DecisionContext::default();
    let template_context = TemplateContext::new(&context, request, &parsed, NOW);
    let matched = profile.endpoint(request).unwrap();
    let sent = profile.rpc_request(matched, request, &template_context);
    sent.map(|sent| sent.message).map_err(|mistakes| mistakes.join(" "))
}

fn post<'a>(path: &'a str, headers: &[(&'a str, &'a str)], body: &'a str) -> Request<'a> {
    Request { method: "POST", body: Some(body.as_bytes()), ..request(path, headers) }
}

#[test]
fn a_query_parameter_that_is_not_one_text_refuses_the_call() {
    let profile = document("{{ query.shop }}");
    let several = "query parameter shop has several values; send exactly one.";
    let unreadable = "query parameter shop cannot be read; send UTF-8 with percent-encoding.";
    for (query, expected) in [
        ("shop=s1&shop=s2", several),
        ("shop=s1&shop=s1", several),
        ("shop=s1&SHOP=s2", several),
        ("shop[]=s1", several),
        ("shop=s1;x", several),
        ("shop=%ff", unreadable),
        ("shop=a%2", unreadable),
        ("shop=", "query parameter shop must not be empty."),
        ("shop", "query parameter shop must not be empty."),
    ] {
        assert_eq!(ask(&profile, &post(&format!("/keys/1?{query}"), &[], "{}")).unwrap_err(), expected);
        let second =
            format!("/keys/1?{}", query.replace("shop", "environment").replace("SHOP", "Environment"));
        let expected = expected.replace("shop", "environment");
        assert_eq!(ask(&profile, &post(&second, &[], "{}")).unwrap_err(), expected);
    }
    let sent = ask(&profile, &post("/keys/1?shop=s1", &[], "{}")).unwrap();
    assert_eq!(sent, json!({ "environment": "live", "bindings": { "shop": "s1" } }));
    assert_eq!(ask(&profile, &post("/keys/1", &[], "{}")).unwrap(), json!({ "environment": "live" }));
}

#[test]
fn a_query_parameter_that_nothing_reads_refuses_the_call() {
    let profile = document("{{ query.shop }}");
    let refused = |profile: &Profile, query: &str| {
        ask(profile, &post(&format!("/keys/1?{query}"), &[], "{}")).unwrap_err()
    };
    let near = "\"enviroment\" is not a query parameter of this call; did you mean \"environment\"?";
    assert_eq!(refused(&profile, "enviroment=test"), near);
    let page = "\"page\" is not a query parameter of this call; the query parameters are environment, shop.";
    assert_eq!(refused(&profile, "shop=s&page=2"), page);
    // With a mistake in the body, both are named.
    let both = ask(&profile, &post("/keys/1?page=2", &[], "[]")).unwrap_err();
    assert_eq!(both, format!("{page} The body is not a JSON object."));
}

#[test]
fn a_query_parameter_is_accepted_if_anything_of_the_document_reads_it() {
    let document = |extra: &str| {
        profile(&format!(
            r#"
name = "p"
[credential]
sources = ["query:api_key"]
[tenant]
source = "query:org"
[resource]
shop = "query:shop"
[[kinds]]
name = "k"
prefix = "k_"
[[endpoints]]
method = "GET"
path = "/keys/{{id}}"
rpc = "GetKey"
fields = {{ id = "{{{{ path.id }}}}" }}
answer = "{{{{ query.format }}}}"
{extra}
"#
        ))
    };
    let query = |profile: &Profile, query: &str| ask(profile, &request(&format!("/keys/1?{query}"), &[]));
    assert!(query(&document(""), "api_key=k_1&org=acme&shop=s&FORMAT=x").is_ok());
    assert!(query(&document(""), "api_key=k_1&fromat=x").unwrap_err().contains("did you mean \"format\"?"));
    assert!(query(&document("other_parameters = \"refuse\""), "utm=x").is_err());
    assert!(query(&document("other_parameters = \"ignore\""), "utm=x").is_ok());
    let text = "name = \"p\"\n[[endpoints]]\nmethod = \"GET\"\npath = \"/x\"\nrpc = \"GetKey\"\nanswer = \"\"\n\
                other_parameters = \"drop\"\n";
    let errors = Profile::compile(text, 1).map(|_| ()).unwrap_err().0;
    assert_eq!(errors[0].field, "endpoints[0].other_parameters");
}

#[test]
fn two_fields_of_which_an_rpc_takes_one_are_both_named() {
    let profile = profile(
        r#"
name = "p"
[[kinds]]
name = "k"
prefix = "k_"
[[endpoints]]
method = "POST"
path = "/keys/{id}"
rpc = "RotateKey"
body = { validDays = "number?" }
fields = { id = "{{ path.id }}", ttl = "{{ body.validDays }}d", expire_time = "{{ query.until }}" }
answer = ""
"#,
    );
    let until = "until=2027-01-01T00:00:00Z";
    let both = ask(&profile, &post(&format!("/keys/1?{until}"), &[], r#"{"validDays":7}"#)).unwrap_err();
    assert_eq!(both, "query parameter until and validDays cannot be given together; send one of them.");
    assert!(ask(&profile, &post("/keys/1", &[], r#"{"validDays":7}"#)).is_ok());
    assert!(ask(&profile, &post(&format!("/keys/1?{until}"), &[], "{}")).is_ok());
}

#[test]
fn a_header_that_is_not_one_text_refuses_the_call() {
    let profile = document("{{ header.x-shop }}");
    let several = "header x-shop has several values; send exactly one.";
    for headers in [
        &[("x-shop", "s1"), ("x-shop", "s1")][..],
        &[("x-shop", "s1"), ("x-shop", "s2")],
        &[("x-shop", "s1"), ("x_shop", "s2")],
        &[("x-shop", "s1, s2")],
    ] {
        assert_eq!(ask(&profile, &post("/keys/1", headers, "{}")).unwrap_err(), several, "{headers:?}");
    }
    let empty = ask(&profile, &post("/keys/1", &[("x-shop", "")], "{}")).unwrap_err();
    assert_eq!(empty, "header x-shop must not be empty.");
    let sent = ask(&profile, &post("/keys/1", &[("x-shop", "s1")], "{}")).unwrap();
    assert_eq!(sent["bindings"], json!({ "shop": "s1" }));
}

#[test]
fn a_resource_that_is_not_one_text_refuses_the_call_by_the_name_that_it_is_sent_under() {
    let merchant = document("{{ resource.merchant }}");
    let twice = post("/keys/1", &[("x-merchant", "a"), ("x-merchant", "b")], "{}");
    assert_eq!(
        ask(&merchant, &twice).unwrap_err(),
        "header x-merchant has several values; send exactly one."
    );
    let till = document("{{ resource.till }}");
    let number = post("/keys/1", &[], r#"{"till":1}"#);
    assert_eq!(ask(&till, &number).unwrap_err(), "till cannot be read; send JSON in which it is a string.");
    // A value before it makes the resource unnecessary.
    let either = document("{{ query.shop or resource.merchant }}");
    let first = post("/keys/1?shop=s", &[("x-merchant", "a"), ("x-merchant", "b")], "{}");
    assert_eq!(ask(&either, &first).unwrap()["bindings"], json!({ "shop": "s" }));
}

#[test]
fn a_value_of_which_the_filters_leave_nothing_refuses_the_call() {
    let prefixed = document(r#"{{ query.shop | removeprefix("shop_") }}"#);
    for shop in ["s1", "shop_"] {
        let refused = ask(&prefixed, &post(&format!("/keys/1?shop={shop}"), &[], "{}")).unwrap_err();
        assert_eq!(refused, "query parameter shop must have the form shop_…");
    }
    let sent = ask(&prefixed, &post("/keys/1?shop=shop_7", &[], "{}")).unwrap();
    assert_eq!(sent["bindings"], json!({ "shop": "7" }));
    let trimmed = document("{{ query.shop | trim }}");
    let refused = ask(&trimmed, &post("/keys/1?shop=%20", &[], "{}")).unwrap_err();
    assert_eq!(refused, "query parameter shop does not have the form that this call needs.");
}

#[test]
fn an_identifier_in_another_form_is_the_identifier_of_nothing() {
    let profile = profile(
        r#"
name = "p"
[[kinds]]
name = "k"
prefix = "k_"
[[endpoints]]
method = "DELETE"
path = "/keys/{id}"
rpc = "RevokeKey"
fields = { id = 'key_{{ path.id | removeprefix("apk_") }}', reason = '{{ query.why | removeprefix("because_") }}' }
answer = "{}"
"#,
    );
    let delete = |path: &'static str| Request { method: "DELETE", ..request(path, &[]) };
    assert_eq!(ask(&profile, &delete("/keys/apk_1")).unwrap(), json!({ "id": "key_1" }));
    assert_eq!(ask(&profile, &delete("/keys/key_1")).unwrap(), json!({}), "the RPC finds nothing");
    let refused = ask(&profile, &delete("/keys/apk_1?why=so")).unwrap_err();
    assert_eq!(refused, "query parameter why must have the form because_…");
}

#[test]
fn an_empty_text_or_list_of_the_body_is_not_an_absent_one() {
    let profile = document("{{ query.shop }}");
    let refused = |body: &str| ask(&profile, &post("/keys/1", &[], body)).unwrap_err();
    assert_eq!(refused(r#"{"name":""}"#), "name must not be empty.");
    assert_eq!(refused(r#"{"list":[]}"#), "list must not be empty; leave it out for the default.");
    // Without default scopes, an empty list is what the key gets.
    let none = document_with("{{ query.shop }}", "");
    assert!(ask(&none, &post("/keys/1", &[], r#"{"list":[]}"#)).is_ok());
    let absent = ask(&profile, &post("/keys/1", &[], r#"{"name":null,"list":null,"days":null}"#)).unwrap();
    assert_eq!(absent, json!({ "environment": "live" }));
}

#[test]
fn the_bound_of_a_duration_has_the_unit_of_the_field() {
    let profile = document("{{ query.shop }}");
    let days = |days: &str| ask(&profile, &post("/keys/1", &[], &format!(r#"{{"days":{days}}}"#)));
    assert_eq!(days("0").unwrap_err(), "days must be at least 1.");
    // From 2024-06-01 until the last day of the year 9999.
    for long in ["2913022", "3652059", "99999999", "18446744073709551615"] {
        assert_eq!(days(long).unwrap_err(), "days must be at most 2913021.", "{long}");
    }
    assert_eq!(days("2913021").unwrap()["ttl"], "251685014400s");
}

#[test]
fn an_error_names_the_part_of_the_request_that_fills_the_field() {
    for (bindings, expected) in [
        ("{{ query.shop }}", "query parameter shop"),
        ("{{ header.x-shop }}", "header x-shop"),
        ("{{ path.id }}", "id in the path"),
        ("{{ resource.merchant }}", "header x-merchant"),
        ("{{ resource.till }}", "till"),
        ("{{ body.name }}", "name"),
        ("fixed", "bindings"),
    ] {
        let profile = document(bindings);
        let request = post("/keys/1", &[], "{}");
        let matched = profile.endpoint(&request).unwrap();
        assert_eq!(profile.request_field_name(matched, "bindings"), expected);
    }
}
