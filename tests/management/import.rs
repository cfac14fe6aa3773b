//! Import of keys from another system: by value or by hash, all of them or none.

use std::process::{Command, Stdio};

use latchkey_proto::v1::imported_key::Secret;
use latchkey_proto::v1::{ImportKeysRequest, ImportedKey, ListKeysRequest};
use latchkey_testing::{Database, Folder, ROOT_KEY, key, on_both, program};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::{Shop, refused, scoped};

on_both!(
    imported_keys_work_by_value_and_by_hash,
    all_keys_are_imported_or_none,
    an_import_can_not_grant_more_either,
    a_key_that_exists_already_is_not_imported_again,
    many_are_imported_in_pieces_and_a_terminal_shows_how_far_it_is,
);

fn value(digit: char) -> String {
    format!("shop_live_{}", digit.to_string().repeat(64))
}

fn by_value(value: &str) -> ImportedKey {
    let key = Some(key("", "live"));
    ImportedKey { secret: Some(Secret::Value(value.to_owned())), key, ..ImportedKey::default() }
}

fn by_hash(value: &str) -> ImportedKey {
    let hash = Sha256::digest(value.as_bytes()).to_vec();
    ImportedKey { secret: Some(Secret::Sha256(hash)), ..by_value("") }
}

fn import(keys: Vec<ImportedKey>) -> ImportKeysRequest {
    ImportKeysRequest { tenant: "acme".to_owned(), keys, validate_only: false }
}

async fn count(shop: &Shop) -> usize {
    let ask = ListKeysRequest { tenant: "acme".to_owned(), ..ListKeysRequest::default() };
    shop.operator.keys().list_keys(ask).await.expect("a list").into_inner().keys.len()
}

async fn imported_keys_work_by_value_and_by_hash(database: Database) {
    let shop = Shop::open(database).await;
    let (one, two) = (value('1'), value('2'));
    let created = prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 };
    let first = ImportedKey { create_time: Some(created), ..by_value(&one) };
    assert!(!shop.admits(&one).await && !shop.admits(&two).await, "unknown, and now remembered as such");
    let done = shop.operator.keys().import_keys(import(vec![first, by_hash(&two)])).await.expect("imported");
    let keys = done.into_inner().keys;
    assert!(keys.len() == 2 && keys.iter().all(|key| key.value.is_empty()));
    assert_eq!(keys[0].create_time, Some(created));
    assert_eq!(keys[0].hint, "1111");
    assert!(shop.admits(&one).await && shop.admits(&two).await);
}

async fn all_keys_are_imported_or_none(database: Database) {
    let shop = Shop::open(database).await;
    let good = value('3');
    let bad = [
        ImportedKey { secret: Some(Secret::Sha256(vec![1; 31])), ..by_value("") },
        ImportedKey { secret: None, ..by_value("") },
        by_value("not-of-any-kind"),
        by_value(&good),
        ImportedKey { key: Some(scoped("", &["nonsense"])), ..by_value(&value('4')) },
        ImportedKey { key: Some(key("bank", "live")), ..by_value(&value('5')) },
        ImportedKey { key: Some(key("", "test")), ..by_value(&value('6')) },
    ];
    for (number, bad) in bad.into_iter().enumerate() {
        let answer = shop.operator.keys().import_keys(import(vec![by_value(&good), bad])).await;
        let code = refused(answer);
        assert!(matches!(code, Code::InvalidArgument | Code::AlreadyExists), "number {number}: {code:?}");
        assert!(
            !shop.admits(&good).await && count(&shop).await == 0,
            "number {number} left something behind"
        );
    }
    assert_eq!(refused(shop.operator.keys().import_keys(import(Vec::new())).await), Code::InvalidArgument);
}

async fn an_import_can_not_grant_more_either(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let strong = ImportedKey { key: Some(scoped("", &["orders.write"])), ..by_value(&value('7')) };
    let own = ImportKeysRequest { keys: vec![strong], ..ImportKeysRequest::default() };
    assert_eq!(refused(manager.keys().import_keys(own).await), Code::PermissionDenied);
    let theirs = ImportKeysRequest { tenant: "bank".to_owned(), ..import(vec![by_value(&value('8'))]) };
    assert_eq!(refused(manager.keys().import_keys(theirs).await), Code::NotFound);
}

async fn a_key_that_exists_already_is_not_imported_again(database: Database) {
    let shop = Shop::open(database).await;
    let known = shop.operator.plain_key("bank", "live").await.1;
    let new = value('9');
    for again in [by_value(&known), by_hash(&known)] {
        let answer = shop.operator.keys().import_keys(import(vec![by_value(&new), again])).await;
        assert_eq!(refused(answer), Code::AlreadyExists);
    }
    assert!(!shop.admits(&new).await && shop.admits(&known).await);
}

async fn many_are_imported_in_pieces_and_a_terminal_shows_how_far_it_is(database: Database) {
    let shop = Shop::open(database).await;
    let folder = Folder::new("import");
    let file = |from: usize| {
        let one =
            |n: usize| json!({ "value": format!("shop_live_{n:064x}"), "key": { "name": format!("k{n}") } });
        let keys: Vec<_> = (from..from + 1_001).map(one).collect();
        folder
            .write("keys.json", &json!({ "tenant": "acme", "keys": keys }).to_string())
            .display()
            .to_string()
    };
    let run = |line: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", line, "/dev/null"]).stdin(Stdio::null()).env("TERM", "xterm");
        script.env("LATCHKEY_SERVER", format!("http://127.0.0.1:{}", shop.latchkey.grpc()));
        let output = script.env("LATCHKEY_API_KEY", ROOT_KEY).output().expect("script starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let me = program().display().to_string();
    let shown =
        run(&format!("stty cols 100; {me} key import {} > {}", file(1), folder.write("out", "").display()));
    assert!(shown.contains("1000/1001 keys"), "{shown:?}");
    assert!(
        shop.admits(&format!("shop_live_{:064x}", 1)).await
            && shop.admits(&format!("shop_live_{:064x}", 1_001)).await
    );
    let ask = ListKeysRequest { tenant: "acme".to_owned(), page_size: 1, ..ListKeysRequest::default() };
    let newest = shop.operator.keys().list_keys(ask).await.expect("a list").into_inner().keys[0].id.clone();
    let listed = run(&format!("stty cols 80; {me} key list --tenant acme --page-size 1"));
    assert!(listed.contains(&newest), "an id is there to be copied: {listed}");
    let quiet = run(&format!("{me} key import {} 2>&1 | cat", file(2_001)));
    assert!(
        !quiet.contains("/1001 keys") && quiet.contains("k3001"),
        "a program gets what was created alone"
    );
}
