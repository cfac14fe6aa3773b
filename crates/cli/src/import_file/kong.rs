//! Kong's key-auth credentials: the Admin API's `GET /key-auths`, or a declarative configuration (`deck gateway dump`,
//! `kong config db_export`) with `keyauth_credentials` of its own or within `consumers`.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::imported_key::Secret;
use prost_types::Duration;
use serde_json::Value;

use super::record::{key, list, scalar, text, time};
use super::{Change, FileKeys, incomplete};
use crate::exit::CliError;

pub(super) fn read(export: &Value) -> Result<FileKeys, CliError> {
    if export.get("next").is_some_and(|next| !next.is_null()) {
        return Err(incomplete("next"));
    }
    let items =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let consumers = items(export, "consumers");
    let names: HashMap<&str, &str> = consumers
        .iter()
        .filter_map(|consumer| Some((text(consumer, "id")?, consumer_name(consumer)?)))
        .collect();
    let mut found = FileKeys::default();
    for field in ["data", "keyauth_credentials"] {
        for (n, credential) in items(export, field).iter().enumerate() {
            let consumer = credential.get("consumer");
            let consumer =
                consumer.and_then(|c| c.as_str().or_else(|| consumer_name(c)).or_else(|| text(c, "id")));
            let name = consumer.map(|id| names.get(id).copied().unwrap_or(id));
            found.add_changed(format!("{field}[{n}]"), credential_key(credential, name));
        }
    }
    for (n, consumer) in consumers.iter().enumerate() {
        let name = consumer_name(consumer).or_else(|| text(consumer, "id"));
        for (m, credential) in items(consumer, "keyauth_credentials").iter().enumerate() {
            let place = format!("consumers[{n}].keyauth_credentials[{m}]");
            found.add_changed(place, credential_key(credential, name));
        }
    }
    if found.keys.is_empty() && found.errors.is_empty() {
        let text = "the file has no key-auth credentials: neither \"data\" (GET /key-auths) nor \"keyauth_credentials\"";
        return Err(CliError::Usage(text.to_owned()));
    }
    Ok(found)
}

fn consumer_name(consumer: &Value) -> Option<&str> {
    text(consumer, "username").or_else(|| text(consumer, "custom_id"))
}

fn credential_key(
    credential: &Value,
    consumer: Option<&str>,
) -> Result<(v1::ImportedKey, Vec<Change>), String> {
    let value = text(credential, "key").ok_or_else(|| missing_key(credential))?;
    let id = text(credential, "id").unwrap_or_default();
    let metadata = vec![
        ("kong.id".to_owned(), id.to_owned()),
        ("kong.consumer".to_owned(), consumer.unwrap_or_default().to_owned()),
        ("kong.tags".to_owned(), list(credential, "tags")),
    ];
    let name = consumer.unwrap_or(if id.is_empty() { "kong" } else { id });
    let (mut imported, changes) = key(Secret::Value(value.to_owned()), name, metadata);
    imported.create_time = time(credential, "created_at")?;
    imported.key.get_or_insert_default().expiry = ttl(credential)?.map(Expiry::Ttl);
    Ok((imported, changes))
}

fn missing_key(credential: &Value) -> &'static str {
    match credential.get("key") {
        Some(Value::Number(_) | Value::Bool(_)) => "\"key\" is no text: write it in quotes",
        _ => "has no \"key\"",
    }
}

/// Returns the seconds that were left when the file was exported. Kong has null or 0 for a key that does not expire.
fn ttl(credential: &Value) -> Result<Option<Duration>, String> {
    let Some(ttl) = credential.get("ttl").filter(|ttl| !ttl.is_null()) else { return Ok(None) };
    match scalar(ttl).and_then(|text| text.trim().parse::<i64>().ok()) {
        Some(0) => Ok(None),
        Some(seconds) if seconds > 0 => Ok(Some(Duration { seconds, nanos: 0 })),
        Some(_) | None => Err("ttl: is no number of seconds".to_owned()),
    }
}
