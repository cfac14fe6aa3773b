//! A decision as a line of JSON. A line never holds a credential, a query string or the value of a header; a request
//! identifier is logged only if it is printable and short enough.

use latchkey_core::decision::DecisionContext;
use latchkey_core::observer::{CheckEvent, CheckOutcome};
use latchkey_core::principal::{Principal, Subject};
use latchkey_core::time::Moment;

/// Initial capacity of a line in bytes; most lines fit.
const INITIAL_CAPACITY: usize = 512;
/// Maximum length of an HTTP method in bytes; longer ones are left out.
const MAX_METHOD_BYTES: usize = 32;
/// Maximum length of a request identifier in bytes; longer ones are left out.
const MAX_ID_BYTES: usize = 128;

/// Returns the line of a decision, including the line end.
pub(super) fn decision_line(event: &CheckEvent<'_>, now: Moment) -> Vec<u8> {
    let CheckEvent { context, outcome, .. } = event;
    let mut line = JsonLine::begin();
    line.text("time", &now.wall.to_string());
    line.text("entrypoint", event.entrypoint.name());
    line.identifier("request_id", event.request_id.as_bytes());
    line.identifier("envoy_request_id", event.metadata.envoy_request_id().unwrap_or_default());
    decision(&mut line, *outcome, context);
    if let Some(policy) = &context.policy {
        line.text("profile", &policy.name);
    }
    if let Some(caller) = &context.principal {
        principal(&mut line, caller);
    }
    if let Some(route) = event.route() {
        line.text("route", route);
    }
    if event.method.len() <= MAX_METHOD_BYTES {
        line.identifier("method", event.method.as_bytes());
    }
    line.text("source", event.source().name());
    if context.started_at != Moment::default() {
        line.number("latency_us", now.monotonic.since(context.started_at.monotonic).as_micros());
    }
    line.number("revision", u128::from(context.revision));
    line.end()
}

/// Returns the line that stands for `lost` dropped lines.
pub(super) fn dropped_line(lost: u64) -> String {
    format!("{{\"dropped\":{lost}}}\n")
}

/// Writes the decision. A shadow denial is a denial that was not enforced.
fn decision(line: &mut JsonLine, outcome: CheckOutcome<'_>, context: &DecisionContext) {
    match (outcome, &context.shadow) {
        (CheckOutcome::Allowed, Some(shadow)) => {
            line.text("decision", "DENY");
            line.text("reason", shadow.reason.name());
            line.flag("enforced", false);
            missing_scopes(line, context);
        }
        (outcome, shadow) => {
            line.text("decision", outcome.decision());
            line.text("reason", outcome.reason());
            line.flag("enforced", true);
            if let Some(shadow) = shadow {
                line.text("shadow_reason", shadow.reason.name());
            }
            missing_scopes(line, context);
        }
    }
}

fn missing_scopes(line: &mut JsonLine, context: &DecisionContext) {
    let Some(policy) = context.policy.as_ref().filter(|_| !context.missing_scopes.is_empty()) else { return };
    let names: Vec<&str> = policy.scopes.names(&context.missing_scopes).collect();
    line.text("missing_scopes", &names.join(" "));
}

fn principal(line: &mut JsonLine, principal: &Principal) {
    line.text("tenant", &principal.tenant.slug);
    line.text("tenant_id", &principal.tenant.id.text());
    let name = match &principal.subject {
        Subject::Key(_) => "key_id",
        Subject::User(_) => "user_id",
        // No Check is decided by a client certificate.
        Subject::Certificate(_) => return,
    };
    line.text(name, &principal.subject_text());
    line.flag("by_token", principal.token.is_some());
}

/// Builder of a JSON object.
struct JsonLine(Vec<u8>);

impl JsonLine {
    fn begin() -> Self {
        let mut bytes = Vec::with_capacity(INITIAL_CAPACITY);
        bytes.push(b'{');
        Self(bytes)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend(name.as_bytes());
        self.0.extend(b"\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        // Serializing a string into a vector cannot fail.
        let _: serde_json::Result<()> = serde_json::to_writer(&mut self.0, text);
    }

    /// Writes an identifier or a method that a client sent, if it is printable ASCII and not too long.
    fn identifier(&mut self, name: &str, sent: &[u8]) {
        let fits = (1..=MAX_ID_BYTES).contains(&sent.len()) && sent.iter().all(u8::is_ascii_graphic);
        if let (true, Ok(text)) = (fits, std::str::from_utf8(sent)) {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &str, number: u128) {
        self.name(name);
        self.0.extend(number.to_string().as_bytes());
    }

    fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.0.extend(if flag { &b"true"[..] } else { b"false" });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use latchkey_core::decision::Denial;
    use latchkey_core::error::SystemError;
    use latchkey_core::observer::{Entrypoint, NoMetadata, RequestMetadata};
    use latchkey_core::reason::Reason;
    use latchkey_core::time::{MonotonicInstant, Timestamp};
    use latchkey_profile::Profile;
    use serde_json::{Value, json};

    use super::*;

    /// Start of the Check: the wall clock is at 2 s. The line is written 1.5 ms later.
    fn began() -> Moment {
        Moment { wall: Timestamp(2_000), monotonic: MonotonicInstant(9_000_000) }
    }

    fn read(outcome: CheckOutcome<'_>, context: &DecisionContext, request_id: &str, method: &str) -> Value {
        let event = CheckEvent {
            entrypoint: Entrypoint::Native,
            outcome,
            context,
            request_id,
            method,
            metadata: &NoMetadata,
        };
        let now = Moment {
            wall: Timestamp(2_001),
            monotonic: began().monotonic.plus(Duration::from_micros(1_500)),
        };
        let line = decision_line(&event, now);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
        serde_json::from_slice(&line).unwrap()
    }

    fn context() -> DecisionContext {
        let document = "name = \"p\"\n[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"";
        let policy = Arc::clone(&Profile::compile(document, 1).unwrap().policy);
        DecisionContext {
            started_at: began(),
            revision: 7,
            policy: Some(policy),
            ..DecisionContext::default()
        }
    }

    #[test]
    fn unknown_fields_are_left_out() {
        let unreadable = read(CheckOutcome::Malformed, &DecisionContext::default(), "", "");
        let expected = json!({
            "time": "1970-01-01T00:00:02.001Z", "entrypoint": "native", "decision": "DENY", "reason": "MALFORMED_REQUEST",
            "enforced": true, "source": "cache", "revision": 0,
        });
        assert_eq!(unreadable, expected);
        let allowed = read(CheckOutcome::Allowed, &context(), "r-1", "GET");
        let expected = json!({
            "time": "1970-01-01T00:00:02.001Z", "entrypoint": "native", "request_id": "r-1", "decision": "ALLOW",
            "reason": "OK", "enforced": true, "profile": "p", "method": "GET", "source": "cache",
            "latency_us": 1_500, "revision": 7,
        });
        assert_eq!(allowed, expected);
    }

    #[test]
    fn a_check_without_a_decision_is_an_error() {
        let outage = read(CheckOutcome::Error(&SystemError::database()), &context(), "r", "GET");
        assert_eq!(
            [&outage["decision"], &outage["reason"], &outage["source"]],
            ["ERROR", "UNAVAILABLE", "database"]
        );
    }

    #[test]
    fn a_shadow_denial_is_logged_alone_or_beside_the_enforced_one() {
        let mut context = context();
        context.missing_scopes = context.policy.as_ref().unwrap().scopes.all();
        context.shadow = Some(Denial::new(Reason::InsufficientScope));
        let passed = read(CheckOutcome::Allowed, &context, "r", "GET");
        assert_eq!([&passed["decision"], &passed["reason"]], ["DENY", "INSUFFICIENT_SCOPE"]);
        assert_eq!((&passed["enforced"], &passed["missing_scopes"]), (&json!(false), &json!("a b")));
        let denied = read(CheckOutcome::Denied(&Denial::new(Reason::RateLimited)), &context, "r", "GET");
        assert_eq!([&denied["reason"], &denied["shadow_reason"]], ["RATE_LIMITED", "INSUFFICIENT_SCOPE"]);
        assert_eq!(denied["enforced"], true);
    }

    /// Metadata with an `x-request-id` that the client chose.
    struct TestMetadata(&'static [u8]);

    impl RequestMetadata for TestMetadata {
        fn envoy_request_id(&self) -> Option<&[u8]> {
            Some(self.0)
        }
    }

    #[test]
    fn a_clients_values_cannot_break_or_fill_the_line() {
        let long = "x".repeat(MAX_METHOD_BYTES + 1);
        assert!(read(CheckOutcome::Allowed, &context(), "r", &long).get("method").is_none());
        assert_eq!(read(CheckOutcome::Allowed, &context(), "r", "G\"")["method"], "G\"");
        // Other characters could end a line, or turn its direction, where the log is read.
        for method in ["G\"\n\u{1b}", "GET\u{2028}x", "GET\u{202e}", "G T"] {
            assert!(
                read(CheckOutcome::Allowed, &context(), "r", method).get("method").is_none(),
                "{method:?}"
            );
        }
        for sent in [&b"a b"[..], b"a\nb", b"\xff", b"", &[b'x'; MAX_ID_BYTES + 1]] {
            let text = String::from_utf8_lossy(sent).into_owned();
            assert!(
                read(CheckOutcome::Allowed, &context(), &text, "GET").get("request_id").is_none(),
                "{text}"
            );
        }
        let (context, sent) = (context(), TestMetadata(b"a\"b\\c"));
        let (outcome, entrypoint) = (CheckOutcome::Allowed, Entrypoint::ExtAuthz);
        let event = CheckEvent {
            entrypoint,
            outcome,
            context: &context,
            request_id: "r",
            method: "GET",
            metadata: &sent,
        };
        let line: Value = serde_json::from_slice(&decision_line(&event, began())).unwrap();
        assert_eq!(line["envoy_request_id"], "a\"b\\c");
    }
}
