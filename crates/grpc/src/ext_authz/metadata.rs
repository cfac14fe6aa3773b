//! Dynamic metadata: the facts of a decision that Envoy's access logs and later filters can use. Every response has
//! it, as a `Struct` of plain fields without secrets.

use std::sync::LazyLock;

use latchkey_core::decision::DecisionContext;
use latchkey_core::limit::Level;
use latchkey_core::observer::{CheckEvent, CheckOutcome};
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;

use crate::wire::writer::Writer;

/// Facts that the metadata is written from.
pub(super) struct MetadataInput<'a> {
    /// Event of the decision.
    pub(super) event: CheckEvent<'a>,
    /// Environment of the request, if its host or Envoy's route names one.
    pub(super) environment: Option<&'a str>,
}

/// Encoded fields of the most frequent decision.
static ALLOWED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut fields = Writer::append_to(Vec::new());
    write_decision(&mut fields, &CheckOutcome::Allowed);
    fields.finish()
});

fn write_decision(fields: &mut Writer, outcome: &CheckOutcome<'_>) {
    text_field(fields, "decision", outcome.decision());
    text_field(fields, "reason", outcome.reason());
}

/// Writes the fields of the `Struct`.
pub(super) fn write(fields: &mut Writer, metadata_input: &MetadataInput<'_>) {
    let CheckEvent { outcome, context, request_id, .. } = &metadata_input.event;
    match outcome {
        CheckOutcome::Allowed => fields.raw_fields(&ALLOWED),
        CheckOutcome::Denied(_) | CheckOutcome::Malformed | CheckOutcome::Error(_) => {
            write_decision(fields, outcome);
        }
    }
    if !request_id.is_empty() {
        text_field(fields, "request_id", request_id);
    }
    let mut environment = metadata_input.environment;
    let principal = match outcome {
        CheckOutcome::Allowed => context.verified_principal(),
        CheckOutcome::Denied(_) | CheckOutcome::Malformed | CheckOutcome::Error(_) => {
            context.principal.as_ref()
        }
    };
    if let Some(principal) = principal {
        text_field(fields, "tenant_id", &principal.tenant.id.text());
        text_field(fields, "tenant_slug", &principal.tenant.slug);
        text_field(fields, "subject_id", &principal.subject_text());
        text_field(fields, "subject_type", principal.subject_type());
        environment = principal.environment().or(environment);
    }
    write_shadow(fields, context, principal);
    if let Some(environment) = environment {
        text_field(fields, "environment", environment);
    }
    if let Some(policy) = &context.policy {
        text_field(fields, "profile", &policy.name);
        if let Some(tightest) = context.levels.first() {
            field(fields, "rate_limit", |value| {
                value.message(5, |limit| write_level(limit, policy, tightest));
            });
        }
    }
}

/// Writes the denial that was not enforced. A principal whose credential is not valid is written under separate
/// names, so that no filter takes it for the authenticated caller.
fn write_shadow(fields: &mut Writer, context: &DecisionContext, principal: Option<&Principal>) {
    let Some(denial) = &context.shadow else { return };
    text_field(fields, "shadow_decision", "DENY");
    text_field(fields, "shadow_reason", denial.reason.name());
    if let (None, Some(sender)) = (principal, &context.principal) {
        text_field(fields, "shadow_tenant_id", &sender.tenant.id.text());
        text_field(fields, "shadow_subject_id", &sender.subject_text());
    }
}

fn write_level(fields: &mut Writer, policy: &Policy, level: &Level) {
    let (owner, class) = (level.bucket.per.name(), policy.classes.name_of(level.bucket));
    field(fields, "bucket", |value| value.text_parts(3, [owner, "/", class]));
    fields.struct_number_entry(1, "limit", number(level.limit));
    fields.struct_number_entry(1, "remaining", number(level.remaining));
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53, so that a double is exact")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Writes an entry whose `Value` is text.
#[expect(clippy::inline_always, reason = "as for the writer's method")]
#[inline(always)]
fn text_field(fields: &mut Writer, name: &'static str, text: &str) {
    fields.struct_text_entry(1, name, text);
}

/// Writes an entry of the struct's map: a name and a `Value`.
fn field(fields: &mut Writer, name: &str, value: impl FnOnce(&mut Writer)) {
    fields.message(1, |entry| {
        entry.text(1, name);
        entry.message(2, value);
    });
}
