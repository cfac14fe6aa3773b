//! Content of the database: it contains no key, token or password in plain text, including the operators' key
//! and values that can be read again.

use latchkey_proto::v1::{CreateKeyRequest, GetPublishableKeyRequest};
use latchkey_testing::{ROOT_KEY, SHOP, Setup, key, user, with_key};

use crate::{PASSWORD, with_password};

#[tokio::test(flavor = "multi_thread")]
async fn the_database_file_contains_no_secret() {
    let latchkey = Setup::default().profile("shop", SHOP).shipped("lumen").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "shop", "").await;
    let _ = operator.tenant("lumen-co", "lumen", "").await;
    let (_, secret) = operator.plain_key("acme", "live").await;
    let publishable = CreateKeyRequest { kind: "publishable".to_owned(), ..key("lumen-co", "live") };
    let (_, publishable) = operator.key(publishable).await;
    let _ = operator.user(user("acme", ("ada@example.dev", PASSWORD), "clerk")).await;
    let mut tokens = latchkey.anonymous().tokens();
    let mut output = vec![ROOT_KEY.to_owned(), secret.clone(), publishable.clone(), PASSWORD.to_owned()];
    for ask in [with_key(&secret), with_password(PASSWORD)] {
        let issued = tokens.issue_jwt(ask).await.expect("tokens").into_inner();
        output.extend([issued.access_token, issued.refresh_token]);
    }
    let ask =
        GetPublishableKeyRequest { tenant: "lumen-co".to_owned(), ..GetPublishableKeyRequest::default() };
    let again = operator.keys().get_publishable_key(ask).await.expect("it can be read again").into_inner();
    assert_eq!(again.value, publishable);
    let bytes = ["latchkey.db", "latchkey.db-wal"]
        .map(|file| std::fs::read(latchkey.folder().path().join(file)).unwrap_or_default());
    let kept = String::from_utf8_lossy(&bytes.concat()).into_owned();
    assert!(kept.contains("ada@example.dev") && kept.contains("$argon2id$"), "this is the database");
    for secret in &output {
        // Neither the whole secret nor most of it may be stored.
        for part in [secret.as_str(), &secret[6..secret.len() - 6]] {
            assert!(!kept.contains(part), "the database tells a secret: {part}");
        }
    }
}
