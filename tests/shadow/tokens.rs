//! Tokens of a product in shadow: one whose key is revoked passes without identity, and gets no new token.

use latchkey_proto::v1::{Decision, Reason, RefreshJwtRequest};
use latchkey_testing::{Database, with_key};
use tonic::Code;

use crate::ShadowFixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_revoked_key_has_no_identity_and_no_token_is_issued_in_shadow() {
    let fixture = ShadowFixture::open(Database::Embedded, true).await;
    let (id, value) = fixture.key(&["read"]).await;
    let stranger = fixture.latchkey.anonymous();
    let ask = with_key(&value);
    let issued = stranger.tokens().issue_jwt(ask.clone()).await.expect("issued").into_inner();
    let good = fixture.check(&issued.access_token, "GET", "/v1/items").await;
    assert_eq!((good.decision(), good.shadow), (Decision::Allow, None));
    assert_eq!(good.principal.expect("it is known").subject_id, id);
    let _ = fixture.operator.revoke(&id).await;
    let revoked = fixture.check(&issued.access_token, "GET", "/v1/items").await;
    assert_eq!((revoked.decision(), revoked.principal), (Decision::Allow, None));
    assert_eq!(revoked.shadow.expect("it says so").reason(), Reason::Revoked);
    let cut = issued.access_token.trim_end_matches(char::is_alphanumeric);
    let forged = fixture.check(&format!("{cut}AAAA"), "GET", "/v1/items").await;
    assert_eq!((forged.decision(), forged.principal), (Decision::Allow, None));
    let shadow = forged.shadow.expect("it says so");
    assert_eq!((shadow.reason(), shadow.sender), (Reason::InvalidCredential, None));
    let refused = stranger.tokens().issue_jwt(ask).await.expect_err("the key is revoked");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let ask = RefreshJwtRequest { refresh_token: issued.refresh_token, ..RefreshJwtRequest::default() };
    let refused = stranger.tokens().refresh_jwt(ask).await.expect_err("the key is revoked");
    assert_eq!(refused.code(), Code::Unauthenticated);
}
