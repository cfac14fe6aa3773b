//! Reads the settings file: TOML, with one key for each setting. An unknown key is an error, since it is most likely a
//! misspelt one. No error quotes the file's text, which may hold secrets.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigError;
use super::operators;
use super::sources::known_keys;
use super::unknown;

type Values = BTreeMap<String, String>;

/// Content of a settings file.
#[derive(Default)]
pub(super) struct FileContents {
    /// Values of settings by key, as text.
    pub(super) values: Values,
    /// Table `[operators]`.
    pub(super) operators: Option<toml::Table>,
    /// Errors in single keys.
    pub(super) errors: Vec<ConfigError>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<FileContents, ConfigError> {
    let place = path.display().to_string();
    let bad = |remedy: String| ConfigError::new("config", place.clone(), remedy);
    let text = std::fs::read_to_string(path).map_err(|e| bad(format!("the file can't be read: {e}")))?;
    let table: toml::Table = text.parse().map_err(|e| bad(syntax(&text, &e)))?;
    let mut contents = FileContents::default();
    let FileContents { values, operators, errors } = &mut contents;
    for (key, value) in table {
        if let (operators::KEY, toml::Value::Table(table)) = (key.as_str(), &value) {
            *operators = Some(table.clone());
        } else if !known_keys().any(|known| known == key) {
            let near = unknown::nearest(&key, known_keys());
            let remedy =
                format!("there is no such setting{near}; `latchkey serve --help` lists all settings");
            errors.push(ConfigError::new(&key, place.clone(), remedy));
        } else if let Some(value) = plain(&value) {
            values.insert(key, value);
        } else {
            let remedy = "write a string, a number, true or false, or a list of strings";
            errors.push(ConfigError::new(&key, place.clone(), remedy));
        }
    }
    Ok(contents)
}

fn syntax(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line} is not TOML: {}", error.message())
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
