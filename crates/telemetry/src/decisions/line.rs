//! One answer as a line of JSON. Never the credential, a query string or the value of a header; a request's
//! identifier is told where it is fit to be one.

use latchkey_core::decision::Seen;
use latchkey_core::principal::{Principal, Subject};
use latchkey_core::time::Moment;
use latchkey_core::witness::{Answered, Outcome};

/// Most lines fit without growing.
const LINE: usize = 512;
/// The longest method; what is longer is no method.
const METHOD: usize = 32;
/// The longest identifier of a request.
const IDENTIFIER: usize = 128;

/// The line of an answer, its end included.
pub(super) fn of(answered: &Answered<'_>, now: Moment) -> Vec<u8> {
    let Answered { seen, outcome, .. } = answered;
    let mut line = Line::begin();
    line.text("time", &now.wall.to_string());
    line.text("door", answered.door.name());
    line.fit("request_id", answered.request_id.as_bytes());
    line.fit("envoy_request_id", answered.sent.envoy_request_id().unwrap_or_default());
    decision(&mut line, *outcome, seen);
    if let Some(policy) = &seen.policy {
        line.text("profile", &policy.name);
    }
    if let Some(who) = &seen.principal {
        principal(&mut line, who);
    }
    if let Some(route) = answered.route() {
        line.text("route", route);
    }
    if answered.method.len() <= METHOD && !answered.method.is_empty() {
        line.text("method", answered.method);
    }
    line.text("source", answered.source().name());
    if seen.began != Moment::default() {
        line.number("latency_us", now.tick.since(seen.began.tick).as_micros());
    }
    line.number("revision", u128::from(seen.revision));
    line.end()
}

/// What is written in place of lines that were dropped.
pub(super) fn dropped(lost: u64) -> String {
    format!("{{\"dropped\":{lost}}}\n")
}

/// What would have been denied counts as denied, and wasn't enforced.
fn decision(line: &mut Line, outcome: Outcome<'_>, seen: &Seen) {
    match (outcome, &seen.shadow) {
        (Outcome::Allowed, Some(shadow)) => {
            line.text("decision", "DENY");
            line.text("reason", shadow.reason.name());
            line.flag("enforced", false);
            missing(line, seen);
        }
        (outcome, shadow) => {
            line.text("decision", outcome.decision());
            line.text("reason", outcome.reason());
            line.flag("enforced", true);
            if let Some(shadow) = shadow {
                line.text("shadow_reason", shadow.reason.name());
            }
            missing(line, seen);
        }
    }
}

fn missing(line: &mut Line, seen: &Seen) {
    let Some(policy) = seen.policy.as_ref().filter(|_| !seen.missing.is_empty()) else { return };
    let names: Vec<&str> = policy.scopes.names(&seen.missing).collect();
    line.text("missing_scopes", &names.join(" "));
}

fn principal(line: &mut Line, who: &Principal) {
    line.text("tenant", &who.tenant.slug);
    line.text("tenant_id", &who.tenant.id.text());
    let name = match &who.subject {
        Subject::Key(_) => "key_id",
        Subject::User(_) => "user_id",
        // No call is judged by one.
        Subject::Certificate(_) => return,
    };
    line.text(name, &who.subject_text());
    line.flag("by_token", who.token.is_some());
}

/// A JSON object that grows.
struct Line(Vec<u8>);

impl Line {
    fn begin() -> Self {
        let mut bytes = Vec::with_capacity(LINE);
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
        // Text is always JSON, and a vector takes everything.
        let _: serde_json::Result<()> = serde_json::to_writer(&mut self.0, text);
    }

    /// An identifier that somebody sent: printable, and not too long, or not told.
    fn fit(&mut self, name: &str, sent: &[u8]) {
        let fits = (1..=IDENTIFIER).contains(&sent.len()) && sent.iter().all(u8::is_ascii_graphic);
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
    use latchkey_core::reason::Reason;
    use latchkey_core::time::{Tick, Timestamp};
    use latchkey_core::trouble::Trouble;
    use latchkey_core::witness::{Bare, Door, Sent};
    use latchkey_profile::Profile;
    use serde_json::{Value, json};

    use super::*;

    /// Judged from the second second on; told a millisecond and a half later.
    fn began() -> Moment {
        Moment { wall: Timestamp(2_000), tick: Tick(9_000_000) }
    }

    fn read(outcome: Outcome<'_>, seen: &Seen, request_id: &str, method: &str) -> Value {
        let answered = Answered { door: Door::Native, outcome, seen, request_id, method, sent: &Bare };
        let now = Moment { wall: Timestamp(2_001), tick: began().tick.after(Duration::from_micros(1_500)) };
        let line = of(&answered, now);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
        serde_json::from_slice(&line).unwrap()
    }

    fn seen() -> Seen {
        let document = "name = \"p\"\n[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"";
        let policy = Arc::clone(&Profile::compile(document, 1).unwrap().policy);
        Seen { began: began(), revision: 7, policy: Some(policy), ..Seen::default() }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let unreadable = read(Outcome::Unreadable, &Seen::default(), "", "");
        let expected = json!({
            "time": "1970-01-01T00:00:02.001Z", "door": "native", "decision": "DENY", "reason": "UNREADABLE",
            "enforced": true, "source": "memory", "revision": 0,
        });
        assert_eq!(unreadable, expected);
        let allowed = read(Outcome::Allowed, &seen(), "r-1", "GET");
        let expected = json!({
            "time": "1970-01-01T00:00:02.001Z", "door": "native", "request_id": "r-1", "decision": "ALLOW",
            "reason": "OK", "enforced": true, "profile": "p", "method": "GET", "source": "memory",
            "latency_us": 1_500, "revision": 7,
        });
        assert_eq!(allowed, expected);
    }

    #[test]
    fn what_nobody_could_decide_is_an_error() {
        let outage = read(Outcome::Troubled(&Trouble::database()), &seen(), "r", "GET");
        assert_eq!(
            [&outage["decision"], &outage["reason"], &outage["source"]],
            ["ERROR", "OUTAGE", "database"]
        );
    }

    #[test]
    fn a_denial_in_shadow_is_told_by_itself_or_beside_the_one_that_was_enforced() {
        let mut seen = seen();
        seen.missing = seen.policy.as_ref().unwrap().scopes.all();
        seen.shadow = Some(Denial::plain(Reason::InsufficientScope));
        let passed = read(Outcome::Allowed, &seen, "r", "GET");
        assert_eq!([&passed["decision"], &passed["reason"]], ["DENY", "INSUFFICIENT_SCOPE"]);
        assert_eq!((&passed["enforced"], &passed["missing_scopes"]), (&json!(false), &json!("a b")));
        let denied = read(Outcome::Denied(&Denial::plain(Reason::RateLimited)), &seen, "r", "GET");
        assert_eq!([&denied["reason"], &denied["shadow_reason"]], ["RATE_LIMITED", "INSUFFICIENT_SCOPE"]);
        assert_eq!(denied["enforced"], true);
    }

    /// A client's word for itself.
    struct Word(&'static [u8]);

    impl Sent for Word {
        fn envoy_request_id(&self) -> Option<&[u8]> {
            Some(self.0)
        }
    }

    #[test]
    fn what_a_client_sent_can_not_break_out_of_its_line_or_fill_it() {
        let long = "x".repeat(METHOD + 1);
        assert!(read(Outcome::Allowed, &seen(), "r", &long).get("method").is_none());
        assert_eq!(read(Outcome::Allowed, &seen(), "r", "G\"\n\u{1b}")["method"], "G\"\n\u{1b}");
        for sent in [&b"a b"[..], b"a\nb", b"\xff", b"", &[b'x'; IDENTIFIER + 1]] {
            let text = String::from_utf8_lossy(sent).into_owned();
            assert!(read(Outcome::Allowed, &seen(), &text, "GET").get("request_id").is_none(), "{text}");
        }
        let (seen, sent) = (seen(), Word(b"a\"b\\c"));
        let (outcome, door) = (Outcome::Allowed, Door::Envoy);
        let answered = Answered { door, outcome, seen: &seen, request_id: "r", method: "GET", sent: &sent };
        let line: Value = serde_json::from_slice(&of(&answered, began())).unwrap();
        assert_eq!(line["envoy_request_id"], "a\"b\\c");
    }
}
