//! The store's management port: each method runs a query or a write of another file under the deadline.

use std::collections::HashMap;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::profile_change::AffectedRecords;
use latchkey_core::record::{KeyRecord, ProfileRecord, ProfileSecretRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::impact::Impact;
use latchkey_management::ports::{
    ApplyResult, AuditEntry, Created, ExistingHash, KeyFilter, KeyOrder, KeyRotationFn, KeyUpdateFn,
    ListPart, ListRange, ManagementStore, NewKey, NewProfileVersion, TenantFilter, TenantOrder,
    TenantUpdateFn, WriteResult,
};

use super::Store;
use super::lookup::require_up_to_date;
use crate::batch::{KeyCreation, SharedWrite};
use crate::query;
use crate::write;

#[async_trait]
impl ManagementStore for Store {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::key::by_id(&self.pool.acquire().await?, id).await
        })
        .await
    }

    async fn keys(
        &self,
        filter: &KeyFilter,
        range: &ListRange<KeyOrder>,
    ) -> Result<ListPart<KeyRecord>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::key::page(&self.pool.acquire().await?, filter, range).await
        })
        .await
    }

    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::tenant::by_ref(&self.pool.acquire().await?, tenant).await
        })
        .await
    }

    async fn tenants_by_id(&self, ids: &[TenantId]) -> Result<Vec<TenantRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::tenant::by_ids(&self.pool.acquire().await?, ids).await
        })
        .await
    }

    async fn tenants(
        &self,
        filter: &TenantFilter,
        range: &ListRange<TenantOrder>,
    ) -> Result<ListPart<TenantRecord>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::tenant::page(&self.pool.acquire().await?, filter, range).await
        })
        .await
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let found = query::profile::newest(&connection).await?;
            require_up_to_date(&connection, required).await?;
            Ok(found)
        })
        .await
    }

    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::profile::version(&self.pool.acquire().await?, name, version).await
        })
        .await
    }

    async fn existing_hashes(
        &self,
        hashes: &[KeyHash],
    ) -> Result<HashMap<KeyHash, ExistingHash>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::key::existing_hashes(&self.pool.acquire().await?, hashes).await
        })
        .await
    }

    async fn create_keys(
        &self,
        keys: Vec<NewKey>,
        audit: AuditEntry,
    ) -> Result<WriteResult<Vec<Created>>, ManagementError> {
        let work = async {
            // Only a call for one key shares its transaction: several keys are enough rows for one.
            match <[NewKey; 1]>::try_from(keys) {
                Ok([key]) if !key.imported => {
                    self.writes.write(KeyCreation { key, audit }, SharedWrite::CreateKey).await
                }
                Ok([key]) => write::create::keys(self.pool.begin().await?, vec![key], &audit).await,
                Err(keys) => write::create::keys(self.pool.begin().await?, keys, &audit).await,
            }
        };
        self.with_deadline(QueryKind::Write, Box::pin(work)).await
    }

    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async { write::change::key(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn rotate_key(
        &self,
        id: KeyId,
        rule: KeyRotationFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async { write::change::rotate(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn create_tenant(
        &self,
        tenant: TenantRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async { write::tenant::create(self.pool.begin().await?, tenant, &audit).await }),
        )
        .await
    }

    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantUpdateFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async { write::tenant::change(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn profile_versions(
        &self,
        name: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ProfileRecord>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::profile::versions(&self.pool.acquire().await?, name, before, limit).await
        })
        .await
    }

    async fn impact(
        &self,
        profile: &str,
        affected: &AffectedRecords,
        now: Timestamp,
    ) -> Result<Impact, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::impact::of(&self.pool.acquire().await?, profile, affected, now).await
        })
        .await
    }

    async fn apply_profile(
        &self,
        version: NewProfileVersion<'_>,
        audit: AuditEntry,
    ) -> Result<ApplyResult, ManagementError> {
        let work = Box::pin(async { write::profile::apply(self.pool.begin().await?, version, &audit).await });
        self.with_deadline(QueryKind::Write, work).await
    }

    async fn profile_secrets(&self) -> Result<Vec<ProfileSecretRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let found = query::profile::secrets(&connection).await?;
            require_up_to_date(&connection, required).await?;
            Ok(found)
        })
        .await
    }

    async fn set_profile_secret(
        &self,
        secret: ProfileSecretRecord,
        audit: AuditEntry,
    ) -> Result<WriteResult<ProfileSecretRecord>, ManagementError> {
        let work =
            Box::pin(async { write::profile_secret::set(self.pool.begin().await?, secret, &audit).await });
        self.with_deadline(QueryKind::Write, work).await
    }

    async fn delete_profile_secret(
        &self,
        profile: &str,
        name: &str,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        let work = Box::pin(async {
            write::profile_secret::delete(self.pool.begin().await?, profile, name, &audit).await
        });
        self.with_deadline(QueryKind::Write, work).await
    }

    async fn bootstrap_operator(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        insist: bool,
        audit: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        let work = Box::pin(async {
            write::bootstrap::bootstrap_operator(self.pool.begin().await?, tenant, first, insist, &audit)
                .await
        });
        self.with_deadline(QueryKind::Write, work).await
    }
}
