//! Changes of JWTs and passwords: tokens that are denied from now on.

use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, ChangeEffect, ProfileChange};
use latchkey_core::token::TokenRules;

use super::affected::{AffectedSet, TOKENS, measured};
use super::{Versions, list};

/// Returns every user, who gets JWTs by a login, as affected by a change. Keys may have been exchanged for JWTs too.
fn of_tokens(change: ProfileChange) -> ProfileChange {
    measured(change, AffectedSet::Uncounted(TOKENS)).affecting([every_user()])
}

fn every_user() -> AffectedRecords {
    AffectedRecords::Users { roles: Vec::new(), environment: None }
}

pub(super) fn changes(versions: &Versions<'_>) -> Vec<ProfileChange> {
    let (old, new) = (&versions.old.policy, &versions.new.policy);
    let accepts = |policy: &latchkey_core::policy::Policy| policy.accepts.jwt && policy.tokens.is_some();
    let mut changes = Vec::new();
    match (accepts(old), accepts(new)) {
        (true, false) => {
            let field = if new.tokens.is_none() { "jwt" } else { "credential.accepts" };
            let text = "JWTs are not accepted any more: no user can call, and no key by a JWT";
            let change = ProfileChange::new(ChangeEffect::StopsWorking, field, text);
            changes.push(of_tokens(change).taking_away());
        }
        (false, true) => {
            let text = "JWTs are accepted: users can log in, and keys can be exchanged for tokens";
            changes.push(measured(
                ProfileChange::new(ChangeEffect::GrantsMore, "jwt", text),
                AffectedSet::all(),
            ));
        }
        (false, false) | (true, true) => {}
    }
    if !old.accepts.key && new.accepts.key {
        let text = "API keys are accepted";
        let keys = AffectedRecords::Keys(AffectedKeys::default());
        let change = ProfileChange::new(ChangeEffect::GrantsMore, "credential.accepts", text);
        changes.push(change.affecting([keys]));
    }
    if let (Some(before), Some(after)) = (&old.tokens, &new.tokens) {
        let mut invalid = |field: &str, before: &str, after: &str| {
            if before != after {
                let text = format!(
                    "JWTs that were issued with another {field} are denied; their holders refresh them or log in again"
                );
                let change = ProfileChange::new(ChangeEffect::LosesAccess, format!("jwt.{field}"), text);
                changes.push(of_tokens(change).values(before, after));
            }
        };
        invalid("issuer", &before.issuer, &after.issuer);
        invalid("audience", &before.audience, &after.audience);
        changes.extend(audiences(before, after));
        for (field, longer) in
            [("ttl", before.ttl < after.ttl), ("refresh_ttl", before.refresh_ttl < after.refresh_ttl)]
        {
            if longer {
                let text = format!("tokens are valid for longer (`{field}`)");
                let change = ProfileChange::new(ChangeEffect::GrantsMore, format!("jwt.{field}"), text);
                changes.push(of_tokens(change).values(
                    seconds(if field == "ttl" { before.ttl } else { before.refresh_ttl }),
                    seconds(if field == "ttl" { after.ttl } else { after.refresh_ttl }),
                ));
            }
        }
    }
    if new.min_password_length < old.min_password_length {
        let text = "new passwords can be shorter";
        let change = ProfileChange::new(ChangeEffect::GrantsMore, "passwords.min_length", text);
        changes.push(change.values(old.min_password_length.to_string(), new.min_password_length.to_string()));
    }
    changes
}

/// Finds audiences that tokens can be requested for, and former ones of other services that are accepted from now on.
fn audiences(before: &TokenRules, after: &TokenRules) -> Vec<ProfileChange> {
    let mut changes = Vec::new();
    let known = || std::iter::once(&before.audience).chain(&before.audiences);
    let more: Vec<_> =
        after.audiences.iter().filter(|name| known().all(|earlier| earlier != *name)).collect();
    if !more.is_empty() {
        let text = format!("JWTs can be requested for the audience {}", list(more));
        changes.push(of_tokens(ProfileChange::new(ChangeEffect::GrantsMore, "jwt.audiences", text)));
    }
    if before.audiences.contains(&after.audience) {
        let text = format!("JWTs that were issued for the audience `{}` are accepted", after.audience);
        changes.push(of_tokens(ProfileChange::new(ChangeEffect::GrantsMore, "jwt.audience", text)));
    }
    changes
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{}s", duration.as_secs())
}
