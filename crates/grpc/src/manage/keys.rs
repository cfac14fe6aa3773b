//! `latchkey.v1.KeyService`. Only the responses of `CreateKey`, `RotateKey` and `GetPublishableKey` contain a secret.

use latchkey_core::error::SystemError;
use latchkey_core::ports::Limiter;
use latchkey_core::record::KeyRecord;
use latchkey_management::{GetPublishableKey, ImportKeys, RevokeKey};
use latchkey_proto::v1;
use latchkey_proto::v1::key_service_server::KeyService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::{Violations, key, list, to_btree_map, usage};
use crate::status::{error_to_status, request_error_to_status, system_error_to_status};

type RpcResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<L: Limiter + 'static> KeyService for ManagementApi<L> {
    async fn create_key(&self, call: Request<v1::CreateKeyRequest>) -> RpcResult<v1::CreateKeyResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = key::create(request, "", &mut violations);
        request.violations = violations.into_violations();
        let created =
            self.management.create_key(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(v1::CreateKeyResponse {
            key: Some(key::to_proto(&created.key, self.now())),
            secret: created.secret.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
        }))
    }

    async fn get_key(&self, call: Request<v1::GetKeyRequest>) -> RpcResult<v1::Key> {
        let (caller, request, context) = self.authenticate(call).await?;
        let found = self.management.get_key(&caller, &request.id, &context).await.map_err(error_to_status)?;
        let shown =
            self.with_usage(std::slice::from_ref(&found)).await.map_err(system_error_to_status)?.pop();
        Ok(Response::new(shown.unwrap_or_default()))
    }

    async fn list_keys(&self, call: Request<v1::ListKeysRequest>) -> RpcResult<v1::ListKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = list::keys(request, &mut violations);
        request.violations = violations.into_violations();
        let page = self.management.list_keys(&caller, request, &context).await.map_err(error_to_status)?;
        let keys = self.with_usage(&page.items).await.map_err(system_error_to_status)?;
        Ok(Response::new(v1::ListKeysResponse { keys, next_page_token: page.next }))
    }

    async fn update_key(&self, call: Request<v1::UpdateKeyRequest>) -> RpcResult<v1::Key> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = key::update(request, &mut violations);
        request.violations = violations.into_violations();
        let changed =
            self.management.update_key(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(self.show_changed_key(&changed).await))
    }

    async fn rotate_key(&self, call: Request<v1::RotateKeyRequest>) -> RpcResult<v1::RotateKeyResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = key::rotate(request, &mut violations);
        request.violations = violations.into_violations();
        let rotated =
            self.management.rotate_key(&caller, request, &context).await.map_err(error_to_status)?;
        let now = self.now();
        Ok(Response::new(v1::RotateKeyResponse {
            key: Some(key::to_proto(&rotated.key, now)),
            secret: rotated.secret.reveal().to_owned(),
            replaced: Some(self.show_changed_key(&rotated.replaced).await),
        }))
    }

    async fn revoke_key(&self, call: Request<v1::RevokeKeyRequest>) -> RpcResult<v1::RevokeKeyResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = RevokeKey { id: request.id, reason: request.reason };
        let revoked =
            self.management.revoke_key(&caller, request, &context).await.map_err(error_to_status)?;
        let key = Some(self.show_changed_key(&revoked.value).await);
        Ok(Response::new(v1::RevokeKeyResponse { key, revision: revoked.revision }))
    }

    async fn delete_key(&self, call: Request<v1::DeleteKeyRequest>) -> RpcResult<v1::DeleteKeyResponse> {
        self.handle_delete_key(call).await
    }

    async fn revoke_keys(&self, call: Request<v1::RevokeKeysRequest>) -> RpcResult<v1::RevokeKeysResponse> {
        self.handle_revoke_keys(call).await
    }

    async fn disable_keys(
        &self,
        call: Request<v1::DisableKeysRequest>,
    ) -> RpcResult<v1::DisableKeysResponse> {
        self.handle_disable_keys(call).await
    }

    async fn get_publishable_key(&self, call: Request<v1::GetPublishableKeyRequest>) -> RpcResult<v1::Key> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = GetPublishableKey {
            tenant: request.tenant,
            environment: request.environment,
            kind: request.kind,
            bindings: to_btree_map(request.bindings),
        };
        let found =
            self.management.publishable_key(&caller, request, &context).await.map_err(error_to_status)?;
        let value = found.value.reveal().to_owned();
        Ok(Response::new(v1::Key { value, ..key::to_proto(&found.key, self.now()) }))
    }

    async fn import_keys(&self, call: Request<v1::ImportKeysRequest>) -> RpcResult<v1::ImportKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let keys = request.keys.into_iter().enumerate().map(|(index, key)| key::import(index, key)).collect();
        let validate_only = request.validate_only;
        let request = ImportKeys { tenant: request.tenant, keys, validate_only };
        let imported =
            self.management.import_keys(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(key::imported(&imported, validate_only, self.now())))
    }

    async fn get_key_usage(
        &self,
        call: Request<v1::GetKeyUsageRequest>,
    ) -> RpcResult<v1::GetKeyUsageResponse> {
        let (caller, request, _) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let request = usage::from_proto(request, &mut violations);
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        Ok(Response::new(usage::to_proto(
            self.usage.key_usage(&caller, request).await.map_err(error_to_status)?,
        )))
    }
}

impl<L: Limiter> ManagementApi<L> {
    /// Returns the messages of keys with their usage, and with what their profiles no longer have of them.
    async fn with_usage(&self, keys: &[KeyRecord]) -> Result<Vec<v1::Key>, SystemError> {
        let summaries = self.usage.summaries(keys).await?;
        let losses = self.management.key_losses(keys).await?;
        let now = self.now();
        let each = keys.iter().zip(summaries.iter().zip(&losses));
        Ok(each.map(|(key, (summary, losses))| usage::key_with_usage(key, summary, losses, now)).collect())
    }

    /// Returns the message of a key that was just changed. If its usage cannot be read, the message has none: the
    /// change is committed, so the call must succeed.
    async fn show_changed_key(&self, key: &KeyRecord) -> v1::Key {
        let shown = self.with_usage(std::slice::from_ref(key)).await.ok().and_then(|mut shown| shown.pop());
        shown.unwrap_or_else(|| key::to_proto(key, self.now()))
    }
}
