//! `[[endpoints]]` and `[[errors]]`: HTTP calls that RPCs answer. Every RPC, field and name in a template is checked
//! when a document is compiled, so that no call fails because one does not exist.

mod names;
mod parameters;

use latchkey_core::choices::hint;
use latchkey_core::enforcement::Enforcement;
use latchkey_core::route::{Pattern, Route, Routes};
use latchkey_core::scope::ScopeSet;

use self::names::NameSources;
use super::headers;
use crate::contract::{FieldType, RPCS, Rpc};
use crate::endpoint::{
    BodyField, CustomError, CustomErrors, Endpoint, Endpoints, ErrorCode, FieldTemplate, OtherFields,
    is_too_long,
};
use crate::profile::HeaderTemplate;
use crate::reader::{Section, Text, Value};
use crate::source::{Source, is_token};
use crate::template::{Escape, Template};

/// HTTP statuses that a successful response may have.
const RESPONSE_STATUSES: std::ops::RangeInclusive<u64> = 200..=299;
/// HTTP statuses that an error may have.
const ERROR_STATUSES: std::ops::RangeInclusive<u64> = 400..=599;

/// Paths that Latchkey's HTTP port answers itself, before it looks for an endpoint.
const OWN_PATHS: [&str; 4] = ["/livez", "/readyz", "/metrics", "/.well-known/jwks.json"];

/// Reads the endpoints and the errors.
pub(super) fn read(
    root: &mut Section<'_>,
    resources: &[(Box<str>, Source)],
    other_sources: &[&Source],
) -> Endpoints {
    let (mut routes, mut all) = (Vec::new(), Vec::new());
    for mut section in root.sections("endpoints") {
        let compiled = endpoint(&mut section, resources, other_sources);
        section.close();
        if let Some((route, endpoint)) = compiled {
            routes.push(route);
            all.push(endpoint);
        }
    }
    // Latchkey answers these paths itself, and drops no suffix.
    let routes = Routes::new(routes).distinguish_suffix(true).distinguish_path_info(true);
    Endpoints { routes, all, errors: CustomErrors(errors(root)) }
}

fn endpoint(
    section: &mut Section<'_>,
    resources: &[(Box<str>, Source)],
    other_sources: &[&Source],
) -> Option<(Route, Endpoint)> {
    let method = section.required_text("method");
    if let Some(text) = method.as_ref().filter(|text| !is_token(text)) {
        text.report(format!("\"{}\" is not a method", text.value));
    }
    let path = section.required_text("path");
    let pattern = path.and_then(|path| pattern(&path));
    let rpc = section.required_text("rpc").and_then(|text| rpc(&text));
    let body = body(section);
    let other_fields = other_fields(section, resources, other_sources);
    let sources = NameSources { pattern: pattern.as_ref(), body: &body, resources, rpc };
    let fields = section.section("fields").map(|f| fields(&f, rpc, &sources)).unwrap_or_default();
    let status = status(section, RESPONSE_STATUSES, 200);
    let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
    let escape = escape(section, &headers);
    let answer = section.required_text("answer").and_then(|text| sources.response_template(&text));
    let item = section.text("item");
    let has_list = rpc.is_some_and(|rpc| rpc.list.is_some());
    if let Some(text) = item.as_ref().filter(|_| rpc.is_some() && !has_list) {
        text.report("this RPC returns no list");
    }
    let item = item.and_then(|text| sources.item_template(&text));
    let templates = parameters::templates_of(&fields).chain(&answer).chain(&item);
    let all_sources = resources.iter().map(|(_, source)| source).chain(other_sources.iter().copied());
    let other_parameters = parameters::read(section, templates, all_sources);
    let route = Route {
        pattern: pattern?,
        methods: vec![method?.to_ascii_uppercase().into()],
        scopes: ScopeSet::default(),
        any_scopes: ScopeSet::default(),
        kinds: Vec::new(),
        resource: Vec::new(),
        class: None,
        public: false,
        encoded_slash: false,
        enforce: Enforcement::Enforced,
    };
    let (rpc, answer, status) = (rpc?, answer?, status?);
    Some((
        route,
        Endpoint { rpc, body, other_fields, other_parameters, fields, status, headers, escape, answer, item },
    ))
}

fn pattern(path: &Text<'_>) -> Option<Pattern> {
    if OWN_PATHS.contains(&path.value) {
        path.report(format!(
            "Latchkey's HTTP port answers {} itself, so that no call would reach this endpoint; choose another path",
            path.value
        ));
    }
    Pattern::parse(path).map_err(|bad| path.report(bad.to_string())).ok()
}

fn rpc(text: &Text<'_>) -> Option<&'static Rpc> {
    let found = RPCS.iter().find(|rpc| rpc.name == text.value);
    if found.is_none() {
        let all: Vec<&str> = RPCS.iter().map(|rpc| rpc.name).collect();
        let hint = hint(text.value, &all);
        text.report(format!("there is no RPC \"{}\"; the RPCs are: {}{hint}", text.value, all.join(", ")));
    }
    found
}

/// Reads the fields of the JSON body: `name = "text"`, `"number"`, `"boolean"` or `"texts"`, followed by `?` if it may be absent.
fn body(section: &mut Section<'_>) -> Vec<BodyField> {
    let entries = section.section("body").map(|table| table.entries()).unwrap_or_default();
    let mut fields = Vec::new();
    for (name, value) in entries {
        let Some(text) = value.text() else { continue };
        let (word, required) = text.strip_suffix('?').map_or((text.value, true), |word| (word, false));
        let field_type = match word {
            "text" => FieldType::Text,
            "number" => FieldType::Number,
            "texts" => FieldType::TextList,
            "boolean" => FieldType::Flag,
            other => {
                text.report(format!(
                    "\"{other}\" is none of \"text\", \"number\", \"boolean\" and \"texts\""
                ));
                continue;
            }
        };
        fields.push(BodyField { name: name.value.into(), field_type, required });
    }
    fields
}

/// Reads the handling of fields of a body that the endpoint does not declare. Those from which the profile reads the
/// credential, the tenant or a resource are never refused.
fn other_fields(
    section: &mut Section<'_>,
    resources: &[(Box<str>, Source)],
    other_sources: &[&Source],
) -> OtherFields {
    if let Some(text) = section.text("other_fields") {
        match text.value {
            "ignore" => return OtherFields::Ignore,
            "refuse" => {}
            other => text.report(format!("\"{other}\" is neither \"refuse\" nor \"ignore\"")),
        }
    }
    let sources = resources.iter().map(|(_, source)| source).chain(other_sources.iter().copied());
    let member = |source: &Source| match source {
        Source::Body(pointer) => pointer.member().map(Into::into),
        _ => None,
    };
    OtherFields::Refuse { except: sources.filter_map(member).collect() }
}

fn fields(
    table: &Section<'_>,
    rpc: Option<&Rpc>,
    sources: &NameSources<'_>,
) -> Vec<(&'static str, FieldTemplate)> {
    let mut templates = Vec::new();
    let Some(rpc) = rpc else { return templates };
    for (name, value) in table.entries() {
        let Some((field, field_type)) = rpc.request_fields.iter().find(|(field, _)| *field == name.value)
        else {
            let all: Vec<&str> = rpc.request_fields.iter().map(|(field, _)| *field).collect();
            name.report(format!("{} has no field \"{}\"; it has {}", rpc.name, name.value, all.join(", ")));
            continue;
        };
        templates.extend(field_template(&value, *field_type, sources).map(|template| (*field, template)));
    }
    templates
}

fn field_template(
    value: &Value<'_>,
    field_type: FieldType,
    sources: &NameSources<'_>,
) -> Option<FieldTemplate> {
    match field_type {
        FieldType::TextList if value.is_list() => {
            let each =
                value.list()?.iter().filter_map(|item| sources.request_template(&item.text()?)).collect();
            Some(FieldTemplate::List(each))
        }
        FieldType::TextList => {
            let text = value.text()?;
            let template = sources.request_template(&text)?;
            if !names::is_body_list(&template) {
                text.report("a list field takes a list of the body, \"{{ body.NAME }}\", or a list of texts");
            }
            Some(FieldTemplate::BodyList(template))
        }
        FieldType::Map => {
            let entries = value.section()?.entries();
            let entry = |(name, value): &(Text<'_>, Value<'_>)| {
                Some((name.value.into(), sources.request_template(&value.text()?)?))
            };
            Some(FieldTemplate::Map(entries.iter().filter_map(entry).collect()))
        }
        FieldType::Flag if !value.is_text() => value.flag().map(FieldTemplate::Flag),
        FieldType::Flag => {
            let text = value.text()?;
            let template = sources.request_template(&text)?;
            if template.constant().is_some() {
                text.report(
                    "write true or false without quotes, or a value of the request, \"{{ body.NAME }}\"",
                );
            }
            Some(FieldTemplate::Single(template, field_type))
        }
        FieldType::Text | FieldType::Duration | FieldType::Time | FieldType::Number => {
            let text = value.text()?;
            let template = sources.request_template(&text)?;
            let constant = template.constant().filter(|_| field_type == FieldType::Duration);
            if constant.is_some_and(is_too_long) {
                text.report(format!(
                    "\"{}\" is too long: the longest duration has 315576000000 seconds, or 3652500 days",
                    text.value
                ));
            }
            Some(FieldTemplate::Single(template, field_type))
        }
    }
}

fn status(section: &mut Section<'_>, valid: std::ops::RangeInclusive<u64>, default: u16) -> Option<u16> {
    let Some(value) = section.value("status") else { return Some(default) };
    let status = value.count()?;
    if !valid.contains(&status) {
        value.report(format!("{status} is not from {} to {}", valid.start(), valid.end()));
    }
    u16::try_from(status).ok()
}

/// Returns the escaping of values in the body by its content type; the default is JSON.
fn escape(section: &Section<'_>, headers: &[HeaderTemplate]) -> Escape {
    match headers.iter().find(|h| *h.name == *"content-type").map(|h| h.value.constant()) {
        None => Escape::Json,
        Some(Some(constant)) => Escape::of(constant),
        Some(None) => {
            section.report("the content-type decides how values are escaped, so it must be constant");
            Escape::Json
        }
    }
}

fn errors(root: &mut Section<'_>) -> Vec<CustomError> {
    let mut errors = Vec::new();
    for mut section in root.sections("errors") {
        let codes = section.texts("codes").iter().filter_map(code).collect();
        let given = section.value("status").is_some();
        let status = status(&mut section, ERROR_STATUSES, 500).filter(|_| given);
        let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
        let escape = escape(&section, &headers);
        let body = section.required_text("body").and_then(|text| names::error_template(&text));
        section.close();
        errors.push(CustomError {
            codes,
            status,
            headers,
            escape,
            body: body.unwrap_or_else(Template::default),
        });
    }
    errors
}

fn code(text: &Text<'_>) -> Option<ErrorCode> {
    let found = ErrorCode::ALL.iter().find(|code| code.name() == text.value).copied();
    if found.is_none() {
        let all: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        let hint = hint(text.value, &all);
        text.report(format!("\"{}\" is not a code; the codes are: {}{hint}", text.value, all.join(", ")));
    }
    found
}
