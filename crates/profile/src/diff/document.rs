//! Changes of all other fields of a document, found by a comparison field by field: answers, headers, endpoints, and
//! details of the parts that other modules compare by their meaning.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_core::excerpt::shortened;
use latchkey_core::profile_change::{ChangeEffect, ProfileChange};
use toml::de::{DeTable, DeValue};

use super::Versions;

/// Parts of a document that are compared by their meaning alone.
const COMPARED: &[&str] = &[
    "name",
    "enforce",
    "unmatched_routes",
    "credential",
    "hosts",
    "routes",
    "rate_limits",
    "plans",
    "roles",
];
/// Parts of a document that clients or upstreams see.
const ANSWERS: &[&str] = &[
    "denials",
    "response_headers",
    "upstream_headers",
    "unknown_rate_limits",
    "route_errors",
    "endpoints",
    "request_id",
];
/// Names by which the tables of a list are known, the first that a table has.
const NAMES: [&str; 5] = ["name", "host", "path", "reasons", "request"];
/// Longest value that a change shows, in bytes.
const MAX_VALUE_BYTES: usize = 200;

/// Values of a document by the path of their field.
type Fields = BTreeMap<String, String>;

/// Returns the texts of a list in a table of a document.
pub(super) fn texts(document: &str, table: &str, field: &str) -> Vec<String> {
    let (root, _) = DeTable::parse_recoverable(document);
    let root = root.into_inner();
    let Some(DeValue::Table(table)) = root.get(table).map(toml::Spanned::get_ref) else { return Vec::new() };
    let Some(DeValue::Array(items)) = table.get(field).map(toml::Spanned::get_ref) else { return Vec::new() };
    let text =
        |value: &DeValue<'_>| if let DeValue::String(text) = value { Some(text.to_string()) } else { None };
    items.iter().filter_map(|item| text(item.get_ref())).collect()
}

/// Returns the names of the fields of a table in a document.
pub(super) fn names(document: &str, table: &str) -> Vec<String> {
    let (root, _) = DeTable::parse_recoverable(document);
    let root = root.into_inner();
    let Some(DeValue::Table(table)) = root.get(table).map(toml::Spanned::get_ref) else { return Vec::new() };
    table.keys().map(|name| name.get_ref().to_string()).collect()
}

/// Returns the value of a field of a document, as a change shows it; empty if the document does not have it.
pub(super) fn value(document: &str, field: &str) -> String {
    shortened(fields(document).get(field).map_or("", String::as_str), MAX_VALUE_BYTES)
}

/// Finds the fields that differ and that none of the other changes is about.
pub(super) fn changes(versions: &Versions<'_>, found: &[ProfileChange]) -> Vec<ProfileChange> {
    let (old, new) = (fields(versions.old_text), fields(versions.new_text));
    let is_part = |path: &str, of: &str| {
        path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let known = |path: &str| {
        COMPARED.iter().any(|part| is_part(path, part))
            || found.iter().any(|change| !change.field.is_empty() && is_part(path, &change.field))
    };
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes: BTreeMap<String, ProfileChange> = BTreeMap::new();
    for path in paths {
        let (before, after) = (old.get(path), new.get(path));
        if before == after || known(path) {
            continue;
        }
        let element = element(path);
        let exists = |fields: &Fields| fields.keys().any(|field| is_part(field, element));
        let (shown, text) = match (exists(&old), exists(&new)) {
            _ if element == "examples" => (element, "`examples` changes".to_owned()),
            (true, false) => (element, format!("`{element}` is removed")),
            (false, true) => (element, format!("`{element}` is added")),
            (true, true) | (false, false) => (path.as_str(), verb(path, before.is_some(), after.is_some())),
        };
        let values = |value: Option<&String>| {
            let value = value.filter(|_| shown == path).map_or("", String::as_str);
            shortened(value, MAX_VALUE_BYTES)
        };
        let effect = if ANSWERS.iter().any(|part| is_part(path, part)) {
            ChangeEffect::AnswerChanges
        } else {
            ChangeEffect::Other
        };
        let change = ProfileChange::new(effect, shown, text).values(values(before), values(after));
        changes.entry(shown.to_owned()).or_insert(change);
    }
    changes.into_values().collect()
}

fn verb(path: &str, before: bool, after: bool) -> String {
    match (before, after) {
        (true, false) => format!("`{path}` is removed"),
        (false, true) => format!("`{path}` is added"),
        (true, true) | (false, false) => format!("`{path}` changes"),
    }
}

/// Returns the element of a list of tables that a path is in, or the path itself. `examples` is one element.
fn element(path: &str) -> &str {
    if path.starts_with("examples[") {
        return "examples";
    }
    match path.find('[') {
        Some(open) => close(path, open).map_or(path, |end| &path[..=end]),
        None => path,
    }
}

/// Returns the index of the bracket that closes the one at `open`.
fn close(path: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in path.bytes().enumerate().skip(open) {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(at),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn fields(document: &str) -> Fields {
    let (root, _) = DeTable::parse_recoverable(document);
    let mut fields = Fields::new();
    table(&root.into_inner(), "", &mut fields);
    fields
}

fn table(table: &DeTable<'_>, path: &str, fields: &mut Fields) {
    for (name, value) in table {
        let name: &str = name.get_ref();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        read(value.get_ref(), &path, fields);
    }
}

fn read(value: &DeValue<'_>, path: &str, fields: &mut Fields) {
    match value {
        DeValue::Table(inner) => table(inner, path, fields),
        DeValue::Array(items) if items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))) => {
            for (index, item) in items.iter().enumerate() {
                let mut at = format!("{path}[{}]", name(item.get_ref()).unwrap_or_else(|| index.to_string()));
                // Of two elements with the same name, the second has its place.
                if fields.keys().any(|field| field.starts_with(&at)) {
                    at = format!("{path}[{index}]");
                }
                read(item.get_ref(), &at, fields);
            }
        }
        scalar => drop(fields.insert(path.to_owned(), text(scalar))),
    }
}

/// Returns the name of an element of a list; routes and endpoints with the same path differ by their methods.
fn name(element: &DeValue<'_>) -> Option<String> {
    let DeValue::Table(table) = element else { return None };
    let of = |field: &str| table.get(field).map(|value| text(value.get_ref()));
    let name = NAMES.iter().find_map(|field| of(field))?;
    let methods = of("method").or_else(|| of("methods"));
    Some(methods.map_or_else(|| name.clone(), |methods| format!("{methods} {name}")))
}

fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect::<Vec<_>>().join(", "),
        DeValue::Table(table) => {
            let field = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                format!("{name} = {}", text(value.get_ref()))
            };
            table.iter().map(field).collect::<Vec<_>>().join(", ")
        }
    }
}
