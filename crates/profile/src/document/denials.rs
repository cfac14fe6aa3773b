//! `[[denials]]`: what a product says to those whom it doesn't let in.

use latchkey_core::reason::Reason;

use super::headers;
use crate::profile::HeaderTemplate;
use crate::reader::Section;
use crate::response::CustomDenial;
use crate::template::{Escape, Template};
use crate::template_context::CredentialFormat;

/// The longest body. Envoy sends any; clients and logs thank for less.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The statuses from 300 on that Envoy takes (`envoy.type.v3.StatusCode`).
const STATUSES: &[std::ops::RangeInclusive<u64>] =
    &[300..=305, 307..=308, 400..=417, 421..=424, 426..=426, 428..=429, 431..=431, 500..=508, 510..=511];

/// The denials in the order that they are declared in.
pub(super) fn read(root: &mut Section<'_>) -> Vec<CustomDenial> {
    let mut denials = Vec::new();
    for mut section in root.sections("denials") {
        let reasons = reasons(&mut section);
        let credential = credential(&mut section);
        let status = status(&mut section);
        let headers = section.section("headers").map(|h| headers::plain(&h)).unwrap_or_default();
        let body = body(&mut section);
        let escape = Escape::of(content_type(&section, &headers));
        section.close();
        denials.push(CustomDenial { reasons, credential, status, headers, escape, body });
    }
    denials
}

fn reasons(section: &mut Section<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for name in section.texts("reasons") {
        match name.parse::<Reason>() {
            Ok(reason) if reasons.contains(&reason) => {
                name.report(format!("the reason \"{reason}\" is there twice"));
            }
            Ok(reason) => reasons.push(reason),
            Err(_) => {
                let all: Vec<&str> = Reason::ALL.iter().map(|r| r.name()).collect();
                name.report(format!(
                    "\"{}\" is not a reason; the reasons are: {}",
                    name.value,
                    all.join(", ")
                ));
            }
        }
    }
    reasons
}

/// What the credential has to look like.
fn credential(section: &mut Section<'_>) -> Option<CredentialFormat> {
    let text = section.text("credential")?;
    match text.value {
        "key" => Some(CredentialFormat::Key),
        "jwt" => Some(CredentialFormat::Jwt),
        other => {
            text.report(format!("\"{other}\" is neither \"key\" nor \"jwt\""));
            None
        }
    }
}

fn status(section: &mut Section<'_>) -> Option<u16> {
    let value = section.value("status")?;
    let status = value.count()?;
    if !STATUSES.iter().any(|range| range.contains(&status)) {
        value.report(format!("{status} is no status that Envoy denies with: 300 to 511, as registered"));
    }
    u16::try_from(status).ok()
}

fn body(section: &mut Section<'_>) -> Template {
    let text = section.text("body");
    if let Some(text) = text.as_ref().filter(|text| text.len() > MAX_BODY_BYTES) {
        text.report(format!("the body has {} bytes; {MAX_BODY_BYTES} are the most", text.len()));
    }
    text.and_then(|text| headers::template(&text)).unwrap_or_default()
}

/// The content type, which decides how values are escaped and so is the same for everyone.
fn content_type<'h>(section: &Section<'_>, headers: &'h [HeaderTemplate]) -> &'h str {
    let Some(header) = headers.iter().find(|h| *h.name == *"content-type") else { return "" };
    let constant = header.value.constant();
    if constant.is_none() {
        section.report("the content-type decides how values are escaped, so it can't have a value itself");
    }
    constant.unwrap_or_default()
}
