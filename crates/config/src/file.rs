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
        } else if key == operators::KEY {
            let remedy = "it is a table: write [operators], and in it \"NAME\" = { tenant = \"SLUG\", scopes = [\"SCOPE\"] }";
            errors.push(ConfigError::new(&key, place.clone(), remedy));
        } else if !known_keys().any(|known| known == key) {
            let near = unknown::nearest(&key, known_keys().chain([operators::KEY.to_owned()]));
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

/// Returns the place of an error and the form of a line. The parser's own message is not used, since it can quote a value.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text[..start].matches('\n').count();
    let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let key = key.filter(|key| known_keys().any(|known| known == *key));
    let key = key.map(|key| format!(" ({key})")).unwrap_or_default();
    let what = if error.message().starts_with("duplicate key") {
        "repeats a key or a table: remove one of the two"
    } else {
        "is not TOML: write KEY = \"VALUE\", with quotes around a text; numbers, true and false have none, and a list is \
         [\"A\", \"B\"]"
    };
    format!("line {}{key} {what}", line + 1)
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
