//! Usage in the output of `latchkey key`.

use latchkey_testing::on_both;

use crate::Shop;

on_both!(crate::Shop::open; people_see_what_is_used_and_what_can_be_taken_away);

fn run(shop: &Shop, arguments: &[&str]) -> String {
    shop.latchkey.cli_text(&[&["key"], arguments].concat())
}

async fn people_see_what_is_used_and_what_can_be_taken_away(shop: Shop) {
    let (made, value) = shop.key(&["items.read", "items.write"]).await;
    assert!(run(&shop, &["list", "--tenant", "acme"]).contains("never used"));
    let _ = shop.check(&value, "GET").await;
    let _ = shop.check(&format!("{value}x"), "GET").await;
    let listed = run(&shop, &["list", "--tenant", "acme"]);
    assert!(listed.contains("LAST USED") && listed.contains("just now"), "{listed}");
    assert!(listed.contains("items.write") && !listed.contains("items.read"), "{listed}");
    let text = run(&shop, &["usage", &made.id]);
    assert!(text.contains("ALLOWED") && text.contains("total"), "{text}");
    assert!(text.contains("items.write") && text.contains("just now"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&shop, &["usage", &made.id, "--output", "json"])).expect("an object");
    assert_eq!(json["hours"][0]["allowed"], "1");
    let _ = run(&shop, &["rotate", &made.id, "--overlap", "1h"]);
    let listed = run(&shop, &["list", "--tenant", "acme"]);
    assert!(listed.contains("active, replaced: not used since"), "{listed}");
    let old = run(&shop, &["get", &made.id]);
    assert!(old.contains("not used since it was rotated; successor key_"), "{old}");
    let _ = shop.check(&value, "GET").await;
    let old = run(&shop, &["get", &made.id]);
    assert!(old.contains("still in use: last used just now; successor key_"), "{old}");
    // The old key is alone on its page; the successor is on the page before.
    let page = ["list", "--tenant", "acme", "--page-size", "1"];
    let first: serde_json::Value =
        serde_json::from_str(&run(&shop, &[&page[..], &["--output", "json"]].concat())).expect("an object");
    let token = first["nextPageToken"].as_str().expect("there is more");
    let second = run(&shop, &[&page[..], &["--page-token", token]].concat());
    assert!(second.contains(&made.id) && second.contains("active, replaced: still in use"), "{second}");
    let id = old.rsplit("successor ").next().and_then(|rest| rest.split(',').next()).expect("a successor");
    let _ = shop.check(&value, "GET").await;
    let next = run(&shop, &["get", id]);
    assert!(next.contains(&format!("replaces {}: still in use: last used just now", made.id)), "{next}");
    assert!(run(&shop, &["get", &made.id, "--output", "json"]).parse::<serde_json::Value>().is_ok());
}
