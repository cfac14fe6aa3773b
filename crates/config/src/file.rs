//! Reads the settings file: TOML, with one key for each setting. An unknown key is an error, since it is most likely a
//! misspelt one. No error quotes the file's text, which may hold secrets.

use std::collections::BTreeMap;
use std::path::Path;

use super::definitions::{ALL, Setting};
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
        } else {
            match plain(&value, is_list(&key)) {
                Ok(value) => drop(values.insert(key, value)),
                Err(remedy) => errors.push(ConfigError::new(&key, place.clone(), remedy)),
            }
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

/// Returns whether the setting of a key can have several values. A path of a file that holds a secret is one value.
fn is_list(key: &str) -> bool {
    let is_named = |setting: &&Setting| setting.names().iter().any(|name| name.key == key && !name.file);
    ALL.iter().find(is_named).is_some_and(|setting| setting.kind.is_list())
}

/// Returns a value as text, or the remedy for one that is not valid here.
fn plain(value: &toml::Value, is_list: bool) -> Result<String, &'static str> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(on) => Ok(on.to_string()),
        toml::Value::Array(_) if !is_list => Err("it takes one value: write it without brackets"),
        toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
            Ok(items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","))
        }
        _ if is_list => Err("write a string, or a list of strings"),
        _ => Err("write a string, a number, or true or false"),
    }
}
