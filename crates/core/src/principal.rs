//! Principal of a call: a key or a user of a tenant, authenticated by its own value or by a token that stands
//! for it. A principal returns the attributes that a call is compared with (environment, bindings, networks,
//! limits), so that the steps after authentication need not know which type of principal it is.

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
use crate::record::{TenantRecord, TenantRef};
use crate::scope::ScopeSet;
use crate::time::Timestamp;
use crate::token::VerifiedClaims;
use crate::user::UserRecord;

/// The key or user that a valid credential belongs to.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The tenant, as it is now.
    pub tenant: Arc<TenantRecord>,
    /// The key, user or certificate.
    pub subject: Subject,
    /// Scopes that the principal may use: those that the subject is granted now, and with a token those of
    /// them that the token carries.
    pub granted: ScopeSet,
    /// The token, if the principal was authenticated by one.
    pub token: Option<Arc<VerifiedClaims>>,
}

/// Subject that a principal stands for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A key.
    Key(Arc<Cached<CachedKey>>),
    /// A user.
    User(Arc<Cached<UserRecord>>),
    /// A name of a client certificate. It is a subject in management alone; no traffic is evaluated by it.
    Certificate(CertificateName),
}

/// A subject alternative name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// A host name in lower case. A wildcard is compared as it is written and matches itself alone.
    Dns(Box<str>),
    /// A URI, as SPIFFE uses them. It is compared exactly.
    Uri(Box<str>),
}

impl CertificateName {
    /// Parses a name as people write it. A URI contains a colon; a host name never does.
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

/// Names of the verified client certificate of a connection. The server attaches it to each call of the
/// connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<[CertificateName]>);

/// Caller of management that is identified by a client certificate, with its rights. The settings list them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOperator {
    /// Name in the certificate.
    pub name: CertificateName,
    /// Tenant that the rights are for; `None` for an operator, who has all rights in every tenant.
    pub tenant: Option<TenantRef>,
    /// Scopes in that tenant, by the names of its profile.
    pub scopes: Vec<String>,
}

/// Text form of a subject.
pub enum SubjectText {
    /// An identifier.
    Id(IdText),
    /// A name of any length.
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
    /// Returns the principal of a key that was sent as such. It is granted the key's scopes by the policy;
    /// without a policy, nothing.
    #[must_use]
    pub fn from_key(tenant: Arc<TenantRecord>, key: Arc<Cached<CachedKey>>, policy: Option<&Policy>) -> Self {
        let granted = policy.map(|policy| key.record.granted(policy)).unwrap_or_default();
        Self { tenant, granted, subject: Subject::Key(key), token: None }
    }

    /// Returns the principal of a user. Users authenticate by tokens; the caller adds the token.
    #[must_use]
    pub fn from_user(tenant: Arc<TenantRecord>, user: Arc<Cached<UserRecord>>, policy: &Policy) -> Self {
        let granted = user.record.granted(policy);
        Self { tenant, granted, subject: Subject::User(user), token: None }
    }

    /// Returns the key, if the subject is one.
    #[must_use]
    pub fn key(&self) -> Option<&CachedKey> {
        match &self.subject {
            Subject::Key(key) => Some(&key.record),
            Subject::User(_) | Subject::Certificate(_) => None,
        }
    }

    /// Returns the user, if the subject is one.
    #[must_use]
    pub fn user(&self) -> Option<&UserRecord> {
        match &self.subject {
            Subject::Key(_) | Subject::Certificate(_) => None,
            Subject::User(user) => Some(&user.record),
        }
    }

    /// Returns `key`, `user` or `certificate`.
    #[must_use]
    pub fn subject_type(&self) -> &'static str {
        match &self.subject {
            Subject::Key(_) => "key",
            Subject::User(_) => "user",
            Subject::Certificate(_) => "certificate",
        }
    }

    /// Returns the identifier of the key or user, or the certificate's name.
    #[must_use]
    pub fn subject_id(&self) -> String {
        self.subject_text().to_string()
    }

    /// Returns the identifier or name as [`Principal::subject_id`] does, without an allocation for keys and
    /// users.
    #[must_use]
    pub fn subject_text(&self) -> SubjectText {
        match &self.subject {
            Subject::Key(key) => SubjectText::Id(key.record.id.text()),
            Subject::User(user) => SubjectText::Id(user.record.id.text()),
            Subject::Certificate(name) => SubjectText::Name(name.to_string()),
        }
    }

    /// Returns the key's name, the user's e-mail address, or the certificate's name.
    #[must_use]
    pub fn subject_name(&self) -> &str {
        match &self.subject {
            Subject::Key(key) => &key.record.name,
            Subject::User(user) => &user.record.email,
            Subject::Certificate(CertificateName::Dns(name) | CertificateName::Uri(name)) => name,
        }
    }

    /// Returns the key's kind; empty for a user.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.key().map_or("", |key| &key.shared.kind)
    }

    /// Returns the user's role; empty for a key.
    #[must_use]
    pub fn role(&self) -> &str {
        self.user().map_or("", |user| &user.role)
    }

    /// Returns the environment that the principal is confined to; `None` if it may use every environment.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match &self.subject {
            Subject::Key(key) => Some(&*key.record.shared.environment),
            Subject::User(user) => user.record.environment.as_deref(),
            Subject::Certificate(_) => None,
        }
    }

    /// Returns the bindings that the principal is confined to; empty for the whole tenant.
    #[must_use]
    pub fn bindings(&self) -> StringMapRef<'_> {
        match &self.subject {
            Subject::Key(key) => key.record.bindings(),
            Subject::User(user) => StringMapRef::Map(&user.record.bindings),
            Subject::Certificate(_) => StringMapRef::Map(&NO_BINDINGS),
        }
    }

    /// Returns the metadata of a key; empty for a user.
    #[must_use]
    pub fn metadata(&self) -> StringMapRef<'_> {
        self.key().map_or(StringMapRef::Pairs(&[]), CachedKey::metadata)
    }

    /// Returns the networks that the principal may call from; empty for any.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.key().map_or(&[], CachedKey::networks)
    }

    /// Returns the principal's own limits, if it has any.
    #[must_use]
    pub fn limits(&self) -> Option<&LimitOverrides> {
        self.key().and_then(CachedKey::limits)
    }

    /// Returns the time at which the credential expires; `None` if it does not. A key's token expires with
    /// the key at the latest.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let token = self.token.as_ref().map(|t| Timestamp(t.claims.exp.saturating_mul(1000)));
        let key = self.key().and_then(|key| key.expires);
        token.into_iter().chain(key).min()
    }

    /// Returns the subject of the principal's buckets. Calls by token are charged to the buckets of the key
    /// or user that the token stands for, and calls by the successor of a key to those of the first key.
    #[must_use]
    pub fn bucket_subject(&self) -> u128 {
        match &self.subject {
            Subject::Key(key) => key.record.bucket_key().0.as_u128(),
            Subject::User(user) => user.record.id.0.as_u128(),
            // Calls by certificate are not charged.
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
