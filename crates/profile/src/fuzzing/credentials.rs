//! Target of the sources of credentials: headers, queries, cookies, subprotocols, Basic credentials and bodies.

use std::sync::LazyLock;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::decision::DecisionContext;

use super::fixture::NOW;
use crate::parsed_request::management_credential;
use crate::profile::Profile;
use crate::request::{Header, Request};
use crate::template_context::TemplateContext;

/// Profiles with sources of all kinds. The body is a source of the last alone, because it is not removed.
const SOURCES: [&str; 6] = [
    r#"["header:x-api-key", "header:authorization Bearer", "query:key", "cookie:key"]"#,
    r#"["websocket:bearer", "query:api_key", "header:authorization Bearer"]"#,
    r#"["websocket:bearer.", "cookie:api_key", "cookie:key"]"#,
    r#"["basic:password", "header:authorization Bearer"]"#,
    r#"["basic:username", "query:key"]"#,
    r#"["body:/a/0", "header:x-api-key"]"#,
];

/// The profiles, each with and without a choice among several sources.
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let conflicts = ["deny", "first"];
    let all = SOURCES.iter().flat_map(|sources| conflicts.map(|conflict| (sources, conflict)));
    all.map(|(sources, conflict)| compile(sources, conflict)).collect()
});

fn compile(sources: &str, conflict: &str) -> Profile {
    let document = format!(
        "name = \"p\"\n[credential]\nsources = {sources}\nconflict = \"{conflict}\"\n\
         [tenant]\nsource = \"query:tenant\"\n[resource]\nmerchant = \"cookie:merchant\"\nthing = \"body:/thing\"\n\
         [upstream_headers]\nx-tenant-id = \"{{{{ tenant.slug }}}}\"\n"
    );
    Profile::compile(&document, 1).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Reads a request: the first line is the path, the following ones are headers, and an empty line is followed by the
/// body.
///
/// # Panics
///
/// Panics if a credential has a character that no credential has, or if the profile finds one in what the upstream
/// gets.
pub fn credentials(data: &[u8]) {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], Some(&data[end + 2..])),
        None => (data, None),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let Ok(path) = std::str::from_utf8(lines.next().unwrap_or_default()) else { return };
    let headers: Vec<(Vec<u8>, &[u8])> = lines.filter_map(header).collect();
    let list = || headers.iter().map(|(name, value)| Header { name, value });
    let request = Request { path, headers: list().collect(), body, ..Request::default() };
    assert_graphic(management_credential(&request));
    for (index, profile) in PROFILES.iter().enumerate() {
        let parsed = profile.parse_request(&request);
        let credential = parsed.access.credential;
        assert_graphic(credential);
        parsed.access.tenant.iter().for_each(|name| assert_name(name));
        parsed.access.resource.iter().for_each(|(_, name)| assert_name(name));
        let removes = !SOURCES[index / 2].contains("body:");
        if removes && matches!(credential, PresentedCredential::Value(_)) {
            assert_removed(profile, &request, credential, index);
        }
    }
}

fn header(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].to_ascii_lowercase();
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    (!name.is_empty() && name.iter().all(token)).then(|| (name, line[colon + 1..].trim_ascii()))
}

fn assert_name(name: &str) {
    assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
}

fn assert_graphic(credential: PresentedCredential<'_>) {
    if let PresentedCredential::Value(value) = credential {
        assert!(!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()), "{value:?}");
    }
}

/// Checks that the profile finds no credential in the request that the upstream gets. Since the name of a subprotocol
/// stays, it may find another element there, which was not the credential: `bearer, KEY, chat` becomes `bearer, chat`. The
/// name itself is no secret.
fn assert_removed(profile: &Profile, request: &Request<'_>, found: PresentedCredential<'_>, index: usize) {
    let parsed = profile.parse_request(request);
    let context = DecisionContext::default();
    let allow = profile.allow_response(&TemplateContext::new(&context, request, &parsed, NOW));
    let set = allow.set.iter().map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() });
    let kept = request.headers.iter().filter(|header| {
        let is = |name: &str| name.as_bytes() == header.name;
        !allow.remove.names().any(is) && !allow.set.iter().any(|(name, _)| is(name))
    });
    let headers = kept.copied().chain(set).collect();
    let path = allow.path.as_deref().unwrap_or(request.path);
    let upstream = Request { path, headers, ..Request::default() };
    let left = profile.parse_request(&upstream).access.credential;
    let sources = SOURCES[index / 2];
    let name = PresentedCredential::Value("bearer");
    let other_element = sources.contains("websocket:bearer\"") && (left != found || left == name);
    // A path is not rewritten; an encoded query in it makes every reading ambiguous.
    let encoded_query = left == PresentedCredential::Ambiguous && path.to_ascii_lowercase().contains("%3f");
    let is_removed = left == PresentedCredential::Missing || other_element || encoded_query;
    assert!(is_removed, "{sources} finds {left:?} in {path:?}");
}
