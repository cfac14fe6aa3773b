//! Target of the compiler of profiles.

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::reason::Reason;

use super::fixture::NOW;
use crate::diff::diff;
use crate::lint::lint;
use crate::profile::Profile;
use crate::request::{Header, Request};
use crate::template_context::TemplateContext;

/// Compiles a document, lints it, and answers a request with the profile.
///
/// # Panics
///
/// Panics if a mistake has no place in the document, if the document compiles differently a second time, or if a header
/// of a response has control characters.
pub fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (profile, _) = match lint(text) {
        Ok(linted) => linted,
        Err(errors) => {
            let lines = text.lines().count() + 1;
            assert!(!errors.0.is_empty());
            assert!(errors.0.iter().all(|error| (1..=lines).contains(&error.line)), "{errors:?}");
            assert_eq!(Profile::compile(text, 1).err().as_ref(), Some(&errors));
            return;
        }
    };
    let same = diff(Some(text), &format!("{text}\n"));
    assert!(same.as_ref().is_ok_and(Vec::is_empty), "{same:?}");
    let _ = profile.envoy_requirements();
    let headers = [("x-api-key", "sk_live_1"), ("authorization", "Bearer a.b.c"), ("x-tenant-id", "acme")];
    let headers = headers.map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() });
    let request = Request {
        method: "POST",
        path: "/v1/payments/7?k=1",
        host: "api.paykore.dev".into(),
        headers: headers.into_iter().collect(),
        ..Request::default()
    };
    let (parsed, context) = (profile.parse_request(&request), DecisionContext::default());
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    let allow = profile.allow_response(&template_context);
    let mut set = allow.set.iter().chain(allow.response.iter());
    assert!(set.all(|(_, value)| !value.is_empty() && !value.chars().any(char::is_control)));
    for reason in
        [Reason::RateLimited, Reason::MissingCredential, Reason::InsufficientScope, Reason::MethodNotAllowed]
    {
        let denied = profile.deny_response(&Denial::new(reason), &template_context);
        let mut values = denied.headers.iter().map(|(_, value)| value);
        assert!(values.all(|value| !value.chars().any(char::is_control)), "{:?}", denied.headers);
    }
}
