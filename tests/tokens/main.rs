//! Tests of tokens: issued for keys and passwords, checked by Check and through a real Envoy, renewed, renewed
//! concurrently, attacked, and ended with their key, user or tenant. On both databases.

mod attacks;
mod crashes;
mod emails;
mod environments;
mod interop;
mod limits;
mod parents;
mod refresh;
mod signing;
mod stored;
mod under_way;
mod users;

use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_proto::v1::{self, CheckRequest, Decision, IssueJwtRequest, Reason};
use latchkey_testing::{
    Caller, Database, Envoy, EnvoySetup, Latchkey, Request, SHOP, answered, field_mask, on_both, user,
    with_key,
};
use tonic::Status;

pub(crate) const PASSWORD: &str = "the sea at night, 1815";

/// A product with tokens, and its tenant `acme`.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

impl Shop {
    pub(crate) async fn open(database: Database) -> Self {
        let (latchkey, operator) = database.single_replica().open("shop", SHOP, &["acme"]).await;
        Self { latchkey, operator }
    }

    /// Creates a key that may read and write items.
    pub(crate) async fn key(&self) -> (v1::Key, String) {
        self.operator.scoped_key("acme", &["items.read", "items.write"]).await
    }

    pub(crate) async fn user(&self, role: &str) -> v1::User {
        self.operator.user(user("acme", ("ada@example.dev", PASSWORD), role)).await
    }

    /// Changes one field of a user to its value in `user`.
    pub(crate) async fn update(&self, user: v1::User, field: &str) -> Result<v1::User, Status> {
        let ask = v1::UpdateUserRequest { user: Some(user), update_mask: Some(field_mask(&[field])) };
        Ok(self.operator.tenants().update_user(ask).await?.into_inner())
    }

    pub(crate) async fn issue(&self, ask: IssueJwtRequest) -> Result<v1::IssueJwtResponse, Status> {
        let answer = answered(|| async { self.latchkey.anonymous().tokens().issue_jwt(ask.clone()).await });
        Ok(answer.await?.into_inner())
    }

    pub(crate) async fn renew(&self, token: &str) -> Result<v1::RefreshJwtResponse, Status> {
        let ask =
            v1::RefreshJwtRequest { refresh_token: token.to_owned(), ..v1::RefreshJwtRequest::default() };
        let answer = answered(|| async { self.latchkey.anonymous().tokens().refresh_jwt(ask.clone()).await });
        Ok(answer.await?.into_inner())
    }

    pub(crate) async fn check(&self, token: &str, method: &str) -> v1::CheckResponse {
        let ask = CheckRequest {
            credential: token.to_owned(),
            method: method.to_owned(),
            path: "/v1/items".to_owned(),
            ..CheckRequest::default()
        };
        let answer = answered(|| async { self.latchkey.anonymous().checks().check(ask.clone()).await }).await;
        answer.expect("a check is answered").into_inner()
    }

    pub(crate) async fn passes(&self, token: &str) -> bool {
        self.check(token, "GET").await.decision() == Decision::Allow
    }

    pub(crate) async fn reason(&self, token: &str) -> Reason {
        self.check(token, "GET").await.reason()
    }
}

pub(crate) fn with_password(password: &str) -> IssueJwtRequest {
    let grant = v1::PasswordGrant { email: "Ada@Example.dev".to_owned(), password: password.to_owned() };
    IssueJwtRequest {
        grant: Some(Grant::Password(grant)),
        tenant: "acme".to_owned(),
        ..IssueJwtRequest::default()
    }
}

on_both!(crate::Shop::open;
    a_keys_token_passes_where_the_key_passes,
    a_key_whose_format_is_another_profiles_now_is_no_credential,
    a_token_passes_through_envoy_and_names_its_key,
    the_key_set_is_served_and_kept,
    scopes_are_a_subset_and_the_life_is_never_longer,
    a_narrower_access_token_does_not_narrow_the_grant,
);

async fn a_keys_token_passes_where_the_key_passes(shop: Shop) {
    let (key, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    assert_eq!((issued.token_type.as_str(), issued.expires_in.map(|d| d.seconds)), ("Bearer", Some(3600)));
    assert_eq!(issued.scopes, ["items.read", "items.write"]);
    let answer = shop.check(&issued.access_token, "POST").await;
    assert_eq!(answer.decision(), Decision::Allow, "{}", answer.message);
    let who = answer.principal.expect("known");
    assert_eq!((who.subject_type.as_str(), &who.subject_id), ("key", &key.id));
    assert_eq!((who.environment.as_str(), who.tenant_slug.as_str()), ("live", "acme"));
    let test = CheckRequest {
        credential: issued.access_token,
        environment: "test".into(),
        scopes_only: true,
        ..CheckRequest::default()
    };
    assert_eq!(shop.latchkey.anonymous().check(test).await.reason(), Reason::EnvironmentMismatch);
}

async fn a_key_whose_format_is_another_profiles_now_is_no_credential(shop: Shop) {
    let (_, value) = shop.key().await;
    assert!(shop.passes(&value).await);
    let renamed =
        SHOP.replace("live = \"sk_live_\", test = \"sk_test_\"", "live = \"s2_live_\", test = \"s2_test_\"");
    let _ = shop.operator.force_apply(&renamed).await.expect("applied");
    let other = "name = \"other\"\n[[kinds]]\nname = \"secret\"\nprefix = \"sk_live_\"\n";
    let _ = shop.operator.apply(other).await.expect("applied");
    assert_eq!(shop.reason(&value).await, Reason::InvalidCredential);
    let refused = shop.issue(with_key(&value)).await.expect_err("no kind has its format");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

async fn a_token_passes_through_envoy_and_names_its_key(shop: Shop) {
    let (key, value) = shop.key().await;
    let token = shop.issue(with_key(&value)).await.expect("issued").access_token;
    let envoy = Envoy::start(shop.latchkey.grpc(), &EnvoySetup::default());
    let get = |token: &str| {
        let header = format!("Bearer {token}");
        envoy.send(&Request::get("api.shop.dev", "/v1/items").header("authorization", header))
    };
    let answer = get(&token);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains(&format!("key:{}", key.id)), "{}", answer.body);
    assert!(!answer.body.contains(&token), "the credential went upstream");
    let _ = shop.operator.revoke(&key.id).await;
    assert_eq!(get(&token).status, 401);
}

async fn the_key_set_is_served_and_kept(shop: Shop) {
    let (_, value) = shop.key().await;
    let _ = shop.issue(with_key(&value)).await.expect("issued");
    let page = shop.latchkey.page("/.well-known/jwks.json");
    assert_eq!((page.status, page.header("cache-control")), (200, Some("public, max-age=300")));
    let keys = page.json()["keys"].clone();
    assert_eq!((&keys[0]["kty"], &keys[0]["alg"]), (&"OKP".into(), &"EdDSA".into()));
    assert!(keys[0].get("d").is_none());
    let tag = page.header("etag").expect("a tag").to_owned();
    let again = Request::get("x", "/.well-known/jwks.json").header("if-none-match", tag);
    assert_eq!(again.send(shop.latchkey.http()).status, 304);
    let call =
        shop.latchkey.anonymous().tokens().get_jwks(v1::GetJwksRequest::default()).await.expect("served");
    assert_eq!(call.into_inner().jwks, page.body);
}

async fn scopes_are_a_subset_and_the_life_is_never_longer(shop: Shop) {
    let (_, value) = shop.key().await;
    let ttl = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
    let ask = IssueJwtRequest { scopes: vec!["items.view".to_owned()], ttl, ..with_key(&value) };
    let issued = shop.issue(ask).await.expect("issued");
    assert_eq!(
        (issued.scopes, issued.expires_in.map(|d| d.seconds)),
        (vec!["items.read".to_owned()], Some(3600))
    );
    let write = shop.check(&issued.access_token, "POST").await;
    assert_eq!(write.reason(), Reason::InsufficientScope);
    let wider = IssueJwtRequest { scopes: vec!["api_keys.manage".to_owned()], ..with_key(&value) };
    assert_eq!(shop.issue(wider).await.expect_err("wider").code(), tonic::Code::PermissionDenied);
    let unknown = IssueJwtRequest { scopes: vec!["nothing".to_owned()], ..with_key(&value) };
    assert_eq!(shop.issue(unknown).await.expect_err("unknown").code(), tonic::Code::InvalidArgument);
    let narrowed = v1::RefreshJwtRequest {
        refresh_token: issued.refresh_token,
        scopes: vec!["items.write".to_owned()],
        ..v1::RefreshJwtRequest::default()
    };
    let grown = shop.latchkey.anonymous().tokens().refresh_jwt(narrowed).await;
    assert_eq!(grown.expect_err("scopes never grow").code(), tonic::Code::PermissionDenied);
}

async fn a_narrower_access_token_does_not_narrow_the_grant(shop: Shop) {
    let (_, value) = shop.key().await;
    let issued = shop.issue(with_key(&value)).await.expect("issued");
    let refresh = |token: &str, scopes: &[&str]| v1::RefreshJwtRequest {
        refresh_token: token.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..v1::RefreshJwtRequest::default()
    };
    let mut tokens = shop.latchkey.anonymous().tokens();
    let narrow = tokens.refresh_jwt(refresh(&issued.refresh_token, &["items.read"])).await;
    let narrow = narrow.expect("narrower").into_inner();
    assert_eq!(narrow.scopes, ["items.read"]);
    let write = shop.check(&narrow.access_token, "POST").await;
    assert_eq!(write.reason(), Reason::InsufficientScope, "the access token is narrow");
    // The same refresh token again, as after a lost response: the scopes are those of this request.
    let again = tokens.refresh_jwt(refresh(&issued.refresh_token, &["items.write"])).await;
    let again = again.expect("again").into_inner();
    assert_eq!((&again.refresh_token, again.scopes), (&narrow.refresh_token, vec!["items.write".to_owned()]));
    let whole =
        tokens.refresh_jwt(refresh(&narrow.refresh_token, &[])).await.expect("the grant").into_inner();
    assert_eq!(whole.scopes, ["items.read", "items.write"]);
    assert_eq!(shop.check(&whole.access_token, "POST").await.reason(), Reason::Ok);
    let wider = tokens.refresh_jwt(refresh(&whole.refresh_token, &["items.read", "api_keys.manage"])).await;
    assert_eq!(wider.expect_err("wider than the grant").code(), tonic::Code::PermissionDenied);
    let after = tokens.refresh_jwt(refresh(&whole.refresh_token, &["items.write"])).await;
    assert_eq!(after.expect("a refused refresh uses nothing up").into_inner().scopes, ["items.write"]);
}
