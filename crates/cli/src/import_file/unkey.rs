//! Unkey's keys: the answer of `POST /v2/apis.listKeys`, a list of such keys, or rows of its database's table with the
//! column `hash`.

use latchkey_proto::v1;
use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::imported_key::Secret;
use serde_json::Value;

use super::record::{flag, key, list, scalar, text, time};
use super::{Change, FileKeys, incomplete};
use crate::exit::CliError;

pub(super) fn read(export: &Value) -> Result<FileKeys, CliError> {
    let more = export.get("pagination").and_then(|page| page.get("hasMore")).and_then(Value::as_bool);
    if more == Some(true) {
        return Err(incomplete("hasMore"));
    }
    let (field, keys) = match export {
        Value::Array(keys) => ("", keys),
        other => ["data", "keys"]
            .into_iter()
            .find_map(|field| Some((field, other.get(field)?.as_array()?)))
            .ok_or_else(|| {
                CliError::Usage("the file has no list of keys: neither \"data\" nor \"keys\"".to_owned())
            })?,
    };
    let mut found = FileKeys::default();
    for (n, record) in keys.iter().enumerate() {
        let place = format!("{field}[{n}]");
        if is_deleted(record) {
            found.notes.push(format!("{place} is left out: it was deleted"));
            continue;
        }
        note_what_is_left_out(record, &place, &mut found.notes);
        found.add_changed(place, imported(record));
    }
    Ok(found)
}

fn imported(record: &Value) -> Result<(v1::ImportedKey, Vec<Change>), String> {
    let id = text(record, "keyId").or_else(|| text(record, "id")).unwrap_or_default();
    let external = record.get("identity").and_then(|identity| text(identity, "externalId"));
    let owner = || ["ownerId", "owner_id"].into_iter().find_map(|field| text(record, field));
    let external = external.or_else(owner).unwrap_or_default();
    let mut metadata = vec![
        ("unkey.id".to_owned(), id.to_owned()),
        ("unkey.external_id".to_owned(), external.to_owned()),
        ("unkey.roles".to_owned(), list(record, "roles")),
    ];
    let meta = record.get("meta").and_then(Value::as_object).into_iter().flatten();
    metadata.extend(meta.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))));
    let name = text(record, "name").or(Some(external).filter(|id| !id.is_empty())).unwrap_or(id);
    let (mut imported, changes) = key(secret(record)?, name, metadata);
    if !matches!(imported.secret, Some(Secret::Value(_))) {
        text(record, "start").unwrap_or_default().clone_into(&mut imported.prefix);
    }
    let created = time(record, "createdAt")?;
    imported.create_time = if created.is_some() { created } else { time(record, "created_at_m")? };
    imported.disabled = flag(record, "enabled")? == Some(false);
    if record.get("permissions").is_some_and(|list| !list.is_null() && !list.is_array()) {
        return Err("permissions: is no list".to_owned());
    }
    let inner = imported.key.get_or_insert_default();
    inner.expiry = time(record, "expires")?.map(Expiry::ExpireTime);
    inner.scopes = list(record, "permissions").split_whitespace().map(str::to_owned).collect();
    Ok((imported, changes))
}

/// Returns whether Unkey deleted a key, and keeps its row. A text or number other than 0 is the time.
fn is_deleted(record: &Value) -> bool {
    let times = ["deleted_at_m", "deletedAtM", "deleted_at", "deletedAt"];
    times.into_iter().filter_map(|field| record.get(field)).any(|time| {
        !time.is_null() && !scalar(time).is_some_and(|time| matches!(time.trim(), "" | "0" | "false"))
    })
}

/// Returns the value of a recoverable key, or the SHA-256 that Unkey keeps of any key in base64.
fn secret(record: &Value) -> Result<Secret, String> {
    if let Some(value) = text(record, "plaintext") {
        return Ok(Secret::Value(value.to_owned()));
    }
    let hash = record.get("hash");
    let digest = hash.and_then(|hash| hash.as_str().or_else(|| text(hash, "value")));
    let digest = digest.ok_or(
        "has neither \"plaintext\" nor \"hash\": list keys with decrypt: true, or export the column hash of the table keys",
    )?;
    let (algorithm, digest, secret) = ("sha256".to_owned(), digest.to_owned(), String::new());
    Ok(Secret::Hash(v1::ImportedHash { algorithm, digest, secret }))
}

/// Adds a note for each part of a record that a key of Latchkey cannot have.
fn note_what_is_left_out(record: &Value, place: &str, notes: &mut Vec<String>) {
    let some = |field: &str| match record.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    };
    for field in ["credits", "ratelimits"].into_iter().filter(|field| some(field)) {
        notes.push(format!(
            "{place}: {field} is left out: limits are in the profile, its plans and the key's rate_limits"
        ));
    }
    let meta = record.get("meta").and_then(Value::as_object).into_iter().flatten();
    if record.get("meta").is_some_and(|meta| !meta.is_null() && !meta.is_object()) {
        notes.push(format!("{place}: meta is left out: it is no object"));
    }
    for (name, _) in meta.filter(|(_, value)| scalar(value).is_none()) {
        notes.push(format!("{place}: meta.{name} is left out: metadata has texts alone"));
    }
}
