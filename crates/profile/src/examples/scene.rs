//! An example as it is played: the request with everything in its place, and what is compared afterwards.

use latchkey_core::decision::Seen;
use serde_json::json;

use super::{Example, KeyPart, Outcome, Who, fits, stage};
use crate::endpoint::Call;
use crate::facts::Facts;
use crate::profile::Profile;
use crate::request::{Header, Request};
use crate::template::{Escape, Template, View};

/// What an example's request may speak of.
pub(crate) const PROPS: [&str; 6] = ["key", "key.id", "token", "refresh_token", "other.key", "other.id"];

/// What stands in an example's places.
#[derive(Clone, Debug, Default)]
pub struct Props {
    /// The sender's key.
    pub key: String,
    /// Its identifier.
    pub key_id: String,
    /// The sending user's token.
    pub token: String,
    /// What renews it.
    pub refresh_token: String,
    /// The first of the other keys.
    pub other: String,
    /// Its identifier.
    pub other_id: String,
}

/// A request with everything in its place.
#[derive(Clone, Debug)]
pub struct Staged {
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

impl Staged {
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
pub struct Answer {
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
pub enum Played<'p> {
    /// To its end.
    Done(Outcome),
    /// Up to an endpoint, which has to answer.
    Endpoint(Scene<'p>),
}

/// An example that an endpoint answers.
#[derive(Debug)]
pub struct Scene<'p> {
    pub(super) profile: &'p Profile,
    pub(super) example: &'p Example,
    /// What the gate made of it, where it was asked.
    pub(super) passed: Option<Answer>,
}

impl Scene<'_> {
    /// Who sends the request.
    #[must_use]
    pub fn who(&self) -> Option<&Who> {
        self.example.who.as_ref()
    }

    /// The profile's name.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.profile.name()
    }

    /// Other keys that must be there.
    #[must_use]
    pub fn others(&self) -> &[KeyPart] {
        &self.example.others
    }

    /// How often the request is sent.
    #[must_use]
    pub fn repeat(&self) -> u32 {
        self.example.repeat
    }

    /// The tenant's slug, and its plan.
    #[must_use]
    pub fn tenant(&self) -> (&str, &str) {
        match self.example.who.as_ref() {
            Some(Who::Key(key)) => (&key.tenant, key.plan.as_deref().unwrap_or_default()),
            Some(Who::User(user)) => (&user.tenant, ""),
            None => (self.example.others.first().map_or(stage::TENANT, |key| &key.tenant), ""),
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self, props: &Props) -> Staged {
        self.profile.staged(self.example, props)
    }

    /// Compares what the endpoint answered with what was promised.
    #[must_use]
    pub fn judged(self, answer: Result<Answer, String>) -> Outcome {
        let upstream = self.passed.map(|passed| passed.upstream).unwrap_or_default();
        let answer = answer.map(|answer| Answer { upstream, ..answer });
        outcome(self.example, answer)
    }
}

impl Profile {
    pub(super) fn staged(&self, example: &Example, props: &Props) -> Staged {
        let body = json!({
            "key": props.key, "key.id": props.key_id, "token": props.token,
            "refresh_token": props.refresh_token, "other.key": props.other, "other.id": props.other_id,
        });
        let nothing = Request::default();
        let (seen, reading) = (Seen::default(), self.read(&nothing));
        let facts = Facts::new(&seen, &nothing, &reading, stage::NOW);
        let call = Some(Call::new(&(), "", &body));
        let view = View { policy: &self.policy, facts: &facts, denial: None, call };
        let text = |template: &Template| {
            let mut text = String::new();
            template.render(&view, Escape::None, &mut text);
            text
        };
        Staged {
            method: example.method.to_string(),
            target: text(&example.target),
            host: example.host.to_string(),
            headers: example.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: example.body.as_ref().map(text),
        }
    }
}

/// What was not as promised.
pub(super) fn outcome(example: &Example, answer: Result<Answer, String>) -> Outcome {
    let wrong = answer.map_or_else(|error| vec![error], |answer| compare(example, &answer));
    Outcome { name: example.name.to_string(), wrong }
}

fn compare(example: &Example, answer: &Answer) -> Vec<String> {
    let expected = &example.expected;
    let mut wrong = Vec::new();
    if answer.status != expected.status {
        wrong.push(format!("status {} was promised, and it is {}", expected.status, answer.status));
    }
    if let Some(body) = expected.body.as_deref().filter(|body| !fits(body, &answer.body)) {
        wrong.push(format!("the body was promised as\n{body}\nand is\n{}", answer.body));
    }
    for (whose, promised, found) in [
        ("the client", &expected.headers, &answer.headers),
        ("the upstream", &expected.upstream, &answer.upstream),
    ] {
        for (name, value) in promised {
            let got = found.iter().find(|(n, _)| **n == **name).map_or("", |(_, v)| v);
            if !fits(value, got) {
                wrong.push(format!("{whose} was promised {name}: {value:?}, and gets {got:?}"));
            }
        }
    }
    wrong
}
