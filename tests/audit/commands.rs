//! Tests of `latchkey audit`, for interactive use and for scripts.

use std::process::Output;

use latchkey_testing::on_both;

use crate::Shop;

on_both!(crate::Shop::open; the_log_is_listed_exported_and_checked);

fn audit(shop: &Shop, arguments: &[&str]) -> Output {
    shop.latchkey.cli(&[&["audit"], arguments].concat())
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn the_log_is_listed_exported_and_checked(shop: Shop) {
    let (key, _) = shop.operator.plain_key("acme", "live").await;
    let listed = audit(&shop, &["list", "--tenant", "acme"]);
    let text = out(&listed);
    assert!(listed.status.success() && text.contains("key.create") && text.contains(&key.id), "{text}");
    assert!(!text.contains("profile.apply"), "another's events: {text}");
    assert!(text.contains(&format!("{} ({})", key.id, key.name)) && text.contains("(root)"), "{text}");
    let all = out(&audit(&shop, &["list"]));
    assert!(all.contains("profile.apply") && all.contains("version=1"), "{all}");
    let exported = out(&audit(&shop, &["export"]));
    let lines: Vec<serde_json::Value> =
        exported.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    let sequences: Vec<String> =
        lines.iter().map(|line| line["sequence"].as_str().expect("a sequence").to_owned()).collect();
    let expected: Vec<String> = (1..=lines.len()).rev().map(|n| n.to_string()).collect();
    assert_eq!(sequences, expected);
    assert_eq!((&lines[0]["action"], &lines[0]["target"]), (&"key.create".into(), &key.id.clone().into()));
    let none = out(&audit(&shop, &["export", "--until", "2000-01-01"]));
    assert_eq!(none, "");
    let checked = audit(&shop, &["verify"]);
    let text = out(&checked);
    assert_eq!(checked.status.code(), Some(0), "{text}");
    let anchor = text.lines().find_map(|line| line.strip_prefix("head anchor")).expect("an anchor");
    let anchor = anchor.trim();
    assert_eq!(audit(&shop, &["verify", "--anchor", anchor]).status.code(), Some(0));
    let _ = shop.latchkey.sql("UPDATE audit_events SET actor = 'nobody' WHERE sequence = 2");
    let checked = audit(&shop, &["verify", "--anchor", anchor]);
    let message = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(1) && message.contains("event 2"), "{message}");
    assert!(out(&checked).contains("broken at"), "{}", out(&checked));
    assert_eq!(audit(&shop, &["verify", "--anchor", "7"]).status.code(), Some(2));
}
