//! Access logs and traces that record a credential.

use std::collections::BTreeSet;

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::walk::{at, find, list, text};
use super::wrong;

/// Headers that carry credentials of any product.
const SECRET: [&str; 4] = ["authorization", "x-api-key", "cookie", "proxy-authorization"];
/// Members of messages that configure logs and traces.
const WRITERS: [&str; 3] = ["access_log", "upstream_log", "tracing"];
/// Members that hold the format of a log.
const FORMATS: [&str; 4] = ["log_format", "format", "json_format", "typed_json_format"];
/// Beginnings of Envoy's commands for a header of the request.
const HEADER_COMMANDS: [&str; 2] = ["%req(", "%request_header("];

pub(super) fn examine(configuration: &Value, requirements: &[EnvoyRequirements]) -> Vec<Finding> {
    let credentials = requirements.iter().flat_map(|one| one.credential_headers.iter().map(String::as_str));
    let secret: BTreeSet<&str> = SECRET.into_iter().chain(credentials).collect();
    let parameters: BTreeSet<&str> =
        requirements.iter().flat_map(|one| one.credential_parameters.iter().map(String::as_str)).collect();
    let writers: Vec<&Value> = WRITERS
        .iter()
        .flat_map(|member| {
            let holds = |value: &Value| value.is_object() && !at(value, member).is_null();
            find(configuration, holds).into_iter().map(|value| at(value, member))
        })
        .collect();
    let mut found = Vec::new();
    let written: BTreeSet<String> = writers.iter().flat_map(|writer| headers(writer)).collect();
    let written: Vec<&str> =
        written.iter().map(String::as_str).filter(|name| secret.contains(name)).collect();
    if !written.is_empty() {
        found.push(wrong(
            format!("an access log or a trace writes credentials down ({})", written.join(", ")),
            "take these headers out of its format, its custom_tags and its additional_request_headers_to_log",
        ));
    }
    let queries: Vec<&str> =
        parameters.into_iter().filter(|name| writers.iter().any(|one| query(one, name))).collect();
    if !queries.is_empty() {
        found.push(wrong(
            format!("an access log writes the query down, which holds credentials ({})", queries.join(", ")),
            "give it a log_format with %PATH(NQ)% in place of %REQ(:PATH)%; the default format has the query too",
        ));
    }
    found
}

/// Returns all texts in a message.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    find(value, Value::is_string).into_iter().filter_map(Value::as_str)
}

/// Returns the headers of requests that a log or a trace names, in lower case.
fn headers(writer: &Value) -> Vec<String> {
    let mut names: Vec<String> = texts(writer).flat_map(commands).collect();
    for member in ["additional_request_headers_to_log", "additional_request_trailers_to_log"] {
        let holds = |value: &Value| value.is_object() && !at(value, member).is_null();
        for logged in find(writer, holds) {
            names.extend(list(logged, member).iter().filter_map(Value::as_str).map(str::to_lowercase));
        }
    }
    let tagged = find(writer, |value| value.is_object() && !at(value, "request_header").is_null());
    names.extend(tagged.into_iter().map(|tag| text(tag, "request_header/name").to_lowercase()));
    names
}

/// Returns the headers that a format names, in lower case: `%REQ(A?B):9%` is A, or else B.
fn commands(format: &str) -> Vec<String> {
    let format = format.to_ascii_lowercase();
    let commands = HEADER_COMMANDS
        .iter()
        .flat_map(|command| format.split(*command).skip(1))
        .filter_map(|rest| rest.split(')').next());
    let cookies = format.contains("%cookie(").then(|| "cookie".to_owned());
    let named =
        commands.flat_map(|names| names.split('?')).map(|name| without_length(name.trim()).to_owned());
    named.chain(cookies).collect()
}

/// Returns the name of a header without a maximum length behind it. The names of pseudo-headers begin with a colon.
fn without_length(name: &str) -> &str {
    let pseudo = usize::from(name.starts_with(':'));
    name[pseudo..].find(':').map_or(name, |end| &name[..pseudo + end])
}

/// Returns whether a log writes the query, or this parameter of it.
fn query(writer: &Value, parameter: &str) -> bool {
    let written = |text: &str| {
        let upper = text.to_ascii_uppercase();
        let by_name = upper.contains(&format!("%QUERY_PARAM({})", parameter.to_ascii_uppercase()));
        let path =
            commands(text).iter().any(|name| [":path", "x-envoy-original-path"].contains(&name.as_str()));
        // `%PATH%` has the query, and so has `%PATH(WQ)%`; `%PATH(NQ)%` has not.
        let with_query = upper.split("%PATH").skip(1).any(|rest| {
            rest.starts_with('%')
                || rest.strip_prefix('(').is_some_and(|rest| !rest.trim_start().starts_with("NQ"))
        });
        by_name || path || with_query || upper.contains("%QUERY_PARAMS")
    };
    if texts(writer).any(written) {
        return true;
    }
    // Without a format, a file or a stream has Envoy's own, with the path and its query.
    let streams = |value: &Value| {
        let kind = value["@type"].as_str().unwrap_or_default();
        kind.contains("envoy.extensions.access_loggers.file.")
            || kind.contains("envoy.extensions.access_loggers.stream.")
    };
    find(writer, streams).into_iter().any(|log| FORMATS.iter().all(|member| at(log, member).is_null()))
}
