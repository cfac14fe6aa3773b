//! Templates of the fields of an RPC's request. A field is left out if a value in it is absent from the HTTP request. A
//! value that is there and cannot be used is a mistake of the HTTP request.

use latchkey_core::policy::Policy;
use latchkey_core::time::{LONGEST_DURATION, Timestamp};
use serde_json::Value;

use super::call;
use crate::contract::{FieldType, Rpc};
use crate::template::{EndpointName, FieldFlaw, Name, RenderInput, Template};

/// Template of a field of the RPC's request.
#[derive(Debug)]
pub(crate) enum FieldTemplate {
    Single(Template, FieldType),
    /// A constant.
    Flag(bool),
    /// A list of the body, unchanged.
    BodyList(Template),
    List(Vec<Template>),
    Map(Vec<(Box<str>, Template)>),
}

impl FieldTemplate {
    /// Returns the templates of the field's parts.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Single(template, _) | Self::BodyList(template) => vec![template],
            Self::Flag(_) => Vec::new(),
            Self::List(templates) => templates.iter().collect(),
            Self::Map(templates) => templates.iter().map(|(_, template)| template).collect(),
        }
    }

    /// Returns the value of the field, or `None` if it is left out. Adds a sentence to `mistakes` for each value of the
    /// HTTP request that cannot be used.
    pub(super) fn value(
        &self,
        rpc: &Rpc,
        field: &str,
        input: &RenderInput<'_>,
        mistakes: &mut Vec<String>,
    ) -> Option<Value> {
        match self {
            Self::Single(template, field_type) => {
                let before = mistakes.len();
                let Some(text) = render(template, input, mistakes) else {
                    // A text in another form cannot be an identifier. The field is left out, so that the RPC
                    // finds no object.
                    if field == "id" && template.is_misformed(input) {
                        mistakes.truncate(before);
                    }
                    return None;
                };
                match field_type {
                    // An invalid duration is sent unchanged, so that the RPC rejects it. Without a duration, the
                    // result would never expire.
                    FieldType::Duration => {
                        if let Some(mistake) = duration_mistake(template, &text, rpc, field, input) {
                            mistakes.push(mistake);
                        }
                        let seconds = call::seconds(&text);
                        Some(seconds.map_or_else(|| text.into(), |s| Value::from(format!("{s}s"))))
                    }
                    // Any other text is sent unchanged, so that the RPC rejects it.
                    FieldType::Flag => Some(text.parse::<bool>().map_or_else(|_| text.into(), Value::from)),
                    FieldType::Text
                    | FieldType::TextList
                    | FieldType::Map
                    | FieldType::Time
                    | FieldType::Number => Some(text.into()),
                }
            }
            Self::Flag(flag) => Some(Value::from(*flag)),
            Self::BodyList(template) => {
                let (Some(Name::Endpoint(EndpointName::Body(name, _))), Some(call)) =
                    (template.single_name(), &input.call)
                else {
                    return None;
                };
                call.body.get(&**name).cloned()
            }
            Self::List(templates) => {
                let texts = templates.iter().filter_map(|template| render(template, input, mistakes));
                let texts: Vec<Value> = texts.map(Value::from).collect();
                (!texts.is_empty()).then(|| texts.into())
            }
            Self::Map(templates) => {
                let (mut named, mut unusable) = (serde_json::Map::new(), Vec::new());
                for (name, template) in templates {
                    if let Some(text) = render(template, input, &mut unusable) {
                        named.insert(name.to_string(), text.into());
                    }
                }
                // Metadata restricts nothing, and headers such as user-agent often have commas.
                if field != "metadata" {
                    mistakes.append(&mut unusable);
                }
                (!named.is_empty()).then(|| named.into())
            }
        }
    }
}

/// Returns a sentence if a list of scopes is empty and the RPC would grant scopes, because it reads an empty list as an
/// absent one.
pub(super) fn empty_scopes(name: &str, rpc: &Rpc, message: &Value, policy: &Policy) -> Option<String> {
    let empty = message["scopes"].as_array().is_some_and(Vec::is_empty);
    let grants = match rpc.name {
        "CreateKey" => {
            let kind =
                message["kind"].as_str().map_or_else(|| policy.default_kind(), |kind| policy.kind(kind));
            kind.is_some_and(|kind| !kind.default_scopes.is_empty())
        }
        "IssueJwt" | "RefreshJwt" => true,
        _ => false,
    };
    (empty && grants).then(|| format!("{name} must not be empty; leave it out for the default."))
}

/// Renders a template, or adds the sentence about the value that cannot be used.
fn render(template: &Template, input: &RenderInput<'_>, mistakes: &mut Vec<String>) -> Option<String> {
    match template.render_field(input) {
        Ok(text) => text,
        Err(FieldFlaw { name, flaw, prefix }) => {
            let label = match (name, &input.call) {
                (Name::Endpoint(name), Some(call)) => call.label(name),
                _ => "a value of the caller".to_owned(),
            };
            let sentence = flaw.sentence(&label, prefix);
            if !mistakes.contains(&sentence) {
                mistakes.push(sentence);
            }
            None
        }
    }
}

/// Returns a sentence with the bound in the unit of the template, if a number of the body is a duration that the RPC
/// rejects. The RPC's own error has seconds and times, which the sender of the number does not know.
fn duration_mistake(
    template: &Template,
    text: &str,
    rpc: &Rpc,
    field: &str,
    input: &RenderInput<'_>,
) -> Option<String> {
    let (name, unit) = template.number_and_suffix()?;
    let unit = call::unit_seconds(unit)?;
    let is_ttl = field == "ttl";
    let makes_key = is_ttl && matches!(rpc.name, "CreateKey" | "RotateKey");
    let until_latest = Timestamp::LATEST.0.saturating_sub(input.template_context.now.0) / 1_000;
    let longest = LONGEST_DURATION.as_secs();
    let longest = if makes_key { longest.min(u64::try_from(until_latest).unwrap_or(0)) } else { longest };
    match call::seconds(text) {
        Some(0) if is_ttl => Some(format!("{name} must be at least 1.")),
        Some(seconds) if seconds <= longest => None,
        Some(_) | None => Some(format!("{name} must be at most {}.", longest / unit)),
    }
}
