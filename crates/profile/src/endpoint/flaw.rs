//! Values of an HTTP request that are there and cannot be used, in words for the sender of the request.

use crate::source::Source;
use crate::template::EndpointName;

/// Flaw of a value that a request has. Without the value, the call would do something else than its sender asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The value has no character.
    Empty,
    /// There is more than one value.
    Multiple,
    /// The value is not a text.
    NotText,
    /// The body that has the value cannot be read, or the value has another type.
    Unreadable,
    /// The filters of the template leave nothing of the value.
    Form,
}

impl Flaw {
    /// Returns a sentence about a part of the request. `prefix` is the text that the template removes from the value's
    /// beginning, if it removes one.
    pub(crate) fn sentence(self, label: &str, prefix: Option<&str>) -> String {
        match (self, prefix) {
            (Self::Empty, _) => format!("{label} must not be empty."),
            (Self::Multiple, _) => format!("{label} has several values; send exactly one."),
            (Self::NotText, _) if label.starts_with(QUERY_PARAMETER) => {
                format!("{label} cannot be read; send UTF-8 with percent-encoding.")
            }
            (Self::NotText, _) => format!("{label} cannot be read; send UTF-8."),
            (Self::Unreadable, _) => format!("{label} cannot be read; send JSON in which it is a string."),
            (Self::Form, Some(prefix)) => format!("{label} must have the form {prefix}…"),
            (Self::Form, None) => format!("{label} does not have the form that this call needs."),
        }
    }
}

/// Words before the name of a query parameter.
const QUERY_PARAMETER: &str = "query parameter";

/// Returns the part of an HTTP request that a name stands for, in words for its sender: a field of the body by its name
/// alone, everything else with the place that it is in.
pub(super) fn label(name: &EndpointName, resources: &[(Box<str>, Source)]) -> String {
    match name {
        EndpointName::Body(name, _) => name.to_string(),
        EndpointName::Query(name) => format!("{QUERY_PARAMETER} {name}"),
        EndpointName::Header(name) => format!("header {name}"),
        EndpointName::Path(name) => format!("{name} in the path"),
        EndpointName::Resource(name) => {
            let source = resources.iter().find(|(n, _)| n == name);
            source.map_or_else(|| name.to_string(), |(_, source)| source_label(source, name))
        }
        EndpointName::Answer(..)
        | EndpointName::Item(..)
        | EndpointName::Items
        | EndpointName::Code
        | EndpointName::Message
        | EndpointName::Status
        | EndpointName::StatusText => "a value of this call".to_owned(),
    }
}

fn source_label(source: &Source, name: &str) -> String {
    match source {
        Source::Query(parameter) => format!("{QUERY_PARAMETER} {parameter}"),
        Source::Cookie(cookie) => format!("cookie {cookie}"),
        Source::Body(pointer) => pointer.member().unwrap_or(name).to_owned(),
        Source::Header(_) | Source::Scheme(..) | Source::Basic(_) | Source::Subprotocol(_) => {
            format!("header {}", source.header().unwrap_or(name))
        }
    }
}
