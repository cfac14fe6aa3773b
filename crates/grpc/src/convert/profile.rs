//! Conversion of profiles, their versions and the changes between them.

use latchkey_core::profile_change::{AffectedRecords, ChangeEffect};
use latchkey_core::record::{ProfileRecord, ProfileSecretRecord};
use latchkey_management::MeasuredChange;
use latchkey_management::ports::impact::{Impact, ImpactExample};
use latchkey_proto::v1;

use super::time::timestamp_to_proto;

/// Converts a profile to its message. A profile that was only validated has the version 0 and no apply time.
pub(crate) fn to_proto(profile: ProfileRecord) -> v1::Profile {
    v1::Profile {
        name: profile.name.into(),
        version: profile.version,
        document: profile.document,
        apply_time: (profile.version > 0).then(|| timestamp_to_proto(profile.applied)),
        applied_by: profile.applied_by.into(),
        comment: profile.comment.into(),
        diff: None,
    }
}

/// Converts a secret of a profile to its message, which has no value.
pub(crate) fn secret_to_proto(record: ProfileSecretRecord) -> v1::ProfileSecret {
    v1::ProfileSecret {
        profile: record.profile.into(),
        name: record.name.into(),
        set_time: Some(timestamp_to_proto(record.set)),
    }
}

/// Converts the changes of a profile to their message.
#[must_use]
pub fn diff_to_proto(
    name: &str,
    from_version: u64,
    changes: &[MeasuredChange],
    warnings: Vec<String>,
) -> v1::ProfileDiff {
    v1::ProfileDiff {
        name: name.to_owned(),
        from_version,
        changes: changes.iter().map(change).collect(),
        requires_force: changes.iter().any(MeasuredChange::requires_force),
        warnings,
    }
}

fn change(measured: &MeasuredChange) -> v1::ProfileChange {
    let change = &measured.change;
    v1::ProfileChange {
        effect: effect(change.effect).into(),
        description: change.description.clone(),
        field: change.field.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        routes: change.routes.clone(),
        impacts: measured.impacts.iter().map(impact).collect(),
        requires_force: measured.requires_force(),
    }
}

fn effect(effect: ChangeEffect) -> v1::ProfileChangeEffect {
    match effect {
        ChangeEffect::GrantsMore => v1::ProfileChangeEffect::GrantsMore,
        ChangeEffect::StopsWorking => v1::ProfileChangeEffect::StopsWorking,
        ChangeEffect::LosesAccess => v1::ProfileChangeEffect::LosesAccess,
        ChangeEffect::LimitLowered => v1::ProfileChangeEffect::LimitLowered,
        ChangeEffect::LimitRaised => v1::ProfileChangeEffect::LimitRaised,
        ChangeEffect::AnswerChanges => v1::ProfileChangeEffect::AnswerChanges,
        ChangeEffect::Other => v1::ProfileChangeEffect::Other,
    }
}

fn impact(impact: &Impact) -> v1::ProfileImpact {
    let subjects = match impact.affected {
        AffectedRecords::Keys(_) => "keys",
        AffectedRecords::Users { .. } | AffectedRecords::UnconfinedUsers => "users",
        AffectedRecords::Tenants { .. } => "tenants",
    };
    let example = |example: &ImpactExample| v1::ProfileImpactExample {
        id: example.id.clone(),
        name: example.name.clone(),
        tenant: example.tenant.clone(),
    };
    v1::ProfileImpact {
        subjects: subjects.to_owned(),
        count: u32::try_from(impact.count).unwrap_or(u32::MAX),
        more: impact.more,
        examples: impact.examples.iter().map(example).collect(),
    }
}
