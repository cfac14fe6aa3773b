//! Search in a configuration without a schema of Envoy's messages.

use serde_json::{Map, Value};

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

/// Returns true if a boolean is set; a wrapped one may be a plain value. Envoy reads YAML 1.1, where `yes` and `on` are true.
pub(super) fn on(value: &Value, path: &str) -> bool {
    let found = at(value, path);
    is_true(found) || is_true(&found["value"])
}

fn is_true(value: &Value) -> bool {
    let word = |text: &str| ["true", "yes", "on", "y"].iter().any(|word| text.eq_ignore_ascii_case(word));
    value.as_bool().or_else(|| value.as_str().map(word)).unwrap_or_default()
}

/// Fields with a value of an enumeration that checks read, each with the names of the values in the order of their numbers.
const ENUMERATIONS: [(&str, &[&str]); 4] = [
    (
        "path_with_escaped_slashes_action",
        &[
            "IMPLEMENTATION_SPECIFIC_DEFAULT",
            "KEEP_UNCHANGED",
            "REJECT_REQUEST",
            "UNESCAPE_AND_REDIRECT",
            "UNESCAPE_AND_FORWARD",
        ],
    ),
    ("headers_with_underscores_action", &["ALLOW", "REJECT_REQUEST", "DROP_HEADER"]),
    ("denominator", &["HUNDRED", "TEN_THOUSAND", "MILLION"]),
    ("op", &["EQ", "GE", "LE", "NE"]),
];

/// Returns the name of a value of an enumeration that is given by its number, which Envoy accepts too.
fn named(field: &str, value: &Value) -> Option<Value> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    let (_, names) = ENUMERATIONS.iter().find(|(name, _)| is_named(field, name))?;
    names.get(usize::try_from(number).ok()?).map(|name| Value::from(*name))
}

/// Returns the configuration with each message that is given as a `TypedStruct` (xds.type.v3, udpa.type.v1) in its usual
/// form, and with the values of enumerations by their names.
pub(super) fn untyped(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(untyped).collect(),
        Value::Object(members) => {
            let is_struct = value["@type"].as_str().is_some_and(|name| name.ends_with(".TypedStruct"));
            let (inner, name) = (&value["value"], at(value, "type_url"));
            if is_struct && !name.is_null() {
                let mut message = if inner.is_object() { untyped(inner) } else { Value::Object(Map::new()) };
                message["@type"] = name.clone();
                return message;
            }
            let usual = |(name, member): (&String, &Value)| {
                (name.clone(), named(name, member).unwrap_or_else(|| untyped(member)))
            };
            members.iter().map(usual).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Returns the types of a filter and of everything in it. The type of a filter that is discovered (ECDS) is named beside it.
pub(super) fn kinds(filter: &Value) -> Vec<&str> {
    let own = find_all(filter, |value| value["@type"].is_string())
        .into_iter()
        .filter_map(|value| value["@type"].as_str());
    own.chain(list(filter, "config_discovery/type_urls").iter().filter_map(Value::as_str))
        .map(|url| url.rsplit('/').next().unwrap_or(url))
        .collect()
}

/// Returns all nested values that match, including those inside of other matches.
pub(super) fn find_all(value: &Value, holds: impl Fn(&Value) -> bool + Copy) -> Vec<&Value> {
    let mut found = Vec::new();
    visit(value, &mut |one| {
        if holds(one) {
            found.push(one);
        }
        true
    });
    found
}

/// Returns a duration in seconds, from protobuf's notation (`0.2s`).
pub(super) fn seconds(value: &Value) -> Option<f64> {
    value.as_str()?.strip_suffix('s')?.parse().ok()
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// Returns whether a member has this name, in either spelling.
pub(super) fn is_named(member: &str, name: &str) -> bool {
    member == name || member == camel(name)
}

/// Returns the other spelling of a name that Envoy accepts.
pub(super) fn camel(name: &str) -> String {
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
    fn the_words_of_yaml_for_true_are_read() {
        for word in ["yes", "On", "TRUE", "y"] {
            assert!(on(&json!({ "a": word }), "a"), "{word}");
        }
        assert!(!on(&json!({ "a": "no" }), "a"));
    }

    #[test]
    fn a_typed_struct_is_read_as_its_message() {
        for kind in
            ["type.googleapis.com/xds.type.v3.TypedStruct", "type.googleapis.com/udpa.type.v1.TypedStruct"]
        {
            let given = json!([{ "@type": kind, "type_url": "x/a.B", "value": { "c": { "@type": kind, "typeUrl": "x/d.E" } } }]);
            assert_eq!(untyped(&given), json!([{ "@type": "x/a.B", "c": { "@type": "x/d.E" } }]));
        }
    }

    #[test]
    fn a_value_of_an_enumeration_can_be_a_number() {
        let given = json!({ "pathWithEscapedSlashesAction": 2, "a": { "headers_with_underscores_action": 1,
            "denominator": "2", "op": 3, "port_value": 2 } });
        let read = json!({ "pathWithEscapedSlashesAction": "REJECT_REQUEST", "a": {
            "headers_with_underscores_action": "REJECT_REQUEST", "denominator": "MILLION", "op": "NE", "port_value": 2 } });
        assert_eq!(untyped(&given), read);
        assert_eq!(untyped(&json!({ "op": 9 })), json!({ "op": 9 }));
    }

    #[test]
    fn spans_are_read_in_seconds() {
        assert_eq!(seconds(&json!("0.200s")), Some(0.2));
        assert_eq!(seconds(&json!("200ms")), None);
    }
}
