//! Checks of Envoy's runtime values, which can disable the filter in addition to its own settings.

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::filter::denominator;
use super::walk::{at, find, text};
use super::{doubtful, wrong};

/// Checks the runtime key of `filter_enabled`.
pub(super) fn examine(configuration: &Value, filter: &Value) -> Option<Finding> {
    let key = text(filter, "filter_enabled/runtime_key");
    if key.is_empty() {
        return None;
    }
    let layers = find(configuration, |value| value.is_object() && at(value, "static_layer").is_object());
    let mut values = layers.into_iter().filter_map(|layer| value(at(layer, "static_layer"), key));
    let remedy = "leave out the runtime_key of filter_enabled, and the value";
    Some(match values.find(|value| !is_whole(value)) {
        Some(value) => wrong(
            format!(
                "filter_enabled: the runtime value {key} is {value}: a part of the requests is not asked about, and passes"
            ),
            remedy,
        ),
        None => doubtful(
            format!("filter_enabled: the runtime value {key} decides which requests Latchkey is asked about"),
            remedy,
        ),
    })
}

/// Returns the value of a key, whose parts can be members of each other.
fn value<'a>(layer: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(found) = layer.get(key) {
        return Some(found);
    }
    key.match_indices('.').find_map(|(place, _)| value(layer.get(&key[..place])?, &key[place + 1..]))
}

/// Returns whether a runtime value is at least 100 percent.
fn is_whole(value: &Value) -> bool {
    let numerator = at(value, "numerator").as_f64().or_else(|| value.as_f64());
    numerator.is_some_and(|numerator| numerator >= denominator(text(value, "denominator")))
}
