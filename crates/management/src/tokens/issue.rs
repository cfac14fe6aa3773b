//! Issuing: a family begins, with an access token and the first refresh token.

use std::time::Duration;

use latchkey_core::id::FamilyId;
use latchkey_core::mint::random_text;
use latchkey_core::policy::Policy;
use latchkey_core::scope::ScopeSet;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{self, FamilyRecord, RefreshRecord};
use latchkey_core::token::{Claims, Parent};
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_core::user::UserRecord;
use latchkey_core::witness::Event;

use super::holder::{Holder, generation, last, parent};
use super::{BAD, TokenDesk};
use crate::CallContext;
use crate::fields::Fields;
use crate::password::PlainPassword;

/// What a token is asked for with.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A key's value.
    Key(PlainKey),
    /// A user's e-mail address and password.
    Password(String, PlainPassword),
}

/// A wish for tokens; the fields are those of `latchkey.v1.IssueJwtRequest`.
#[derive(Clone, Debug)]
pub struct IssueJwt {
    /// None: nothing can be issued.
    pub grant: Option<Grant>,
    /// By id or slug; needed with a password.
    pub tenant: String,
    /// None: all that the grant allows.
    pub scopes: Vec<String>,
    /// Empty: the profile's.
    pub audience: String,
    /// None: the profile's; it is never longer.
    pub ttl: Option<Duration>,
}

/// Tokens that were issued or renewed.
#[derive(Clone, Debug)]
pub struct IssuedJwt {
    /// The access token.
    pub access: PlainKey,
    /// How long it lives.
    pub ttl: Duration,
    /// The refresh token.
    pub refresh: PlainKey,
    /// How long its family lives.
    pub refresh_ttl: Duration,
    /// The scopes, canonical and sorted.
    pub scopes: Vec<String>,
    /// Who it is, where it is a user.
    pub user: Option<UserRecord>,
}

impl TokenDesk {
    /// Issues tokens to whoever shows a key or a password.
    pub async fn issue(&self, ask: IssueJwt, call: &CallContext) -> Result<IssuedJwt, Failure> {
        let password = matches!(ask.grant, Some(Grant::Password(..)));
        let issued = self.begin(ask, call).await;
        self.noted(Event::Issue { password, ended: super::ended(&issued) });
        issued
    }

    async fn begin(&self, ask: IssueJwt, call: &CallContext) -> Result<IssuedJwt, Failure> {
        let IssueJwt { grant, tenant, scopes, audience, ttl } = ask;
        let mut fields = Fields::within("");
        fields.text("audience", &audience, 0..=255);
        if ttl.is_some_and(|ttl| ttl.as_secs() == 0) {
            fields.wrong("ttl", "must be a second or more");
        }
        match &grant {
            None => fields.wrong("grant", "must be an API key or a password"),
            Some(Grant::Password(..)) if tenant.is_empty() => {
                fields.wrong("tenant", "is needed with a password");
            }
            Some(Grant::Key(_) | Grant::Password(..)) => {}
        }
        fields.finish()?;
        let holder = match grant {
            Some(Grant::Key(value)) => self.key_holder(&value, &tenant).await?,
            Some(Grant::Password(email, password)) => {
                self.password_holder((&email, password), &tenant, call).await?
            }
            None => return Err(Refusal::field("grant", "must be an API key or a password").into()),
        };
        let granted = asked(&scopes, &holder.principal.granted, &holder.policy)?;
        let now = self.now();
        let mut random = (self.shared().random)();
        let family = FamilyRecord {
            id: FamilyId::new(now, &mut random),
            tenant: holder.principal.tenant.id,
            parent: parent(&holder.principal).ok_or(BAD)?,
            generation: generation(&holder.principal),
            audience: if audience.is_empty() { holder.rules.audience.to_string() } else { audience },
            ttl: ttl.map_or(holder.rules.ttl, |ttl| ttl.min(holder.rules.ttl)),
            created: now,
            ends: earlier(now.after(holder.rules.refresh_ttl), last(&holder.principal)),
            ended: None,
        };
        let first = refresh::mint(&mut random);
        let scopes = names(&granted, &holder.policy);
        let record = RefreshRecord { hash: first.hash(), family: family.id, scopes, spent: None };
        let (access, ttl) = self.sign(&holder, &family, &granted, call).await?;
        let entry = self.told(&family.parent.to_string(), "token.issue", family.tenant).to(&family.id);
        let entry = entry.during(&call.request_id).with("scopes", record.scopes.join(" "));
        self.parts.ledger.begin_family(family.clone(), record, entry).await?;
        Ok(answer(&holder, &family, (access, ttl, first), (&granted, now)))
    }

    /// An access token of a family.
    pub(super) async fn sign(
        &self,
        holder: &Holder,
        family: &FamilyRecord,
        granted: &ScopeSet,
        call: &CallContext,
    ) -> Result<(PlainKey, Duration), Failure> {
        let key = self.signing_key(&holder.policy, &holder.rules, call).await?;
        let now = self.now();
        let who = &holder.principal;
        let end = earlier(earlier(now.after(family.ttl.min(holder.rules.ttl)), last(who)), Some(family.ends));
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
                Parent::Key(id) => id.to_string(),
                Parent::User(_) => family.tenant.to_string(),
            },
            sid: family.id.to_string(),
            tid: family.tenant.to_string(),
            env: who.environment().map(str::to_owned),
            scope: names(granted, &holder.policy).join(" "),
            role: who.user().map(|user| user.role.to_string()),
            bindings: who.bindings().iter().map(|(n, w)| (n.to_owned(), w.to_owned())).collect(),
        };
        let token = key.sign(&claims).map_err(|e| Trouble::Fault(format!("{}: {e}", key.record.id)))?;
        if token.len() > latchkey_core::token::LONGEST_TOKEN {
            let text = "the token would be longer than 8 KiB: ask for fewer scopes".to_owned();
            return Err(Refusal::Precondition(text).into());
        }
        Ok((PlainKey::new(token), seconds(iat, exp)))
    }
}

pub(super) fn answer(
    holder: &Holder,
    family: &FamilyRecord,
    (access, ttl, refresh): (PlainKey, Duration, PlainKey),
    (granted, now): (&ScopeSet, Timestamp),
) -> IssuedJwt {
    let scopes = names(granted, &holder.policy).iter().map(ToString::to_string).collect();
    let refresh_ttl = seconds(now.0.div_euclid(1000), family.ends.0.div_euclid(1000));
    IssuedJwt { access, ttl, refresh, refresh_ttl, scopes, user: holder.principal.user().cloned() }
}

/// The scopes that are asked for, each of them granted; all that is granted, where none is asked for.
pub(super) fn asked(names: &[String], granted: &ScopeSet, policy: &Policy) -> Result<ScopeSet, Refusal> {
    let mut fields = Fields::within("");
    let mut wanted = ScopeSet::default();
    for (n, name) in names.iter().enumerate() {
        match policy.scopes.find(name) {
            Some(scope) => wanted.insert(scope),
            None => fields.wrong(&format!("scopes[{n}]"), "the profile has no such scope"),
        }
    }
    fields.finish()?;
    let beyond = wanted.without(granted);
    if !beyond.is_empty() {
        let names: Vec<&str> = policy.scopes.names(&beyond).collect();
        return Err(Refusal::Forbidden(format!("the grant does not cover {}", names.join(", "))));
    }
    Ok(if names.is_empty() { granted.clone() } else { wanted })
}

pub(super) fn names(granted: &ScopeSet, policy: &Policy) -> Vec<Box<str>> {
    policy.scopes.names(granted).map(Into::into).collect()
}

fn earlier(at: Timestamp, other: Option<Timestamp>) -> Timestamp {
    other.map_or(at, |other| other.min(at))
}

fn seconds(from: i64, to: i64) -> Duration {
    Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or_default())
}
