//! `[upstream_headers]`, `[response_headers]` and the headers of denials: names that may be set, and values
//! that are templates.

use crate::profile::HeaderTemplate;
use crate::reader::{Section, Text, Value};
use crate::request::is_separator;
use crate::response::MAX_SEPARATORS;
use crate::source::is_token;
use crate::template::Template;

/// Headers that belong to the connection or the message and are Envoy's own to set.
const RESERVED_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads the headers that identify the principal to the upstream.
pub(super) fn upstream(root: &mut Section<'_>) -> Vec<HeaderTemplate> {
    let Some(section) = root.section("upstream_headers") else { return Vec::new() };
    for (name, _) in section.entries() {
        if name.bytes().filter(|b| is_separator(*b)).count() > MAX_SEPARATORS {
            name.report(format!(
                "an identity header has at most {MAX_SEPARATORS} hyphens, since every spelling of it \
                 with underscores is removed from the request"
            ));
        }
    }
    // Two spellings of a header would be set and removed at the same time.
    read(&section, |name| name.to_ascii_lowercase().replace(['_', '.'], "-"))
}

/// Reads the headers of every response.
pub(super) fn response(root: &mut Section<'_>) -> Vec<HeaderTemplate> {
    root.section("response_headers").map(|section| plain(&section)).unwrap_or_default()
}

/// Reads headers whose names are compared without case.
pub(super) fn plain(section: &Section<'_>) -> Vec<HeaderTemplate> {
    read(section, str::to_ascii_lowercase)
}

fn read(section: &Section<'_>, normalize: fn(&str) -> String) -> Vec<HeaderTemplate> {
    let mut names: Vec<String> = Vec::new();
    let mut headers = Vec::new();
    for (name, value) in section.entries() {
        let lower = name.to_ascii_lowercase();
        let normalized = normalize(&name);
        if !is_token(&name) {
            name.report(format!("\"{}\" is not a header name", name.value));
        } else if RESERVED_HEADERS.contains(&&*lower) {
            name.report(format!("the header \"{lower}\" cannot be set by a profile"));
        } else if names.contains(&normalized) {
            name.report(format!("the header \"{lower}\" is listed twice"));
        }
        names.push(normalized);
        let template = self::value(&value);
        headers.extend(template.map(|value| HeaderTemplate { name: lower.into(), value }));
    }
    headers
}

fn value(value: &Value<'_>) -> Option<Template> {
    let text = value.text()?;
    let template = template(&text)?;
    if template.has_controls() {
        text.report("a header value must not contain control characters or line breaks");
    }
    Some(template)
}

/// Compiles a template; reports each of its mistakes at its location.
pub(super) fn template(text: &Text<'_>) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(errors) => {
            for (byte, message) in errors {
                text.report_inside(byte, message);
            }
            None
        }
    }
}
