//! Templates: filters, escaping, and values that look like templates or headers.

use std::time::Duration;

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::limit::Level;
use latchkey_core::reason::Reason;
use latchkey_profile::{Profile, TemplateContext};

use crate::support::{NOW, context, denied, header, key, level, profile, request};

fn with_body(content_type: &str, body: &str) -> Profile {
    profile(&format!(
        "name = \"p\"\n[[scopes]]\nname = \"payments.create\"\n[[scopes]]\nname = \"payments.read\"\n\
         [[denials]]\nheaders = {{ content-type = \"{content_type}\" }}\nbody = '''{body}'''"
    ))
}

/// Returns a rendered body for a known key.
fn body(content_type: &str, body: &str) -> String {
    let profile = with_body(content_type, body);
    let mut context = context(&profile.policy, key("secret", "live"));
    context.levels.push(level());
    context.missing_scopes = profile.policy.scopes.resolve(&["payments.read"]);
    context.unknown_scopes = vec!["payments.fly".into()];
    denied(&profile, Reason::InsufficientScope, &context).2
}

fn plain(text: &str) -> String {
    body("text/plain", text)
}

#[test]
fn every_name_has_a_value() {
    for (name, value) in [
        ("request_id", "id-1"),
        ("reason", "INSUFFICIENT_SCOPE"),
        ("message", "The credential lacks a scope that is needed here."),
        ("environment", "live"),
        ("tenant.id", "00000000-0000-0000-0000-000000000009"),
        ("tenant.slug", "acme"),
        ("subject.type", "key"),
        ("subject.id", "key_00000000000000000000000000000007"),
        ("subject.name", "worker \"7\""),
        ("key.kind", "secret"),
        ("key.expire_date", "2025-01-01"),
        ("scopes", "payments.create payments.read"),
        ("missing_scopes", "payments.read payments.fly"),
        ("bindings.merchant", "m-1"),
        ("bindings.shop", ""),
        ("route.path", ""),
        ("request.method", "GET"),
        ("request.path", "/v1/wallets"),
        ("now", "2024-06-01T00:00:00.000Z"),
        ("rate_limit.bucket", "key/"),
        ("rate_limit.limit", "300"),
        ("rate_limit.remaining", "247"),
        ("rate_limit.used", "53"),
        ("rate_limit.reset", "1717200060"),
        ("rate_limit.reset_after", "60"),
        ("rate_limit.retry_after", "12"),
    ] {
        assert_eq!(plain(&format!("{{{{ {name} }}}}")), value, "{name}");
    }
}

#[test]
fn filters_are_jinjas() {
    for (template, value) in [
        ("{{ tenant.slug | upper }}", "ACME"),
        ("{{tenant.slug|capitalize}}", "Acme"),
        ("{{ environment | upper | lower }}", "live"),
        ("{{ bindings.none | default(\"x y\") | upper }}", "X Y"),
        ("{{ bindings.merchant | default('x') }}", "m-1"),
        ("{{ scopes | join(\", \") }}", "payments.create, payments.read"),
        ("{{ scopes | replace(\"payments.\", \"\") }}", "create read"),
        ("{{ subject.id | truncate(5) }}", "key_0"),
        ("{{ subject.id | removeprefix(\"key_\") | truncate(2) }}", "00"),
        ("{{ subject.id | after(\"key_\") | truncate(2) }}", "00"),
        ("{{ subject.id | removeprefix(\"user_\") }}", ""),
        ("{{ subject.name | urlencode }}", "worker%20%227%22"),
        ("{{ subject.name | json }}", r#""worker \"7\"""#),
        ("{{ scopes | json }}", r#"["payments.create","payments.read"]"#),
        ("{{ \"  a }} b\\\" \" | trim }}", "a }} b\""),
        ("{{ \"{{\" }} x }}", "{{ x }}"),
        ("{a}}", "{a}}"),
    ] {
        assert_eq!(plain(template), value, "{template}");
    }
}

#[test]
fn values_are_escaped_for_the_content_type() {
    let template = "{{ subject.name }}|{{ subject.name | json }}|{{ metadata.team }}";
    for (content_type, value) in [
        ("application/json; charset=utf-8", r#"worker \"7\"|"worker \"7\""|blue\r\nx-admin: 1"#),
        ("application/vnd.x+json", r#"worker \"7\"|"worker \"7\""|blue\r\nx-admin: 1"#),
        ("text/html", r"worker &quot;7&quot;|&quot;worker \&quot;7\&quot;&quot;|bluex-admin: 1"),
        ("text/plain", r#"worker "7"|"worker \"7\""|bluex-admin: 1"#),
    ] {
        assert_eq!(body(content_type, template), value, "{content_type}");
    }
}

#[test]
fn a_value_is_never_read_as_a_template() {
    let profile = with_body("text/plain", "{{ subject.name }}");
    let mut record = key("secret", "live");
    record.name = "{{ tenant.slug }}\u{1b}[2J\u{9b}1m".into();
    let context = context(&profile.policy, record);
    assert_eq!(denied(&profile, Reason::Expired, &context).2, "{{ tenant.slug }}[2J1m");
}

#[test]
fn a_path_is_shown_without_its_query_and_escaped() {
    let profile = profile(
        "name = \"p\"\n[response_headers]\nx-path = \"{{ request.path }}\"\n\
         [[denials]]\nheaders = { content-type = \"application/problem+json\" }\n\
         body = '{\"instance\":\"{{ request.path }}\"}'",
    );
    let long = format!("/{}", "a".repeat(8 * 1024));
    for (sent, shown, header) in [
        ("/v1/a?key=sk_live_secret", "/v1/a", Some("/v1/a")),
        ("/v1/a#b", "/v1/a", Some("/v1/a")),
        (r#"/v1/"}"#, r#"/v1/\"}"#, Some(r#"/v1/"}"#)),
        (&*long, "", None),
        ("*", "*", Some("*")),
    ] {
        let request = request(sent, &[]);
        let parsed = profile.parse_request(&request);
        let context = DecisionContext::default();
        let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
        let response = profile.deny_response(&Denial::new(Reason::RouteNotAllowed), &template_context);
        assert_eq!(response.body, format!(r#"{{"instance":"{shown}"}}"#), "{sent}");
        let set = response.headers.iter().find(|(name, _)| *name == "x-path");
        assert_eq!(set.map(|(_, value)| value.as_str()), header, "{sent}");
    }
}

#[test]
fn control_characters_never_reach_a_header() {
    let profile = profile("name = \"p\"\n[response_headers]\nx-name = \"{{ subject.name }}\"");
    for (name, value) in [
        ("a\r\nx-admin: 1", None),
        ("a\0b", None),
        ("a\u{1b}[2J", None),
        ("a\u{7f}", None),
        (" ", None),
        (" Zoé ", Some("Zoé")),
    ] {
        let mut record = key("secret", "live");
        record.name = name.into();
        let (_, headers, _) = denied(&profile, Reason::Expired, &context(&profile.policy, record));
        assert_eq!(header(&headers, "x-name"), value, "{name:?}");
    }
}

#[test]
fn the_bucket_is_named_by_owner_and_class() {
    let profile = profile(
        "name = \"p\"\nunknown_rate_limits = \"full\"\n[response_headers]\nx-bucket = \"{{ rate_limit.bucket }}\"\n\
         [rate_limits]\n\
         slow = [{ per = \"tenant\", rate = \"5/s\", burst = 9 }]",
    );
    let mut request = request("/", &[]);
    let bucket = |request: &latchkey_profile::Request<'_>| {
        let parsed = profile.parse_request(request);
        let context = DecisionContext::default();
        let template_context = TemplateContext::new(&context, request, &parsed, NOW);
        let response = profile.deny_response(&Denial::new(Reason::Revoked), &template_context);
        response.headers.iter().find(|(name, _)| *name == "x-bucket").map(|(_, value)| value.clone())
    };
    assert_eq!(bucket(&request), None);
    request.context.push(("rate_class", "slow"));
    assert_eq!(bucket(&request).as_deref(), Some("tenant/slow"));
}

#[test]
fn filters_that_make_a_value_many_times_as_long_are_refused() {
    let five = "| replace(\"a\", \"aaaaaaaaaa\") ".repeat(5);
    let document = |filters: &str| {
        format!("name = \"p\"\n[response_headers]\nx-name = '{{{{ subject.name {filters}}}}}'")
    };
    let errors = Profile::compile(&document(&five), 1).unwrap_err().to_string();
    assert!(errors.contains("100000 times as long") && errors.contains("response_headers"), "{errors}");
    assert!(Profile::compile(&document("| replace(\" \", \", \") | urlencode "), 1).is_ok());
}

#[test]
fn a_value_that_became_too_long_is_left_out() {
    let profile = profile(
        "name = \"p\"\n[response_headers]\nx-name = '{{ subject.name | replace(\"a\", \"aaaaaaaaaa\") }}'\n\
         x-whole = '{{ subject.name }}'",
    );
    for (length, shown) in [(1_000, true), (2_000, false)] {
        let mut record = key("secret", "live");
        record.name = "a".repeat(length);
        let context = context(&profile.policy, record);
        let headers = denied(&profile, Reason::Expired, &context).1;
        let value = headers.iter().find(|(name, _)| *name == "x-name").map(|(_, value)| value.len());
        assert_eq!(value, shown.then_some(length * 10), "{length}");
        assert!(headers.iter().any(|(name, value)| *name == "x-whole" && value.len() == length));
    }
}

#[test]
fn a_limit_that_no_wait_opens_has_no_time_to_retry() {
    let profile = profile(
        "name = \"p\"\n[[denials]]\nheaders = { content-type = \"application/json\", \
         retry-after = \"{{ rate_limit.retry_after }}\", x-wait = \"in {{ rate_limit.retry_after }} s\" }\n\
         body = '{\"retry_after\":{{ rate_limit.retry_after | default(\"null\") }}}'",
    );
    let plain = crate::support::profile("name = \"q\"");
    let mut context = context(&profile.policy, key("secret", "live"));
    for (wait, text) in [(Some(Duration::from_secs(7)), Some("7")), (None, None)] {
        context.levels = [Level { retry_after: wait, ..level() }].into_iter().collect();
        let (_, headers, body) = denied(&profile, Reason::RateLimited, &context);
        assert_eq!(header(&headers, "retry-after"), text);
        assert_eq!(header(&headers, "x-wait").is_none(), wait.is_none());
        assert_eq!(body, format!("{{\"retry_after\":{}}}", text.unwrap_or("null")));
        let (status, headers, _) = denied(&plain, Reason::RateLimited, &context);
        assert_eq!((status, header(&headers, "retry-after")), (429, text));
    }
}
