//! Dynamic metadata: what Envoy's logs and later filters may know about a decision. A `Struct` of plain
//! fields, on every answer alike; nothing secret is among them.

use std::sync::LazyLock;

use latchkey_core::decision::Seen;
use latchkey_core::limit::Level;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::witness::{Answered, Outcome};

use crate::wire::writer::Writer;

/// What the metadata speaks of.
pub(super) struct Notes<'a> {
    /// The decision and what was seen.
    pub(super) answered: Answered<'a>,
    /// The environment that the request went to, where its host or Envoy's route told.
    pub(super) environment: Option<&'a str>,
}

/// The decision that is made most often, as it is written.
static ALLOWED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut fields = Writer::after(Vec::new());
    decided(&mut fields, &Outcome::Allowed);
    fields.finish()
});

fn decided(fields: &mut Writer, outcome: &Outcome<'_>) {
    text(fields, "decision", outcome.decision());
    text(fields, "reason", outcome.reason());
}

/// Writes the fields of the `Struct`.
pub(super) fn write(fields: &mut Writer, notes: &Notes<'_>) {
    let Answered { outcome, seen, request_id, .. } = &notes.answered;
    match outcome {
        Outcome::Allowed => fields.written(&ALLOWED),
        Outcome::Denied(_) | Outcome::Unreadable | Outcome::Troubled(_) => decided(fields, outcome),
    }
    if !request_id.is_empty() {
        text(fields, "request_id", request_id);
    }
    let mut environment = notes.environment;
    let known = match outcome {
        Outcome::Allowed => seen.vouched(),
        Outcome::Denied(_) | Outcome::Unreadable | Outcome::Troubled(_) => seen.principal.as_ref(),
    };
    if let Some(principal) = known {
        text(fields, "tenant_id", &principal.tenant.id.text());
        text(fields, "tenant_slug", &principal.tenant.slug);
        text(fields, "subject_id", &principal.subject_text());
        text(fields, "subject_type", principal.subject_type());
        environment = principal.environment().or(environment);
    }
    shadow(fields, seen, known);
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

/// What would have been decided, were everything enforced. Whoever is known and not vouched for has names of their
/// own here, so that no filter takes them for who is calling.
fn shadow(fields: &mut Writer, seen: &Seen, known: Option<&Principal>) {
    let Some(denial) = &seen.shadow else { return };
    text(fields, "shadow_decision", "DENY");
    text(fields, "shadow_reason", denial.reason.name());
    if let (None, Some(sender)) = (known, &seen.principal) {
        text(fields, "shadow_tenant_id", &sender.tenant.id.text());
        text(fields, "shadow_subject_id", &sender.subject_text());
    }
}

fn level(fields: &mut Writer, policy: &Policy, level: &Level) {
    let (owner, class) = (level.bucket.per.name(), policy.classes.name_of(level.bucket));
    field(fields, "bucket", |value| value.joined(3, [owner, "/", class]));
    fields.number_entry(1, "limit", number(level.limit));
    fields.number_entry(1, "remaining", number(level.remaining));
}

#[expect(clippy::cast_precision_loss, reason = "limits end far below 2^53, where doubles are exact")]
fn number(count: u64) -> f64 {
    count as f64
}

/// An entry whose `Value` is text.
fn text(fields: &mut Writer, name: &str, text: &str) {
    fields.text_entry(1, name, text);
}

/// An entry of the struct's map: a name and a `Value`.
fn field(fields: &mut Writer, name: &str, value: impl FnOnce(&mut Writer)) {
    fields.message(1, |entry| {
        entry.text(1, name);
        entry.message(2, value);
    });
}
