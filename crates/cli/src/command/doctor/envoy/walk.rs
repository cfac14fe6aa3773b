//! Looking through a configuration without knowing all of Envoy's messages.

use serde_json::Value;

/// Returns all nested values that match, in order, without looking inside a match.
pub(super) fn find(value: &Value, holds: impl Fn(&Value) -> bool + Copy) -> Vec<&Value> {
    let mut found = Vec::new();
    visit(value, &mut |one| {
        let here = holds(one);
        if here {
            found.push(one);
        }
        !here
    });
    found
}

fn visit<'a>(value: &'a Value, look: &mut impl FnMut(&'a Value) -> bool) {
    if !look(value) {
        return;
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| visit(member, look)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, look)),
        _ => {}
    }
}

/// Returns true for a message of this type.
pub(super) fn typed(value: &Value, name: &str) -> bool {
    value["@type"].as_str().and_then(|url| url.rsplit('/').next()) == Some(name)
}

/// Returns the value at a path, under either spelling that Envoy accepts (`failure_mode_allow`, `failureModeAllow`).
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |here, name| match &here[name] {
        Value::Null => &here[camel(name).as_str()],
        found => found,
    })
}

/// Returns true if a boolean is set; a wrapped one may be a plain value.
pub(super) fn on(value: &Value, path: &str) -> bool {
    let found = at(value, path);
    found.as_bool().or_else(|| found["value"].as_bool()).unwrap_or_default()
}

/// A span in seconds, as protobuf writes it (`0.2s`).
pub(super) fn seconds(value: &Value) -> Option<f64> {
    value.as_str()?.strip_suffix('s')?.parse().ok()
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_found() {
        for value in [json!({ "failure_mode_allow": true }), json!({ "failureModeAllow": { "value": true } })]
        {
            assert!(on(&value, "failure_mode_allow"), "{value}");
        }
        assert!(!on(&json!({}), "failure_mode_allow"));
        assert_eq!(
            text(
                &json!({ "grpcService": { "envoy_grpc": { "clusterName": "x" } } }),
                "grpc_service/envoy_grpc/cluster_name"
            ),
            "x"
        );
    }

    #[test]
    fn spans_are_read_in_seconds() {
        assert_eq!(seconds(&json!("0.200s")), Some(0.2));
        assert_eq!(seconds(&json!("200ms")), None);
    }
}
