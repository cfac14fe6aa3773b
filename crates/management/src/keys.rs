//! Making, reading, listing and changing keys.

use std::collections::BTreeMap;

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::kind::Kind;
use latchkey_core::mint::mint;
use latchkey_core::policy::Policy;
use latchkey_core::record::{AlreadyRevoked, KeyRecord, KeyState, TenantRecord};
use latchkey_core::secret::PlainKey;
use latchkey_core::trouble::{Failure, Refusal, Trouble};

use super::draft::{DEFAULT_ENVIRONMENT, Desk, Draft};
use super::encoding::Encoder;
use super::fields::Fields;
use super::grants::Grants;
use super::page::{self, Page};
use super::{CallContext, Caller, CreateKey, Registrar};
use crate::ports::{KeyFilter, Made, NewKey};

/// A key that was made.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The key.
    pub key: KeyRecord,
    /// Its value; none where the same call had made it before.
    pub secret: Option<PlainKey>,
}

/// Which keys to list; the fields are those of `latchkey.v1.ListKeysRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListKeys {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// 0 for 100, at most 1,000.
    pub page_size: i32,
    /// From the page before.
    pub page_token: String,
    /// Empty: any.
    pub kind: String,
    /// Empty: any.
    pub environment: String,
    /// None: any.
    pub state: Option<KeyState>,
    /// These among others.
    pub bindings: BTreeMap<String, String>,
}

/// Which publishable key to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishableKey {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// Empty: `live`.
    pub environment: String,
}

/// A key whose value may be read again, with it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The key.
    pub key: KeyRecord,
    /// Its value.
    pub value: PlainKey,
}

impl Registrar {
    /// Makes a key. It works everywhere when this returns.
    pub async fn create_key(
        &self,
        by: &Caller,
        ask: CreateKey,
        call: &CallContext,
    ) -> Result<Issued, Failure> {
        let tenant = self.managed_tenant(by, &ask.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let mut random = (self.parts.random)();
        let mut fields = Fields::within("");
        let draft = self.desk(&policy, &tenant, by).draft(&ask, &mut fields, &mut random);
        fields.finish()?;
        let draft = draft.ok_or_else(|| Refusal::field("kind", "no key can be made of it"))?;
        let (mut record, kind) = granted(draft, by, &policy)?;
        let prefix = kind.prefixes.of(&record.environment).unwrap_or_default().to_owned();
        let secret = mint(kind, &prefix, &mut random);
        self.value(&mut record, kind, (&secret, &prefix), &mut random)?;
        let idempotency =
            (!ask.idempotency_key.is_empty()).then(|| (ask.idempotency_key.clone(), ask.fingerprint()));
        let entry = self.entry(by, "key.create", call).of(tenant.id).to(&record.id);
        let entry = entry.with("kind", &*record.kind).with("scopes", record.scopes.join(" "));
        let made = self.parts.ledger.create_keys(vec![NewKey { record, idempotency }], entry).await?;
        match self.spread(made, call).await?.value.pop() {
            Some(Made::New(key)) => Ok(Issued { key, secret: Some(secret) }),
            Some(Made::Before(key)) => Ok(Issued { key, secret: None }),
            None => Err(Trouble::Fault("the ledger made no key of one".into()).into()),
        }
    }

    /// Reads a key.
    pub async fn get_key(&self, by: &Caller, id: &str, _call: &CallContext) -> Result<KeyRecord, Failure> {
        Ok(self.managed_key(by, id).await?.0)
    }

    /// Lists keys, newest first.
    pub async fn list_keys(
        &self,
        by: &Caller,
        ask: ListKeys,
        _call: &CallContext,
    ) -> Result<Page<KeyRecord>, Failure> {
        let tenant = self.managed_tenant(by, &ask.tenant).await?;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let list = list_of_keys(tenant.id, &ask);
        let mut fields = Fields::within("");
        fields.text("kind", &ask.kind, 0..=64);
        fields.text("environment", &ask.environment, 0..=64);
        fields.labels("bindings", &ask.bindings);
        fields.finish()?;
        let size = page::size(ask.page_size)?;
        let before = page::cursor(&ask.page_token, &list)?.map(KeyId);
        let filter = KeyFilter {
            kind: some(&ask.kind),
            environment: some(&ask.environment),
            state: ask.state.map(|state| (state, self.parts.clock.now().wall)),
            bindings: ask.bindings,
        };
        let keys = self.parts.ledger.keys(tenant.id, &filter, before, size + 1).await?;
        Ok(page::page(keys, size, &list, |key| key.id.0))
    }

    /// The newest active key of a retrievable kind, with its value.
    pub async fn publishable_key(
        &self,
        by: &Caller,
        ask: PublishableKey,
        _call: &CallContext,
    ) -> Result<Published, Failure> {
        let tenant = self.managed_tenant(by, &ask.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let environment = if ask.environment.is_empty() { DEFAULT_ENVIRONMENT } else { &ask.environment };
        if !policy.environments.iter().any(|e| **e == *environment) {
            return Err(Refusal::field("environment", "the profile has no such environment").into());
        }
        let mut newest: Option<KeyRecord> = None;
        for kind in policy.kinds.iter().filter(|k| k.retrievable) {
            let filter = KeyFilter {
                kind: Some(kind.name.to_string()),
                environment: Some(environment.to_owned()),
                state: Some((KeyState::Active, self.parts.clock.now().wall)),
                bindings: BTreeMap::new(),
            };
            let found = self.parts.ledger.keys(tenant.id, &filter, None, 1).await?;
            newest = newest.into_iter().chain(found).max_by_key(|key| key.id);
        }
        let key = newest.ok_or(Refusal::NotFound("key"))?;
        let value = self.open(&key)?;
        Ok(Published { key, value })
    }

    /// A key that the caller may manage, and its tenant.
    pub(super) async fn managed_key(
        &self,
        by: &Caller,
        id: &str,
    ) -> Result<(KeyRecord, TenantRecord), Failure> {
        if let Some(own) = by.principal() {
            self.key_manager(own)?;
        }
        let id: KeyId = id.parse().map_err(|_| Refusal::NotFound("key"))?;
        let found = self.parts.ledger.key(id).await?;
        let own = |key: &KeyRecord| by.principal().is_none_or(|p| p.tenant.id == key.tenant);
        let key = found.filter(own).ok_or(Refusal::NotFound("key"))?;
        let tenant = self.parts.ledger.tenant(&latchkey_core::record::TenantRef::Id(key.tenant)).await?;
        let tenant = tenant.ok_or_else(|| Trouble::Fault(format!("{} has no tenant", key.id)))?;
        Ok((key, tenant))
    }

    pub(super) fn desk<'a>(&self, policy: &'a Policy, tenant: &TenantRecord, by: &'a Caller) -> Desk<'a> {
        Desk { policy, tenant: tenant.id, now: self.parts.clock.now().wall, created_by: &by.subject }
    }

    /// Gives a record its value: the hash, what people see of it, and the sealed value where it may be read again.
    pub(super) fn value(
        &self,
        record: &mut KeyRecord,
        kind: &Kind,
        (value, prefix): (&PlainKey, &str),
        random: &mut dyn rand::Rng,
    ) -> Result<(), Trouble> {
        record.hash = value.hash();
        record.prefix = prefix.into();
        record.hint = value.hint().into();
        if kind.retrievable {
            let sealed = self.parts.sealer.seal(value.reveal().as_bytes(), &record.id.to_string(), random);
            record.sealed = Some(sealed.map_err(|_| Trouble::Fault("a value could not be sealed".into()))?);
        }
        Ok(())
    }

    fn open(&self, key: &KeyRecord) -> Result<PlainKey, Trouble> {
        let sealed =
            key.sealed.as_ref().ok_or_else(|| Trouble::Fault(format!("{} has no sealed value", key.id)))?;
        let opened = self.parts.sealer.open(sealed, &key.id.to_string());
        opened.map_err(|error| Trouble::Fault(format!("{}: {error}", key.id)))
    }
}

/// The record with the scopes that it is to have, if its maker may grant all that.
pub(super) fn granted<'p>(
    draft: Draft<'p>,
    by: &Caller,
    policy: &Policy,
) -> Result<(KeyRecord, &'p Kind), Refusal> {
    let Draft { mut record, kind, mut granted, asked_scopes } = draft;
    if let Some(own) = by.principal() {
        let grants = Grants::of(own, policy);
        if !asked_scopes {
            granted = grants.trim(&granted);
            record.scopes = policy.scopes.names(&granted).map(Into::into).collect();
        }
        grants.fill(&mut record);
        grants.cover(&record, &granted)?;
    }
    Ok((record, kind))
}

/// The list that a page token of keys belongs to: the tenant's keys that pass the filter.
fn list_of_keys(tenant: TenantId, ask: &ListKeys) -> Encoder {
    let state = |state| match state {
        KeyState::Active => 1,
        KeyState::Expired => 2,
        KeyState::Revoked => 3,
        KeyState::Disabled => 4,
    };
    Encoder::new("latchkey.list_keys.v1")
        .bytes(tenant.0.as_bytes())
        .text(&ask.kind)
        .text(&ask.environment)
        .number(ask.state.map_or(0, state))
        .map(&ask.bindings)
}

pub(super) fn revoked(error: AlreadyRevoked) -> Refusal {
    Refusal::Precondition(error.to_string())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_bytes_that_name_a_list_of_keys_stay() {
        let tenant = TenantId(Uuid::from_u128(7));
        let all = list_of_keys(tenant, &ListKeys::default()).hex();
        assert_eq!(all, "4973d05715eea7952e544512db7cb711e3064950f5f7222810e1e3bc92a6bf70");
        let some = ListKeys {
            kind: "secret".into(),
            environment: "live".into(),
            state: Some(KeyState::Revoked),
            bindings: BTreeMap::from([("merchant".to_owned(), "m_1".to_owned())]),
            ..ListKeys::default()
        };
        assert_eq!(
            list_of_keys(tenant, &some).hex(),
            "a7e52e409b41d8f709ab854f68d3baddcf5d8aca7239e60c8e4305a7620a9ce2"
        );
    }
}
