//! Calls that passed and would have been denied, counted by who and why, as the gate notes them.

use uuid::Uuid;

use super::usage::Hour;
use crate::decision::{DecisionContext, Denial};
use crate::id::{KeyId, TenantId, UserId};
use crate::limit::Level;
use crate::principal::Subject;
use crate::reason::Reason;
use crate::route::Route;
use crate::time::Timestamp;

/// The most bytes that a line tells of what is missing.
const DETAIL: usize = 256;

/// Who, where and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShadowEntry {
    /// The profile that judged.
    pub profile: Box<str>,
    /// The tenant; nil: nobody was recognised.
    pub tenant: Uuid,
    /// The key or the user; nil: nobody was recognised.
    pub subject: Uuid,
    /// `key`, `user`, or nothing.
    pub subject_type: Box<str>,
    /// The route with its methods; nothing: none matched.
    pub route: Box<str>,
    /// The reason.
    pub reason: Reason,
    /// The scopes that were missing, or the bucket that was empty.
    pub detail: Box<str>,
}

/// How often, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Calls.
    pub calls: u64,
    /// The last of them.
    pub last: Timestamp,
}

/// A line of one hour.
pub type ShadowEntryHour = (ShadowEntry, Hour);

impl ShadowEntry {
    /// The tenant, where somebody was recognised.
    #[must_use]
    pub fn tenant_id(&self) -> Option<TenantId> {
        Some(TenantId(self.tenant)).filter(|id| !id.0.is_nil())
    }

    /// The key's or the user's identifier, where somebody was recognised.
    #[must_use]
    pub fn subject_id(&self) -> Option<String> {
        let text =
            |id| if &*self.subject_type == "user" { UserId(id).to_string() } else { KeyId(id).to_string() };
        Some(self.subject).filter(|id| !id.is_nil()).map(text)
    }

    /// The line of a denial that was not enforced.
    #[must_use]
    pub fn of(denial: &Denial, context: &DecisionContext) -> Self {
        let who = context.principal.as_ref();
        let subject = who.and_then(|who| match &who.subject {
            Subject::Key(key) => Some(key.record.id.0),
            Subject::User(user) => Some(user.record.id.0),
            Subject::Certificate(_) => None,
        });
        let policy = context.policy.as_deref();
        let route = policy.and_then(|policy| policy.routes.get(context.route?));
        Self {
            profile: policy.map_or("", |policy| &policy.name).into(),
            tenant: who.map(|who| who.tenant.id.0).unwrap_or_default(),
            subject: subject.unwrap_or_default(),
            subject_type: who.map_or("", |who| who.subject_type()).into(),
            route: route.map(Route::label).unwrap_or_default().into(),
            reason: denial.reason,
            detail: detail(denial.reason, context).into(),
        }
    }
}

/// What a profile's author needs to know beside the reason. Only names of the profile's own are in it.
fn detail(reason: Reason, context: &DecisionContext) -> String {
    let Some(policy) = &context.policy else { return String::new() };
    match reason {
        Reason::InsufficientScope => {
            let names: Vec<&str> = policy.scopes.names(&context.missing_scopes).collect();
            cut(names.join(" "))
        }
        Reason::RateLimited => {
            let bucket = |level: &Level| {
                format!("{}/{}", level.bucket.per.name(), policy.classes.name_of(level.bucket))
            };
            context.levels.first().map(bucket).unwrap_or_default()
        }
        Reason::MissingCredential
        | Reason::AmbiguousCredential
        | Reason::InvalidCredential
        | Reason::Revoked
        | Reason::Expired
        | Reason::TenantRequired
        | Reason::TenantMismatch
        | Reason::TenantSuspended
        | Reason::EnvironmentMismatch
        | Reason::ResourceMismatch
        | Reason::NetworkNotAllowed
        | Reason::RouteNotAllowed
        | Reason::Disabled => String::new(),
    }
}

/// Scopes are ASCII, so that any byte is a boundary.
fn cut(mut names: String) -> String {
    names.truncate(DETAIL);
    names
}
