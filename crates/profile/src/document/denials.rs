//! `[[denials]]`: a product's own responses to denied requests.

use latchkey_core::choices::hint;
use latchkey_core::policy::Policy;
use latchkey_core::reason::Reason;
use latchkey_core::route::RouteErrors;

use super::{headers, routes};
use crate::profile::HeaderTemplate;
use crate::reader::Section;
use crate::response::CustomDenial;
use crate::template::{Escape, Template};
use crate::template_context::DeniedCredential;

/// Maximum length of a body in bytes. Envoy has no limit; this one protects clients and logs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// HTTP statuses from 300 on that Envoy accepts (`envoy.type.v3.StatusCode`).
const STATUSES: &[std::ops::RangeInclusive<u64>] =
    &[300..=305, 307..=308, 400..=417, 421..=424, 426..=426, 428..=429, 431..=431, 500..=508, 510..=511];

/// Reads the denials in the order of their declaration.
pub(super) fn read(root: &mut Section<'_>, policy: &Policy) -> Vec<CustomDenial> {
    let mut denials = Vec::new();
    for mut section in root.sections("denials") {
        let reasons = reasons(&mut section, policy.routes.errors());
        let credential = credential(&mut section);
        let kinds = routes::kinds(&mut section, &policy.kinds);
        let status = status(&mut section);
        let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
        let body = body(&mut section);
        let escape = Escape::of(content_type(&section, &headers));
        section.close();
        denials.push(CustomDenial { reasons, credential, kinds, status, headers, escape, body });
    }
    denials
}

fn reasons(section: &mut Section<'_>, errors: RouteErrors) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for name in section.texts("reasons") {
        match name.parse::<Reason>() {
            Ok(reason) if reasons.contains(&reason) => {
                name.report(format!("the reason \"{reason}\" is listed twice"));
            }
            Ok(reason @ (Reason::RouteNotFound | Reason::MethodNotAllowed))
                if errors == RouteErrors::Forbidden =>
            {
                name.report(format!(
                    "no call is denied with {reason} unless \"route_errors\" says so; add route_errors = \
                     \"after_authentication\" at the top of the document"
                ));
            }
            Ok(reason) => reasons.push(reason),
            Err(_) => {
                let all: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
                name.report(format!(
                    "\"{}\" is not a reason; the reasons are: {}{}",
                    name.value,
                    all.join(", "),
                    hint(name.value, &all)
                ));
            }
        }
    }
    reasons
}

/// Reads the credential that the denial applies to.
fn credential(section: &mut Section<'_>) -> Option<DeniedCredential> {
    let text = section.text("credential")?;
    match text.value {
        "key" => Some(DeniedCredential::Key),
        "jwt" => Some(DeniedCredential::Jwt),
        "token" => Some(DeniedCredential::Token),
        other => {
            text.report(format!("\"{other}\" is none of \"key\", \"jwt\" and \"token\""));
            None
        }
    }
}

fn status(section: &mut Section<'_>) -> Option<u16> {
    let value = section.value("status")?;
    let status = value.count()?;
    if !STATUSES.iter().any(|range| range.contains(&status)) {
        let cause = if (200..300).contains(&status) {
            "would say that the call was allowed"
        } else {
            "is not a status that Envoy can deny with"
        };
        value.report(format!("{status} {cause}; write a registered status from 300 to 511"));
    }
    u16::try_from(status).ok()
}

fn body(section: &mut Section<'_>) -> Template {
    let text = section.text("body");
    if let Some(text) = text.as_ref().filter(|text| text.len() > MAX_BODY_BYTES) {
        text.report(format!("the body has {} bytes; the maximum is {MAX_BODY_BYTES}", text.len()));
    }
    text.and_then(|text| headers::template(&text)).unwrap_or_default()
}

/// Returns the content type. It decides how values are escaped, so it must be constant.
fn content_type<'h>(section: &Section<'_>, headers: &'h [HeaderTemplate]) -> &'h str {
    let Some(header) = headers.iter().find(|h| *h.name == *"content-type") else { return "" };
    let constant = header.value.constant();
    if constant.is_none() {
        section.report("the content-type decides how values are escaped, so it must be constant");
    }
    constant.unwrap_or_default()
}
