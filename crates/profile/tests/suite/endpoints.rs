//! Endpoints: mistakes in their declarations, requests to RPCs, and responses.

use latchkey_core::decision::DecisionContext;
use latchkey_profile::{ErrorCode, Profile, TemplateContext};
use serde_json::json;

use crate::support::{NOW, profile, request};

const DOCUMENT: &str = r#"
name = "p"
[[kinds]]
name = "k"
prefixes = { live = "k_" }
[resource]
merchant = "header:x-merchant"
[[endpoints]]
method = "POST"
path = "/keys/{id}"
rpc = "CreateKey"
body = { name = "text", days = "number?", list = "texts?" }
status = 201
answer = '{"id":"{{ answer.key.id | removeprefix("key_") }}","name":{{ body.name | json }},"m":{{ answer.key.bindings.merchant | json_or_null }},"at":"{{ answer.key.create_time }}"}'
[endpoints.fields]
name = "{{ body.name }}-{{ path.id }}"
scopes = "{{ body.list }}"
ttl = "{{ body.days }}d"
bindings = { merchant = '{{ query.m or resource.merchant }}' }
allowed_networks = ["{{ header.x-from }}", "10.0.0.0/8"]
[[endpoints]]
method = "GET"
path = "/keys"
rpc = "ListKeys"
item = '{"n":"{{ item.name }}"}'
answer = '[{{ items }}]'
[[errors]]
codes = ["NOT_FOUND"]
status = 410
body = '{"c":"{{ code }}","m":"{{ message }}"}'
"#;

#[test]
fn an_endpoint_may_refer_only_to_declared_things() {
    let document = r#"name = "p"
[[endpoints]]
method = "GET"
path = "/x/{id}"
rpc = "DropTables"
answer = ""
[[endpoints]]
method = "P T"
path = "/x/{id}"
rpc = "GetKey"
body = { name = "object" }
fields = { ids = "1", id = "{{ path.key }}{{ body.name }}{{ answer.id }}" }
status = 404
item = "x"
answer = "{{ answer.secret }}{{ item.id }}{{ items }}"
[[endpoints]]
method = "POST"
path = "/y"
rpc = "CreateKey"
fields = { scopes = "a" }
[[errors]]
codes = ["GONE"]
status = 200
body = "{{ answer.id }}"
"#;
    let errors = Profile::compile(document, 1).map(|_| ()).unwrap_err().0;
    let places: Vec<(usize, &str)> = errors.iter().map(|e| (e.line, e.field.as_str())).collect();
    assert_eq!(
        places,
        [
            (5, "endpoints[0].rpc"),
            (8, "endpoints[1].method"),
            (11, "endpoints[1].body.name"),
            (12, "endpoints[1].fields.ids"),
            (12, "endpoints[1].fields.id"),
            (12, "endpoints[1].fields.id"),
            (12, "endpoints[1].fields.id"),
            (13, "endpoints[1].status"),
            (14, "endpoints[1].item"),
            (15, "endpoints[1].answer"),
            (15, "endpoints[1].answer"),
            (15, "endpoints[1].answer"),
            (16, "endpoints[2]"),
            (20, "endpoints[2].fields.scopes"),
            (22, "errors[0].codes[0]"),
            (23, "errors[0].status"),
            (24, "errors[0].body"),
        ],
        "{errors:#?}"
    );
}

#[test]
fn a_path_that_the_port_answers_itself_is_refused() {
    let compile = |path: &str| {
        let document = DOCUMENT.replace("path = \"/keys\"", &format!("path = {path:?}"));
        Profile::compile(&document, 1).map(|_| ()).map_err(|errors| errors.0)
    };
    for path in ["/livez", "/readyz", "/metrics", "/.well-known/jwks.json"] {
        let errors = compile(path).unwrap_err();
        assert_eq!(errors[0].field, "endpoints[1].path", "{path}");
        assert!(errors[0].message.contains("answers"), "{}", errors[0].message);
    }
    assert!(compile("/v1/metrics").is_ok() && compile("/livez/{id}").is_ok());
}

#[test]
fn a_constant_duration_has_at_most_10_000_years() {
    let compile = |ttl: &str| {
        let document = DOCUMENT.replace(r#"ttl = "{{ body.days }}d""#, &format!("ttl = {ttl:?}"));
        Profile::compile(&document, 1).map(|_| ()).map_err(|errors| errors.0)
    };
    assert!(compile("3652500d").is_ok());
    for long in ["3652501d", "315576000001s", "99999999999999999999"] {
        let errors = compile(long).unwrap_err();
        assert_eq!((errors.len(), errors[0].field.as_str()), (1, "endpoints[0].fields.ttl"));
        assert!(errors[0].message.contains("3652500 days"), "{}", errors[0].message);
    }
}

#[test]
fn the_http_request_fills_the_fields_and_the_rpcs_response_the_http_response() {
    let profile = profile(DOCUMENT);
    let mut request = request("/keys/7?m=m-1", &[("x-from", "192.0.2.1")]);
    request.method = "POST";
    request.body = Some(br#"{"name":"a\"{{ items }}","days":30,"list":["a b","c"]}"#);
    let parsed = profile.parse_request(&request);
    let context = DecisionContext::default();
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    let matched = profile.endpoint(&request).unwrap();
    let rpc_request = profile.rpc_request(matched, &request, &template_context).unwrap();
    let message = json!({
        "name": "a\"{{ items }}-7", "scopes": ["a b", "c"], "ttl": "2592000s",
        "bindings": { "merchant": "m-1" }, "allowed_networks": ["192.0.2.1", "10.0.0.0/8"],
    });
    assert_eq!((rpc_request.rpc.name, &rpc_request.message), ("CreateKey", &message));
    let answer = json!({ "key": { "id": "key_0", "create_time": "2026-01-01T00:00:00Z" } });
    let response =
        profile.endpoint_response(matched, &rpc_request, &request, &template_context, &answer, &[]);
    let body = r#"{"id":"0","name":"a\"{{ items }}","m":null,"at":"2026-01-01T00:00:00.000Z"}"#;
    assert_eq!((response.status, response.body.as_str()), (201, body));
}

#[test]
fn absent_values_are_omitted_and_errors_are_rendered() {
    let profile = profile(DOCUMENT);
    let mut request = request("/keys/7", &[("x-merchant", "m-2")]);
    request.method = "POST";
    request.body = Some(br#"{"name":"a"}"#);
    let parsed = profile.parse_request(&request);
    let context = DecisionContext::default();
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    let matched = profile.endpoint(&request).unwrap();
    let rpc_request = profile.rpc_request(matched, &request, &template_context).unwrap();
    let message =
        json!({ "name": "a-7", "bindings": { "merchant": "m-2" }, "allowed_networks": ["10.0.0.0/8"] });
    assert_eq!(rpc_request.message, message);
    let name = |field| profile.request_field_name(matched, field);
    assert_eq!([name("scopes[1]"), name("name"), name("ttl")], ["list[1]", "name", "days"]);
    let gone = profile.error_response(ErrorCode::NotFound, "no \"such\" key", &template_context);
    assert_eq!((gone.status, gone.body.as_str()), (410, r#"{"c":"NOT_FOUND","m":"no \"such\" key"}"#));
    let denied = profile.error_response(ErrorCode::Unauthenticated, "", &template_context);
    assert_eq!(denied.status, 401);
    // The route is open to the caller: a 404 for ROUTE_NOT_ALLOWED must not hide the endpoint.
    let hides = format!("{DOCUMENT}[[denials]]\nreasons = [\"ROUTE_NOT_ALLOWED\"]\nstatus = 404\n");
    let hides = self::profile(&hides);
    let refused = hides.error_response(ErrorCode::PermissionDenied, "no shop", &template_context);
    assert_eq!(refused.status, 403);
    let problem = profile.error_response(ErrorCode::AlreadyExists, "twice", &template_context);
    assert!(problem.status == 409 && problem.body.contains("\"detail\":\"twice\""));
}

#[test]
fn an_error_has_the_phrase_of_its_status() {
    let document = "name = \"p\"\n[[errors]]\ncodes = [\"NOT_FOUND\"]\nstatus = 410\n\
        body = '{{ status }} {{ status_text }}'\n[[errors]]\nbody = '{{ status }} {{ status_text }}'";
    let profile = profile(document);
    let (context, request) = (DecisionContext::default(), request("/", &[]));
    let parsed = profile.parse_request(&request);
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    for (code, body) in [
        (ErrorCode::InvalidArgument, "400 Bad Request"),
        (ErrorCode::NotFound, "410 Gone"),
        (ErrorCode::MethodNotAllowed, "405 Method Not Allowed"),
        (ErrorCode::FailedPrecondition, "409 Conflict"),
        (ErrorCode::Internal, "500 Internal Server Error"),
    ] {
        assert_eq!(profile.error_response(code, "", &template_context).body, body);
    }
}

#[test]
fn the_items_of_a_list_are_each_rendered_and_escaped() {
    let profile = profile(DOCUMENT);
    let request = request("/keys", &[]);
    let parsed = profile.parse_request(&request);
    let context = DecisionContext::default();
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    let matched = profile.endpoint(&request).unwrap();
    let rpc_request = profile.rpc_request(matched, &request, &template_context).unwrap();
    let items = [json!({ "name": "a\"" }), json!({ "name": "{{ items }}" })];
    let response =
        profile.endpoint_response(matched, &rpc_request, &request, &template_context, &json!({}), &items);
    assert_eq!(response.body, r#"[{"n":"a\""},{"n":"{{ items }}"}]"#);
    let none = profile.endpoint_response(matched, &rpc_request, &request, &template_context, &json!({}), &[]);
    assert_eq!(none.body, "[]");
}

#[test]
fn a_request_for_an_endpoint_keeps_its_credential() {
    let profile = profile(DOCUMENT);
    let kept = [("/keys", true), ("/keys/", true), ("/keys?a=;b", true)];
    let removed = [("/keys/1", false), ("/other", false), ("/keys;x", false), ("/a/../keys", false)];
    for (path, kept) in kept.into_iter().chain(removed) {
        let request = request(path, &[("authorization", "Bearer k_1")]);
        let parsed = profile.parse_request(&request);
        let context = DecisionContext::default();
        let allow = profile.allow_response(&TemplateContext::new(&context, &request, &parsed, NOW));
        assert_eq!(!allow.remove.contains("authorization"), kept, "GET {path}");
    }
}
