//! Tokens that nobody issued: changed, foreign, oversized. All are one and the same denial.

use latchkey_proto::v1::{IssueJwtRequest, Reason};

use crate::{Shop, on_both, with_key};

on_both!(a_changed_token_is_no_token, a_token_for_others_is_not_for_us);

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

async fn a_token_for_others_is_not_for_us(shop: Shop) {
    let (_, value) = shop.key().await;
    let ask = IssueJwtRequest { audience: "somebody else".to_owned(), ..with_key(&value) };
    let token = shop.issue(ask).await.expect("issued").access_token;
    assert_eq!(shop.reason(&token).await, Reason::InvalidCredential);
}
