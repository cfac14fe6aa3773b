//! Strings in a JSON body by JSON pointer (RFC 6901). `serde_json::Value` keeps the last of two equal names, and other
//! readers may keep the first, or compare names without case, or take `merchantId` for `merchant_id`. This module keeps
//! all and reports the value as ambiguous.

mod media_type;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::SourceValue;
use crate::request::Request;

/// A JSON value, reduced to the types that pointers can follow.
#[derive(Debug)]
pub(super) enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other,
}

/// Content of a body.
#[derive(Debug)]
pub(super) enum Content {
    /// There is no body.
    Absent,
    /// There is a body, and it is not whole, not JSON in UTF-8, or declared to be something else.
    Unreadable,
    Json(Json),
}

/// Reads the body of a request. What a server makes of a body that is declared to be something else than JSON is not
/// known, even if it looks like JSON.
pub(super) fn read(request: &Request<'_>) -> Content {
    let partial =
        request.spelled_values("x-envoy-auth-partial-body").any(|v| !v.eq_ignore_ascii_case(b"false"));
    if partial || request.has_two_bodies {
        return Content::Unreadable;
    }
    let Some(body) = request.body.filter(|body| !body.is_empty()) else {
        // Envoy may be configured not to send a body that the client has announced.
        let announced = request.spelled_values("content-length").any(|length| length.trim_ascii() != b"0")
            || request.spelled_values("transfer-encoding").next().is_some();
        return if announced { Content::Unreadable } else { Content::Absent };
    };
    if !media_type::is_plain_json(request) {
        return Content::Unreadable;
    }
    serde_json::from_slice(body).map_or(Content::Unreadable, Content::Json)
}

/// The reference tokens of a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// Reads a pointer, which must not be empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = text.strip_prefix('/')?.split('/');
        tokens.map(unescape).collect::<Option<_>>().map(Self)
    }

    /// Returns the name of the body's member that the pointer leads into.
    pub(crate) fn member(&self) -> Option<&str> {
        self.0.first().map(|token| &**token)
    }

    /// Returns the string that the pointer refers to. A value of another type is not absent: another reader may make
    /// a text of it.
    pub(super) fn find<'a>(&self, json: &Json, request: &'a Request<'_>) -> SourceValue<'a> {
        let mut at = json;
        for token in &self.0 {
            at = match at {
                Json::Object(members) => {
                    let mut named = members.iter().filter(|(name, _)| is_spelling(name, token));
                    match (named.next(), named.next()) {
                        (Some((name, value)), None) if is_name(name, token) => value,
                        (Some(_), None) => return SourceValue::Unreadable,
                        (None, _) if has_prototype(members) => return SourceValue::Unreadable,
                        (None, _) => return SourceValue::Absent,
                        (Some(_), Some(_)) => return SourceValue::Multiple,
                    }
                }
                Json::List(items) => match index(token) {
                    Some(index) => match items.get(index) {
                        Some(item) => item,
                        None => return SourceValue::Absent,
                    },
                    None => return SourceValue::Unreadable,
                },
                Json::Text(_) | Json::Other => return SourceValue::Unreadable,
            };
        }
        match at {
            Json::Text(text) if text.is_empty() => SourceValue::Empty,
            Json::Text(text) => SourceValue::Text(request.arena.keep(text.clone())),
            Json::List(_) | Json::Object(_) | Json::Other => SourceValue::Unreadable,
        }
    }
}

/// Returns true if an object has the member by which JavaScript names the prototype: a program that copies the members of
/// such an object (`Object.assign`) finds those of the prototype too.
fn has_prototype(members: &[(String, Json)]) -> bool {
    members.iter().any(|(name, _)| name == "__proto__")
}

/// Returns true if a reader takes a member's name for this one: without letter case, up to a NUL, or in the other of the
/// spellings that the JSON form of Protocol Buffers permits (`merchant_id` and `merchantId`).
fn is_spelling(name: &str, token: &str) -> bool {
    let name = name.split('\0').next().unwrap_or_default();
    // `_id` is another field than `id`.
    if name.starts_with(['_', '-']) && !token.starts_with(['_', '-']) {
        return is_name(name, token);
    }
    let plain = |text: &str| fold(text).replace(['_', '-'], "");
    if !name.is_ascii() || !token.is_ascii() {
        return plain(name) == plain(token);
    }
    joined(name).eq(joined(token))
}

/// Returns the bytes of a name without letter case, underscores and hyphens.
fn joined(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
}

/// Returns true if a lenient reader takes a member's name for this one: without letter case, or up to a NUL.
fn is_name(name: &str, token: &str) -> bool {
    let name = name.split('\0').next().unwrap_or_default();
    name == token || (!name.is_ascii() || name.len() == token.len()) && fold(name) == fold(token)
}

/// Folds by way of the upper case, so that the letters that have one in common are equal.
fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

fn unescape(token: &str) -> Option<Box<str>> {
    let mut plain = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain.into())
}

fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    canonical.then(|| token.parse().ok()).flatten()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }
}
