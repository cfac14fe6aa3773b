//! Issue of tokens: creates a family with an access token and its first refresh token.

use std::time::Duration;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError, SystemError};
use latchkey_core::id::FamilyId;
use latchkey_core::mint::random_text;
use latchkey_core::observer::TokenEvent;
use latchkey_core::policy::Policy;
use latchkey_core::scope::ScopeSet;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{self, FamilyRecord, RefreshRecord};
use latchkey_core::token::{Claims, TokenRules, TokenSubject};
use latchkey_core::user::UserRecord;
use uuid::Uuid;

use super::buckets::TokenCharge;
use super::holder::{Holder, generation, key_expiry, parent};
use super::{INVALID_CREDENTIAL, TokenIssuer};
use crate::CallContext;
use crate::counts;
use crate::field_validator::FieldValidator;
use crate::password::PlainPassword;
use crate::ports::AuditAction;

/// Credential in exchange for which tokens are issued.
#[derive(Clone, Debug)]
pub enum TokenGrant {
    /// Value of a key.
    Key(PlainKey),
    /// E-mail address and password of a user.
    Password(String, PlainPassword),
}

/// Request for tokens; the fields are those of `latchkey.v1.IssueJwtRequest`.
#[derive(Clone, Debug)]
pub struct IssueJwt {
    /// Credential; `None` is a violation.
    pub grant: Option<TokenGrant>,
    /// Tenant by id or slug; required with a password.
    pub tenant: String,
    /// Scopes; empty for all that the credential allows.
    pub scopes: Vec<String>,
    /// Audience; empty for the profile's. Another one must be among the profile's audiences.
    pub audience: String,
    /// Lifetime of the access token; `None` for the profile's, which is also the maximum.
    pub ttl: Option<Duration>,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

/// Tokens that were issued or refreshed.
#[derive(Clone, Debug)]
pub struct IssuedTokens {
    /// Access token.
    pub access: PlainKey,
    /// Lifetime of the access token.
    pub ttl: Duration,
    /// Refresh token.
    pub refresh: PlainKey,
    /// Remaining lifetime of the family.
    pub refresh_ttl: Duration,
    /// Scopes, canonical and sorted.
    pub scopes: Vec<String>,
    /// User that the tokens belong to; `None` for a key.
    pub user: Option<UserRecord>,
}

/// A signed access token.
pub(super) struct AccessToken {
    value: PlainKey,
    /// Time until it expires.
    ttl: Duration,
}

impl TokenIssuer {
    /// Issues tokens in exchange for a key or a password.
    pub async fn issue(
        &self,
        request: IssueJwt,
        call: &CallContext,
    ) -> Result<IssuedTokens, ManagementError> {
        let password = matches!(request.grant, Some(TokenGrant::Password(..)));
        let result = self.issue_tokens(request, call).await;
        self.emit(TokenEvent::Issue { password, outcome: super::call_outcome(&result) });
        result
    }

    async fn issue_tokens(
        &self,
        request: IssueJwt,
        call: &CallContext,
    ) -> Result<IssuedTokens, ManagementError> {
        let IssueJwt { grant, tenant, scopes, audience, ttl, violations } = request;
        let mut fields = FieldValidator::new("");
        fields.extend(&violations);
        fields.text("audience", &audience, 0..=255);
        if ttl.is_some_and(|ttl| ttl.as_secs() == 0) {
            fields.reject("ttl", "must be at least one second");
        }
        match &grant {
            None => fields.reject("grant", "must be an API key or a password"),
            Some(TokenGrant::Password(..)) if tenant.is_empty() => {
                fields.reject("tenant", "is needed with a password");
            }
            Some(TokenGrant::Key(_) | TokenGrant::Password(..)) => {}
        }
        fields.finish()?;
        let holder = match grant {
            Some(TokenGrant::Key(value)) => self.key_holder(&value, &tenant, call).await?,
            Some(TokenGrant::Password(email, password)) => {
                self.password_holder(&email, password, &tenant, call).await?
            }
            None => return Err(RequestError::field("grant", "must be an API key or a password").into()),
        };
        let granted = checked_scopes(&scopes, &audience, &holder)?;
        let owner = parent(&holder.principal).ok_or(INVALID_CREDENTIAL)?;
        self.charge_owner(&holder)?;
        let now = self.now();
        let mut random = (self.shared().random)();
        let family = FamilyRecord {
            id: FamilyId::new(now, &mut random),
            tenant: holder.principal.tenant.id,
            parent: owner,
            generation: generation(&holder.principal),
            audience: if audience.is_empty() { holder.rules.audience.to_string() } else { audience },
            ttl: ttl.map_or(holder.rules.ttl, |ttl| ttl.min(holder.rules.ttl)),
            created: now,
            ends: earliest(now.plus(holder.rules.refresh_ttl), key_expiry(&holder.principal)),
            ended: None,
        };
        let first = refresh::mint(&mut random);
        let scopes = names(&granted, &holder.policy);
        let record = RefreshRecord { hash: first.hash(), family: family.id, scopes, spent: None };
        let access = self.sign(&holder, &family, &granted, call).await?;
        let entry = self
            .subject_audit_entry(&family.parent.to_string(), AuditAction::TokenIssue, family.tenant)
            .on_target(&family.id);
        let entry = entry.in_request(&call.request_id).with_detail("scopes", record.scopes.join(" "));
        let most = holder.rules.limits.families;
        self.parts.store.create_family(family.clone(), record, most, entry).await?;
        Ok(IssuedTokens::new(&holder, &family, access, first, &granted, now))
    }

    /// Takes a token of the bucket of a key or user.
    fn charge_owner(&self, holder: &Holder) -> Result<(), RequestError> {
        self.buckets.charge(&[owner_charge(holder)], self.shared().clock.now().monotonic)
    }

    /// Signs an access token of a family.
    pub(super) async fn sign(
        &self,
        holder: &Holder,
        family: &FamilyRecord,
        granted: &ScopeSet,
        call: &CallContext,
    ) -> Result<AccessToken, ManagementError> {
        let key = self.signing_key(&holder.policy, &holder.rules, call).await?;
        let now = self.now();
        let principal = &holder.principal;
        let end = earliest(
            earliest(now.plus(family.ttl.min(holder.rules.ttl)), key_expiry(principal)),
            Some(family.ends),
        );
        let (iat, exp) = (now.0.div_euclid(1000), end.0.div_euclid(1000));
        let claims = Claims {
            iss: holder.rules.issuer.to_string(),
            aud: family.audience.clone(),
            sub: family.parent.to_string(),
            exp,
            iat,
            nbf: iat,
            jti: random_text(22, &mut (self.shared().random)()),
            client_id: match family.parent {
                TokenSubject::Key(id) => id.to_string(),
                TokenSubject::User(_) => family.tenant.to_string(),
            },
            sid: family.id.to_string(),
            tid: family.tenant.to_string(),
            env: principal.environment().map(str::to_owned),
            scope: names(granted, &holder.policy).join(" "),
            role: principal.user().map(|user| user.role.to_string()),
            bindings: principal.bindings().iter().map(|(n, w)| (n.to_owned(), w.to_owned())).collect(),
        };
        let token =
            key.sign(&claims).map_err(|e| SystemError::Internal(format!("{}: {e}", key.record.id)))?;
        if token.len() > latchkey_core::token::MAX_TOKEN_BYTES {
            let text = "the token would be longer than 8 KiB: ask for fewer scopes".to_owned();
            return Err(RequestError::FailedPrecondition(text).into());
        }
        Ok(AccessToken { value: PlainKey::new(token), ttl: seconds(iat, exp) })
    }
}

impl IssuedTokens {
    /// Creates the response to the holder of a family.
    pub(super) fn new(
        holder: &Holder,
        family: &FamilyRecord,
        access: AccessToken,
        refresh: PlainKey,
        granted: &ScopeSet,
        now: Timestamp,
    ) -> Self {
        let AccessToken { value: access, ttl } = access;
        let scopes = names(granted, &holder.policy).iter().map(ToString::to_string).collect();
        let refresh_ttl = seconds(now.0.div_euclid(1000), family.ends.0.div_euclid(1000));
        Self { access, ttl, refresh, refresh_ttl, scopes, user: holder.principal.user().cloned() }
    }
}

/// Returns the requested scopes, all of which must be granted, or all granted scopes if none are requested.
pub(super) fn requested_scopes(
    names: &[String],
    granted: &ScopeSet,
    policy: &Policy,
) -> Result<ScopeSet, RequestError> {
    counts::check_scopes(names, policy)?;
    let mut fields = FieldValidator::new("");
    let mut requested = ScopeSet::default();
    for (n, name) in names.iter().enumerate() {
        if let Some(scope) = policy.scopes.find(name) {
            requested.insert(scope);
        } else {
            let text = fields.unknown(name, policy.scopes.names(granted));
            fields.reject(&format!("scopes[{n}]"), text);
        }
    }
    fields.finish()?;
    let beyond = requested.difference(granted);
    if !beyond.is_empty() {
        let names: Vec<&str> = policy.scopes.names(&beyond).collect();
        return Err(RequestError::PermissionDenied(format!("the grant does not cover {}", names.join(", "))));
    }
    Ok(if names.is_empty() { granted.clone() } else { requested })
}

/// Returns the charge to the bucket of a key or user. The successor of a key continues the bucket of the first key.
pub(super) fn owner_charge(holder: &Holder) -> TokenCharge<'_> {
    TokenCharge {
        owner: Uuid::from_u128(holder.principal.bucket_subject()),
        limit: &holder.rules.limits.issue,
        repeats: false,
        error: "tokens of this key or user are issued and refreshed too often; try again later, or keep using a token \
                until it expires",
    }
}

/// Returns the scopes to grant. One error names the audience and the scopes that are invalid.
fn checked_scopes(names: &[String], audience: &str, holder: &Holder) -> Result<ScopeSet, RequestError> {
    let requested = requested_scopes(names, &holder.principal.granted, &holder.policy);
    match (check_audience(audience, &holder.rules), requested) {
        (Err(RequestError::InvalidArgument(mut all)), Err(RequestError::InvalidArgument(scopes))) => {
            all.extend(scopes);
            Err(RequestError::InvalidArgument(all))
        }
        (audience, requested) => audience.and(requested),
    }
}

/// Returns an error for an audience that the profile does not list.
fn check_audience(audience: &str, rules: &TokenRules) -> Result<(), RequestError> {
    if audience.is_empty() || rules.allows_audience(audience) {
        return Ok(());
    }
    let all: Vec<String> = rules.all_audiences().map(|name| format!("{name:?}")).collect();
    Err(RequestError::field(
        "audience",
        format!("must be empty or one of the profile's audiences, which are: {}", all.join(", ")),
    ))
}

pub(super) fn names(granted: &ScopeSet, policy: &Policy) -> Vec<Box<str>> {
    policy.scopes.names(granted).map(Into::into).collect()
}

fn earliest(at: Timestamp, other: Option<Timestamp>) -> Timestamp {
    other.map_or(at, |other| other.min(at))
}

fn seconds(from: i64, to: i64) -> Duration {
    Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or_default())
}
