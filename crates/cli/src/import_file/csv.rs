//! Tables as CSV (RFC 4180), with a header that names the columns.

use latchkey_proto::v1;
use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::imported_key::Secret;

use super::FileKeys;
use super::record::parse_time;
use crate::exit::CliError;

const COLUMNS: &str = "value, hash, algorithm, secret, name, tenant, kind, environment, scopes, expire_time, \
                       create_time, disabled, enabled, prefix, hint, networks, metadata.NAME, binding.NAME, rate_limit.CLASS";

/// Reads a table.
pub(super) fn read(text: &str) -> Result<FileKeys, CliError> {
    let mut rows = rows(text).map_err(CliError::Usage)?.into_iter();
    let (_, header) = rows.next().ok_or_else(|| CliError::Usage("the file is empty".to_owned()))?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let [one] = &*header
        && !is_column(one)
        && one.contains([';', '\t', '|'])
    {
        let text = "line 1: has no comma: separate the columns by commas, not by semicolons, tabs or bars";
        return Err(CliError::Usage(text.to_owned()));
    }
    for (n, name) in header.iter().enumerate() {
        if let Some(column) = meant(name) {
            return Err(CliError::Usage(format!(
                "line 1: no column has the name {name:?}: write {column:?}"
            )));
        }
        if !is_column(name) {
            // In a file without a header, this may be a key.
            return Err(CliError::Usage(format!(
                "line 1: column {} has a name that no column has, which is not shown because it may be a key. The first \
                 line names the columns: {COLUMNS}",
                n + 1
            )));
        }
        if header[..n].contains(name) {
            return Err(CliError::Usage(format!("line 1: the column {name:?} is there twice")));
        }
    }
    let mut found = FileKeys::default();
    for (line, cells) in rows {
        let key = if cells.len() == header.len() {
            key(&header, &cells)
        } else {
            Err(format!("has {} cells, and the header has {}", cells.len(), header.len()))
        };
        found.add(format!("line {line}"), key);
    }
    Ok(found)
}

/// Usual names of columns, none of which can be a key, and those that they have here.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("key", "value"),
    ("api_key", "value"),
    ("apikey", "value"),
    ("token", "value"),
    ("key_hash", "hash"),
    ("digest", "hash"),
    ("scope", "scopes"),
    ("env", "environment"),
    ("expires", "expire_time"),
    ("expires_at", "expire_time"),
    ("created", "create_time"),
    ("created_at", "create_time"),
    ("network", "networks"),
    ("active", "enabled"),
];

/// Returns the name of the column that a header means, if it is another name or is written with capital letters.
fn meant(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase().replace([' ', '-'], "_");
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == lower).map(|(_, column)| *column);
    let same = || COLUMNS.split(", ").find(|column| *column == lower && *column != name);
    other.or_else(same)
}

fn is_column(name: &str) -> bool {
    let named = |prefix| name.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty());
    COLUMNS.split(", ").any(|column| column == name && !column.contains('.'))
        || name == "sha256"
        || named("metadata.")
        || named("binding.")
        || named("rate_limit.")
}

fn key(header: &[String], cells: &[String]) -> Result<v1::ImportedKey, String> {
    let (mut key, mut inner) = (v1::ImportedKey::default(), v1::CreateKeyRequest::default());
    let (mut hash, mut value) = (v1::ImportedHash::default(), "");
    for (column, cell) in header.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty()) {
        let trimmed = cell.trim();
        let time = || parse_time(trimmed).map_err(|remedy| format!("{column}: is no time: {remedy}"));
        match column.as_str() {
            "value" => value = cell,
            "hash" | "sha256" => trimmed.clone_into(&mut hash.digest),
            "algorithm" => trimmed.clone_into(&mut hash.algorithm),
            "secret" => trimmed.clone_into(&mut hash.secret),
            "name" => cell.clone_into(&mut inner.name),
            "tenant" => trimmed.clone_into(&mut inner.tenant),
            "kind" => trimmed.clone_into(&mut inner.kind),
            "environment" => trimmed.clone_into(&mut inner.environment),
            "scopes" => inner.scopes = words(trimmed),
            "expire_time" => inner.expiry = Some(Expiry::ExpireTime(time()?)),
            "create_time" => key.create_time = Some(time()?),
            // A key that either column turns off is disabled.
            "disabled" => key.disabled |= flag(column, trimmed)?,
            "enabled" => key.disabled |= !flag(column, trimmed)?,
            "prefix" => cell.clone_into(&mut key.prefix),
            "hint" => cell.clone_into(&mut key.hint),
            "networks" => inner.allowed_networks = words(trimmed),
            column => {
                let (table, name) = column.split_once('.').unwrap_or_default();
                let entries = match table {
                    "metadata" => &mut inner.metadata,
                    "binding" => &mut inner.bindings,
                    _ => &mut inner.rate_limits,
                };
                entries.insert(name.to_owned(), cell.clone());
            }
        }
    }
    key.secret = match (value.is_empty(), hash.digest.is_empty()) {
        (false, true) => Some(Secret::Value(value.to_owned())),
        (true, false) => {
            if hash.algorithm.is_empty() {
                "sha256".clone_into(&mut hash.algorithm);
            }
            Some(Secret::Hash(hash))
        }
        (true, true) => return Err("has neither a value nor a hash".to_owned()),
        (false, false) => return Err("has a value and a hash; write one of them".to_owned()),
    };
    key.key = Some(inner);
    Ok(key)
}

/// Returns words that are separated by spaces, commas or semicolons.
fn words(cell: &str) -> Vec<String> {
    let separates = |c: char| c.is_whitespace() || c == ',' || c == ';';
    cell.split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn flag(column: &str, cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Ok(true),
        "false" | "f" | "no" | "0" => Ok(false),
        _ => Err(format!("{column}: is neither \"true\" nor \"false\"")),
    }
}

/// Returns the rows, each with the line that it begins in. Empty lines are no rows.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut rows = Vec::new();
    let mut row = Row::new(1);
    let (mut line, mut quoted) = (1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                row.cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if row.cell.is_empty() && !row.was_quoted => (quoted, row.was_quoted) = (true, true),
            ',' if !quoted => row.end_cell(),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                line += 1;
                rows.extend(row.end());
                row = Row::new(line);
            }
            _ if row.was_quoted && !quoted => {
                return Err(format!(
                    "line {line}: a text follows a closing quote; write a quote within quotes twice"
                ));
            }
            _ => {
                line += usize::from(character == '\n');
                row.cell.push(character);
            }
        }
    }
    if quoted {
        return Err(format!("line {}: a quote is not closed", row.line));
    }
    rows.extend(row.end());
    Ok(rows)
}

/// Row that is being read.
struct Row {
    line: usize,
    cells: Vec<String>,
    cell: String,
    was_quoted: bool,
}

impl Row {
    fn new(line: usize) -> Self {
        Self { line, cells: Vec::new(), cell: String::new(), was_quoted: false }
    }

    fn end_cell(&mut self) {
        self.cells.push(std::mem::take(&mut self.cell));
        self.was_quoted = false;
    }

    fn end(mut self) -> Option<(usize, Vec<String>)> {
        if self.cells.is_empty() && self.cell.trim().is_empty() && !self.was_quoted {
            return None;
        }
        self.end_cell();
        Some((self.line, self.cells))
    }
}
