//! Runs a document's examples against the gate.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use latchkey_core::decision::{Decision, Verdict};
use latchkey_core::gate::Gate;
use latchkey_core::limit::local::LocalLimiter;

use super::endpoint_case::outcome;
use super::{
    CaseResponse, CaseResult, EndpointCase, Example, ExampleOutcome, FixtureValues, Sender, fixtures,
};
use crate::profile::Profile;
use crate::request::Request;
use crate::template_context::TemplateContext;

impl Profile {
    /// Runs every example of the document up to the gate's decision, without a server.
    #[must_use]
    pub fn run_examples(&self) -> Vec<CaseResult<'_>> {
        self.rules.examples.iter().map(|example| self.run_example(example)).collect()
    }

    fn run_example<'p>(&'p self, example: &'p Example) -> CaseResult<'p> {
        let user = matches!(example.sender, Some(Sender::User(_)));
        let kind = example.sender.as_ref().and_then(Sender::key);
        let kind = kind.and_then(|sender| Some((sender, self.policy.kind(&sender.kind)?)));
        let value = kind.map(|(sender, kind)| fixtures::key_value(sender, kind)).unwrap_or_default();
        let known = kind.map(|(sender, kind)| fixtures::key_and_tenant(sender, &self.policy, kind));
        let gate = fixtures::gate(&self.policy, known);
        let values =
            FixtureValues { key: value, key_id: fixtures::KEY_ID.to_string(), ..FixtureValues::default() };
        let rendered = self.render_example(example, &values);
        let request = rendered.request();
        let endpoint = self.endpoint(&request).is_some();
        if user {
            let failure = "a user can only send requests that an endpoint answers".to_owned();
            let name = example.name.to_string();
            let failed = CaseResult::Done(ExampleOutcome { name, failures: vec![failure] });
            let case = EndpointCase { profile: self, example, gate_response: None };
            return if endpoint { CaseResult::Endpoint(case) } else { failed };
        }
        let mut result = Ok((false, CaseResponse::default()));
        for _ in 0..example.repeat {
            result = self.decide(&gate, &request);
        }
        match result {
            Ok((true, gate_response)) if endpoint => CaseResult::Endpoint(EndpointCase {
                profile: self,
                example,
                gate_response: Some(gate_response),
            }),
            other => CaseResult::Done(outcome(example, other.map(|(_, response)| response))),
        }
    }

    /// Decides a request. Returns true if the gate allows it, and the response.
    fn decide(
        &self,
        gate: &Gate<LocalLimiter>,
        request: &Request<'_>,
    ) -> Result<(bool, CaseResponse), String> {
        let mut parsed = self.parse_request(request);
        // Examples describe the enforced behaviour, so rules in shadow are enforced here.
        parsed.access.strict = true;
        let verdict = poll_once(gate.check(Some(&self.policy), &parsed.access))
            .and_then(|checked| checked.map_err(|error| error.to_string()))?;
        let Verdict { decision, context } = verdict;
        let template_context = TemplateContext::new(&context, request, &parsed, fixtures::NOW);
        let owned = |all: Vec<(&str, String)>| all.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Ok(match decision {
            Decision::Deny(denial) => {
                let deny = self.deny_response(&denial, &template_context);
                let (status, body) = (deny.status, deny.body);
                (false, CaseResponse { status, headers: owned(deny.headers), upstream: Vec::new(), body })
            }
            Decision::Allow(_) => {
                let allow = self.allow_response(&template_context);
                let mut upstream: Vec<(String, String)> = owned(allow.set.owned());
                let replaced = |name: &str, set: &[(String, String)]| set.iter().any(|(n, _)| n == name);
                for header in request.headers.iter() {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let name = text(header.name);
                    let kept = !allow.remove.contains(&name) && !replaced(&name, &upstream);
                    upstream.extend(kept.then(|| (name, text(header.value))));
                }
                let headers = owned(allow.response.owned());
                (true, CaseResponse { status: 200, headers, upstream, body: String::new() })
            }
        })
    }
}

/// Returns the output of a future that never waits, such as a check by a gate in memory.
fn poll_once<T>(work: impl Future<Output = T>) -> Result<T, String> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err("the gate did not decide immediately".to_owned()),
    }
}
