//! `latchkey.v1.KeyService`. A secret leaves in the answers to `CreateKey`, `RotateKey` and
//! `GetPublishableKey`, and nowhere else.

use latchkey_core::ports::Limiter;
use latchkey_core::record::KeyRecord;
use latchkey_core::trouble::Trouble;
use latchkey_management::{ImportKeys, PublishableKey, RevokeKey, RotateKey};
use latchkey_proto::v1;
use latchkey_proto::v1::key_service_server::KeyService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::{Wrong, key, time, usage};
use crate::fate::{failed, refused, troubled};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<L: Limiter + 'static> KeyService for Desk<L> {
    async fn create_key(&self, call: Request<v1::CreateKeyRequest>) -> Answer<v1::CreateKeyResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = key::create(ask, "", &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let made = self.registrar.create_key(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(v1::CreateKeyResponse {
            key: Some(key::show(&made.key, self.now())),
            secret: made.secret.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
        }))
    }

    async fn get_key(&self, call: Request<v1::GetKeyRequest>) -> Answer<v1::Key> {
        let (by, ask, context) = self.receive(call).await?;
        let found = self.registrar.get_key(&by, &ask.id, &context).await.map_err(failed)?;
        let shown = self.with_use(std::slice::from_ref(&found)).await.map_err(troubled)?.pop();
        Ok(Response::new(shown.unwrap_or_default()))
    }

    async fn list_keys(&self, call: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = key::list(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let page = self.registrar.list_keys(&by, ask, &context).await.map_err(failed)?;
        let keys = self.with_use(&page.items).await.map_err(troubled)?;
        Ok(Response::new(v1::ListKeysResponse { keys, next_page_token: page.next }))
    }

    async fn update_key(&self, call: Request<v1::UpdateKeyRequest>) -> Answer<v1::Key> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = key::update(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let changed = self.registrar.update_key(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(self.changed(&changed).await))
    }

    async fn rotate_key(&self, call: Request<v1::RotateKeyRequest>) -> Answer<v1::RotateKeyResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let overlap = time::duration("overlap", ask.overlap, &mut wrong).unwrap_or_default();
        wrong.finish().map_err(|r| refused(&r))?;
        let ask = RotateKey { id: ask.id, overlap };
        let rotated = self.registrar.rotate_key(&by, ask, &context).await.map_err(failed)?;
        let now = self.now();
        Ok(Response::new(v1::RotateKeyResponse {
            key: Some(key::show(&rotated.key, now)),
            secret: rotated.secret.reveal().to_owned(),
            replaced: Some(self.changed(&rotated.replaced).await),
        }))
    }

    async fn revoke_key(&self, call: Request<v1::RevokeKeyRequest>) -> Answer<v1::RevokeKeyResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = RevokeKey { id: ask.id, reason: ask.reason };
        let revoked = self.registrar.revoke_key(&by, ask, &context).await.map_err(failed)?;
        let key = Some(self.changed(&revoked.value).await);
        Ok(Response::new(v1::RevokeKeyResponse { key, revision: revoked.revision }))
    }

    async fn get_publishable_key(&self, call: Request<v1::GetPublishableKeyRequest>) -> Answer<v1::Key> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = PublishableKey { tenant: ask.tenant, environment: ask.environment };
        let found = self.registrar.publishable_key(&by, ask, &context).await.map_err(failed)?;
        let value = found.value.reveal().to_owned();
        Ok(Response::new(v1::Key { value, ..key::show(&found.key, self.now()) }))
    }

    async fn import_keys(&self, call: Request<v1::ImportKeysRequest>) -> Answer<v1::ImportKeysResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let keys = ask.keys.into_iter().enumerate().map(|one| key::import(one, &mut wrong)).collect();
        wrong.finish().map_err(|r| refused(&r))?;
        let ask = ImportKeys { tenant: ask.tenant, keys };
        let imported = self.registrar.import_keys(&by, ask, &context).await.map_err(failed)?;
        let now = self.now();
        let keys = imported.iter().map(|made| key::show(made, now)).collect();
        Ok(Response::new(v1::ImportKeysResponse { keys }))
    }

    async fn get_key_usage(&self, call: Request<v1::GetKeyUsageRequest>) -> Answer<v1::GetKeyUsageResponse> {
        let (by, ask, _) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = usage::ask(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        Ok(Response::new(usage::show(self.usage.key_usage(&by, ask).await.map_err(failed)?)))
    }
}

impl<L: Limiter> Desk<L> {
    /// Keys with what is seen of their use.
    async fn with_use(&self, keys: &[KeyRecord]) -> Result<Vec<v1::Key>, Trouble> {
        let seen = self.usage.seen(keys).await?;
        let now = self.now();
        Ok(keys.iter().zip(&seen).map(|(key, seen)| usage::key_seen(key, seen, now)).collect())
    }

    /// A key that was just changed. That was done, whether its use can be told of or not.
    async fn changed(&self, key: &KeyRecord) -> v1::Key {
        let shown = self.with_use(std::slice::from_ref(key)).await.ok().and_then(|mut shown| shown.pop());
        shown.unwrap_or_else(|| key::show(key, self.now()))
    }
}
