//! Filters of templates, with the names that Jinja uses.

use std::fmt::Write as _;

/// A filter with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Upper,
    Lower,
    Trim,
    Capitalize,
    Default(Box<str>),
    Join(Box<str>),
    Replace(Box<str>, Box<str>),
    Truncate(usize),
    UrlEncode,
    Json,
    JsonOrNull,
    /// The text after a prefix; empty if the text does not start with it.
    RemovePrefix(Box<str>),
}

/// Argument of a filter.
pub(super) enum Argument {
    Text(String),
    Number(usize),
}

/// Output of the last filter: text that is still to be escaped, or finished JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterOutput {
    Text,
    Json,
}

/// Most bytes of a value after a filter. A longer value is left empty: a part of it could mean something else.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// Largest factor by which the filters of a value may lengthen it.
const MAX_GROWTH: usize = 100;

const FILTERS: &str = "upper, lower, trim, capitalize, default(\"text\"), join(\"text\"), \
                       replace(\"text\", \"text\"), truncate(number), urlencode, json, json_or_null, \
                       removeprefix(\"text\")";

/// Returns whether the filters replace an absent value.
pub(super) fn has_default(filters: &[Filter]) -> bool {
    filters.iter().any(|filter| matches!(filter, Filter::Default(_) | Filter::JsonOrNull))
}

/// Returns the text that the filters remove from the beginning of a value, if they remove one.
pub(super) fn removed_prefix(filters: &[Filter]) -> Option<&str> {
    filters.iter().find_map(|filter| match filter {
        Filter::RemovePrefix(prefix) => Some(&**prefix),
        _ => None,
    })
}

impl Filter {
    /// Returns the filter of a name.
    ///
    /// # Errors
    ///
    /// Returns the description of the mistake if the name or the arguments are wrong.
    pub(super) fn of(name: &str, arguments: &[Argument]) -> Result<Self, String> {
        match (name, arguments) {
            ("upper", []) => Ok(Self::Upper),
            ("lower", []) => Ok(Self::Lower),
            ("trim", []) => Ok(Self::Trim),
            ("capitalize", []) => Ok(Self::Capitalize),
            ("default", [Argument::Text(text)]) => Ok(Self::Default(text.as_str().into())),
            ("join", [Argument::Text(text)]) => Ok(Self::Join(text.as_str().into())),
            ("replace", [Argument::Text(old), Argument::Text(_)]) if old.is_empty() => {
                Err("the text to replace must not be empty".to_owned())
            }
            ("replace", [Argument::Text(old), Argument::Text(new)]) => {
                Ok(Self::Replace(old.as_str().into(), new.as_str().into()))
            }
            ("truncate", [Argument::Number(most)]) => Ok(Self::Truncate(*most)),
            ("urlencode", []) => Ok(Self::UrlEncode),
            ("json", []) => Ok(Self::Json),
            ("json_or_null", []) => Ok(Self::JsonOrNull),
            // `after` is the former name of the filter.
            ("removeprefix" | "after", [Argument::Text(text)]) => {
                Ok(Self::RemovePrefix(text.as_str().into()))
            }
            (
                "upper" | "lower" | "trim" | "capitalize" | "default" | "join" | "replace" | "truncate"
                | "urlencode" | "json" | "json_or_null" | "removeprefix" | "after",
                _,
            ) => Err(format!("the filter \"{name}\" takes other arguments; the filters are: {FILTERS}")),
            _ => Err(format!("there is no filter \"{name}\"; the filters are: {FILTERS}")),
        }
    }

    /// Returns the largest factor by which the filter lengthens a text.
    fn growth(&self) -> usize {
        match self {
            Self::Replace(old, new) => new.len().div_ceil(old.len()).max(1),
            Self::Join(separator) => separator.len().max(1),
            Self::UrlEncode | Self::Upper | Self::Lower | Self::Capitalize => 3,
            // A control character is written as six.
            Self::Json | Self::JsonOrNull => 6,
            Self::Default(_) | Self::Trim | Self::Truncate(_) | Self::RemovePrefix(_) => 1,
        }
    }

    fn apply(&self, text: &str, list: bool) -> String {
        match self {
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            Self::Trim => text.trim().to_owned(),
            Self::Capitalize => capitalize(text),
            Self::Default(other) => if text.is_empty() { other } else { text }.to_owned(),
            Self::Join(separator) => {
                if list {
                    text.replace(' ', separator)
                } else {
                    text.to_owned()
                }
            }
            Self::Replace(old, new) => text.replace(&**old, new),
            Self::Truncate(most) => text.chars().take(*most).collect(),
            Self::UrlEncode => url_encode(text),
            Self::JsonOrNull if text.is_empty() && !list => "null".to_owned(),
            Self::RemovePrefix(prefix) => text.strip_prefix(&**prefix).unwrap_or_default().to_owned(),
            Self::Json | Self::JsonOrNull if list => json_list(text),
            Self::Json | Self::JsonOrNull => json_text(text),
        }
    }
}

/// Returns a description of the mistake if the filters together can lengthen a value too much.
pub(super) fn check_growth(filters: &[Filter]) -> Result<(), String> {
    let growth = filters.iter().fold(1_usize, |all, filter| all.saturating_mul(filter.growth()));
    if growth <= MAX_GROWTH {
        return Ok(());
    }
    Err(format!(
        "the filters together can make a value {growth} times as long, and {MAX_GROWTH} times is the most: use shorter \
         texts in replace and join, or fewer filters"
    ))
}

/// Applies the filters to the text from `begin` on.
pub(super) fn apply(filters: &[Filter], list: bool, out: &mut String, begin: usize) -> FilterOutput {
    let Some((first, others)) = filters.split_first() else { return FilterOutput::Text };
    // Only a leading `default` keeps a list; after any other filter, the value is a text.
    let mut list = list;
    let mut text = first.apply(&out[begin..], list);
    let mut last = first;
    for filter in others {
        if text.len() > MAX_VALUE_BYTES {
            break;
        }
        list &= matches!(last, Filter::Default(_));
        text = filter.apply(&text, list);
        last = filter;
    }
    if text.len() > MAX_VALUE_BYTES {
        out.truncate(begin);
        if matches!(filters.last(), Some(Filter::Json | Filter::JsonOrNull)) {
            out.push_str("null");
            return FilterOutput::Json;
        }
        return FilterOutput::Text;
    }
    out.truncate(begin);
    out.push_str(&text);
    if matches!(last, Filter::Json | Filter::JsonOrNull) { FilterOutput::Json } else { FilterOutput::Text }
}

fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.as_str().to_lowercase().chars()).collect()
}

/// Percent-encodes all bytes except unreserved characters (RFC 3986 section 2.3) and slashes.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns names that are separated by spaces as a JSON array.
fn json_list(text: &str) -> String {
    text.split_ascii_whitespace().collect::<serde_json::Value>().to_string()
}
