//! Commands that ask before they end access, and command lines that contradict themselves: both are refused without a
//! change.

use crate::json::DOCUMENT;
use crate::{TestServer, run, text};

#[test]
fn a_withdrawal_and_the_deletion_of_a_secret_need_a_terminal_or_yes() {
    for (words, effect) in [
        (&["signing-key", "withdraw", "k1"][..], "every JWT that it signed"),
        (&["profile", "secret", "delete", "shop", "old"], "imported with HMAC"),
        (&["key", "rotate", "key_1"], "The value of the key key_1 stops working at once"),
    ] {
        let output = run(words);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(effect) && error.contains("--yes"), "{error}");
    }
}

#[test]
fn a_rotation_with_an_overlap_or_yes_asks_nothing() {
    for words in [&["--overlap", "1h"][..], &["--yes"]] {
        let server = ["--server", "http://127.0.0.1:1", "key", "rotate", "key_1"];
        let output = run(&[&server, words].concat());
        assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    }
}

#[test]
fn an_option_with_an_empty_value_selects_nothing() {
    for (words, option) in [
        (&["key", "revoke", "--all", "--tenant", "acme", "--created-by", "", "--yes"][..], "--created-by"),
        (&["key", "create", "--tenant", "acme", "--name", "a", "--environment", ""], "--environment"),
        (&["usage", "--tenant", ""], "--tenant"),
    ] {
        let output = run(&[&["--server", "http://127.0.0.1:1"], words].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("{option} has an empty value")), "{error}");
        let usage = format!("Usage: latchkey {}", words[0]);
        assert!(error.contains(&usage), "{error}");
    }
}

#[test]
fn a_replaced_secret_and_the_disabling_of_all_keys_need_a_terminal_or_yes() {
    let served = TestServer::start();
    let file = |name: &str, text: &str| std::fs::write(served.folder.path().join(name), text).unwrap();
    let done = |line: &str| {
        let (code, out, error) = served.call(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{line}: {error}");
        out
    };
    let refused = |line: &str, effect: &str| {
        let (code, _, error) = served.call(&line.split(' ').collect::<Vec<_>>());
        assert!(code == 2 && error.contains(effect) && error.contains("--yes"), "{line}: {code} {error}");
    };
    file("shop.toml", DOCUMENT);
    file("old.txt", "sesame");
    done("apply -f shop.toml");
    done("profile secret set shop old --file old.txt");
    refused("profile secret set shop old --file old.txt", "The replacement of the secret old");
    done("profile secret set shop old --file old.txt --yes");
    done("tenant create acme --profile shop");
    done("key create --tenant acme --name a --scope read");
    done("key create --tenant acme --name b --scope read");
    refused("key disable --all --tenant acme", "2 keys will be disabled");
    assert!(done("key disable --all --tenant acme --dry-run").contains("2 would be disabled"));
    assert!(done("key disable --all --tenant acme --yes").contains("2 disabled"));
    served.end();
}

#[test]
fn a_field_that_is_set_and_cleared_is_refused_with_both_flags() {
    for (flag, value, field) in [
        ("--scope", "read", "scopes"),
        ("--network", "10.0.0.0/8", "networks"),
        ("--rate-limit", "default=1/min", "rate-limits"),
        ("--metadata", "team=a", "metadata"),
        ("--expires", "2099-01-31", "expires"),
    ] {
        let output = run(&["key", "update", "key_1", flag, value, "--clear", field]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("{flag} and --clear {field}")), "{error}");
    }
    let other = "--server http://127.0.0.1:1 key update key_1 --scope read --clear expires";
    let output = run(&other.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
}
