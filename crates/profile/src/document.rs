//! Compiles a document to a profile. Every section is read to its end despite mistakes, so that all of them are
//! reported together. A value with a mistake is replaced by any default, because a document with mistakes gives no
//! profile.

mod credential;
mod denials;
mod duration;
mod endpoints;
mod enforce;
mod examples;
mod headers;
mod hosts;
mod imports;
mod kinds;
mod limits;
mod names;
mod routes;
mod scopes;
mod tokens;

use std::sync::Arc;

use latchkey_core::policy::{Policy, UnmatchedRoute};
use toml::de::DeTable;

use crate::error::Errors;
use crate::parsed_request::{RequestIds, resource_names};
use crate::profile::{ProductRules, Profile};
use crate::rate_limit_view::UnknownLimits;
use crate::reader::{Reader, Section};
use crate::response::{CustomDenials, RemovalPlan};
use crate::source::Source;

/// Maximum size of a document in bytes.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Parses, validates and compiles a document.
pub(crate) fn compile(text: &str, version: u64) -> Result<Profile, Errors> {
    let reader = Reader::new(text);
    if text.len() > MAX_DOCUMENT_BYTES {
        reader.report_at(
            0,
            "",
            format!("the document has {} bytes; the maximum is {MAX_DOCUMENT_BYTES}", text.len()),
        );
        reader.finish()?;
    }
    let (table, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        reader.report_at(error.span().map_or(0, |s| s.start), "", format!("not TOML: {}", error.message()));
    }
    if !syntax.is_empty() {
        // Mistakes in the recovered rest would only be consequences of the syntax errors.
        reader.finish()?;
    }
    let table = table.into_inner();
    let profile = profile(reader.root(&table), version);
    reader.finish().map(|()| profile)
}

fn profile(mut root: Section<'_>, version: u64) -> Profile {
    let name = names::profile(&mut root);
    let enforce = enforce::read(&mut root);
    let unmatched = unmatched(&mut root);
    let (hosts, mut environments) = hosts::read(&mut root);
    let (accepts, credential) = credential::read(&mut root);
    let (tenant, tenant_required) = credential::tenant(&mut root);
    let resources = credential::resources(&mut root);
    let address = credential::client_address(&mut root);
    let scopes = scopes::read(&mut root);
    let (kinds, referenced) = kinds::read(&mut root, &scopes);
    kinds::environments(&kinds, &referenced, &mut environments);
    let (classes, plans) = limits::read(&mut root, &name);
    let declared = routes::Declarations { scopes: &scopes, kinds: &kinds, classes: &classes };
    let routes = routes::read(&mut root, &declared);
    let tokens = tokens::read(&mut root);
    let roles = tokens::roles(&mut root, &scopes);
    let min_password_length = tokens::min_password_length(&mut root);
    let upstream = headers::upstream(&mut root);
    let policy = Policy {
        name,
        version,
        enforce,
        accepts,
        tenant_required,
        environments: environments.into_iter().map(|(name, _)| name).collect(),
        kinds,
        scopes,
        routes,
        unmatched,
        classes,
        plans,
        tokens,
        roles,
        min_password_length,
        resources: resources.iter().map(|(name, _)| name.clone()).collect(),
        request_id_prefix: names::request_id(&mut root),
    };
    let other_sources: Vec<&Source> = credential.sources.iter().chain(&tenant).collect();
    let endpoints = endpoints::read(&mut root, &resources, &other_sources);
    let named_sources = tenant.iter().chain(resources.iter().map(|(_, source)| source));
    let rules = ProductRules {
        removals: RemovalPlan::new(&upstream, &credential, named_sources),
        upstream,
        response: headers::response(&mut root),
        unknown_limits: unknown_limits(&mut root),
        request_ids: RequestIds::new(policy.request_id_prefix.clone()),
        denials: CustomDenials(denials::read(&mut root, &policy)),
        examples: examples::read(&mut root, &policy),
        endpoints,
        hosts,
        credential,
        tenant,
        resource_names: resource_names(&policy, &resources),
        resources,
        address,
    };
    root.close();
    Profile { policy: Arc::new(policy), rules }
}

fn unknown_limits(root: &mut Section<'_>) -> UnknownLimits {
    let Some(text) = root.text("unknown_rate_limits") else { return UnknownLimits::default() };
    match text.value {
        "omit" => UnknownLimits::Omit,
        "full" => UnknownLimits::Full,
        other => {
            text.report(format!("\"{other}\" is neither \"omit\" nor \"full\""));
            UnknownLimits::default()
        }
    }
}

fn unmatched(root: &mut Section<'_>) -> UnmatchedRoute {
    let Some(text) = root.text("unmatched_routes") else { return UnmatchedRoute::default() };
    match text.value {
        "deny" => UnmatchedRoute::Deny,
        "authenticate" => UnmatchedRoute::Authenticate,
        other => {
            text.report(format!("\"{other}\" is neither \"deny\" nor \"authenticate\""));
            UnmatchedRoute::Deny
        }
    }
}
