//! Tests of files that would be read in another way than they are meant.

use super::*;

#[test]
fn a_file_that_is_only_to_be_checked_says_so() {
    let of = |flag: &str| parse(&format!("{{{flag}\"keys\": []}}"), ImportSource::Json).validate_only;
    assert!(of("\"validateOnly\": true, ") && of("\"validate_only\": true, ") && !of(""));
}

#[test]
fn an_object_that_has_a_name_twice_is_refused() {
    let (twice, once) = ("\"disabled\": true, \"disabled\": false", "\"value\": \"k\"");
    let key = format!("{{{once}, {twice}}}");
    let lines = parse(&format!("{{{once}}}\n{key}\n"), ImportSource::Jsonl);
    assert_eq!((lines.keys.len(), lines.errors.len()), (1, 1));
    assert!(lines.errors[0].starts_with("line 2: an object has a name twice"), "{:?}", lines.errors);
    for (text, source) in [
        (format!("{{\"keys\": [{key}]}}"), ImportSource::Json),
        (format!("{{\"data\": [{key}]}}"), ImportSource::Unkey),
        (format!("{{\"items\": [{key}]}}"), ImportSource::Aws),
        (format!("{{\"data\": [{key}]}}"), ImportSource::Kong),
    ] {
        assert!(refusal(&text, source).contains("an object has a name twice"), "{source:?}");
    }
}

#[test]
fn a_lifetime_of_kong_that_cannot_be_read_is_refused() {
    let read = |ttl: &str| {
        let key = format!("{{\"key\": \"abc\", \"ttl\": {ttl}}}");
        let found = parse(&format!("{{\"data\": [{key}]}}"), ImportSource::Kong);
        found.keys.first().map(|key| match inner(key).expiry {
            Some(Expiry::Ttl(span)) => span.seconds,
            Some(Expiry::ExpireTime(_)) | None => 0,
        })
    };
    assert_eq!(["60", "\"60\"", "0", "null"].map(read), [Some(60), Some(60), Some(0), Some(0)]);
    for ttl in ["60.5", "\"1h\"", "-1", "true", "[60]"] {
        assert_eq!(read(ttl), None, "{ttl}");
    }
}

#[test]
fn a_key_of_kong_that_yaml_takes_for_a_number_is_refused_and_not_shown() {
    let of = |key: &str| format!("keyauth_credentials:\n- key: {key}\n");
    for key in ["1e400000000000000", "{canary: 1, canary: 2}"] {
        let error = refusal(&of(key), ImportSource::Kong);
        assert!(error.contains("neither JSON nor YAML (line "), "{error}");
        assert!(!error.contains("1e4") && !error.contains("canary"), "{error}");
    }
    let error = refusal(&format!("{}---\n{}", of("a"), of("b")), ImportSource::Kong);
    assert!(error.contains("write one document"), "{error}");
    for key in ["12345678901234567", "true"] {
        let errors = parse(&of(key), ImportSource::Kong).errors;
        assert_eq!(errors, ["keyauth_credentials[0]: \"key\" is no text: write it in quotes"]);
    }
}

#[test]
fn permissions_of_unkey_that_are_no_list_are_refused_and_other_metadata_is_noted() {
    let export = r#"[{"plaintext": "k1", "permissions": "orders.read"}, {"plaintext": "k2", "meta": "{}"}]"#;
    let found = parse(export, ImportSource::Unkey);
    assert_eq!(found.errors, ["[0]: permissions: is no list"]);
    assert_eq!(found.notes, ["[1]: meta is left out: it is no object"]);
}

#[test]
fn digits_of_a_date_are_no_unix_time() {
    for digits in ["20270131", "202701311200", "20270131120000"] {
        let table = format!("value,expire_time\nk,{digits}\n");
        let errors = parse(&table, ImportSource::Csv).errors;
        assert!(errors.concat().contains("line 2: expire_time: is no time: write a time"), "{errors:?}");
        let export = format!("[{{\"plaintext\": \"k\", \"expires\": {digits}}}]");
        assert_eq!(parse(&export, ImportSource::Unkey).errors, ["[0]: expires: is no Unix time"]);
    }
    let seconds = parse("value,expire_time\nk,1893456000\n", ImportSource::Csv);
    assert!(seconds.errors.is_empty(), "{:?}", seconds.errors);
}

#[test]
fn a_table_that_is_no_csv_is_refused() {
    for header in ["name;value", "value\tname", "value|name"] {
        let error = refusal(&format!("{header}\nk\n"), ImportSource::Csv);
        assert!(error.starts_with("line 1: has no comma"), "{error}");
    }
    for row in ["\"k\"1", "\"k\" ", "\"a\"b\"c\""] {
        let error = refusal(&format!("value\n{row}\n"), ImportSource::Csv);
        assert!(error.starts_with("line 2: a text follows a closing quote"), "{row}: {error}");
    }
    assert_eq!(value(&parse("value\n\"k\"\"\"\n", ImportSource::Csv).keys[0]), "k\"");
}

#[test]
fn lines_of_json_with_a_mistake_are_read_as_lines() {
    for (text, source) in [
        ("{\"value\": \"k\", }\n", ImportSource::Jsonl),
        ("{\"value\": \"k\", \"n\": 1e400}\n{\"value\": \"l\"}\n", ImportSource::Jsonl),
        ("{\"value\": \"k\"} {\"value\": \"l\"}", ImportSource::Jsonl),
        ("{\"keys\": [}", ImportSource::Json),
        ("[{\"value\": \"k\"}]", ImportSource::Json),
        ("{\n\"keys\": []}", ImportSource::Json),
    ] {
        assert_eq!(detect(text, "-"), source, "{text}");
    }
}
