//! Who is asking: a key or a user of a tenant, by itself or by a token that stands for it. What a call is
//! compared with (environment, bindings, networks, limits) is asked of the principal, which knows where it is
//! kept; nothing behind the gate's first step needs to know which of them it was.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ipnet::IpNet;

use crate::cache::Cached;
use crate::cached_key::{CachedKey, StringMapRef};
use crate::id::IdText;
use crate::limit::LimitOverrides;
use crate::policy::Policy;
use crate::record::TenantRecord;
use crate::scope::ScopeSet;
use crate::time::Timestamp;
use crate::token::VerifiedClaims;
use crate::user::UserRecord;

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its tenant, as of now.
    pub tenant: Arc<TenantRecord>,
    /// The key or the user.
    pub subject: Subject,
    /// What it may do: what the subject is granted now; by a token, those of its scopes that the token carries.
    pub granted: ScopeSet,
    /// The token that it came by.
    pub token: Option<Arc<VerifiedClaims>>,
}

/// A key or a user.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A key.
    Key(Arc<Cached<CachedKey>>),
    /// A user.
    User(Arc<Cached<UserRecord>>),
    /// A client certificate's name, in management alone: no traffic is judged by it.
    Certificate(CertificateName),
}

/// A name that a certificate carries as a subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// A host's, in lower case; a wildcard is a name like any other, and matches itself alone.
    Dns(Box<str>),
    /// A URI, as SPIFFE has them, compared to the letter.
    Uri(Box<str>),
}

impl CertificateName {
    /// A name as people write it: a URI has a colon, a host's name never.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let host = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
        match (plain, text.contains(':')) {
            (true, true) => Some(Self::Uri(text.into())),
            (true, false) if text.bytes().all(host) => Some(Self::Dns(text.to_ascii_lowercase().into())),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Dns(text) | Self::Uri(text)) = self;
        f.write_str(text)
    }
}

/// The names of the certificate that a connection has proved. Whoever serves puts it beside the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<[CertificateName]>);

/// How a subject is called.
pub enum SubjectText {
    /// By its identifier.
    Id(IdText),
    /// By a name, of any length.
    Name(String),
}

impl Deref for SubjectText {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Name(name) => name,
        }
    }
}

static NO_BINDINGS: BTreeMap<String, String> = BTreeMap::new();

impl Principal {
    /// A key that came by itself, granted what the policy makes of its scopes; by none, nothing.
    #[must_use]
    pub fn from_key(tenant: Arc<TenantRecord>, key: Arc<Cached<CachedKey>>, policy: Option<&Policy>) -> Self {
        let granted = policy.map(|policy| key.record.granted(policy)).unwrap_or_default();
        Self { tenant, granted, subject: Subject::Key(key), token: None }
    }

    /// A user; users come by tokens, which their maker adds.
    #[must_use]
    pub fn from_user(tenant: Arc<TenantRecord>, user: Arc<Cached<UserRecord>>, policy: &Policy) -> Self {
        let granted = user.record.granted(policy);
        Self { tenant, granted, subject: Subject::User(user), token: None }
    }

    /// The key, where it is one.
    #[must_use]
    pub fn key(&self) -> Option<&CachedKey> {
        match &self.subject {
            Subject::Key(key) => Some(&key.record),
            Subject::User(_) | Subject::Certificate(_) => None,
        }
    }

    /// The user, where it is one.
    #[must_use]
    pub fn user(&self) -> Option<&UserRecord> {
        match &self.subject {
            Subject::Key(_) | Subject::Certificate(_) => None,
            Subject::User(user) => Some(&user.record),
        }
    }

    /// `key`, `user` or `certificate`.
    #[must_use]
    pub fn subject_type(&self) -> &'static str {
        match &self.subject {
            Subject::Key(_) => "key",
            Subject::User(_) => "user",
            Subject::Certificate(_) => "certificate",
        }
    }

    /// The key's or the user's identifier, or the certificate's name.
    #[must_use]
    pub fn subject_id(&self) -> String {
        self.subject_text().to_string()
    }

    /// The same, without an allocation for keys and users.
    #[must_use]
    pub fn subject_text(&self) -> SubjectText {
        match &self.subject {
            Subject::Key(key) => SubjectText::Id(key.record.id.text()),
            Subject::User(user) => SubjectText::Id(user.record.id.text()),
            Subject::Certificate(name) => SubjectText::Name(name.to_string()),
        }
    }

    /// The key's name, the user's e-mail address, or the certificate's name.
    #[must_use]
    pub fn subject_name(&self) -> &str {
        match &self.subject {
            Subject::Key(key) => &key.record.name,
            Subject::User(user) => &user.record.email,
            Subject::Certificate(CertificateName::Dns(name) | CertificateName::Uri(name)) => name,
        }
    }

    /// The key's kind; empty for a user.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.key().map_or("", |key| &key.shared.kind)
    }

    /// The user's role; empty for a key.
    #[must_use]
    pub fn role(&self) -> &str {
        self.user().map_or("", |user| &user.role)
    }

    /// The key's environment, or the one that a user is confined to; none: it may go to every one.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match &self.subject {
            Subject::Key(key) => Some(&*key.record.shared.environment),
            Subject::User(user) => user.record.environment.as_deref(),
            Subject::Certificate(_) => None,
        }
    }

    /// What it is confined to; none: the whole tenant.
    #[must_use]
    pub fn bindings(&self) -> StringMapRef<'_> {
        match &self.subject {
            Subject::Key(key) => key.record.bindings(),
            Subject::User(user) => StringMapRef::Map(&user.record.bindings),
            Subject::Certificate(_) => StringMapRef::Map(&NO_BINDINGS),
        }
    }

    /// The owner's own words about a key.
    #[must_use]
    pub fn metadata(&self) -> StringMapRef<'_> {
        self.key().map_or(StringMapRef::Pairs(&[]), CachedKey::metadata)
    }

    /// Networks that it may be used from; none: any.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.key().map_or(&[], CachedKey::networks)
    }

    /// Limits of its own.
    #[must_use]
    pub fn limits(&self) -> Option<&LimitOverrides> {
        self.key().and_then(CachedKey::limits)
    }

    /// When what it came by stops; none: never.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let token = self.token.as_ref().map(|t| Timestamp(t.claims.exp.saturating_mul(1000)));
        let key = self.key().and_then(|key| key.expires);
        token.into_iter().chain(key).min()
    }

    /// Whose buckets its calls draw from: a token's are those of the key or user behind it.
    #[must_use]
    pub fn bucket_subject(&self) -> u128 {
        match &self.subject {
            Subject::Key(key) => key.record.id.0.as_u128(),
            Subject::User(user) => user.record.id.0.as_u128(),
            // No call of its own is counted.
            Subject::Certificate(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_uri_or_a_host() {
        let spiffe = "spiffe://corp.example/Ops";
        assert_eq!(CertificateName::parse(spiffe), Some(CertificateName::Uri(spiffe.into())));
        assert_eq!(CertificateName::parse("Ops.Example"), Some(CertificateName::Dns("ops.example".into())));
        for bad in ["", "a b", "ops@example.com", "ops.example/x", "é.example"] {
            assert_eq!(CertificateName::parse(bad), None, "{bad:?}");
        }
    }
}
