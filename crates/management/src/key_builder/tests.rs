//! Tests of requests for keys: required fields of an operators' key, and fingerprints, which are stored.

use std::time::Duration;

use latchkey_core::id::TenantId;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::encoding::hex;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn request() -> CreateKey {
    CreateKey {
        tenant: "acme".into(),
        name: "api".into(),
        kind: "secret".into(),
        environment: "live".into(),
        scopes: texts(&["items.read", "items.write"]),
        all_scopes: false,
        bindings: map(&[("merchant", "m_1")]),
        expiry: Some(Expiry::After(Duration::from_secs(60))),
        allowed_networks: texts(&["192.0.2.0/24"]),
        rate_limits: map(&[("default", "10/min")]),
        metadata: map(&[("team", "pay")]),
        idempotency_key: "once".into(),
        violations: Vec::new(),
    }
}

#[test]
fn stored_fingerprints_stay() {
    assert_eq!(
        hex(&CreateKey::default().fingerprint()),
        "671a261f5bd8107225ae25c3c107add52be4ce65b1a5b2cac87edb3cbe8fb3db"
    );
    assert_eq!(
        hex(&request().fingerprint()),
        "d4af472422ee906452b9063c1c61c9e1f2366f4c0dad426e20ece9b63d10e9e1"
    );
    let at = CreateKey { expiry: Some(Expiry::At(Timestamp(1_763_000_000_000))), ..request() };
    assert_eq!(hex(&at.fingerprint()), "567a19002302abca431f8ddb0a4157b24b9f1ec2a4c8e08608a426f472bdbb7a");
}

#[test]
fn neither_the_order_of_scopes_nor_the_idempotency_key_changes_the_fingerprint() {
    for scopes in [&["items.write", "items.read"][..], &["items.read", "items.write", "items.read"]] {
        let same = CreateKey { scopes: texts(scopes), idempotency_key: "twice".into(), ..request() };
        assert_eq!(same.fingerprint(), request().fingerprint(), "{scopes:?}");
    }
}

#[test]
fn every_other_field_changes_the_fingerprint() {
    let others = [
        CreateKey { tenant: "other".into(), ..request() },
        CreateKey { name: "other".into(), ..request() },
        CreateKey { kind: "other".into(), ..request() },
        CreateKey { environment: "test".into(), ..request() },
        CreateKey { scopes: texts(&["items.read"]), ..request() },
        CreateKey { all_scopes: true, ..request() },
        CreateKey { bindings: map(&[("merchant", "m_2")]), ..request() },
        CreateKey { expiry: None, ..request() },
        CreateKey { expiry: Some(Expiry::After(Duration::from_secs(61))), ..request() },
        CreateKey { expiry: Some(Expiry::At(Timestamp(60))), ..request() },
        CreateKey { allowed_networks: vec![], ..request() },
        CreateKey { rate_limits: map(&[("default", "11/min")]), ..request() },
        CreateKey { metadata: map(&[]), ..request() },
    ];
    for other in others {
        assert_ne!(other.fingerprint(), request().fingerprint(), "{other:?}");
    }
}

/// Returns the problems of a request for an operators' key.
fn problems_of(request: &CreateKey) -> Vec<String> {
    let now = Timestamp(1_763_000_000_000);
    let tenant = TenantId::new(now, &mut StdRng::from_seed([1; 32]));
    let policy = operator::policy();
    let builder = KeyBuilder {
        policy: &policy,
        tenant,
        now,
        earliest_expiry: now,
        created_by: "",
        created: now,
        caller_expires: None,
        caller_bindings: StringMapRef::Pairs(&[]),
    };
    let mut fields = FieldValidator::new("");
    builder.build(request, &mut fields, &mut StdRng::from_seed([2; 32]));
    let violations = fields.into_violations().into_iter();
    violations.map(|violation| format!("{}: {}", violation.field, violation.description)).collect()
}

#[test]
fn a_list_with_too_many_entries_has_one_error() {
    let request = CreateKey {
        name: "ops".to_owned(),
        scopes: vec!["x".to_owned(); 100_000],
        rate_limits: (0..100_000).map(|n| (format!("class{n}"), String::new())).collect(),
        ..CreateKey::default()
    };
    let expected = [
        "rate_limits: must have at most 64 entries, and has 100000",
        "scopes: must have at most 256 entries, and has 100000",
    ];
    assert_eq!(problems_of(&request), expected);
}

#[test]
fn an_operators_key_has_a_role_and_no_bindings() {
    let problems = |scopes: &[&str], bindings: &[(&str, &str)]| {
        let name = "ops".to_owned();
        problems_of(&CreateKey {
            name,
            scopes: texts(scopes),
            bindings: map(bindings),
            ..CreateKey::default()
        })
    };
    let expected = "scopes: must name the role of an operators' key: one of latchkey.read, latchkey.support, latchkey.admin";
    assert_eq!(problems(&[], &[]), [expected]);
    let bound = problems(&["latchkey.admin"], &[("merchant", "m_1")]);
    assert_eq!(bound, ["bindings: must be empty: nothing confines an operators' key to bindings"]);
    assert_eq!(problems(&["latchkey.read"], &[]), [""; 0]);
}
