//! Names of query parameters and cookies. Servers read one name in several spellings: without regard to case, with
//! `[]` for a list, with brackets around it (Express, Rack), and PHP with an underscore for a dot, a space or a bracket
//! that is not closed.

use std::borrow::Cow;

/// Comparison of a spelling with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Another parameter.
    No,
    /// The parameter itself.
    Value,
    /// A list or a map of this name, which some servers reduce to one of its values, or the name in brackets, which
    /// only some servers remove.
    List,
}

/// Compares a decoded spelling with a name in lower case.
pub(super) fn compare(spelling: &[u8], name: &str) -> Match {
    if spelling.eq_ignore_ascii_case(name.as_bytes()) {
        return Match::Value;
    }
    if name.contains('[') && is_nested_spelling(spelling, name) {
        return Match::List;
    }
    // Most names are of other parameters.
    if spelling.len() <= name.len() {
        return match is_spelling(spelling, name) {
            true => Match::Value,
            false if is_open_spelling(spelling, name) => Match::List,
            false => Match::No,
        };
    }
    let plain = match spelling.iter().position(|b| *b != b' ') {
        Some(begin) => &spelling[begin..],
        None => spelling,
    };
    let plain = plain.split(|b| *b == 0).next().unwrap_or_default();
    if is_spelling(plain, name) {
        return Match::Value;
    }
    // Brackets before the name are no part of it to some servers, and the first one after it ends it.
    let begin = plain.iter().position(|b| !is_bracket(*b)).unwrap_or(plain.len());
    if is_spelling_before_bracket(&plain[begin..], name)
        || is_spelling_before_bracket(plain, name)
        || is_open_spelling(plain, name)
    {
        return Match::List;
    }
    Match::No
}

/// Returns true if a text is a spelling of a name, alone or with a bracket after it.
fn is_spelling_before_bracket(text: &[u8], name: &str) -> bool {
    text.split_at_checked(name.len()).is_some_and(|(head, rest)| {
        rest.first().is_none_or(|byte| is_bracket(*byte)) && is_spelling(head, name)
    })
}

fn is_bracket(byte: u8) -> bool {
    matches!(byte, b'[' | b']')
}

fn is_spelling(spelling: &[u8], name: &str) -> bool {
    spelling.len() == name.len() && spelling.iter().copied().map(plain).eq(name.bytes().map(plain))
}

/// Returns true if PHP reads a name with a bracket that is not closed as this name: `p[x` is `p_x` to it.
fn is_open_spelling(spelling: &[u8], name: &str) -> bool {
    let is_open = |text: &[u8]| {
        let bracket = text.iter().position(|b| *b == b'[');
        bracket.is_some_and(|at| !text[at..].contains(&b']'))
    };
    let underscored = |byte: u8| if byte == b'[' { b'_' } else { plain(byte) };
    spelling.len() == name.len()
        && is_open(spelling)
        && spelling.iter().copied().map(underscored).eq(name.bytes().map(underscored))
}

/// Returns true if some servers read a text as this name with brackets: `p.x` (ASP.NET) and `p['x']` (Spring) for `p[x]`,
/// and `p[x]y`, since PHP drops what follows the brackets.
fn is_nested_spelling(text: &[u8], name: &str) -> bool {
    let begin = text.iter().position(|b| *b != b' ').unwrap_or(text.len());
    let text = &text[begin..];
    let before = text.split_at_checked(name.len()).filter(|(_, rest)| !rest.is_empty());
    if name.ends_with(']') && before.is_some_and(|(head, _)| is_spelling(head, name)) {
        return true;
    }
    text.iter().any(|b| matches!(b, b'.' | b'\'' | b'"')) && parts(text).eq(parts(name.as_bytes()))
}

/// Returns the parts of a name between its dots, brackets and quotes, in lower case.
fn parts(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let parts = text.split(|b| matches!(b, b'.' | b'[' | b']' | b'\'' | b'"'));
    parts.filter(|part| !part.is_empty()).map(<[u8]>::to_ascii_lowercase)
}

fn plain(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

/// Decodes a part of a query (`application/x-www-form-urlencoded`); returns `None` for a broken percent-encoding.
pub(super) fn decode(part: &str) -> Option<Cow<'_, [u8]>> {
    if !part.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Some(Cow::Borrowed(part.as_bytes()));
    }
    let mut plain = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    Some(Cow::Owned(plain))
}

/// Decodes a name whose percent-encoding is broken, as the servers do that read `%u0061` as `a` and leave a sign without
/// digits as it is.
pub(super) fn decode_leniently(part: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some(first) = rest.chars().next() {
        let long = rest.strip_prefix("%u").or_else(|| rest.strip_prefix("%U")).map(|digits| (digits, 4));
        let escape = long.or_else(|| rest.strip_prefix('%').map(|digits| (digits, 2)));
        let decoded = escape.and_then(|(digits, count)| {
            let code = u32::from_str_radix(digits.get(..count)?, 16).ok()?;
            Some((char::from_u32(code)?, &digits[count..]))
        });
        let (character, after) = decoded.unwrap_or((first, &rest[first.len_utf8()..]));
        plain.extend(character.encode_utf8(&mut [0; 4]).bytes());
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_found() {
        for (spelling, expected) in [
            ("api_key", Match::Value),
            ("API_Key", Match::Value),
            ("api.key", Match::Value),
            ("api key", Match::Value),
            (" api_key", Match::Value),
            ("api_key\0x", Match::Value),
            ("api_key[]", Match::List),
            ("api_key[0]", Match::List),
            (" api.key[a]", Match::List),
            ("api[key", Match::List),
            (" API[key", Match::List),
            ("api[key\0]", Match::List),
            ("api_key[", Match::List),
            ("[api_key]", Match::List),
            ("[API.Key]", Match::List),
            ("[[api_key]]", Match::List),
            ("[api_key", Match::List),
            ("]api_key", Match::List),
            ("api_key]", Match::List),
            ("[][api_key][0]", Match::List),
            (" [api_key]", Match::List),
            ("[]", Match::No),
            ("[][][][]", Match::No),
            ("[api_keys]", Match::No),
            ("[x][api_key]", Match::No),
            ("api[key]", Match::No),
            ("api]key", Match::No),
            ("api[keys", Match::No),
            ("api_keys", Match::No),
            ("xapi_key", Match::No),
            ("apikey", Match::No),
            ("", Match::No),
        ] {
            assert_eq!(compare(spelling.as_bytes(), "api_key"), expected, "{spelling:?}");
        }
        for (spelling, expected) in [
            ("filter[shop]", Match::Value),
            ("Filter[Shop]", Match::Value),
            ("filter[shop][]", Match::List),
            ("[filter[shop]", Match::List),
            ("filter[shop]x", Match::List),
            (" Filter[Shop]x", Match::List),
            ("filter.shop", Match::List),
            ("filter['shop']", Match::List),
            ("filter[\"shop\"]", Match::List),
            ("filter.shops", Match::No),
            ("filter.x[shop]", Match::No),
            ("filter[shops]", Match::No),
            ("filter[shop", Match::No),
        ] {
            assert_eq!(compare(spelling.as_bytes(), "filter[shop]"), expected, "{spelling:?}");
        }
    }
}
