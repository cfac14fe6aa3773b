//! Counts of calls that passed and would have been denied outside of shadow mode, by principal, route and
//! reason.

use uuid::Uuid;

use super::usage::Hour;
use crate::decision::{DecisionContext, Denial};
use crate::id::{KeyId, TenantId, UserId};
use crate::limit::Level;
use crate::principal::Subject;
use crate::reason::Reason;
use crate::route::Route;
use crate::time::Timestamp;

/// Longest detail of an entry in bytes.
const MAX_DETAIL_BYTES: usize = 256;

/// Principal, route and reason of denials that were not enforced. The reason of a stored entry is a `StoredReason`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShadowEntry<R = Reason> {
    /// The profile that the calls were evaluated by.
    pub profile: Box<str>,
    /// The tenant; the nil UUID if the credential was not recognised.
    pub tenant: Uuid,
    /// The key or user; the nil UUID if the credential was not recognised.
    pub subject: Uuid,
    /// `key`, `user`, or empty.
    pub subject_type: Box<str>,
    /// The route with its methods; empty if no route matched.
    pub route: Box<str>,
    /// The reason.
    pub reason: R,
    /// The missing scopes or the empty bucket.
    pub detail: Box<str>,
}

/// Number of calls and time of the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Number of calls.
    pub calls: u64,
    /// Time of the last call.
    pub last: Timestamp,
}

/// An entry and an hour.
pub type ShadowEntryHour = (ShadowEntry, Hour);

impl<R> ShadowEntry<R> {
    /// Returns the tenant's identifier, if the credential was recognised.
    #[must_use]
    pub fn tenant_id(&self) -> Option<TenantId> {
        Some(TenantId(self.tenant)).filter(|id| !id.0.is_nil())
    }

    /// Returns the identifier of the key or user, if the credential was recognised.
    #[must_use]
    pub fn subject_id(&self) -> Option<String> {
        let text =
            |id| if &*self.subject_type == "user" { UserId(id).to_string() } else { KeyId(id).to_string() };
        Some(self.subject).filter(|id| !id.is_nil()).map(text)
    }
}

impl ShadowEntry {
    /// Returns the entry of a denial that was not enforced.
    #[must_use]
    pub fn of(denial: &Denial, context: &DecisionContext) -> Self {
        let principal = context.principal.as_ref();
        let subject = principal.and_then(|principal| match &principal.subject {
            Subject::Key(key) => Some(key.record.id.0),
            Subject::User(user) => Some(user.record.id.0),
            Subject::Certificate(_) => None,
        });
        let policy = context.policy.as_deref();
        let route = policy.and_then(|policy| policy.routes.get(context.route?));
        Self {
            profile: policy.map_or("", |policy| &policy.name).into(),
            tenant: principal.map(|principal| principal.tenant.id.0).unwrap_or_default(),
            subject: subject.unwrap_or_default(),
            subject_type: principal.map_or("", |principal| principal.subject_type()).into(),
            route: route.map(Route::label).unwrap_or_default().into(),
            reason: denial.reason,
            detail: detail(denial.reason, context).into(),
        }
    }
}

/// Returns the detail that an author of the profile needs in addition to the reason. It has names of the
/// profile alone, and nothing of the request.
fn detail(reason: Reason, context: &DecisionContext) -> String {
    let Some(policy) = &context.policy else { return String::new() };
    match reason {
        Reason::InsufficientScope => {
            let names: Vec<&str> = policy.scopes.names(&context.missing_scopes).collect();
            truncate(names.join(" "))
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
        | Reason::HostNotAllowed
        | Reason::RouteNotFound
        | Reason::MethodNotAllowed
        | Reason::Disabled => String::new(),
    }
}

/// Truncates names. Scopes are ASCII, so that every byte is a character boundary.
fn truncate(mut names: String) -> String {
    names.truncate(MAX_DETAIL_BYTES);
    names
}
