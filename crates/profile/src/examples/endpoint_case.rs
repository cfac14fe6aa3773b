//! An example as it is played: the request with everything in its place, and what is compared afterwards.

use latchkey_core::decision::DecisionContext;
use serde_json::json;

use super::{Example, ExampleOutcome, KeyFixture, Sender, fixtures, matches_pattern};
use crate::endpoint::EndpointValues;
use crate::profile::Profile;
use crate::request::{Header, Request};
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::TemplateContext;

/// What an example's request may speak of.
pub(crate) const FIXTURE_NAMES: [&str; 6] =
    ["key", "key.id", "token", "refresh_token", "other.key", "other.id"];

/// What stands in an example's places.
#[derive(Clone, Debug, Default)]
pub struct FixtureValues {
    /// The sender's key.
    pub key: String,
    /// Its identifier.
    pub key_id: String,
    /// The sending user's token.
    pub token: String,
    /// What renews it.
    pub refresh_token: String,
    /// The first of the other keys.
    pub other_key: String,
    /// Its identifier.
    pub other_id: String,
}

/// A request with everything in its place.
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
            host: &self.host,
            headers: headers
                .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
                .collect(),
            body: self.body.as_deref().map(str::as_bytes),
            ..Request::default()
        }
    }
}

/// What became of an example's request.
#[derive(Clone, Debug, Default)]
pub struct CaseResponse {
    /// The status.
    pub status: u16,
    /// What the client gets.
    pub headers: Vec<(String, String)>,
    /// What the upstream gets.
    pub upstream: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// An example, as far as the gate could play it.
#[derive(Debug)]
pub enum CaseResult<'p> {
    /// To its end.
    Done(ExampleOutcome),
    /// Up to an endpoint, which has to answer.
    Endpoint(EndpointCase<'p>),
}

/// An example that an endpoint answers.
#[derive(Debug)]
pub struct EndpointCase<'p> {
    pub(super) profile: &'p Profile,
    pub(super) example: &'p Example,
    /// What the gate made of it, where it was asked.
    pub(super) gate_response: Option<CaseResponse>,
}

impl EndpointCase<'_> {
    /// Who sends the request.
    #[must_use]
    pub fn sender(&self) -> Option<&Sender> {
        self.example.sender.as_ref()
    }

    /// The profile's name.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.profile.name()
    }

    /// Other keys that must be there.
    #[must_use]
    pub fn existing_keys(&self) -> &[KeyFixture] {
        &self.example.existing_keys
    }

    /// How often the request is sent.
    #[must_use]
    pub fn repeat(&self) -> u32 {
        self.example.repeat
    }

    /// The tenant's slug, and its plan.
    #[must_use]
    pub fn tenant(&self) -> (&str, &str) {
        match self.example.sender.as_ref() {
            Some(Sender::Key(key)) => (&key.tenant, key.plan.as_deref().unwrap_or_default()),
            Some(Sender::User(user)) => (&user.tenant, ""),
            None => (self.example.existing_keys.first().map_or(fixtures::TENANT, |key| &key.tenant), ""),
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self, values: &FixtureValues) -> RenderedRequest {
        self.profile.render_example(self.example, values)
    }

    /// Compares what the endpoint answered with what was promised.
    #[must_use]
    pub fn compare(self, answer: Result<CaseResponse, String>) -> ExampleOutcome {
        let upstream = self.gate_response.map(|gate_response| gate_response.upstream).unwrap_or_default();
        let answer = answer.map(|answer| CaseResponse { upstream, ..answer });
        outcome(self.example, answer)
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
        let input =
            RenderInput { policy: &self.policy, template_context: &template_context, denial: None, call };
        let text = |template: &Template| {
            let mut text = String::new();
            template.render(&input, Escape::None, &mut text);
            text
        };
        RenderedRequest {
            method: example.method.to_string(),
            target: text(&example.target),
            host: example.host.to_string(),
            headers: example.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: example.body.as_ref().map(text),
        }
    }
}

/// What was not as promised.
pub(super) fn outcome(example: &Example, answer: Result<CaseResponse, String>) -> ExampleOutcome {
    let failures = answer.map_or_else(|error| vec![error], |answer| compare(example, &answer));
    ExampleOutcome { name: example.name.to_string(), failures }
}

fn compare(example: &Example, answer: &CaseResponse) -> Vec<String> {
    let expected = &example.expected;
    let mut failures = Vec::new();
    if answer.status != expected.status {
        failures.push(format!("status {} was promised, and it is {}", expected.status, answer.status));
    }
    if let Some(body) = expected.body.as_deref().filter(|body| !matches_pattern(body, &answer.body)) {
        failures.push(format!("the body was promised as\n{body}\nand is\n{}", answer.body));
    }
    for (whose, promised, found) in [
        ("the client", &expected.headers, &answer.headers),
        ("the upstream", &expected.upstream, &answer.upstream),
    ] {
        for (name, value) in promised {
            let got = found.iter().find(|(n, _)| **n == **name).map_or("", |(_, v)| v);
            if !matches_pattern(value, got) {
                failures.push(format!("{whose} was promised {name}: {value:?}, and gets {got:?}"));
            }
        }
    }
    failures
}
