//! The counter: HTTP calls that a product's document declares, answered by the contract's RPCs. The profile says
//! what a call means and how its answer looks; the gate says whether it may pass; the RPC does the work, behind
//! its own authorization. Nothing of these is decided here.

mod inbox;
mod rpc;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::HeaderName};
use http_body_util::Full;
use latchkey_core::access::{Access, Presented};
use latchkey_core::decision::{Decision, Denial, Seen};
use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::reason::Reason;
use latchkey_core::time::Clock;
use latchkey_core::trouble::Trouble;
use latchkey_core::witness::{Answered, Bare, Door, Outcome, Witness};
use latchkey_profile::{Catalog, Code, Facts, Matched, Profile, Reading, Reply, Request};
use serde_json::Value;
use tonic::service::Routes;

use crate::inbox::{Inbox, Unread};
use crate::rpc::{Caller, Failed};

/// What the counter works with.
pub struct RestParts<L> {
    /// Decides.
    pub gate: Arc<Gate<L>>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether calls can be answered yet.
    pub ready: Arc<AtomicBool>,
    /// The services of the contract, as gRPC callers reach them.
    pub services: Routes,
    /// Who hears of every answer of the gate.
    pub witness: Arc<dyn Witness>,
}

/// Answers a product's HTTP calls. Shared by every connection.
pub struct Rest<L> {
    parts: RestParts<L>,
}

/// A response as it goes out.
pub type Answer = Response<Full<Bytes>>;

/// A call on its way: the request, its profile, and what was seen of it.
struct Errand<'a, 'q, 'r> {
    profile: &'a Profile,
    at: Matched<'a>,
    request: &'a Request<'q>,
    reading: &'a Reading<'r>,
}

impl<L: Limiter> Rest<L> {
    /// A counter of these parts.
    #[must_use]
    pub fn new(parts: RestParts<L>) -> Self {
        Self { parts }
    }

    /// Answers a request; none where no profile has an endpoint for it.
    pub async fn serve<B>(&self, request: http::Request<B>, peer: Option<IpAddr>) -> Option<Answer>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut inbox, body) = Inbox::open(request, peer);
        let (profile, brought) = {
            let request = inbox.request(None);
            let profile = self.parts.catalog.choose(&request).filter(|profile| profile.has_endpoints())?;
            if profile.endpoint(&request).is_none() {
                return Some(self.nowhere(&profile, &request));
            }
            let brought = profile.envoys_peer(&request);
            (profile, brought)
        };
        if let Some(peer) = brought {
            inbox.brought_from(peer);
        }
        let (body, unread) = match inbox::read(body).await {
            Ok(body) => (Some(body), None),
            Err(unread) => (None, Some(unread)),
        };
        let request = inbox.request(body.as_deref());
        let at = profile.endpoint(&request)?;
        let reading = profile.read(&request);
        let errand = Errand { profile: &profile, at, request: &request, reading: &reading };
        Some(self.run(&errand, unread).await)
    }

    /// Where a product has endpoints, but none for this request: its own words for that.
    fn nowhere(&self, profile: &Profile, request: &Request<'_>) -> Answer {
        let (reading, nobody) = (profile.read(request), Seen::default());
        let facts = Facts::new(&nobody, request, &reading, self.parts.clock.now().wall);
        let methods = profile.methods(request);
        if methods.is_empty() {
            return sent(profile.failed(Code::NotFound, "There is nothing at this path.", &facts));
        }
        let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("This path takes {allow} alone.");
        let mut answer = sent(profile.failed(Code::MethodNotAllowed, &message, &facts));
        if let Ok(allow) = HeaderValue::try_from(allow) {
            answer.headers_mut().insert(http::header::ALLOW, allow);
        }
        answer
    }

    async fn run(&self, errand: &Errand<'_, '_, '_>, unread: Option<Unread>) -> Answer {
        let began = self.parts.clock.now();
        let now = began.wall;
        let Errand { profile, request, reading, .. } = errand;
        let nobody = Seen::default();
        let facts = Facts::new(&nobody, request, reading, now);
        if let Some(unread) = unread {
            return sent(profile.failed(Code::InvalidArgument, unread.message(), &facts));
        }
        if !self.parts.ready.load(Ordering::Relaxed) {
            return sent(profile.failed(Code::Unavailable, "The service is starting.", &facts));
        }
        // Envoy has asked about this request and counted it; here it is looked at once more, and costs nothing.
        // What we answer ourselves is never tried: keys and tokens are made by it.
        let access = Access { cost: 0, strict: true, ..reading.access.clone() };
        let verdict = match self.parts.gate.check(Some(&profile.policy), &access).await {
            Ok(verdict) => verdict,
            Err(trouble) => {
                let seen = Seen { policy: Some(Arc::clone(&profile.policy)), began, ..Seen::default() };
                self.tell(errand, Outcome::Troubled(&trouble), &seen);
                return sent(profile.failed(troubled(&trouble), "No answer just now.", &facts));
            }
        };
        self.tell(errand, Outcome::of(&verdict.decision), &verdict.seen);
        let facts = Facts::new(&verdict.seen, request, reading, now);
        match verdict.decision {
            Decision::Deny(denial) => sent(denied(profile, &denial, &facts)),
            // A public route passes without a tenant, which the RPC needs nonetheless.
            Decision::Allow(_) if profile.policy.tenant_required && access.tenant.is_none() => {
                sent(denied(profile, &Denial::plain(Reason::TenantRequired), &facts))
            }
            Decision::Allow(_) => self.ask(errand, &facts).await,
        }
    }

    fn tell(&self, errand: &Errand<'_, '_, '_>, outcome: Outcome<'_>, seen: &Seen) {
        let (request_id, method) = (&*errand.reading.request_id, errand.request.method);
        let door = Door::Rest;
        self.parts.witness.saw(&Answered { door, outcome, seen, request_id, method, sent: &Bare });
    }

    async fn ask(&self, errand: &Errand<'_, '_, '_>, facts: &Facts<'_>) -> Answer {
        let Errand { profile, at, request, reading } = errand;
        let mut ask = match profile.ask(*at, request, facts) {
            Ok(ask) => ask,
            Err(wrong) => return sent(profile.failed(Code::InvalidArgument, &wrong.join(" "), facts)),
        };
        let credential = match reading.access.credential {
            Presented::Value(value) => Some(value),
            Presented::Missing | Presented::Ambiguous | Presented::Unreadable => None,
        };
        let caller = Caller { credential, request_id: &reading.request_id, address: reading.access.address };
        if ask.rpc.name == "Check" {
            ask.message["credential"] = credential.unwrap_or_default().into();
            ask.message["profile"] = profile.name().into();
            ask.message["cost"] = 0.into();
        }
        match rpc::call(&self.parts.services, ask.rpc, &ask.message, &caller).await {
            Ok((answer, _)) if ask.rpc.name == "Check" && would_deny(&answer) => {
                let told =
                    if answer["shadow"].is_null() { &answer["reason"] } else { &answer["shadow"]["reason"] };
                let reason = told.as_str().and_then(|name| name.strip_prefix("REASON_"));
                let reason = reason.and_then(|name| name.parse().ok()).unwrap_or(Reason::InvalidCredential);
                sent(denied(profile, &Denial::plain(reason), facts))
            }
            Ok((answer, items)) => sent(profile.reply((*at, &ask), request, facts, (&answer, &items))),
            Err(failed) => {
                let message = message(profile, *at, &failed);
                sent(profile.failed(failed.code, &message, facts))
            }
        }
    }
}

/// Whether the answer to a Check is a denial, enforced or not.
fn would_deny(answer: &Value) -> bool {
    answer["decision"] != "DECISION_ALLOW" || !answer["shadow"].is_null()
}

/// What went wrong, in the words of the request: fields by the names that its body has for them.
fn message(profile: &Profile, at: Matched<'_>, failed: &Failed) -> String {
    if failed.fields.is_empty() {
        return failed.message.clone();
    }
    let told = |(field, what): &(String, String)| format!("{}: {what}", profile.word_for(at, field));
    failed.fields.iter().map(told).collect::<Vec<_>>().join("; ")
}

fn troubled(trouble: &Trouble) -> Code {
    match trouble {
        Trouble::Outage { .. } => Code::Unavailable,
        Trouble::Fault(text) => {
            tracing::error!(target: "latchkey::fault", "{text}");
            Code::Internal
        }
    }
}

fn denied<'a>(profile: &'a Profile, denial: &Denial, facts: &Facts<'_>) -> Reply<'a> {
    let refused = profile.deny(denial, facts);
    Reply { status: refused.status, headers: refused.headers, body: refused.body }
}

/// The response as HTTP. What can't be a header's value was left out by the profile.
fn sent(reply: Reply<'_>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(reply.body)));
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    // Keys and tokens are told in these answers.
    answer.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The value of a field of a message.
fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
