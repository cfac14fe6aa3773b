//! Tokens that were not issued by this server: modified, forged, foreign, oversized. A Check denies all of them in
//! the same way, and the token service refuses all of them in the same way.

use std::collections::BTreeSet;

use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_proto::v1::{self, CreateKeyRequest, IssueJwtRequest, Reason};
use latchkey_testing::{ProfileBuilder, SHOP, key, node, on_both, with_key};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{PASSWORD, Shop, with_password};

const FORGE: &str = include_str!("others/forge.mjs");

on_both!(
    crate::Shop::open;
    a_changed_token_is_no_token,
    a_forged_token_is_no_token,
    a_token_for_others_is_not_for_us,
    two_profiles_never_share_an_issuer,
    a_token_of_another_product_or_issuer_is_not_for_us,
    every_caller_that_gets_no_token_gets_the_same_message,
);

async fn a_changed_token_is_no_token(shop: Shop) {
    let (_, value) = shop.key().await;
    let good = shop.issue(with_key(&value)).await.expect("issued").access_token;
    assert!(shop.passes(&good).await);
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"at+jwt"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let (first, second) = parts[2].split_at(10);
    let changed = if second.starts_with('A') { 'B' } else { 'A' };
    for odd in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{first}{changed}{}", parts[0], parts[1], &second[1..]),
        format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
        format!("{good}.{}", parts[2]),
        format!("{good}{}", "A".repeat(9_000)),
    ] {
        assert_eq!(shop.reason(&odd).await, Reason::InvalidCredential, "{odd}");
    }
    assert!(shop.passes(&good).await);
}

async fn a_forged_token_is_no_token(shop: Shop) {
    let (_, value) = shop.key().await;
    let mut output = BTreeSet::new();
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let document = ProfileBuilder::from_document(SHOP).add("jwt.algorithm", algorithm);
        let _ = shop.operator.apply(&document.build()).await.expect("applied");
        let good = shop.issue(with_key(&value)).await.expect("issued").access_token;
        let jwks = shop.latchkey.page("/.well-known/jwks.json").json();
        let forged = node(FORGE, &json!({ "token": good, "jwks": jwks }));
        let forged = forged.as_object().expect("attacks by name");
        assert!(forged.len() > 40, "{}", forged.len());
        for (name, token) in forged {
            let token = token.as_str().expect("a token");
            let answer = shop.check(token, "GET").await;
            assert_eq!(answer.reason(), Reason::InvalidCredential, "{algorithm}, {name}: {token}");
            output.insert(answer.message);
            let ask = v1::RevokeJwtRequest { token: token.to_owned() };
            let revoked =
                shop.latchkey.anonymous().tokens().revoke_jwt(ask).await.expect("RFC 7009: success");
            assert_eq!(revoked.into_inner().revision, 0, "{algorithm}, {name}: it ended something");
        }
        assert!(shop.passes(&good).await, "{algorithm}");
    }
    assert_eq!(output.len(), 1, "{output:?}");
}

async fn a_token_for_others_is_not_for_us(shop: Shop) {
    let reports = ProfileBuilder::from_document(SHOP).add("jwt.audiences", vec!["reports"]);
    let _ = shop.operator.apply(&reports.build()).await.expect("applied");
    let (_, value) = shop.key().await;
    let for_audience = |audience: &str| IssueJwtRequest { audience: audience.to_owned(), ..with_key(&value) };
    let issued = shop.issue(for_audience("reports")).await.expect("a listed audience");
    assert_eq!(shop.reason(&issued.access_token).await, Reason::InvalidCredential);
    for ours in ["", "shop"] {
        let token = shop.issue(for_audience(ours)).await.expect("issued").access_token;
        assert!(shop.passes(&token).await, "{ours:?}");
    }
    for other in ["other", "Shop", "shop ", "reports,shop", "https://shop.example.dev"] {
        let refused = shop.issue(for_audience(other)).await.expect_err("not listed");
        assert_eq!(refused.code(), Code::InvalidArgument, "{other:?}");
        let violations = refused.get_error_details().bad_request().expect("fields").field_violations.clone();
        assert_eq!(violations[0].field, "audience", "{other:?}");
        assert!(violations[0].description.contains("\"shop\", \"reports\""), "{violations:?}");
    }
    let wrong_key = IssueJwtRequest { audience: "other".to_owned(), ..with_key("sk_live_x") };
    assert_eq!(shop.issue(wrong_key).await.expect_err("no key").code(), Code::Unauthenticated);
    // A refresh token is not valid any more when its audience is removed from the profile.
    let _ = shop.operator.apply(SHOP).await.expect("applied");
    assert_eq!(shop.renew(&issued.refresh_token).await.expect_err("over").code(), Code::Unauthenticated);
}

/// Applies a second profile with the issuer of another one. It is refused, because services that verify
/// tokens by the key set could not distinguish the tokens of both.
async fn two_profiles_never_share_an_issuer(shop: Shop) {
    let other = |issuer: &str| {
        ProfileBuilder::from_document(SHOP).set("name", "other").set("jwt.issuer", issuer).build()
    };
    for issuer in ["https://shop.example.dev", "https://shop.example.dev/", "https://SHOP.example.dev"] {
        for validate_only in [true, false] {
            let ask =
                v1::ApplyProfileRequest { document: other(issuer), validate_only, ..Default::default() };
            let refused = shop.operator.profiles().apply_profile(ask).await.expect_err("shared");
            assert_eq!(refused.code(), Code::InvalidArgument, "{issuer}");
            let details = refused.get_error_details();
            let violations = &details.bad_request().expect("fields").field_violations;
            let text = &violations[0].description;
            assert!(text.contains("jwt.issuer") && text.contains("\"shop\""), "{text}");
        }
    }
    let _ = shop.operator.apply(&other("https://other.example.dev")).await.expect("its own");
    let taken = ProfileBuilder::from_document(SHOP).set("jwt.issuer", "https://other.example.dev");
    let refused = shop.operator.apply(&taken.build()).await.expect_err("the other's");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let _ = shop.operator.apply(SHOP).await.expect("a profile keeps its own issuer");
}

async fn a_token_of_another_product_or_issuer_is_not_for_us(shop: Shop) {
    let other = ProfileBuilder::from_document(SHOP)
        .set("name", "other")
        .set("jwt.issuer", "https://other.example.dev");
    let _ = shop.operator.apply(&other.build()).await.expect("applied");
    let _ = shop.operator.tenant("others", "other", "").await;
    let (_, value) = shop.key().await;
    let (_, others) = shop.operator.key(key("others", "live")).await;
    let ours = shop.issue(with_key(&value)).await.expect("issued").access_token;
    let theirs = shop.issue(with_key(&others)).await.expect("issued").access_token;
    for (profile, good, foreign) in [("shop", &ours, &theirs), ("other", &theirs, &ours)] {
        for (token, expected) in [(good, Reason::Ok), (foreign, Reason::InvalidCredential)] {
            let ask = v1::CheckRequest {
                credential: token.clone(),
                profile: profile.to_owned(),
                scopes_only: true,
                ..v1::CheckRequest::default()
            };
            let answer = shop.latchkey.anonymous().check(ask).await;
            assert_eq!(answer.reason(), expected, "{profile}: {}", answer.message);
        }
    }
    let moved = ProfileBuilder::from_document(SHOP).set("jwt.issuer", "https://shop.example.org");
    let _ = shop.operator.apply(&moved.build()).await.expect("applied");
    assert_eq!(shop.reason(&ours).await, Reason::InvalidCredential, "its issuer is another's now");
}

/// Returns the responses that a caller without a valid credential could compare.
async fn every_caller_that_gets_no_token_gets_the_same_message(shop: Shop) {
    let user = shop.user("clerk").await;
    let (_, good) = shop.key().await;
    let (revoked, gone) =
        shop.operator.key(CreateKeyRequest { name: "gone".into(), ..key("acme", "live") }).await;
    let _ = shop.operator.revoke(&revoked.id).await;
    let _ = shop.operator.tenant("rival", "shop", "").await;
    let token = shop.issue(with_key(&good)).await.expect("issued");
    let unknown = format!("{}{}", &good[..good.len() - 4], "AAAA");
    let long = format!("{good}{}", "A".repeat(9_000));
    let asks = ["", "x", "sk_live_", &unknown, &gone, &token.access_token, &token.refresh_token, &long];
    let mut asks: Vec<IssueJwtRequest> = asks.map(with_key).into();
    asks.push(IssueJwtRequest { tenant: "rival".into(), ..with_key(&good) });
    asks.push(IssueJwtRequest { tenant: "nobody".into(), ..with_key(&good) });
    for (tenant, password) in [("acme", "wrong"), ("rival", PASSWORD), ("nobody", PASSWORD), ("acme", &long)]
    {
        asks.push(IssueJwtRequest { tenant: tenant.into(), ..with_password(password) });
    }
    let _ = shop.operator.tenants().disable_user(v1::DisableUserRequest { id: user.id }).await.expect("off");
    asks.push(with_password(PASSWORD));
    let (mut output, mut logins) = (BTreeSet::new(), BTreeSet::new());
    for ask in asks {
        let refused = loop {
            match shop.issue(ask.clone()).await.expect_err("nothing is issued") {
                busy if busy.code() == Code::ResourceExhausted => {}
                refused => break refused,
            }
        };
        let words = (refused.code() as i32, refused.message().to_owned(), refused.details().to_vec());
        match ask.grant {
            Some(Grant::Password(_)) => logins.insert(words),
            Some(Grant::ApiKey(_)) | None => output.insert(words),
        };
    }
    assert_eq!(logins.len(), 1, "{logins:?}");
    assert_eq!(logins.first().map(|one| one.0), Some(Code::Unauthenticated as i32));
    let renewed = ["", "lkr_", &token.access_token, &good, &long];
    for odd in renewed {
        let refused = shop.renew(odd).await.expect_err("nothing is renewed");
        output.insert((refused.code() as i32, refused.message().to_owned(), refused.details().to_vec()));
    }
    let bad = format!("{}x", token.access_token);
    let managed = shop.latchkey.caller(&bad).keys().list_keys(v1::ListKeysRequest::default()).await;
    let refused = managed.expect_err("no caller");
    output.insert((refused.code() as i32, refused.message().to_owned(), refused.details().to_vec()));
    assert_eq!(output.len(), 1, "{output:?}");
    assert_eq!(output.first().map(|one| one.0), Some(Code::Unauthenticated as i32));
}
