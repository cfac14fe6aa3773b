//! Plays a document's examples at the gate.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use latchkey_core::decision::{Decision, Verdict};
use latchkey_core::gate::Gate;
use latchkey_core::limit::local::LocalLimiter;

use super::scene::outcome;
use super::{Answer, Example, Outcome, Played, Props, Scene, Who, stage};
use crate::facts::Facts;
use crate::profile::Profile;
use crate::request::Request;

impl Profile {
    /// Runs every example of the document, offline, as far as the gate goes.
    #[must_use]
    pub fn rehearse(&self) -> Vec<Played<'_>> {
        self.customs.examples.iter().map(|example| self.play(example)).collect()
    }

    fn play<'p>(&'p self, example: &'p Example) -> Played<'p> {
        let user = matches!(example.who, Some(Who::User(_)));
        let kind = example.who.as_ref().and_then(Who::key);
        let kind = kind.and_then(|who| Some((who, self.policy.kind(&who.kind)?)));
        let value = kind.map(|(who, kind)| stage::value(who, kind)).unwrap_or_default();
        let known = kind.map(|(who, kind)| stage::known(who, &self.policy, kind));
        let gate = stage::gate(&self.policy, known);
        let props = Props { key: value, key_id: stage::KEY.to_string(), ..Props::default() };
        let staged = self.staged(example, &props);
        let request = staged.request();
        let endpoint = self.endpoint(&request).is_some();
        if user {
            let wrong = "only a request that an endpoint answers can be a user's".to_owned();
            let name = example.name.to_string();
            let refused = Played::Done(Outcome { name, wrong: vec![wrong] });
            let scene = Scene { profile: self, example, passed: None };
            return if endpoint { Played::Endpoint(scene) } else { refused };
        }
        let mut answer = Ok((false, Answer::default()));
        for _ in 0..example.repeat {
            answer = self.answer(&gate, &request);
        }
        match answer {
            Ok((true, passed)) if endpoint => {
                Played::Endpoint(Scene { profile: self, example, passed: Some(passed) })
            }
            other => Played::Done(outcome(example, other.map(|(_, answer)| answer))),
        }
    }

    /// Whether the gate lets a request pass, and what becomes of it.
    fn answer(&self, gate: &Gate<LocalLimiter>, request: &Request<'_>) -> Result<(bool, Answer), String> {
        let mut reading = self.read(request);
        // What is tried in production holds here: examples say what is to be.
        reading.access.strict = true;
        let verdict = now(gate.check(Some(&self.policy), &reading.access))
            .and_then(|checked| checked.map_err(|trouble| trouble.to_string()))?;
        let Verdict { decision, seen } = verdict;
        let facts = Facts::new(&seen, request, &reading, stage::NOW);
        let owned = |all: Vec<(&str, String)>| all.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Ok(match decision {
            Decision::Deny(denial) => {
                let refused = self.deny(&denial, &facts);
                let (status, body) = (refused.status, refused.body);
                (false, Answer { status, headers: owned(refused.headers), upstream: Vec::new(), body })
            }
            Decision::Allow(_) => {
                let admission = self.allow(&facts);
                let mut upstream: Vec<(String, String)> = owned(admission.set.owned());
                let replaced = |name: &str, set: &[(String, String)]| set.iter().any(|(n, _)| n == name);
                for header in request.headers.iter() {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let name = text(header.name);
                    let kept = !admission.remove.contains(&name) && !replaced(&name, &upstream);
                    upstream.extend(kept.then(|| (name, text(header.value))));
                }
                let headers = owned(admission.response.owned());
                (true, Answer { status: 200, headers, upstream, body: String::new() })
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
