//! Rendering of an example's request, and comparison of the response with the expected one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_core::decision::DecisionContext;
use serde_json::json;

use super::{Example, ExampleOutcome, KeyFixture, Sender, fixtures, matches_pattern};
use crate::endpoint::EndpointValues;
use crate::profile::Profile;
use crate::request::{Header, Request};
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::TemplateContext;

/// Names that the templates of an example's request may use.
pub(crate) const FIXTURE_NAMES: [&str; 6] =
    ["key", "key.id", "token", "refresh_token", "other.key", "other.id"];

/// Values of these names.
#[derive(Clone, Debug, Default)]
pub struct FixtureValues {
    /// The sender's key.
    pub key: String,
    /// The identifier of the sender's key.
    pub key_id: String,
    /// The sending user's token.
    pub token: String,
    /// The user's refresh token.
    pub refresh_token: String,
    /// The first of the existing keys.
    pub other_key: String,
    /// The identifier of the first existing key.
    pub other_id: String,
}

/// A request with all templates rendered.
#[derive(Clone, Debug)]
pub struct RenderedRequest {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The host.
    pub host: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

impl RenderedRequest {
    pub(super) fn request(&self) -> Request<'_> {
        let headers = self.headers.iter();
        Request {
            method: &self.method,
            path: &self.target,
            host: (&*self.host).into(),
            headers: headers
                .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
                .collect(),
            body: self.body.as_deref().map(str::as_bytes),
            ..Request::default()
        }
    }
}

/// Response to an example's request.
#[derive(Clone, Debug, Default)]
pub struct CaseResponse {
    /// The status.
    pub status: u16,
    /// Headers that the client gets.
    pub headers: Vec<(String, String)>,
    /// Headers that the upstream gets.
    pub upstream: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Result of an example after the gate.
#[derive(Debug)]
pub enum CaseResult<'p> {
    /// The outcome of an example that needs no endpoint.
    Done(ExampleOutcome),
    /// An example that needs the response of an endpoint.
    Endpoint(EndpointCase<'p>),
}

/// An example that an endpoint answers.
#[derive(Debug)]
pub struct EndpointCase<'p> {
    pub(super) profile: &'p Profile,
    pub(super) example: &'p Example,
    /// Response to the gate's decision; `None` if the gate was not called.
    pub(super) gate_response: Option<CaseResponse>,
}

impl EndpointCase<'_> {
    /// Returns the sender of the request.
    #[must_use]
    pub fn sender(&self) -> Option<&Sender> {
        self.example.sender.as_ref()
    }

    /// Returns the profile's name.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.profile.name()
    }

    /// Returns further keys that must exist.
    #[must_use]
    pub fn existing_keys(&self) -> &[KeyFixture] {
        &self.example.existing_keys
    }

    /// Returns the number of times that the request is sent.
    #[must_use]
    pub fn repeat(&self) -> u32 {
        self.example.repeat
    }

    /// Returns the tenant's slug and its plan, which is empty for none.
    #[must_use]
    pub fn tenant(&self) -> (&str, &str) {
        match self.example.sender.as_ref() {
            Some(Sender::Key(key)) => (&key.tenant, key.plan.as_deref().unwrap_or_default()),
            Some(Sender::User(user)) => (&user.tenant, ""),
            None => (self.example.existing_keys.first().map_or(fixtures::TENANT, |key| &key.tenant), ""),
        }
    }

    /// Renders the request.
    #[must_use]
    pub fn request(&self, values: &FixtureValues) -> RenderedRequest {
        self.profile.render_example(self.example, values)
    }

    /// Compares the endpoint's response with the expected one. An error becomes the only failure.
    #[must_use]
    pub fn compare(self, response: Result<CaseResponse, String>) -> ExampleOutcome {
        let upstream = self.gate_response.map(|gate_response| gate_response.upstream).unwrap_or_default();
        let response = response.map(|response| CaseResponse { upstream, ..response });
        outcome(self.example, response)
    }
}

impl Profile {
    pub(super) fn render_example(&self, example: &Example, values: &FixtureValues) -> RenderedRequest {
        let body = json!({
            "key": values.key, "key.id": values.key_id, "token": values.token,
            "refresh_token": values.refresh_token, "other.key": values.other_key, "other.id": values.other_id,
        });
        let nothing = Request::default();
        let (context, parsed) = (DecisionContext::default(), self.parse_request(&nothing));
        let template_context = TemplateContext::new(&context, &nothing, &parsed, fixtures::NOW);
        let call = Some(EndpointValues::new(&(), "", &body));
        let input = RenderInput {
            policy: &self.policy,
            template_context: &template_context,
            denial: None,
            unknown_limits: self.rules.unknown_limits,
            call,
        };
        let text = |template: &Template| {
            let mut text = String::new();
            template.render(&input, Escape::None, &mut text);
            text
        };
        let basic = example.basic.as_ref().map(|pair| format!("Basic {}", STANDARD.encode(text(pair))));
        let headers = example.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        RenderedRequest {
            method: example.method.to_string(),
            target: text(&example.target),
            host: example.host.to_string(),
            headers: headers.chain(basic.map(|value| ("authorization".to_owned(), value))).collect(),
            body: example.body.as_ref().map(text),
        }
    }
}

/// Compares a response with the expected one.
pub(super) fn outcome(example: &Example, response: Result<CaseResponse, String>) -> ExampleOutcome {
    let failures = response.map_or_else(|error| vec![error], |response| compare(example, &response));
    ExampleOutcome { name: example.name.to_string(), failures }
}

fn compare(example: &Example, response: &CaseResponse) -> Vec<String> {
    let expected = &example.expected;
    let mut failures = Vec::new();
    if response.status != expected.status {
        failures.push(format!("expected the status {}, got {}", expected.status, response.status));
    }
    if let Some(body) = expected.body.as_deref().filter(|body| !matches_pattern(body, &response.body)) {
        failures.push(format!("expected the body\n{body}\ngot\n{}", response.body));
    }
    for (recipient, expected_headers, actual_headers) in [
        ("the client", &expected.headers, &response.headers),
        ("the upstream", &expected.upstream, &response.upstream),
    ] {
        for (name, value) in expected_headers {
            let got = actual_headers.iter().find(|(n, _)| **n == **name).map_or("", |(_, v)| v);
            if !matches_pattern(value, got) {
                failures.push(format!("expected {name}: {value:?} for {recipient}, got {got:?}"));
            }
        }
    }
    failures
}
