//! Properties for arbitrary input: no panic, and no forged header or credential passes.

use std::sync::LazyLock;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::reason::Reason;
use latchkey_profile::{Header, Profile, Request, TemplateContext};
use proptest::prelude::*;

use crate::support::{NOW, context, key, profile};

static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
    profile(
        r#"
        name = "p"
        [credential]
        sources = ["header:x-api-key", "header:authorization Bearer", "query:key", "cookie:key", "body:/a/0"]
        [tenant]
        source = "query:tenant"
        [resource]
        merchant = "cookie:merchant"
        [client_address]
        trusted_hops = 2
        header = "x-client"
        [[hosts]]
        host = "*.dev"
        environment = "live"
        [upstream_headers]
        x-tenant-id = "{{ tenant.slug }}"
        x-name = "{{ subject.name }}"
        [response_headers]
        x-request-id = "{{ request_id }}"
        [[denials]]
        headers = { content-type = "application/json" }
        body = '{"id":"{{ request_id }}","name":"{{ subject.name }}","up":{{ subject.name | upper | json }}}'
        "#,
    )
});

/// Names of headers that the profile reads.
const KNOWN: &[&str] =
    &["x-api-key", "authorization", "cookie", "x-forwarded-for", "x-request-id", "x-client", "host"];

/// Names of headers, of which many are read by the profile.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(KNOWN).prop_map(str::to_owned), "[a-z-]{0,8}"]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(Bearer |key=|merchant=)?[ -~]{0,24}".prop_map(String::into_bytes),
        "(key|tenant)(=|;|,|%|\\+|&){0,3}.{0,8}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..24),
    ]
}

proptest! {
    #[test]
    fn parsing_and_rendering_never_panic(
        path in "(/[a-z%.;/]{0,12})?(\\?(key|tenant)?[ -~]{0,24})?|\\PC{0,24}",
        host in "[a-zA-Z.:\\[\\]0-9]{0,16}",
        headers in prop::collection::vec((name(), value()), 0..8),
        body in prop::option::of(prop_oneof![value(), "\\{\"a\":\\[\"[ -~]{0,8}\"\\]\\}".prop_map(String::into_bytes)]),
        label in "\\PC{0,16}|[\\x00-\\x7f]{0,16}",
    ) {
        let header = |(name, value)| Header { name, value };
        let headers = headers.iter().map(|(n, v)| header((n.as_bytes(), v.as_slice()))).collect();
        let request = Request { path: &path, host: host.as_str().into(), headers, body: body.as_deref(), ..Request::default() };
        let parsed = PROFILE.parse_request(&request);
        if let PresentedCredential::Value(value) = parsed.access.credential {
            prop_assert!(!value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic()));
        }
        let mut record = key("secret", "live");
        record.name = label;
        for context in [DecisionContext::default(), context(&PROFILE.policy, record)] {
            let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
            let allow = PROFILE.allow_response(&template_context);
            let sent = allow.set.iter().chain(allow.response.iter());
            prop_assert!(sent.clone().all(|(_, v)| !v.is_empty() && !v.chars().any(char::is_control)));
            prop_assert!(allow.set.iter().all(|(name, _)| !allow.remove.contains(name)));
            let response = PROFILE.deny_response(&Denial::new(Reason::Expired), &template_context);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&response.body).is_ok(), "{}", response.body);
        }
    }

    #[test]
    fn compiling_never_panics(text in "(name = \"p\"\n)?([a-z\\[\\]\"'{}=.,# 0-9\n|%]{0,8}(host|kinds|routes|\\[\\[denials\\]\\]|body|path|rate_limits|\\{\\{)?){0,12}") {
        let _ = Profile::compile(&text, 1);
    }

    #[test]
    fn templates_never_panic(text in "(\\{\\{|\\}\\}|scopes| |\\||json|join|\\(|\\)|\"|\\\\|é|x){0,16}") {
        let quoted = serde_json::Value::from(text).to_string();
        let _ = Profile::compile(&format!("name = \"p\"\n[[denials]]\nbody = {quoted}"), 1);
    }
}
