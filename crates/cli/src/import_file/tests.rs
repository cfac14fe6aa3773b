//! Tests of files of keys.

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::imported_key::Secret;

use super::*;

mod strict;

fn parse(text: &str, source: ImportSource) -> FileKeys {
    read(text, "-", Some(source)).unwrap_or_else(|_| panic!("{text} is not read"))
}

fn refusal(text: &str, source: ImportSource) -> String {
    match read(text, "-", Some(source)) {
        Err(CliError::Usage(error)) => error,
        Ok(_) | Err(_) => panic!("{text} is not refused"),
    }
}

fn value(key: &FileKey) -> &str {
    match &key.key.secret {
        Some(Secret::Value(value)) => value,
        Some(Secret::Hash(hash)) => &hash.digest,
        Some(Secret::Sha256(_)) | None => "",
    }
}

fn inner(key: &FileKey) -> &v1::CreateKeyRequest {
    key.key.key.as_ref().expect("a key")
}

#[test]
fn a_table_has_a_key_in_each_row() {
    let table = "value,name,scopes,expire_time,disabled,metadata.team,networks\r\n\
                 k1,\"Müller, \"\"A\"\"\",orders.read orders.write,2020-01-02,yes,pay,\r\n\
                 \r\n\
                 k2,two,,1600000000,,,\"10.0.0.0/8, ::1/128\"\n\
                 k3,\"two\nlines\",,,0,,\n\
                 k4,four,,,,,";
    let found = parse(table, ImportSource::Csv);
    assert_eq!(found.errors, Vec::<String>::new());
    let [one, two, three, four] = found.keys.as_slice() else { panic!("{} keys", found.keys.len()) };
    assert_eq!((value(one), inner(one).name.as_str()), ("k1", "Müller, \"A\""));
    assert_eq!(inner(one).scopes, ["orders.read", "orders.write"]);
    assert!(one.key.disabled && !two.key.disabled && !three.key.disabled);
    assert_eq!(inner(one).metadata["team"], "pay");
    assert_eq!(inner(two).allowed_networks, ["10.0.0.0/8", "::1/128"]);
    let Some(Expiry::ExpireTime(end)) = inner(two).expiry else { panic!("no expiry") };
    assert_eq!(end.seconds, 1_600_000_000);
    assert_eq!(
        ["line 2", "line 4", "line 5", "line 7"].map(str::to_owned),
        [one, two, three, four].map(|k| k.place.clone())
    );
}

#[test]
fn a_key_that_either_column_turns_off_is_disabled() {
    let rows = "k1,yes,yes\nk2,no,no\nk3,yes,\nk4,,no\nk5,no,yes\nk6,,\n";
    let found = parse(&format!("value,disabled,enabled\n{rows}"), ImportSource::Csv);
    let disabled: Vec<bool> = found.keys.iter().map(|key| key.key.disabled).collect();
    assert_eq!(disabled, [true, true, true, true, false, false]);
}

#[test]
fn a_wrong_table_is_refused_and_every_wrong_row_named() {
    let error = refusal("value,scopez\nk,x", ImportSource::Csv);
    assert!(error.contains("line 1: column 2 has a name that no column has"), "{error}");
    assert!(error.contains("scopes"), "{error}");
    assert!(refusal("value,value\n", ImportSource::Csv).contains("twice"));
    assert!(refusal("value\n\"k", ImportSource::Csv).contains("line 2: a quote is not closed"));
    let wrong = "value,hash,expire_time,disabled\n,,,\nk,ab,,\nk,,soon,\nk,,,maybe\nk,\n";
    let errors = parse(wrong, ImportSource::Csv).errors;
    for (n, words) in [
        "neither a value nor a hash",
        "a value and a hash",
        "expire_time: is no time",
        "neither \"true\"",
        "2 cells",
    ]
    .iter()
    .enumerate()
    {
        assert!(
            errors[n].starts_with(&format!("line {}: ", n + 2)) && errors[n].contains(words),
            "{errors:?}"
        );
    }
}

#[test]
fn a_column_with_a_usual_name_leads_to_the_name_that_it_has() {
    for (header, column) in [
        ("key,name", "value"),
        ("API-Key", "value"),
        ("name,token", "value"),
        ("value,scope", "scopes"),
        ("value,Expires At", "expire_time"),
        ("Value", "value"),
    ] {
        let error = refusal(&format!("{header}\nk,x"), ImportSource::Csv);
        assert!(error.starts_with("line 1: no column has the name"), "{error}");
        assert!(error.ends_with(&format!("write {column:?}")), "{error}");
    }
}

#[test]
fn an_error_of_a_file_repeats_no_key() {
    let key = "sk_live_4fX\\\"9aBcDeFgHiJkLmNo";
    for (text, source, words) in [
        (format!("{key}\n"), ImportSource::Csv, "line 1: column 1"),
        (format!("value,name,{key}\n"), ImportSource::Csv, "line 1: column 3"),
        (format!("\"{key}\"\n"), ImportSource::Jsonl, "line 1: "),
        (format!("{{\"{key}\": \"acme\"}}\n"), ImportSource::Jsonl, "unrecognized field name"),
        (format!("{{\"value\": \"k\", \"key\": \"{key}\"}}\n"), ImportSource::Jsonl, "invalid type: string"),
        (format!("{{\"value\": \"k\", \"disabled\": \"{key}\"}}\n"), ImportSource::Jsonl, "line 1: "),
        ("{\"value\": 4000123412341234}\n".to_owned(), ImportSource::Jsonl, "invalid type: integer"),
        (format!("name,value,disabled\nacme, inc,{key}\n"), ImportSource::Csv, "disabled: is neither"),
        (format!("name,value,expire_time\nacme, inc,{key}\n"), ImportSource::Csv, "expire_time: is no time"),
        (format!("[{{\"hash\": \"ab\", \"enabled\": \"{key}\"}}]"), ImportSource::Unkey, "enabled: is not"),
        (format!("[{{\"hash\": \"ab\", \"expires\": \"{key}\"}}]"), ImportSource::Unkey, "is no time"),
        (format!("{{\"keys\": [\"{key}\"]}}"), ImportSource::Json, "line 1"),
        (format!("{{\"keys\": [\"{key}\"}}"), ImportSource::Unkey, "not JSON"),
        (
            format!("keyauth_credentials:\n- key: '{key}'\n  }}: x\n"),
            ImportSource::Kong,
            "neither JSON nor YAML",
        ),
    ] {
        let error = match read(&text, "-", Some(source)) {
            Err(CliError::Usage(error)) => error,
            other => other.unwrap_or_default().errors.concat(),
        };
        assert!(error.contains(words), "{error}");
        for part in ["sk_live", "9aBcDe", "4000123412341234"] {
            assert!(!error.contains(part), "{error}");
        }
    }
    let error = &parse("{\"valu\": 1}\n", ImportSource::Jsonl).errors[0];
    assert!(error.contains("'valu'"), "a name of letters alone is named: {error}");
}

#[test]
fn exports_of_kong_are_read_in_each_of_their_forms() {
    let admin = r#"{"data": [{"id": "b2f3", "key": "IL1deIyHyQA40WpeLeA1bIUXuvTwlGjo", "created_at": 1422386534,
        "ttl": 60, "tags": ["a", "b"], "consumer": {"id": "c1"}}], "next": null}"#;
    let key = &parse(admin, ImportSource::Kong).keys[0];
    assert_eq!((value(key), inner(key).name.as_str()), ("IL1deIyHyQA40WpeLeA1bIUXuvTwlGjo", "c1"));
    assert_eq!(key.key.create_time.map(|time| time.seconds), Some(1_422_386_534));
    assert!(matches!(inner(key).expiry, Some(Expiry::Ttl(span)) if span.seconds == 60));
    assert_eq!(inner(key).metadata["kong.tags"], "a b");
    let deck = "_format_version: \"3.0\"\nconsumers:\n- username: ada\n  keyauth_credentials:\n  - key: abcdefabcdefabcdef\n\
                - custom_id: \"7\"\n  keyauth_credentials:\n  - key: second\n  - tags: [x]\n";
    let found = parse(deck, ImportSource::Kong);
    assert_eq!(found.keys.iter().map(|key| inner(key).name.as_str()).collect::<Vec<_>>(), ["ada", "7"]);
    assert_eq!(found.errors, ["consumers[1].keyauth_credentials[1]: has no \"key\""]);
    let flat = "keyauth_credentials:\n- key: abc\n  consumer: ada\n- key: def\n  consumer: c9\nconsumers:\n- id: c9\n  username: bob\n";
    let found = parse(flat, ImportSource::Kong);
    assert_eq!(found.keys.iter().map(|key| inner(key).name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    assert!(
        refusal(r#"{"data": [], "next": "/key-auths?offset=x"}"#, ImportSource::Kong).contains("\"next\"")
    );
    assert!(refusal("{}", ImportSource::Kong).contains("no key-auth credentials"));
}

#[test]
fn exports_of_unkey_are_read_by_value_and_by_hash() {
    let export = r#"{"meta": {"requestId": "req_1"}, "pagination": {"hasMore": false}, "data": [
        {"keyId": "key_1", "start": "prod_2cG", "enabled": false, "name": "Acme", "createdAt": 1700000000000,
         "expires": 1600000000000, "permissions": ["orders.read"], "roles": ["admin"], "plaintext": "prod_2cGabc",
         "identity": {"id": "id_1", "externalId": "user_1"}, "meta": {"plan": "pro", "nested": {"a": 1}},
         "ratelimits": [{"name": "requests", "limit": 10}]},
        {"keyId": "key_2", "start": "prod_9xZ", "hash": "rh2KyJ7ZsKbMxcyDOPiGAqfhUT0QQe7Hv5vSOgS0oYM="},
        {"keyId": "key_3", "start": "prod_9xY"}]}"#;
    let found = parse(export, ImportSource::Unkey);
    let [one, two] = found.keys.as_slice() else { panic!("{} keys", found.keys.len()) };
    assert!(one.key.disabled && value(one) == "prod_2cGabc" && inner(one).scopes == ["orders.read"]);
    assert_eq!(
        (inner(one).metadata["plan"].as_str(), inner(one).metadata["unkey.external_id"].as_str()),
        ("pro", "user_1")
    );
    assert!(matches!(inner(one).expiry, Some(Expiry::ExpireTime(end)) if end.seconds == 1_600_000_000));
    assert_eq!((two.key.prefix.as_str(), inner(two).name.as_str()), ("prod_9xZ", "key_2"));
    assert!(
        found.errors[0].starts_with("data[2]: has neither \"plaintext\" nor \"hash\""),
        "{:?}",
        found.errors
    );
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert!(
        refusal(r#"{"data": [], "pagination": {"hasMore": true}}"#, ImportSource::Unkey).contains("hasMore")
    );
}

#[test]
fn rows_of_the_table_of_unkey_are_read_as_the_database_writes_them() {
    let row = |id: &str, rest: &str| {
        format!(
            r#"{{"id": "{id}", "hash": "rh2KyJ7ZsKbMxcyDOPiGAqfhUT0QQe7Hv5vSOgS0oYM=", "start": "prod_9xZ", "name": null,
               "owner_id": "user_{id}", "created_at_m": 1700000000000, "expires": null, {rest}}}"#
        )
    };
    let rows = [
        row("1", r#""enabled": 1, "deleted_at_m": null"#),
        row("2", r#""enabled": 0, "deleted_at_m": null"#),
        row("3", r#""enabled": 1, "deleted_at_m": 1700000000001"#),
        row("4", r#""enabled": "0", "deleted_at_m": "0""#),
        row("5", r#""enabled": 2, "deleted_at_m": null"#),
        row("6", r#""enabled": {"type": "Buffer"}"#),
        row("7", r#""enabled": 1, "deleted_at_m": "2023-11-14 22:13:20""#),
    ];
    let found = parse(&format!("[{}]", rows.join(",")), ImportSource::Unkey);
    let read: Vec<(&str, bool)> =
        found.keys.iter().map(|key| (inner(key).name.as_str(), key.key.disabled)).collect();
    assert_eq!(read, [("user_1", false), ("user_2", true), ("user_4", true)]);
    assert!(found.keys.iter().all(|key| {
        inner(key).metadata["unkey.external_id"] == inner(key).name
            && key.key.create_time.is_some_and(|time| time.seconds == 1_700_000_000)
    }));
    assert_eq!(found.notes, ["[2] is left out: it was deleted", "[6] is left out: it was deleted"]);
    assert!(found.errors[0].starts_with("[4]: enabled: is not true, false, 1 or 0"), "{:?}", found.errors);
    assert_eq!(found.errors.len(), 2);
}

#[test]
fn exports_of_amazon_api_gateway_are_read() {
    let export = r#"{"items": [
        {"id": "8bklk8", "value": "o5EyTK3zTq8SYDqkeyp1i8cDQpDhUhhu8qmWT5mA", "name": "My key", "enabled": true,
         "createdDate": "2023-03-01T12:00:00+00:00", "stageKeys": ["a1b2/dev"], "tags": {"cost centre": "7"}},
        {"id": "x", "value": "o5EyTK3zTq8SYDqkeyp1", "enabled": false, "createdDate": 1456184452.25},
        {"id": "y", "enabled": true}, {"id": "z", "value": "o5EyTK3zTq8SYDqkeyp2", "enabled": "no"}]}"#;
    let found = parse(export, ImportSource::Aws);
    let [one, two] = found.keys.as_slice() else { panic!("{} keys", found.keys.len()) };
    assert_eq!(inner(one).metadata["aws.stages"], "a1b2/dev");
    assert_eq!(inner(one).metadata["cost_centre"], "7");
    assert_eq!(one.key.create_time.map(|time| time.seconds), Some(1_677_672_000));
    assert_eq!(
        two.key.create_time.map(|time| (time.seconds, time.nanos)),
        Some((1_456_184_452, 250_000_000))
    );
    assert!(two.key.disabled && inner(two).name == "x");
    assert_eq!(
        found.errors,
        [
            "items[2]: has no \"value\": export with --include-values",
            "items[3]: enabled: is not true, false, 1 or 0"
        ]
    );
}

#[test]
fn a_value_that_is_cut_or_renamed_has_a_warning() {
    let (name, value) = ("n".repeat(129), "v".repeat(513));
    let tags = format!(r#"{{"cost centre": "7", "cost+centre": "8", "note": "{value}", "team": "a"}}"#);
    let export = format!(
        r#"{{"items": [{{"value": "k1", "name": "{name}", "tags": {tags}}}, {{"value": "k2", "name": "b"}}]}}"#
    );
    let found = parse(&export, ImportSource::Aws);
    let [one, two] = found.keys.as_slice() else { panic!("{} keys", found.keys.len()) };
    let listed: Vec<(&str, &str)> =
        one.changes.iter().map(|change| (change.field.as_str(), change.description.as_str())).collect();
    let says =
        |field: &str, words: &str| listed.iter().any(|(at, what)| *at == field && what.contains(words));
    assert!(says("key.name", "is cut from 129 to 128 characters"), "{listed:?}");
    assert!(says("key.metadata.note", "is cut from 513 to 512 characters"), "{listed:?}");
    assert!(says("key.metadata.cost_centre", "is the tag \"cost centre\""), "{listed:?}");
    assert!(says("key.metadata.cost_centre", "several values"), "{listed:?}");
    assert!(listed.iter().all(|(at, _)| *at != "key.metadata.team") && two.changes.is_empty(), "{listed:?}");
    assert_eq!((inner(one).name.len(), inner(one).metadata["note"].len()), (128, 512));
    let warnings = changes(&found.keys);
    let of_name = warnings.iter().find(|warning| warning.field == "keys[0].key.name").expect("a warning");
    assert_eq!((of_name.index, warnings.len()), (0, listed.len()));
}

#[test]
fn a_file_is_what_its_name_or_its_content_says() {
    let source = |name: &str, text: &str| detect(text, name);
    assert_eq!(source("keys.csv", "{"), ImportSource::Csv);
    assert_eq!(source("keys.ndjson", ""), ImportSource::Jsonl);
    assert_eq!(source("-", "{\"tenant\": \"acme\",\n\"keys\": []}"), ImportSource::Json);
    assert_eq!(source("-", "{\"keys\": []}"), ImportSource::Json);
    assert_eq!(source("-", "{\"value\": \"k\"}\n{\"value\": \"l\"}"), ImportSource::Jsonl);
    assert_eq!(source("-", "value,name\n"), ImportSource::Csv);
    let found =
        parse("{\"value\": \"k\", \"key\": {\"name\": \"a\"}}\n\n{\"valu\": 1}\n", ImportSource::Jsonl);
    assert_eq!((found.keys.len(), found.errors.len()), (1, 1));
    assert!(found.errors[0].starts_with("line 3: "), "{:?}", found.errors);
}
