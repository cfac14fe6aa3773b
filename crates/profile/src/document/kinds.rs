//! `[[kinds]]`: kinds of keys, the format of their values and the scopes that they can be granted.

use std::collections::HashMap;

use latchkey_core::key_kind::{Encoding, KeyKind, LifetimeRules, Prefixes, in_largest_unit};
use latchkey_core::scope::{ScopeRegistry, ScopeSet};

use super::duration;
use super::hosts::Environments;
use super::imports;
use super::names::{self, UniqueNames};
use super::scopes;
use crate::reader::{Section, Text, Value};

/// Default encoding of a key's random part, and the bytes that it holds.
const DEFAULT_SECRET: (Encoding, usize) = (Encoding::Base62, 32);
/// Smallest and largest number of random bytes of a key.
const BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Reads the kinds, and the names of environments that `makes_keys_in` refers to.
pub(super) fn read<'d>(root: &mut Section<'d>, scopes: &ScopeRegistry) -> (Vec<KeyKind>, Vec<Text<'d>>) {
    let mut unique = UniqueIdentifiers::default();
    let mut kinds: Vec<KeyKind> = Vec::new();
    for mut section in root.sections("kinds") {
        let kind = kind(&mut section, scopes, &mut unique);
        if kind.default && kinds.iter().any(|k| k.default) {
            section.report("another kind is the default already");
        }
        section.close();
        kinds.push(kind);
    }
    if let [only] = kinds.as_mut_slice() {
        only.default = true;
    }
    (kinds, unique.referenced)
}

/// Names and prefixes, of which each may be used once.
#[derive(Default)]
struct UniqueIdentifiers<'d> {
    names: UniqueNames<'d>,
    prefixes: HashMap<&'d str, String>,
    /// Environments that a kind refers to without a prefix for them.
    referenced: Vec<Text<'d>>,
}

fn kind<'d>(
    section: &mut Section<'d>,
    scopes: &ScopeRegistry,
    unique: &mut UniqueIdentifiers<'d>,
) -> KeyKind {
    let name = section.required_text("name");
    if let Some(name) = &name {
        names::check(name);
        unique.names.check(name, "kind");
    }
    let default = (DEFAULT_SECRET.0, DEFAULT_SECRET.0.characters(DEFAULT_SECRET.1));
    let declared = section.text("secret");
    let (encoding, characters) = declared.as_ref().and_then(secret).unwrap_or(default);
    let checksum = section.flag("checksum", false);
    let prefixes = prefixes(section, unique);
    let imports = imports::read(section, prefixes.is_some());
    if prefixes.is_none() && !imports.only {
        section.report("a kind has either \"prefix\" or \"prefixes\"");
    }
    let prefixes = match prefixes {
        Some(prefixes) => prefixes,
        // Keys that are imported only can be of any environment.
        None if imports.only => Prefixes::Shared(Box::default()),
        None => Prefixes::PerEnvironment(Vec::new()),
    };
    if imports.only && (declared.is_some() || checksum) {
        section.report(
            "\"secret\" and \"checksum\" need a \"prefix\" or \"prefixes\": without, keys are imported only",
        );
    }
    let max_scopes = scopes::set(section, "scopes", scopes);
    let max_scopes = if max_scopes.is_empty() { scopes.all() } else { max_scopes };
    KeyKind {
        name: name.map_or_else(Box::default, |n| n.value.into()),
        default: section.flag("default", false),
        prefixes,
        encoding,
        characters,
        checksum,
        retrievable: section.flag("retrievable", false),
        bindings: names::list(section, "bindings", "binding"),
        default_scopes: default_scopes(section, scopes, &max_scopes),
        creates_keys_in: creates_keys_in(section, unique),
        lifetime: lifetime(section),
        max_scopes,
        imports,
    }
}

/// Longest lifetime that a kind can have, in days: ten years.
const LONGEST_LIFETIME: u32 = 3_660;

/// Reads the bounds of lifetimes.
fn lifetime(section: &mut Section<'_>) -> LifetimeRules {
    let max = section.text("max_ttl").and_then(|text| duration::read(&text, LONGEST_LIFETIME));
    let text = section.text("default_ttl");
    let default = text.as_ref().and_then(|text| duration::read(text, LONGEST_LIFETIME));
    if let Some((text, (default, max))) =
        text.zip(default.zip(max)).filter(|(_, (default, max))| default > max)
    {
        let (default, max) = (in_largest_unit(default), in_largest_unit(max));
        text.report(format!(
            "the default lifetime {default} is longer than the longest one, max_ttl = \"{max}\""
        ));
    }
    LifetimeRules { max, default, expiry_required: section.flag("require_expiry", false) }
}

fn default_scopes(section: &mut Section<'_>, scopes: &ScopeRegistry, max_scopes: &ScopeSet) -> ScopeSet {
    let mut granted = ScopeSet::default();
    for name in section.texts("default_scopes") {
        let Some(scope) = scopes::resolve(&name, scopes) else { continue };
        if !max_scopes.contains(scope) {
            name.report(format!("\"{}\" is not among the kind's own scopes", name.value));
        }
        granted.insert(scope);
    }
    granted
}

/// Reads `{ live = ["test"] }`: the environments, besides its own, in which a key may create keys.
fn creates_keys_in<'d>(
    section: &mut Section<'d>,
    unique: &mut UniqueIdentifiers<'d>,
) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let entries = section.section("makes_keys_in").map(|table| table.entries()).unwrap_or_default();
    let mut reach = Vec::new();
    for (own, value) in entries {
        let others: Vec<Text<'d>> = value.list().iter().flatten().filter_map(Value::text).collect();
        for other in others.iter().filter(|other| other.value == own.value) {
            other.report("a key can always create keys in its own environment");
        }
        reach.push((own.value.into(), others.iter().map(|other| other.value.into()).collect()));
        unique.referenced.push(own);
        unique.referenced.extend(others);
    }
    reach
}

/// Reads the prefixes. Returns `None` if there are none.
fn prefixes<'d>(section: &mut Section<'d>, unique: &mut UniqueIdentifiers<'d>) -> Option<Prefixes> {
    let same = section.text("prefix");
    let each = section.section("prefixes");
    if same.is_some() && each.is_some() {
        section.report("a kind has either \"prefix\" or \"prefixes\"");
    }
    let mut all = Vec::new();
    if let Some(prefix) = &same {
        check_prefix(prefix, unique);
    }
    for (environment, value) in each.iter().flat_map(Section::entries) {
        names::check(&environment);
        let Some(prefix) = value.text() else { continue };
        check_prefix(&prefix, unique);
        all.push((environment.value.into(), prefix.value.into()));
    }
    if each.is_some() && all.is_empty() {
        section.report("\"prefixes\" names no environment");
    }
    match same {
        Some(prefix) => Some(Prefixes::Shared(prefix.value.into())),
        None => each.map(|_| Prefixes::PerEnvironment(all)),
    }
}

/// Reports a prefix that is not valid or is used already.
fn check_prefix<'d>(prefix: &Text<'d>, unique: &mut UniqueIdentifiers<'d>) {
    let valid = |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'"');
    if prefix.len() > 64 || !prefix.bytes().all(valid) {
        prefix.report(
            "a prefix has at most 64 printable characters without spaces, commas, semicolons and quotes",
        );
    }
    let before = unique.prefixes.get(prefix.value);
    if let Some(before) = before {
        prefix.report(format!("the prefix \"{}\" is claimed by {before} already", prefix.value));
    } else {
        unique.prefixes.insert(prefix.value, prefix.at.path.clone());
    }
}

/// Reads `encoding:bytes` or `encoding:len=characters`. Returns the encoding and the number of characters.
fn secret(text: &Text<'_>) -> Option<(Encoding, usize)> {
    let number = |digits: &str| {
        let valid = digits.bytes().all(|b| b.is_ascii_digit());
        valid.then(|| digits.parse::<usize>().ok()).flatten()
    };
    let read = || {
        let (name, size) = text.split_once(':')?;
        let encoding = [Encoding::Hex, Encoding::Base62, Encoding::Base64Url];
        let encoding = encoding.into_iter().find(|encoding| encoding.name() == name)?;
        match size.strip_prefix("len=") {
            None => {
                let bytes = number(size).filter(|bytes| BYTES.contains(bytes))?;
                Some(Ok((encoding, encoding.characters(bytes))))
            }
            Some(characters) => {
                let characters = number(characters)?;
                let (least, most) = (encoding.characters(*BYTES.start()), encoding.characters(*BYTES.end()));
                let valid = (least..=most).contains(&characters);
                Some(if valid { Ok((encoding, characters)) } else { Err((characters, least, most)) })
            }
        }
    };
    match read() {
        Some(Ok(secret)) => return Some(secret),
        Some(Err((characters, least, most))) => text.report(format!(
            "\"{}\" has {characters} characters; this alphabet needs {least} to {most}, which hold 16 to 64 random bytes",
            text.value
        )),
        None => text.report(format!(
            "\"{}\" is not a secret: write \"hex:32\", \"base62:32\" or \"base64url:32\", with 16 to 64 bytes, or the \
             number of characters, as in \"base62:len=32\"",
            text.value
        )),
    }
    None
}

/// Adds the environments of the kinds; reports an environment of a host for which no key can exist.
pub(super) fn environments(kinds: &[KeyKind], referenced: &[Text<'_>], environments: &mut Environments<'_>) {
    let mut any = kinds.is_empty();
    let mut named: Vec<&str> = Vec::new();
    for kind in kinds {
        match &kind.prefixes {
            Prefixes::Shared(_) => any = true,
            Prefixes::PerEnvironment(each) => {
                named.extend(each.iter().map(|(environment, _)| &**environment));
            }
        }
    }
    for host in environments.iter().filter_map(|(_, at)| at.as_ref()) {
        if !any && !named.contains(&host.value) {
            host.report(format!("no kind of key has a prefix for the environment \"{}\"", host.value));
        }
    }
    // Without any named environment, there are the usual two.
    if any && !kinds.is_empty() && named.is_empty() && environments.is_empty() {
        named.extend(["live", "test"]);
    }
    for name in named {
        if !environments.iter().any(|(n, _)| **n == *name) {
            environments.push((name.into(), None));
        }
    }
    for text in referenced.iter().filter(|text| !environments.iter().any(|(name, _)| **name == *text.value)) {
        text.report(format!("there is no environment \"{}\"", text.value));
    }
}
