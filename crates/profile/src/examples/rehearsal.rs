//! Plays a document's examples, and compares.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use latchkey_core::decision::{Decision, Verdict};
use latchkey_core::gate::Gate;
use latchkey_core::limit::local::LocalLimiter;

use super::{Example, Outcome, fits, stage};
use crate::facts::Facts;
use crate::profile::Profile;
use crate::request::{Header, Request};

/// What became of an example's request.
#[derive(Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    upstream: Vec<(String, String)>,
    body: String,
}

impl Profile {
    /// Runs every example of the document, offline.
    #[must_use]
    pub fn rehearse(&self) -> Vec<Outcome> {
        self.customs.examples.iter().map(|example| self.play(example)).collect()
    }

    fn play(&self, example: &Example) -> Outcome {
        let kind = example.who.as_ref().and_then(|who| Some((who, self.policy.kind(&who.kind)?)));
        let value = kind.map(|(who, kind)| stage::value(who, kind)).unwrap_or_default();
        let known = kind.map(|(who, kind)| stage::known(who, &self.policy, kind));
        let gate = stage::gate(&self.policy, known);
        let put = |text: &str| text.replace("{{ key }}", &value);
        let headers: Vec<(&str, Vec<u8>)> =
            example.headers.iter().map(|(name, text)| (&**name, put(text).into_bytes())).collect();
        let (target, body) = (put(&example.target), example.body.as_deref().map(put));
        let request = Request {
            method: &example.method,
            path: &target,
            host: &example.host,
            headers: headers.iter().map(|(name, value)| Header { name, value }).collect(),
            body: body.as_deref().map(str::as_bytes),
            ..Request::default()
        };
        let mut answer = Ok(Answer::default());
        for _ in 0..example.repeat {
            answer = self.answer(&gate, &request);
        }
        let wrong = answer.map_or_else(|error| vec![error], |answer| compare(example, &answer));
        Outcome { name: example.name.to_string(), wrong }
    }

    fn answer(&self, gate: &Gate<LocalLimiter>, request: &Request<'_>) -> Result<Answer, String> {
        let reading = self.read(request);
        let verdict = now(gate.check(Some(&self.policy), &reading.access))
            .and_then(|checked| checked.map_err(|trouble| trouble.to_string()))?;
        let Verdict { decision, seen } = verdict;
        let facts = Facts::new(&seen, request, &reading, stage::NOW);
        let owned = |all: Vec<(&str, String)>| all.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Ok(match decision {
            Decision::Deny(denial) => {
                let refused = self.deny(&denial, &facts);
                let (status, body) = (refused.status, refused.body);
                Answer { status, headers: owned(refused.headers), upstream: Vec::new(), body }
            }
            Decision::Allow(_) => {
                let admission = self.allow(&facts);
                let mut upstream: Vec<(String, String)> = owned(admission.set);
                let replaced = |name: &str, set: &[(String, String)]| set.iter().any(|(n, _)| n == name);
                for header in &request.headers {
                    let kept = !admission.remove.contains(&header.name) && !replaced(header.name, &upstream);
                    let value = String::from_utf8_lossy(header.value).into_owned();
                    upstream.extend(kept.then(|| (header.name.to_owned(), value)));
                }
                Answer { status: 200, headers: owned(admission.response), upstream, body: String::new() }
            }
        })
    }
}

/// What a gate in memory answers at once.
fn now<T>(work: impl Future<Output = T>) -> Result<T, String> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err("the gate waits for something".to_owned()),
    }
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
