//! `[[endpoints]]` and `[[errors]]`: HTTP calls that RPCs answer. Every RPC, field and name in a template must
//! be there, so that no call ever finds out that one isn't.

mod names;

use latchkey_core::enforce::Enforce;
use latchkey_core::route::{Pattern, Route, Routes};
use latchkey_core::scope::ScopeSet;

use self::names::Places;
use super::headers;
use crate::contract::{RPCS, Rpc, Shape};
use crate::endpoint::{BodyField, Code, Endpoint, Endpoints, Filling, OwnError, OwnErrors};
use crate::profile::HeaderTemplate;
use crate::reader::{Section, Text, Value};
use crate::source::{Source, is_token};
use crate::template::{Escape, Template};

/// The statuses of an answer.
const ANSWERS: std::ops::RangeInclusive<u64> = 200..=299;
/// The statuses of an error.
const ERRORS: std::ops::RangeInclusive<u64> = 400..=599;

/// Everything about endpoints.
pub(super) fn read(root: &mut Section<'_>, resources: &[(Box<str>, Source)]) -> Endpoints {
    let (mut routes, mut all) = (Vec::new(), Vec::new());
    for mut section in root.sections("endpoints") {
        let found = endpoint(&mut section, resources);
        section.close();
        if let Some((route, endpoint)) = found {
            routes.push(route);
            all.push(endpoint);
        }
    }
    Endpoints { routes: Routes::new(routes), all, errors: OwnErrors(errors(root)) }
}

fn endpoint(section: &mut Section<'_>, resources: &[(Box<str>, Source)]) -> Option<(Route, Endpoint)> {
    let method = section.needed_text("method");
    if let Some(text) = method.as_ref().filter(|text| !is_token(text)) {
        text.refuse(format!("\"{}\" is not a method", text.value));
    }
    let path = section.needed_text("path");
    let pattern = path.and_then(|p| Pattern::parse(&p).map_err(|bad| p.refuse(bad.to_string())).ok());
    let rpc = section.needed_text("rpc").and_then(|text| rpc(&text));
    let body = body(section);
    let places = Places { pattern: pattern.as_ref(), body: &body, resources, rpc };
    let fields = section.section("fields").map(|f| fields(&f, rpc, &places)).unwrap_or_default();
    let status = status(section, ANSWERS, 200);
    let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
    let escape = escape(section, &headers);
    let answer = section.needed_text("answer").and_then(|text| places.answer(&text));
    let item = section.text("item");
    let listed = rpc.is_some_and(|rpc| rpc.list.is_some());
    if let Some(text) = item.as_ref().filter(|_| rpc.is_some() && !listed) {
        text.refuse("this RPC answers no list");
    }
    let item = item.and_then(|text| places.item(&text));
    let route = Route {
        pattern: pattern?,
        methods: vec![method?.to_ascii_uppercase().into()],
        scopes: ScopeSet::default(),
        any_scopes: ScopeSet::default(),
        kinds: Vec::new(),
        resource: Vec::new(),
        class: None,
        public: false,
        enforce: Enforce::On,
    };
    let (rpc, answer) = (rpc?, answer?);
    Some((route, Endpoint { rpc, body, fields, status: status?, headers, escape, answer, item }))
}

fn rpc(text: &Text<'_>) -> Option<&'static Rpc> {
    let found = RPCS.iter().find(|rpc| rpc.name == text.value);
    if found.is_none() {
        let all: Vec<&str> = RPCS.iter().map(|rpc| rpc.name).collect();
        text.refuse(format!("there is no RPC \"{}\"; the RPCs are: {}", text.value, all.join(", ")));
    }
    found
}

/// The fields of the JSON body: `name = "text"`, `"number"` or `"texts"`, with a `?` where it may be absent.
fn body(section: &mut Section<'_>) -> Vec<BodyField> {
    let entries = section.section("body").map(|table| table.entries()).unwrap_or_default();
    let mut fields = Vec::new();
    for (name, value) in entries {
        let Some(text) = value.text() else { continue };
        let (word, needed) = text.strip_suffix('?').map_or((text.value, true), |word| (word, false));
        let shape = match word {
            "text" => Shape::Text,
            "number" => Shape::Number,
            "texts" => Shape::Texts,
            other => {
                text.refuse(format!("\"{other}\" is none of \"text\", \"number\" and \"texts\""));
                continue;
            }
        };
        fields.push(BodyField { name: name.value.into(), shape, needed });
    }
    fields
}

fn fields(table: &Section<'_>, rpc: Option<&Rpc>, places: &Places<'_>) -> Vec<(&'static str, Filling)> {
    let mut filled = Vec::new();
    let Some(rpc) = rpc else { return filled };
    for (name, value) in table.entries() {
        let Some((field, shape)) = rpc.asked.iter().find(|(field, _)| *field == name.value) else {
            let all: Vec<&str> = rpc.asked.iter().map(|(field, _)| *field).collect();
            name.refuse(format!("{} has no field \"{}\"; it has {}", rpc.name, name.value, all.join(", ")));
            continue;
        };
        filled.extend(filling(&value, *shape, places).map(|filling| (*field, filling)));
    }
    filled
}

fn filling(value: &Value<'_>, shape: Shape, places: &Places<'_>) -> Option<Filling> {
    match shape {
        Shape::Texts if value.is_list() => {
            let each = value.list()?.iter().filter_map(|item| places.asked(&item.text()?)).collect();
            Some(Filling::Each(each))
        }
        Shape::Texts => {
            let text = value.text()?;
            let template = places.asked(&text)?;
            if !names::is_body_list(&template) {
                text.refuse(
                    "a list is filled with a list of the body, \"{{ body.NAME }}\", or with a list of texts",
                );
            }
            Some(Filling::List(template))
        }
        Shape::Map => {
            let entries = value.section()?.entries();
            let one = |(name, value): &(Text<'_>, Value<'_>)| {
                Some((name.value.into(), places.asked(&value.text()?)?))
            };
            Some(Filling::Named(entries.iter().filter_map(one).collect()))
        }
        Shape::Text | Shape::Duration | Shape::Time | Shape::Number => {
            Some(Filling::One(places.asked(&value.text()?)?, shape))
        }
    }
}

fn status(section: &mut Section<'_>, right: std::ops::RangeInclusive<u64>, usual: u16) -> Option<u16> {
    let Some(value) = section.value("status") else { return Some(usual) };
    let status = value.count()?;
    if !right.contains(&status) {
        value.refuse(format!("{status} is not from {} to {}", right.start(), right.end()));
    }
    u16::try_from(status).ok()
}

/// What values in a body need; JSON where no content type is given.
fn escape(section: &Section<'_>, headers: &[HeaderTemplate]) -> Escape {
    match headers.iter().find(|h| *h.name == *"content-type").map(|h| h.value.constant()) {
        None => Escape::Json,
        Some(Some(constant)) => Escape::of(constant),
        Some(None) => {
            section
                .refuse("the content-type decides how values are escaped, so it can't have a value itself");
            Escape::Json
        }
    }
}

fn errors(root: &mut Section<'_>) -> Vec<OwnError> {
    let mut errors = Vec::new();
    for mut section in root.sections("errors") {
        let codes = section.texts("codes").iter().filter_map(code).collect();
        let given = section.value("status").is_some();
        let status = status(&mut section, ERRORS, 500).filter(|_| given);
        let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
        let escape = escape(&section, &headers);
        let body = section.needed_text("body").and_then(|text| names::error(&text));
        section.close();
        errors.push(OwnError {
            codes,
            status,
            headers,
            escape,
            body: body.unwrap_or_else(Template::default),
        });
    }
    errors
}

fn code(text: &Text<'_>) -> Option<Code> {
    let found = Code::ALL.iter().find(|code| code.name() == text.value).copied();
    if found.is_none() {
        let all: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        text.refuse(format!("\"{}\" is not a code; the codes are: {}", text.value, all.join(", ")));
    }
    found
}
