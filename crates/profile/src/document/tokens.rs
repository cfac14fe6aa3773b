//! `[jwt]`, `[passwords]` and `[[roles]]`: tokens, passwords and roles of users.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_core::limit::{Limit, parse_key_limit};
use latchkey_core::policy::{DEFAULT_PASSWORD_LENGTH, LEAST_PASSWORD_LENGTH};
use latchkey_core::scope::{ScopeRegistry, ScopeSet};
use latchkey_core::token::{SigningAlgorithm, TokenLimits, TokenRules};

use super::duration;
use super::names::{self, UniqueNames};
use super::scopes;
use crate::reader::{Section, Text, Value};

const HOUR: Duration = Duration::from_hours(1);
const MONTH: Duration = Duration::from_hours(30 * 24);
/// Longest lifetime of tokens, in days.
const YEAR_DAYS: u32 = 366;
/// Largest number of living families that a profile can allow.
const MAX_FAMILIES: u32 = 1_000_000;

/// Reads the rules for tokens, if the document has any.
pub(super) fn read(root: &mut Section<'_>) -> Option<TokenRules> {
    let mut section = root.section("jwt")?;
    let algorithm = section.text("algorithm").map_or(SigningAlgorithm::EdDsa, |text| algorithm(&text));
    let issuer = claim(&mut section, "issuer");
    let audience = claim(&mut section, "audience");
    let audiences = audiences(&mut section, &audience);
    let ttl = section.text("ttl").and_then(|text| duration::read(&text, YEAR_DAYS)).unwrap_or(HOUR);
    let refresh_ttl = section
        .text("refresh_ttl")
        .and_then(|text| duration::read(&text, YEAR_DAYS))
        .unwrap_or(MONTH.max(ttl));
    if refresh_ttl < ttl {
        section.report("\"refresh_ttl\" is shorter than \"ttl\"");
    }
    let limits = limits(&mut section);
    section.close();
    Some(TokenRules { algorithm, issuer, audience, audiences, ttl, refresh_ttl, limits })
}

/// Reads the limits of tokens: two rates (`120/min`, `120/min burst 500`) and the number of living families.
fn limits(section: &mut Section<'_>) -> TokenLimits {
    let default = TokenLimits::default();
    let mut rate = |field, default: Limit| {
        let Some(text) = section.text(field) else { return default };
        parse_key_limit(&text).unwrap_or_else(|error| {
            text.report(error.to_string());
            default
        })
    };
    let (issue, refresh) = (rate("issue_rate", default.issue), rate("refresh_rate", default.refresh));
    TokenLimits { issue, refresh, families: families(section).unwrap_or(default.families) }
}

fn families(section: &mut Section<'_>) -> Option<u32> {
    let value = section.value("max_families")?;
    let families = u32::try_from(value.count()?).ok().filter(|n| (1..=MAX_FAMILIES).contains(n));
    if families.is_none() {
        value.report(format!("the number of living families is a number from 1 to {MAX_FAMILIES}"));
    }
    families
}

fn algorithm(text: &Text<'_>) -> SigningAlgorithm {
    text.parse().unwrap_or_else(|_| {
        let all = SigningAlgorithm::ALL.map(SigningAlgorithm::name).join(", ");
        text.report(format!("\"{}\" is not an algorithm; the algorithms are: {all}", text.value));
        SigningAlgorithm::EdDsa
    })
}

fn claim(section: &mut Section<'_>, field: &'static str) -> Box<str> {
    let Some(text) = section.required_text(field) else { return Box::default() };
    check_claim(&text);
    text.value.into()
}

fn check_claim(text: &Text<'_>) {
    if !(1..=255).contains(&text.len()) || text.chars().any(char::is_control) {
        text.report("the value must have 1 to 255 characters and no control characters");
    }
}

/// Reads the audiences that a request may name besides the default. Without the list, there are none.
fn audiences(section: &mut Section<'_>, default: &str) -> Vec<Box<str>> {
    let mut audiences: Vec<Box<str>> = Vec::new();
    for text in section.texts("audiences") {
        check_claim(&text);
        if text.value.is_empty() {
            continue;
        }
        if text.value == default || audiences.iter().any(|earlier| **earlier == *text.value) {
            text.report(format!("the audience \"{}\" is given twice", text.value));
        }
        audiences.push(text.value.into());
    }
    audiences
}

/// Reads `[passwords]`: the minimum length of users' passwords, in characters.
pub(super) fn min_password_length(root: &mut Section<'_>) -> usize {
    let Some(mut section) = root.section("passwords") else { return DEFAULT_PASSWORD_LENGTH };
    let value = section.value("min_length");
    let given = value.as_ref().and_then(Value::count);
    let length = given.and_then(|n| usize::try_from(n).ok()).unwrap_or(DEFAULT_PASSWORD_LENGTH);
    if let Some(value) = value.filter(|_| given.is_some() && !(LEAST_PASSWORD_LENGTH..=64).contains(&length))
    {
        value.report(format!(
            "the minimum length of passwords is a number from {LEAST_PASSWORD_LENGTH} to 64"
        ));
    }
    section.close();
    length
}

/// Reads the scopes of each role.
pub(super) fn roles(root: &mut Section<'_>, catalog: &ScopeRegistry) -> HashMap<Box<str>, ScopeSet> {
    let mut unique = UniqueNames::default();
    let mut roles = HashMap::new();
    for mut section in root.sections("roles") {
        let name = section.required_text("name");
        let granted = scopes::set(&mut section, "scopes", catalog);
        section.close();
        let Some(name) = name else { continue };
        names::check(&name);
        unique.check(&name, "role");
        roles.insert(name.value.into(), granted);
    }
    roles
}
