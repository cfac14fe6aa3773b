//! Every reason of the contract: a call that is denied with it, and the most similar call that is not.

use std::collections::HashMap;

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{
    BatchCheckRequest, CheckRequest, CreateKeyRequest, Key, Reason, SuspendTenantRequest, UpdateKeyRequest,
};
use latchkey_testing::{ProfileBuilder, eventually, field_mask, key, scoped};

use crate::{CheckFixture, ask, assert_allowed, assert_denied, call, get, pair};

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_for_a_valid_key_names_its_principal() {
    let fixture = CheckFixture::open().await;
    let mut wanted = scoped("acme", &["view", "write"]);
    wanted.metadata = pair("team", "payments");
    let (made, value) = fixture.operator.key(wanted).await;
    let answer = fixture.check(CheckRequest { request_id: "req-7".to_owned(), ..get(&value) }).await;
    assert_allowed(&answer);
    assert_eq!(answer.request_id, "req-7");
    let who = answer.principal.expect("a known caller");
    assert_eq!(
        (who.subject_type.as_str(), who.subject_id, who.subject_name),
        ("key", made.id, "api-server".to_owned())
    );
    assert_eq!((who.tenant_slug.as_str(), who.tenant_id), ("acme", made.tenant_id));
    assert_eq!((who.kind.as_str(), who.environment.as_str()), ("secret", "live"));
    assert_eq!(who.scopes, ["read", "write"], "canonical and sorted");
    assert_eq!(who.metadata, pair("team", "payments"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_identifier_has_the_prefix_of_the_profile() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    let by_the_tenants_profile = CheckRequest { profile: String::new(), ..get(&value) };
    let malformed = CheckRequest { source_ip: "here".to_owned(), ..get(&value) };
    for ask in [get(&value), get(""), by_the_tenants_profile, malformed] {
        let id = fixture.check(ask).await.request_id;
        assert!(id.strip_prefix("lab_").is_some_and(|random| random.len() == 10), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_no_profile_declares_is_shown_without_control_characters() {
    let fixture = CheckFixture::open().await;
    let scopes = vec!["a\u{1b}[2J\u{202e}b".to_owned()];
    let answer = fixture.check(CheckRequest { scopes, ..get(&fixture.value().await) }).await;
    assert_denied(&answer, Reason::InsufficientScope);
    assert_eq!(answer.message, r"The credential lacks the scope a\u{1b}[2J\u{202e}b.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_without_a_credential_is_denied_except_on_a_public_route() {
    let fixture = CheckFixture::open().await;
    assert_denied(&fixture.check(get("")).await, Reason::MissingCredential);
    assert_allowed(&fixture.check(call("", "GET", "/open/page")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_no_key_is_invalid() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    let unknown = format!("lab_live_{}", "0".repeat(64));
    let long = "k".repeat(20_000);
    let padded = format!(" {value}");
    let wrong = ["x", &unknown, &long, &padded, &value.to_uppercase(), "lab_live_", &format!("{value}\n")];
    for credential in wrong {
        assert_denied(&fixture.check(get(credential)).await, Reason::InvalidCredential);
    }
    assert_allowed(&fixture.check(get(&value)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_and_still_known() {
    let fixture = CheckFixture::open().await;
    let (made, value) = fixture.operator.plain_key("acme", "live").await;
    let done = fixture.operator.revoke(&made.id).await;
    let answer = fixture.check(get(&value)).await;
    assert_denied(&answer, Reason::Revoked);
    assert_eq!(answer.principal.expect("a known caller").subject_id, made.id);
    assert!(answer.revision >= done.revision, "{} < {}", answer.revision, done.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_refused() {
    let fixture = CheckFixture::open().await;
    let mut seconds = 1;
    let value = loop {
        let soon = Expiry::Ttl(prost_types::Duration { seconds, nanos: 0 });
        let ask = CreateKeyRequest { expiry: Some(soon), ..key("acme", "live") };
        let (_, value) = fixture.operator.key(ask).await;
        let answer = fixture.check(CheckRequest { dry_run: true, ..get(&value) }).await;
        if answer.reason() != Reason::Expired {
            assert_allowed(&answer);
            break value;
        }
        // On a busy machine, the key can expire before it is checked.
        seconds *= 2;
    };
    let runtime = tokio::runtime::Handle::current();
    let denied = tokio::task::block_in_place(|| {
        eventually("the key expires", || {
            let answer = runtime.block_on(fixture.check(CheckRequest { dry_run: true, ..get(&value) }));
            (answer.reason() != Reason::Ok).then_some(answer)
        })
    });
    assert_denied(&denied, Reason::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_switched_off_can_be_switched_on_again() {
    let fixture = CheckFixture::open().await;
    let (made, value) = fixture.operator.plain_key("acme", "live").await;
    for disabled in [true, false] {
        let change = UpdateKeyRequest {
            key: Some(Key { id: made.id.clone(), disabled, ..Key::default() }),
            update_mask: Some(field_mask(&["disabled"])),
        };
        fixture.operator.keys().update_key(change).await.expect("changed");
        let answer = fixture.check(get(&value)).await;
        if disabled { assert_denied(&answer, Reason::Disabled) } else { assert_allowed(&answer) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_that_is_named_must_be_the_keys_own() {
    let fixture = CheckFixture::open().await;
    let other = fixture.operator.tenant("other", "fixture", "").await;
    let (made, value) = fixture.operator.plain_key("acme", "live").await;
    for tenant in ["other", other.id.as_str(), "nobody", "ACME", "acme ", "%"] {
        let answer = fixture.check(CheckRequest { tenant: tenant.to_owned(), ..get(&value) }).await;
        assert_denied(&answer, Reason::TenantMismatch);
    }
    for tenant in ["acme", made.tenant_id.as_str(), ""] {
        assert_allowed(&fixture.check(CheckRequest { tenant: tenant.to_owned(), ..get(&value) }).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_can_require_that_the_tenant_is_named() {
    let fixture = CheckFixture::open().await;
    let strict = ProfileBuilder::from_document(crate::LAB)
        .set("name", "strict")
        .set("kinds[secret].prefixes.live", "strict_live_")
        .set("kinds[secret].prefixes.test", "strict_test_")
        .set("kinds[badge].prefix", "pin-")
        .set("tenant.required", true);
    let _ = fixture.operator.apply(&strict.build()).await.expect("a second profile");
    let _ = fixture.operator.tenant("bank", "strict", "").await;
    let (_, value) = fixture.operator.plain_key("bank", "live").await;
    let ask = CheckRequest { profile: "strict".to_owned(), ..get(&value) };
    assert_denied(&fixture.check(ask.clone()).await, Reason::TenantRequired);
    assert_allowed(&fixture.check(CheckRequest { tenant: "bank".to_owned(), ..ask }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_is_refused() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    let suspend = SuspendTenantRequest { tenant: "acme".to_owned(), reason: "unpaid".to_owned() };
    fixture.operator.tenants().suspend_tenant(suspend).await.expect("suspended");
    assert_denied(&fixture.check(get(&value)).await, Reason::TenantSuspended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_environment_is_refused() {
    let fixture = CheckFixture::open().await;
    let (_, test) = fixture.operator.plain_key("acme", "test").await;
    let ask = |environment: &str| CheckRequest { environment: environment.to_owned(), ..get(&test) };
    assert_denied(&fixture.check(ask("live")).await, Reason::EnvironmentMismatch);
    assert_denied(&fixture.check(ask("TEST")).await, Reason::EnvironmentMismatch);
    assert_allowed(&fixture.check(ask("test")).await);
    assert_allowed(&fixture.check(ask("")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_exact_but_for_declared_aliases() {
    let fixture = CheckFixture::open().await;
    let (_, reader) = fixture.operator.key(scoped("acme", &["read"])).await;
    let with = |scope: &str| CheckRequest { scopes: vec![scope.to_owned()], ..get(&reader) };
    assert_denied(&fixture.check(call(&reader, "POST", "/items")).await, Reason::InsufficientScope);
    for scope in ["write", "read.deep", "Read", "rea", "read ", "*", "nothing"] {
        assert_denied(&fixture.check(with(scope)).await, Reason::InsufficientScope);
    }
    assert_allowed(&fixture.check(with("read")).await);
    assert_allowed(&fixture.check(with("view")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_key_touches_its_own_resource_alone() {
    let fixture = CheckFixture::open().await;
    let (_, bound) = fixture
        .operator
        .key(CreateKeyRequest { bindings: pair("merchant", "m_1"), ..key("acme", "live") })
        .await;
    assert_allowed(&fixture.check(call(&bound, "GET", "/merchants/m_1/orders")).await);
    assert_denied(
        &fixture.check(call(&bound, "GET", "/merchants/m_2/orders")).await,
        Reason::ResourceMismatch,
    );
    let by_field = |id: &str| CheckRequest { resource: pair("merchant", id), ..get(&bound) };
    assert_allowed(&fixture.check(by_field("m_1")).await);
    assert_denied(&fixture.check(by_field("m_2")).await, Reason::ResourceMismatch);
    let (_, free) = fixture.operator.plain_key("acme", "live").await;
    assert_allowed(&fixture.check(call(&free, "GET", "/merchants/m_2/orders")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_network_works_from_there_alone() {
    let fixture = CheckFixture::open().await;
    let allowed_networks = vec!["10.1.0.0/16".to_owned(), "2001:db8::/32".to_owned()];
    let (_, value) = fixture.operator.key(CreateKeyRequest { allowed_networks, ..key("acme", "live") }).await;
    let from = |ip: &str| CheckRequest { source_ip: ip.to_owned(), ..get(&value) };
    for good in ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"] {
        assert_allowed(&fixture.check(from(good)).await);
    }
    for bad in ["10.2.0.1", "2001:db9::1", ""] {
        assert_denied(&fixture.check(from(bad)).await, Reason::NetworkNotAllowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_route_or_kind_is_not_allowed() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    for (method, path) in
        [("GET", "/nowhere"), ("DELETE", "/items/1"), ("GET", "/badges/1"), ("GET", "/items/%2e%2e/x")]
    {
        assert_denied(&fixture.check(call(&value, method, path)).await, Reason::RouteNotAllowed);
    }
    let (_, badge) =
        fixture.operator.key(CreateKeyRequest { kind: "badge".to_owned(), ..key("acme", "live") }).await;
    assert_allowed(&fixture.check(call(&badge, "GET", "/badges/1")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_limited_call_says_how_long_to_wait() {
    let fixture = CheckFixture::open().await;
    let rate_limits = HashMap::from([("default".to_owned(), "1/min".to_owned())]);
    let (_, value) = fixture.operator.key(CreateKeyRequest { rate_limits, ..key("acme", "live") }).await;
    assert_allowed(&fixture.check(get(&value)).await);
    let answer = fixture.check(get(&value)).await;
    assert_denied(&answer, Reason::RateLimited);
    let tightest = &answer.rate_limits[0];
    assert_eq!((tightest.bucket.as_str(), tightest.limit, tightest.remaining), ("key/default", 1, 0));
    assert!((1..=60).contains(&tightest.retry_after_seconds), "{tightest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_order() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    let checks = vec![get(&value), get("nonsense"), get(""), call(&value, "GET", "/nowhere"), ask(&value)];
    let answer = fixture
        .operator
        .checks()
        .batch_check(BatchCheckRequest { checks })
        .await
        .expect("an answer")
        .into_inner();
    let reasons: Vec<Reason> = answer.results.iter().map(latchkey_proto::v1::CheckResponse::reason).collect();
    let expected = [
        Reason::Ok,
        Reason::InvalidCredential,
        Reason::MissingCredential,
        Reason::RouteNotAllowed,
        Reason::Ok,
    ];
    assert_eq!(reasons, expected);
    let many = BatchCheckRequest { checks: vec![get(""); 1_001] };
    let refused = fixture.operator.checks().batch_check(many).await.expect_err("too many");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}
