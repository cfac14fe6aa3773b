//! `[[routes]]`: paths and their requirements. A route may refer only to things that the document declares.

use latchkey_core::choices::hint;
use latchkey_core::key_kind::KeyKind;
use latchkey_core::limit::{DEFAULT_CLASS, RateClassId, RateClasses};
use latchkey_core::route::{ParameterPlace, Pattern, Route, RouteErrors, Routes};
use latchkey_core::scope::ScopeRegistry;

use super::names::{self, UniqueNames};
use super::{enforce, scopes};
use crate::reader::Section;
use crate::source::is_token;

/// Maximum length of a path in bytes. The cost of matching grows with the segments.
const MAX_PATH_BYTES: usize = 1024;

/// Declarations of the document that routes may refer to.
pub(super) struct Declarations<'k> {
    pub(super) scopes: &'k ScopeRegistry,
    pub(super) kinds: &'k [KeyKind],
    pub(super) classes: &'k RateClasses,
}

/// Reads true if a field about the readings of paths has this value, and not its default, "unambiguous".
fn has_value(root: &mut Section<'_>, field: &'static str, other: &str) -> bool {
    let Some(text) = root.text(field) else { return false };
    if text.value != other && text.value != "unambiguous" {
        text.report(format!("\"{}\" is neither \"unambiguous\" nor \"{other}\"", text.value));
    }
    text.value == other
}

/// Reads the reasons of the denials of calls that no route takes.
fn errors(root: &mut Section<'_>) -> RouteErrors {
    let Some(text) = root.text("route_errors") else { return RouteErrors::default() };
    match text.value {
        "forbidden" => RouteErrors::Forbidden,
        "after_authentication" => RouteErrors::AfterAuthentication,
        "before_authentication" => RouteErrors::BeforeAuthentication,
        other => {
            text.report(format!(
                "\"{other}\" is none of \"forbidden\", \"after_authentication\" and \"before_authentication\""
            ));
            // Denials for the reasons of the field are no further mistake.
            RouteErrors::AfterAuthentication
        }
    }
}

/// Reads the routes in the order of their declaration, and how paths are matched with them.
pub(super) fn read(root: &mut Section<'_>, declared: &Declarations<'_>) -> Routes {
    let mut routes = Vec::new();
    for mut section in root.sections("routes") {
        let route = route(&mut section, declared);
        section.close();
        routes.extend(route);
    }
    Routes::new(routes)
        .case_sensitive(has_value(root, "paths", "case_sensitive"))
        .ignore_last_slash(has_value(root, "trailing_slash", "ignore"))
        .distinguish_suffix(has_value(root, "format_suffix", "distinct"))
        .distinguish_path_info(has_value(root, "path_info", "distinct"))
        .with_errors(errors(root))
}

fn route(section: &mut Section<'_>, declared: &Declarations<'_>) -> Option<Route> {
    let pattern = pattern(section);
    let methods = methods(section);
    let all = scopes::set(section, "scopes", declared.scopes);
    let any_scopes = scopes::set(section, "any_scopes", declared.scopes);
    let kinds = kinds(section, declared.kinds);
    let resource = resource(section, pattern.as_ref());
    let class = class(section, declared.classes);
    let public = section.flag("public", false);
    if public && !(all.is_empty() && any_scopes.is_empty() && kinds.is_empty()) {
        section.report("a public route passes without a credential, so it cannot require scopes or kinds");
    }
    let encoded_slash = section.flag("encoded_slash", false);
    let enforce = enforce::read(section);
    let pattern = pattern?;
    Some(Route {
        pattern,
        methods,
        scopes: all,
        any_scopes,
        kinds,
        resource,
        class,
        public,
        encoded_slash,
        enforce,
    })
}

fn pattern(section: &mut Section<'_>) -> Option<Pattern> {
    let path = section.required_text("path")?;
    if path.len() > MAX_PATH_BYTES {
        path.report(format!("the path has {} bytes; the maximum is {MAX_PATH_BYTES}", path.len()));
        return None;
    }
    Pattern::parse(&path).map_err(|bad| path.report(bad.to_string())).ok()
}

fn methods(section: &mut Section<'_>) -> Vec<Box<str>> {
    let mut methods: Vec<Box<str>> = Vec::new();
    for text in section.texts("methods") {
        let method = text.to_ascii_uppercase();
        if !is_token(&method) || method == "*" {
            text.report(format!("\"{}\" is not a method; omit \"methods\" to allow any", text.value));
        } else if methods.iter().any(|m| **m == *method) {
            text.report(format!("the method \"{method}\" is listed twice"));
        }
        methods.push(method.into());
    }
    methods
}

/// Reads a list of kinds.
pub(super) fn kinds(section: &mut Section<'_>, declared: &[KeyKind]) -> Vec<Box<str>> {
    let listed = section.texts("kinds");
    let mut unique = UniqueNames::default();
    for name in &listed {
        unique.check(name, "kind");
        if !declared.iter().any(|kind| *kind.name == *name.value) {
            let names: Vec<&str> = declared.iter().map(|kind| &*kind.name).collect();
            name.report(format!("there is no kind \"{}\"{}", name.value, hint(name.value, &names)));
        }
    }
    listed.iter().map(|name| name.value.into()).collect()
}

fn resource(section: &mut Section<'_>, pattern: Option<&Pattern>) -> Vec<(Box<str>, ParameterPlace)> {
    let Some(table) = section.section("resource") else { return Vec::new() };
    let mut resource = Vec::new();
    for (name, value) in table.entries() {
        names::check(&name);
        let (Some(text), Some(pattern)) = (value.text(), pattern) else { continue };
        let parameter = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        match parameter.and_then(|parameter| pattern.place(parameter)) {
            Some(place) => resource.push((name.value.into(), place)),
            None => text.report(format!(
                "\"{}\" is not a parameter of \"{}\"; write \"{{id}}\" where the path has {{id}}",
                text.value,
                pattern.text()
            )),
        }
    }
    resource
}

fn class(section: &mut Section<'_>, classes: &RateClasses) -> Option<RateClassId> {
    let name = section.text("rate_class")?;
    let class = classes.find(&name);
    if class.is_none() && name.value != DEFAULT_CLASS {
        let names: Vec<&str> = classes.names().collect();
        name.report(format!("there is no rate class \"{}\"{}", name.value, hint(&name, &names)));
    }
    class
}
