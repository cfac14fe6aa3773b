//! Table of tokens with a valid signature whose header or claims are not what Latchkey writes, byte by byte:
//! deviations that a JSON library would accept silently are refused.

use std::collections::BTreeMap;

use super::*;

/// Returns a token of these bytes with a valid signature of the key.
fn signed(head: &str, body: &str, key: &UnsealedSigningKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
    let material = key.record.material(&Sealer::new(&[9; 32])).unwrap();
    let algorithm = key.record.algorithm.library();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &material.signer(), algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Claims with one of them replaced by this JSON text.
fn body_with(claim: &str, json: &str) -> String {
    let mut body = serde_json::to_value(claims()).unwrap();
    body[claim] = json!("PLACEHOLDER");
    body.to_string().replace("\"PLACEHOLDER\"", json)
}

#[test]
fn times_that_are_no_whole_seconds_are_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let key = key_ring.iter().next().unwrap();
    let head = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": &*key.record.id}).to_string();
    let result = |claim: &str, json: &str| verify(&signed(&head, &body_with(claim, json), key), &key_ring);
    for claim in ["exp", "iat", "nbf"] {
        for json in [
            "1300.0",
            "1300.5",
            "1.3e3",
            "1E3",
            "-0",
            "\"1300\"",
            "\"\"",
            "null",
            "true",
            "[1300]",
            "{}",
            "9223372036854775808",
            "-9223372036854775809",
            "1e400",
            "99999999999999999999999999",
        ] {
            assert_eq!(result(claim, json).unwrap_err(), TokenError::Claims, "{claim}: {json}");
        }
        for json in ["0", "-1", "1300", "9223372036854775807", "-9223372036854775808"] {
            assert!(result(claim, json).is_ok(), "{claim}: {json} is a number; the period decides");
        }
    }
    // What the signer never wrote is not valid at any time, and no number overflows.
    for (exp, iat, nbf, expected) in [
        (-1, 1_000, 1_000, Err(TokenError::Expired)),
        (i64::MIN, i64::MIN, i64::MIN, Err(TokenError::Expired)),
        (i64::MAX, i64::MAX, 0, Err(TokenError::NotYetValid)),
        (i64::MAX, 0, i64::MAX, Err(TokenError::NotYetValid)),
        (0, 0, 0, Err(TokenError::Expired)),
        (253_402_300_800, 1_000, 1_000, Ok(())),
    ] {
        let claims = Claims { exp, iat, nbf, ..claims() };
        assert_eq!(check_validity_period(&claims, NOW), expected, "{exp} {iat} {nbf}");
    }
}

#[test]
fn repeated_and_hidden_members_are_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let key = key_ring.iter().next().unwrap();
    let kid = &*key.record.id;
    let head = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string();
    let bindings = BTreeMap::from([("shop".into(), "s_1".into())]);
    let body = serde_json::to_string(&Claims { bindings, ..claims() }).unwrap();
    let before_end = |json: &str, more: &str| format!("{},{more}}}", &json[..json.len() - 1]);
    for more in [
        r#""exp":9999999999"#,
        r#""\u0065xp":9999999999"#,
        r#""sub":"user_0000000000007000800000000000000a""#,
        r#""scope":"a b c""#,
        r#""env":"test""#,
        r#""bindings":{"shop":"s_2"}"#,
        r#""EXP":9999999999"#,
        r#""exp ":9999999999"#,
        r#""cnf":{}"#,
        r#""__proto__":{"exp":9999999999}"#,
    ] {
        let found = verify(&signed(&head, &before_end(&body, more), key), &key_ring);
        assert_eq!(found.map(|_| ()), Err(TokenError::Claims), "{more}");
    }
    for more in [
        r#""alg":"none""#,
        r#""\u0061lg":"none""#,
        r#""kid":"other""#,
        r#""crit":[]"#,
        r#""crit":["b64"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""enc":"A128GCM""#,
        r#""jwk":{}"#,
        r#""jku":"https://x""#,
        r#""x5u":"https://x""#,
        r#""x5c":[]"#,
        r#""x5t":"""#,
        r#""epk":{}"#,
        r#""p2c":1000000"#,
        r#""iss":"https://p""#,
        r#""exp":9999999999"#,
    ] {
        let found = verify(&signed(&before_end(&head, more), &body, key), &key_ring);
        assert_eq!(found.map(|_| ()), Err(TokenError::Header), "{more}");
    }
}

#[test]
fn parts_that_are_no_single_object_are_refused() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let key = key_ring.iter().next().unwrap();
    let head = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": &*key.record.id}).to_string();
    let body = serde_json::to_string(&claims()).unwrap();
    for (head, body) in [
        (format!("\u{feff}{head}"), body.clone()),
        (format!("{head}{head}"), body.clone()),
        (format!("[{head}]"), body.clone()),
        (format!("{head}\0"), body.clone()),
        (head.clone(), format!("\u{feff}{body}")),
        (head.clone(), format!("{body}{body}")),
        (head.clone(), format!("[{body}]")),
        (head.clone(), format!("{body},")),
        (head.clone(), signed(&head, &body, key)),
        (head.clone(), String::new()),
        (head.clone(), "null".to_owned()),
        (head.clone(), "{".repeat(2_000)),
    ] {
        assert!(verify(&signed(&head, &body, key), &key_ring).is_err(), "{head} {body}");
    }
}

#[test]
fn a_key_id_names_a_key_and_nothing_else() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1), record(SigningAlgorithm::Hs256, 2)]);
    let of = |algorithm| key_ring.iter().find(|key| key.record.algorithm == algorithm).unwrap();
    let (key, secret) = (of(SigningAlgorithm::EdDsa), of(SigningAlgorithm::Hs256));
    let kid = &*key.record.id;
    let body = serde_json::to_string(&claims()).unwrap();
    let ids = [
        String::new(),
        format!("{kid} "),
        format!("{kid}\0"),
        format!("../{kid}"),
        format!("./{kid}"),
        kid.to_uppercase(),
        "' OR '1'='1".to_owned(),
        "/dev/null".to_owned(),
        "https://p/.well-known/jwks.json".to_owned(),
        "a".repeat(4_000),
    ];
    for id in ids.iter().filter(|id| **id != kid) {
        let head = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": id}).to_string();
        let found = verify(&signed(&head, &body, key), &key_ring);
        assert_eq!(found.map(|_| ()), Err(TokenError::UnknownKey), "{id}");
    }
    // The other key's identifier or algorithm: neither verifies what this one has signed.
    for (alg, id) in [("EdDSA", &*secret.record.id), ("HS256", &*secret.record.id), ("HS256", kid)] {
        let head = json!({"alg": alg, "typ": "at+jwt", "kid": id}).to_string();
        let found = verify(&signed(&head, &body, key), &key_ring);
        assert!(matches!(found, Err(TokenError::Algorithm | TokenError::Signature)), "{alg} {id}: {found:?}");
    }
}

#[test]
fn base64_has_one_form() {
    let key_ring = key_ring(vec![record(SigningAlgorithm::EdDsa, 1)]);
    let token = key_ring.iter().next().unwrap().sign(&claims()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts.as_slice() else { panic!("{token}") };
    let long = format!("{head}.{}.{signature}", "A".repeat(MAX_TOKEN_BYTES));
    // The last character of a signature of 64 bytes has four bits that mean nothing.
    let (most, last) = signature.split_at(signature.len() - 1);
    let other = (b'A'..=b'Z')
        .map(char::from)
        .find(|c| !last.starts_with(*c) && "AQgw".contains(last) && "BRhx".contains(*c));
    let other = other.map(|last| format!("{head}.{body}.{most}{last}")).unwrap_or_default();
    for odd in [
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}.{signature}="),
        format!("{head}.{body}.{signature}\n"),
        format!(" {head}.{body}.{signature}"),
        format!("{head}. {body}.{signature}"),
        format!("{head}.{body}."),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{body}.{signature}.{signature}"),
        format!("{head}.{body}.{signature}.."),
        token.replace('.', "%2E"),
        long,
        other,
    ] {
        assert!(verify(&odd, &key_ring).is_err(), "{odd}");
    }
    assert!(verify(&token, &key_ring).is_ok());
}
