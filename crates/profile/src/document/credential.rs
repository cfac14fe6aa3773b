//! `[credential]`, `[tenant]`, `[resource]` and `[client_address]`: the sources of these values in a request.

use ipnet::IpNet;
use latchkey_core::policy::AcceptedCredentials;

use super::names;
use crate::parsed_request::{ClientAddress, Conflict, Credential};
use crate::reader::{Section, Text};
use crate::source::{Source, is_token};
use crate::template_context::CredentialFormat;

/// Default source of credentials (RFC 6750 section 2.1).
const DEFAULT_SOURCE: &str = "header:authorization Bearer";

/// Maximum number of trusted proxies in front of Envoy.
const MAX_TRUSTED_HOPS: u64 = 16;

/// Reads the accepted credentials and their sources.
pub(super) fn read(root: &mut Section<'_>) -> (AcceptedCredentials, Credential) {
    let default = || Source::parse(DEFAULT_SOURCE).into_iter().collect();
    let Some(mut section) = root.section("credential") else {
        let credential =
            Credential { sources: default(), conflict: Conflict::Deny, only: Vec::new(), forward: false };
        return (AcceptedCredentials { key: true, jwt: true }, credential);
    };
    let accepts = accepts(&mut section);
    let sources = sources(&mut section).unwrap_or_else(default);
    let conflict = conflict(&mut section);
    let only = only(&mut section, &sources, accepts);
    let credential = Credential { sources, conflict, only, forward: section.flag("forward", false) };
    section.close();
    (accepts, credential)
}

fn sources(section: &mut Section<'_>) -> Option<Vec<Source>> {
    let listed = section.optional_texts("sources")?;
    if listed.is_empty() {
        section.report("\"sources\" lists no source, so no credential could be found");
    }
    let mut sources = Vec::new();
    for text in &listed {
        let Some(source) = source(text) else { continue };
        if sources.contains(&source) {
            text.report(format!("the source \"{}\" is listed twice", text.value));
        }
        sources.push(source);
    }
    Some(sources)
}

fn source(text: &Text<'_>) -> Option<Source> {
    Source::parse(text).map_err(|message| text.report(message)).ok()
}

fn accepts(section: &mut Section<'_>) -> AcceptedCredentials {
    let both = AcceptedCredentials { key: true, jwt: true };
    let Some(listed) = section.optional_texts("accepts") else { return both };
    let mut accepts = AcceptedCredentials { key: false, jwt: false };
    for text in &listed {
        match text.value {
            "key" => accepts.key = true,
            "jwt" => accepts.jwt = true,
            other => text.report(format!("\"{other}\" is neither \"key\" nor \"jwt\"")),
        }
    }
    if listed.is_empty() {
        section.report("\"accepts\" lists no credential; write \"key\", \"jwt\" or both");
    }
    accepts
}

/// Reads the sources that take credentials of one format alone.
fn only(
    section: &mut Section<'_>,
    sources: &[Source],
    accepts: AcceptedCredentials,
) -> Vec<(Source, CredentialFormat)> {
    let entries = section.section("only").map(|table| table.entries()).unwrap_or_default();
    let mut only: Vec<(Source, CredentialFormat)> = Vec::new();
    for (name, value) in entries {
        let (Some(source), Some(text)) = (source(&name), value.text()) else { continue };
        let (format, accepted) = match text.value {
            "key" => (CredentialFormat::Key, accepts.key),
            "jwt" => (CredentialFormat::Jwt, accepts.jwt),
            other => {
                text.report(format!("\"{other}\" is neither \"key\" nor \"jwt\""));
                continue;
            }
        };
        if !sources.contains(&source) {
            name.report(format!("\"{}\" is not one of the \"sources\"", name.value));
        } else if only.iter().any(|(other, _)| *other == source) {
            name.report(format!("the source \"{}\" is listed twice", name.value));
        } else if !accepted {
            text.report(format!("\"accepts\" does not list \"{}\"", text.value));
        }
        only.push((source, format));
    }
    only
}

fn conflict(section: &mut Section<'_>) -> Conflict {
    let Some(text) = section.text("conflict") else { return Conflict::default() };
    match text.value {
        "deny" => Conflict::Deny,
        "first" => Conflict::First,
        other => {
            text.report(format!("\"{other}\" is neither \"deny\" nor \"first\""));
            Conflict::Deny
        }
    }
}

/// Reads the source of the tenant, and true if a request must name it.
pub(super) fn tenant(root: &mut Section<'_>) -> (Option<Source>, bool) {
    let Some(mut section) = root.section("tenant") else { return (None, false) };
    let source = section.required_text("source").and_then(|text| source(&text));
    let required = section.flag("required", false);
    section.close();
    (source, required)
}

/// Reads the sources of resources by name.
pub(super) fn resources(root: &mut Section<'_>) -> Vec<(Box<str>, Source)> {
    let Some(section) = root.section("resource") else { return Vec::new() };
    let mut resources = Vec::new();
    for (name, value) in section.entries() {
        names::check(&name);
        let source = value.text().and_then(|text| source(&text));
        resources.extend(source.map(|source| (name.value.into(), source)));
    }
    resources
}

/// Reads how the client's address is found behind proxies.
pub(super) fn client_address(root: &mut Section<'_>) -> ClientAddress {
    let Some(mut section) = root.section("client_address") else { return ClientAddress::default() };
    let hops = section.count("trusted_hops").unwrap_or_default();
    if hops > MAX_TRUSTED_HOPS {
        section.report(format!("{hops} trusted hops are more than {MAX_TRUSTED_HOPS}"));
    }
    let header = section.text("header");
    let envoys = section.texts("envoys").iter().filter_map(network).collect();
    section.close();
    if let Some(name) = header.as_ref().filter(|name| !is_token(name)) {
        name.report(format!("\"{}\" is not a header name", name.value));
    }
    let header = header.map(|name| name.to_ascii_lowercase().into());
    ClientAddress { trusted_hops: usize::try_from(hops).unwrap_or_default(), header, envoys }
}

fn network(text: &Text<'_>) -> Option<IpNet> {
    let network = latchkey_core::network::parse(text);
    if network.is_none() {
        text.report(format!("\"{}\" is not a network; write \"10.0.0.0/8\" or an address", text.value));
    }
    network
}
