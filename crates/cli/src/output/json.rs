//! Messages as JSON by protobuf's own mapping (lowerCamelCase names, enums by name, defaults left out), from
//! the same descriptors that server reflection serves: what is printed is what grpcurl prints.

use std::fmt::Write as _;
use std::sync::OnceLock;

use latchkey_proto::{FILE_DESCRIPTOR_SET, v1};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::text::is_unsafe;
use crate::exit::CliError;

/// Message with its name in the API.
pub(crate) trait NamedMessage: prost::Message + Default {
    /// Full name, such as `latchkey.v1.Key`.
    const NAME: &'static str;
}

macro_rules! named {
    ($($message:ident),* $(,)?) => {$(
        impl NamedMessage for v1::$message {
            const NAME: &'static str = concat!("latchkey.v1.", stringify!($message));
        }
    )*};
}

named! {
    Key, CreateKeyResponse, RotateKeyResponse, RevokeKeyResponse, ListKeysResponse, ImportKeysRequest, ImportedKey,
    ImportKeysResponse, Tenant, ListTenantsResponse, Profile, ListProfilesResponse, ListProfileVersionsResponse, ProfileDiff, ProfileSecret, ListProfileSecretsResponse, CheckResponse,
    User, ListUsersResponse, IssueJwtResponse, RefreshJwtResponse, RevokeJwtResponse, ListSigningKeysResponse,
    RevokeKeysResponse, DisableKeysResponse, GetUsageReportResponse, DeleteKeyResponse, DeleteUserResponse, DeleteTenantResponse, DeleteProfileResponse, GetKeyUsageResponse, GetShadowReportResponse, AuditEvent, ListAuditEventsResponse, VerifyAuditLogResponse,
    WhoAmIResponse,
}

fn descriptor<M: NamedMessage>() -> Result<MessageDescriptor, CliError> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());
    let found = pool.as_ref().and_then(|pool| pool.get_message_by_name(M::NAME));
    found.ok_or_else(|| CliError::Local(format!("the contract has no {}", M::NAME)))
}

/// Returns a message as indented JSON.
pub(crate) fn of<M: NamedMessage>(message: &M) -> Result<String, CliError> {
    written(message, serde_json::to_string_pretty)
}

/// Returns a message as JSON on one line.
pub(crate) fn to_json_line<M: NamedMessage>(message: &M) -> Result<String, CliError> {
    written(message, serde_json::to_string)
}

fn written<M: NamedMessage>(
    message: &M,
    write: fn(&DynamicMessage) -> serde_json::Result<String>,
) -> Result<String, CliError> {
    let bad = |error: &dyn std::fmt::Display| CliError::Local(format!("{} as JSON: {error}", M::NAME));
    let dynamic = DynamicMessage::decode(descriptor::<M>()?, message.encode_to_vec().as_slice());
    let text = write(&dynamic.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
    Ok(escaped(&text))
}

/// Parses a message from JSON. An error repeats no text of the JSON that may be a key.
pub(crate) fn from_json<M: NamedMessage>(text: &str) -> Result<M, CliError> {
    let bad = |error: &dyn std::fmt::Display| {
        let error = without_texts(&error.to_string());
        CliError::Usage(format!("this is no {}: {error}{}", M::NAME, valid_range(&error)))
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor::<M>()?, &mut reader).map_err(|e| bad(&e))?;
    reader.end().map_err(|e| bad(&e))?;
    dynamic.transcode_to().map_err(|e| bad(&e))
}

/// Texts of JSON in the errors of its reader, and the mark before and after them.
const REPEATED: [(&str, char); 3] = [("string", '"'), ("integer", '`'), ("field name", '\'')];

/// Returns an error without the text of the JSON that it repeats, except for a name of letters only.
fn without_texts(error: &str) -> String {
    for (what, mark) in REPEATED {
        let Some((before, rest)) = error.split_once(&format!("{what} {mark}")) else { continue };
        // The text itself can have the mark; the words after it have none.
        let Some((text, after)) = rest.rsplit_once(mark) else { continue };
        let is_name = text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        if what == "field name" && is_name {
            break;
        }
        return format!("{before}{what} that is not shown because it may be a key{after}");
    }
    error.to_owned()
}

/// Returns the range of valid times or durations, for an error that is about one; empty for every other error.
fn valid_range(error: &str) -> &'static str {
    if error.contains("timestamp") {
        "; a time is from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z"
    } else if error.contains("duration") {
        "; a duration is at most 315576000000s"
    } else {
        ""
    }
}

/// Escapes characters that are unsafe on a terminal. JSON permits those above U+001F unescaped, but only inside
/// strings, where `\u` has the same meaning.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unsafe(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_grpcurl_prints() {
        let timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let key = v1::Key {
            id: "key_1".into(),
            tenant_id: "t".into(),
            state: v1::KeyState::Active.into(),
            create_time: Some(timestamp),
            ..v1::Key::default()
        };
        let json: serde_json::Value = serde_json::from_str(&of(&key).unwrap()).unwrap();
        let expected = serde_json::json!({
            "id": "key_1", "tenantId": "t", "state": "KEY_STATE_ACTIVE", "createTime": "2026-01-02T03:04:05Z",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn json_for_a_terminal_holds_no_control_characters_and_means_the_same() {
        let name = "a\u{9b}31m\u{202e}b\u{1b}c";
        let text = of(&v1::Tenant { display_name: name.into(), ..v1::Tenant::default() }).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text}");
        assert_eq!(from_json::<v1::Tenant>(&text).unwrap().display_name, name);
    }

    #[test]
    fn a_time_or_duration_out_of_range_is_refused_with_its_place_and_the_largest_value() {
        let error = |key: &str| {
            let text = format!("{{\"keys\": [\n{{\"key\": {{{key}}}}}]}}");
            match from_json::<v1::ImportKeysRequest>(&text) {
                Err(CliError::Usage(error)) => error,
                Ok(_) | Err(_) => panic!("{text} is not refused as a usage error"),
            }
        };
        for time in ["10000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "never"] {
            let error = error(&format!("\"expireTime\": \"{time}\""));
            assert!(error.contains("line 2") && error.contains("to 9999-12-31T23:59:59.99"), "{error}");
        }
        for ttl in ["315576000001s", "99999999999999999999s", "1y"] {
            let error = error(&format!("\"ttl\": \"{ttl}\""));
            assert!(error.contains("line 2") && error.contains("at most 315576000000s"), "{error}");
        }
    }

    #[test]
    fn a_field_that_is_not_in_the_contract_is_refused() {
        assert!(from_json::<v1::Tenant>(r#"{"slugg": "acme"}"#).is_err());
        assert!(from_json::<v1::Tenant>(r#"{"slug": "acme"} x"#).is_err());
    }
}
