//! `latchkey check`: sends one Check with `explain`, and prints the decision with the steps of the gate.

use std::fmt::Write as _;

use latchkey_proto::v1;

use crate::args::{CheckArgs, Globals};
use crate::call::{Server, read_secret, starts_with_bearer};
use crate::exit::CliError;
use crate::output::{TextOutput, Tone, fields, note, pairs, rows, sanitize, show, timestamp, words};

pub(super) async fn run(globals: &Globals, args: CheckArgs) -> Result<(), CliError> {
    let question = question(args)?;
    let answer = Server::of(globals).await?.check().check(question).await?.into_inner();
    show(globals.output, &answer)?;
    match answer.decision() {
        v1::Decision::Allow => Ok(()),
        // An invalid field of the request says nothing about the credential. The response names the field.
        v1::Decision::Deny if answer.reason() == v1::Reason::MalformedRequest => Err(CliError::Findings(2)),
        v1::Decision::Deny | v1::Decision::Unspecified => Err(CliError::Denied),
    }
}

fn question(args: CheckArgs) -> Result<v1::CheckRequest, CliError> {
    let credential = match (args.credential, args.credential_file) {
        (Some(credential), _) => credential.0,
        (None, Some(path)) => read_secret(&path)?.0,
        (None, None) => String::new(),
    };
    if starts_with_bearer(&credential) {
        note(
            "The credential begins with the word Bearer, which is no part of it: give the value after it alone.",
        );
    }
    Ok(v1::CheckRequest {
        credential,
        profile: args.profile,
        tenant: args.tenant,
        environment: args.environment,
        method: args.method,
        path: args.path,
        scopes: args.scopes,
        resource: args.resource.into_iter().collect(),
        rate_class: args.rate_class,
        cost: args.cost,
        source_ip: args.source_ip,
        request_id: args.request_id,
        dry_run: !args.spend,
        explain: true,
        scopes_only: args.scopes_only,
    })
}

impl TextOutput for v1::CheckResponse {
    fn text(&self) -> String {
        let mut text = verdict(self);
        for step in &self.steps {
            let mark = Tone::of(step.passed).paint(if step.passed { "✓" } else { "✗" });
            let _infallible =
                write!(text, "\n  {mark} {:<12} {}", sanitize(&step.name), sanitize(&step.detail));
        }
        let parts = [self.principal.as_ref().map(principal), limits(&self.rate_limits)];
        for part in parts.into_iter().flatten() {
            let _infallible = write!(text, "\n\n{part}");
        }
        let _infallible =
            write!(text, "\n\nrequest {}, revision {}", sanitize(&self.request_id), self.revision);
        text
    }
}

fn verdict(answer: &v1::CheckResponse) -> String {
    match answer.decision() {
        v1::Decision::Allow => match &answer.shadow {
            None => Tone::Good.paint("ALLOWED"),
            Some(shadow) => {
                let reason = shadow.reason().as_str_name().trim_start_matches("REASON_");
                let allowed = Tone::Warning.paint("ALLOWED, in shadow");
                format!("{allowed}. Would be denied: {reason}. {}", sanitize(&shadow.message))
            }
        },
        v1::Decision::Deny => {
            let reason = answer.reason().as_str_name().trim_start_matches("REASON_");
            format!("{}: {reason}. {}", Tone::Bad.paint("DENIED"), sanitize(&answer.message))
        }
        v1::Decision::Unspecified => "NO DECISION, which counts as a denial".to_owned(),
    }
}

fn principal(who: &v1::Principal) -> String {
    fields([
        ("tenant", format!("{} ({})", who.tenant_slug, who.tenant_id)),
        ("subject", format!("{} {} {:?}", who.subject_type, who.subject_id, who.subject_name)),
        ("kind", who.kind.clone()),
        ("environment", who.environment.clone()),
        ("role", who.role.clone()),
        ("scopes", words(&who.scopes)),
        ("bindings", pairs(&who.bindings)),
        ("metadata", pairs(&who.metadata)),
        ("expires", timestamp(who.expire_time.as_ref())),
    ])
}

fn limits(levels: &[v1::RateLimitStatus]) -> Option<String> {
    let row = |level: &v1::RateLimitStatus| {
        [
            level.bucket.clone(),
            level.limit.to_string(),
            level.remaining.to_string(),
            timestamp(level.reset_time.as_ref()),
            if level.never { "never".to_owned() } else { format!("{} s", level.retry_after_seconds) },
        ]
    };
    (!levels.is_empty())
        .then(|| rows(["BUCKET", "LIMIT", "REMAINING", "RESETS AT", "RETRY AFTER"], levels.iter().map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_tick_or_cross() {
        let step = |name: &str, passed| v1::Step { name: name.into(), passed, detail: "seen\u{1b}".into() };
        let answer = v1::CheckResponse {
            decision: v1::Decision::Deny.into(),
            reason: v1::Reason::InsufficientScope.into(),
            steps: vec![step("key", true), step("scope", false)],
            ..v1::CheckResponse::default()
        };
        let text = answer.text();
        assert!(text.starts_with("DENIED: INSUFFICIENT_SCOPE"), "{text}");
        assert!(text.contains("✓ key") && text.contains("✗ scope") && !text.contains('\u{1b}'), "{text}");
    }
}
