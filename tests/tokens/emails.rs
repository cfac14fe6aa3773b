//! E-mail addresses of users, as keyboards and systems write them.

use latchkey_proto::v1::{self, IssueJwtRequest, issue_jwt_request::Grant};
use latchkey_testing::{on_both, user};
use tonic::Code;

use crate::{PASSWORD, Shop};

on_both!(
    crate::Shop::open;
    an_address_is_the_same_in_composed_and_decomposed_letters,
    a_user_of_an_earlier_version_logs_in_with_either_form_and_is_not_created_twice,
);

const COMPOSED: &str = "jos\u{e9}@example.dev";
const DECOMPOSED: &str = "jose\u{301}@example.dev";

fn login(email: &str) -> IssueJwtRequest {
    let grant = v1::PasswordGrant { email: email.to_owned(), password: PASSWORD.to_owned() };
    IssueJwtRequest {
        grant: Some(Grant::Password(grant)),
        tenant: "acme".to_owned(),
        ..IssueJwtRequest::default()
    }
}

async fn an_address_is_the_same_in_composed_and_decomposed_letters(shop: Shop) {
    let made = shop.operator.user(user("acme", (DECOMPOSED, PASSWORD), "clerk")).await;
    assert_eq!(made.email, COMPOSED);
    for email in [COMPOSED, DECOMPOSED, "JOSE\u{301}@Example.dev"] {
        assert!(shop.issue(login(email)).await.is_ok(), "{email}");
        let twice = shop.operator.tenants().create_user(user("acme", (email, PASSWORD), "clerk")).await;
        assert_eq!(twice.expect_err("taken").code(), Code::AlreadyExists, "{email}");
    }
    assert!(shop.issue(login("jose@example.dev")).await.is_err(), "accents count");
}

async fn a_user_of_an_earlier_version_logs_in_with_either_form_and_is_not_created_twice(shop: Shop) {
    let _ = shop.operator.user(user("acme", (COMPOSED, PASSWORD), "clerk")).await;
    let _ = shop.latchkey.sql(&format!("UPDATE users SET email = '{DECOMPOSED}'"));
    for email in [DECOMPOSED, COMPOSED] {
        assert!(shop.issue(login(email)).await.is_ok(), "{email}");
        let twice = shop.operator.tenants().create_user(user("acme", (email, PASSWORD), "clerk")).await;
        assert_eq!(twice.expect_err("taken").code(), Code::AlreadyExists, "{email}");
    }
}
