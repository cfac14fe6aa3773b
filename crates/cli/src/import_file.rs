//! Files of keys from other systems, read as keys to import. Each key has its place in the file, so that an error can
//! name it.

mod aws;
mod csv;
mod kong;
mod record;
mod unique;
mod unkey;

use latchkey_proto::v1;
use serde_json::Value;

use crate::exit::CliError;
use crate::output::from_json;

pub(crate) use crate::args::ImportSource;

/// Key of a file.
pub(crate) struct FileKey {
    /// Place in the file, for errors: `line 3`, `items[2]`.
    pub(crate) place: String,
    /// The key; the tenant is in `key.tenant`.
    pub(crate) key: v1::ImportedKey,
    /// Values that are not imported as the file has them.
    pub(crate) changes: Vec<Change>,
}

/// Value that is not imported as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Path of the field (`key.name`).
    pub(crate) field: String,
    /// Description, whose subject is the field.
    pub(crate) description: String,
}

/// Keys of a file, and the errors of those that cannot be read.
#[derive(Default)]
pub(crate) struct FileKeys {
    pub(crate) keys: Vec<FileKey>,
    pub(crate) errors: Vec<String>,
    /// Notes about parts of the file that Latchkey cannot import.
    pub(crate) notes: Vec<String>,
    /// True if the file itself says that it is only to be checked (`validate_only`).
    pub(crate) validate_only: bool,
}

impl FileKeys {
    fn add(&mut self, place: String, key: Result<v1::ImportedKey, String>) {
        self.add_changed(place, key.map(|key| (key, Vec::new())));
    }

    fn add_changed(&mut self, place: String, key: Result<(v1::ImportedKey, Vec<Change>), String>) {
        match key {
            Ok((key, changes)) => self.keys.push(FileKey { place, key, changes }),
            Err(error) => self.errors.push(format!("{place}: {error}")),
        }
    }
}

/// Returns a warning for each value that is not imported as the file has it.
pub(crate) fn changes(keys: &[FileKey]) -> Vec<v1::ImportFinding> {
    let mut all = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        all.extend(key.changes.iter().map(|change| v1::ImportFinding {
            index: i32::try_from(number).unwrap_or(i32::MAX),
            field: format!("keys[{number}].{}", change.field),
            description: change.description.clone(),
        }));
    }
    all
}

/// Reads a file. Without a source, its format is detected by its name and content.
pub(crate) fn read(text: &str, name: &str, source: Option<ImportSource>) -> Result<FileKeys, CliError> {
    let text = text.trim_start_matches('\u{feff}');
    match source.unwrap_or_else(|| detect(text, name)) {
        ImportSource::Json => request(text),
        ImportSource::Jsonl => Ok(lines(text)),
        ImportSource::Csv => csv::read(text),
        ImportSource::Kong => kong::read(&yaml_or_json(text)?),
        ImportSource::Unkey => unkey::read(&json(text)?),
        ImportSource::Aws => aws::read(&json(text)?),
    }
}

fn detect(text: &str, name: &str) -> ImportSource {
    match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("csv") => ImportSource::Csv,
        Some("jsonl" | "ndjson") => ImportSource::Jsonl,
        Some("json") => ImportSource::Json,
        _ if !text.trim_start().starts_with(['{', '[']) => ImportSource::Csv,
        _ => {
            let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            // A line with a mistake is still one of many.
            let one_key = first.starts_with('{') && first.ends_with('}') && !names_keys(first);
            if one_key { ImportSource::Jsonl } else { ImportSource::Json }
        }
    }
}

/// Returns whether a line is a `latchkey.v1.ImportKeysRequest`, whose keys are in the list `keys`.
fn names_keys(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(value) => value.get("keys").is_some(),
        Err(_) => line.contains("\"keys\""),
    }
}

/// Reads a `latchkey.v1.ImportKeysRequest`.
fn request(text: &str) -> Result<FileKeys, CliError> {
    let request: v1::ImportKeysRequest = from_json(text)?;
    unique::check(text).map_err(CliError::Usage)?;
    let mut found = FileKeys { validate_only: request.validate_only, ..FileKeys::default() };
    for (n, mut key) in request.keys.into_iter().enumerate() {
        let inner = key.key.get_or_insert_default();
        if inner.tenant.is_empty() {
            inner.tenant.clone_from(&request.tenant);
        }
        found.add(format!("keys[{n}]"), Ok(key));
    }
    Ok(found)
}

/// Reads a `latchkey.v1.ImportedKey` from each line.
fn lines(text: &str) -> FileKeys {
    let mut found = FileKeys::default();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let key = from_json::<v1::ImportedKey>(line).map_err(|error| match error {
            CliError::Usage(text) | CliError::Local(text) => text,
            _ => "can't be read".to_owned(),
        });
        let key = key.and_then(|key| unique::check(line).map(|()| key));
        found.add(format!("line {}", n + 1), key);
    }
    found
}

fn json(text: &str) -> Result<Value, CliError> {
    let value = serde_json::from_str(text)
        .map_err(|error| CliError::Usage(format!("the file is not JSON: {error}")))?;
    unique::check(text).map_err(CliError::Usage)?;
    Ok(value)
}

fn yaml_or_json(text: &str) -> Result<Value, CliError> {
    if let Ok(value) = serde_json::from_str(text) {
        unique::check(text).map_err(CliError::Usage)?;
        return Ok(value);
    }
    serde_saphyr::from_str(text).map_err(|error| {
        // The error's own text can repeat a key.
        let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        CliError::Usage(format!(
            "the file is neither JSON nor YAML{}: write one document, each name once in an object, and keys that look like \
             numbers in quotes",
            place.unwrap_or_default()
        ))
    })
}

/// Returns the error of a file that is only a part of an export.
fn incomplete(field: &str) -> CliError {
    CliError::Usage(format!(
        "the file has one page of the export alone: {field:?} says that more follow. Export all pages, and join their lists"
    ))
}

#[cfg(test)]
mod tests;
