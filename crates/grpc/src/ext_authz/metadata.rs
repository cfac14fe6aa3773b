//! Dynamic metadata: what Envoy's logs and later filters may know about a decision. A `Struct` of plain
//! fields, on every answer alike; nothing secret is among them.

use latchkey_core::limit::Level;
use latchkey_core::policy::Policy;
use latchkey_core::witness::Answered;

use crate::wire::writer::Writer;

/// What the metadata speaks of.
pub(super) struct Notes<'a> {
    /// The decision and what was seen.
    pub(super) answered: Answered<'a>,
    /// The environment that the request went to, where its host or Envoy's route told.
    pub(super) environment: Option<&'a str>,
}

/// Writes the fields of the `Struct`.
pub(super) fn write(fields: &mut Writer, notes: &Notes<'_>) {
    let Answered { outcome, seen, request_id, .. } = &notes.answered;
    text(fields, "decision", outcome.decision());
    text(fields, "reason", outcome.reason());
    if !request_id.is_empty() {
        text(fields, "request_id", request_id);
    }
    let mut environment = notes.environment;
    if let Some(principal) = &seen.principal {
        text(fields, "tenant_id", &principal.tenant.id.text());
        text(fields, "tenant_slug", &principal.tenant.slug);
        text(fields, "subject_id", &principal.subject_text());
        text(fields, "subject_type", principal.subject_type());
        environment = principal.environment().or(environment);
    }
    if let Some(environment) = environment {
        text(fields, "environment", environment);
    }
    if let Some(policy) = &seen.policy {
        text(fields, "profile", &policy.name);
        if let Some(tightest) = seen.levels.first() {
            field(fields, "rate_limit", |value| value.message(5, |limit| level(limit, policy, tightest)));
        }
    }
}

fn level(fields: &mut Writer, policy: &Policy, level: &Level) {
    let (owner, class) = (level.bucket.per.name(), policy.classes.name_of(level.bucket));
    field(fields, "bucket", |value| value.shown(3, format_args!("{owner}/{class}")));
    field(fields, "limit", |value| value.double(2, number(level.limit)));
    field(fields, "remaining", |value| value.double(2, number(level.remaining)));
}

#[expect(clippy::cast_precision_loss, reason = "limits end far below 2^53, where doubles are exact")]
fn number(count: u64) -> f64 {
    count as f64
}

/// An entry whose `Value` is text; its lengths are known before.
fn text(fields: &mut Writer, name: &str, text: &str) {
    let value = Writer::size(text.len());
    fields.open(1, Writer::size(name.len()) + Writer::size(value));
    fields.text(1, name);
    fields.open(2, value);
    fields.text(3, text);
}

/// An entry of the struct's map: a name and a `Value`.
fn field(fields: &mut Writer, name: &str, value: impl FnOnce(&mut Writer)) {
    fields.message(1, |entry| {
        entry.text(1, name);
        entry.message(2, value);
    });
}
