//! `latchkey.v1.TokenService`, whose callers show what they have in the message itself, and
//! `latchkey.v1.SigningKeyService`, which is for operators.

use latchkey_core::ports::Limiter;
use latchkey_core::secret::PlainKey;
use latchkey_core::token::SigningKeyRecord;
use latchkey_management::{RefreshJwt, RotateSigningKey};
use latchkey_proto::v1;
use latchkey_proto::v1::signing_key_service_server::SigningKeyService;
use latchkey_proto::v1::token_service_server::TokenService;
use tonic::{Request, Response};

use super::Desk;
use super::tenants::Answer;
use crate::convert::time::duration;
use crate::convert::{Wrong, token};
use crate::fate::{failed, refused};

#[tonic::async_trait]
impl<L: Limiter + 'static> TokenService for Desk<L> {
    async fn issue_jwt(&self, call: Request<v1::IssueJwtRequest>) -> Answer<v1::IssueJwtResponse> {
        let context = self.context(&call);
        let mut wrong = Wrong::default();
        let ask = token::issue(call.into_inner(), &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let issued = self.tokens.issue(ask, &context).await.map_err(failed)?;
        Ok(Response::new(token::issued(&issued)))
    }

    async fn refresh_jwt(&self, call: Request<v1::RefreshJwtRequest>) -> Answer<v1::RefreshJwtResponse> {
        let context = self.context(&call);
        let v1::RefreshJwtRequest { refresh_token, tenant, scopes } = call.into_inner();
        let ask = RefreshJwt { token: PlainKey::new(refresh_token), tenant, scopes };
        let renewed = self.tokens.refresh(ask, &context).await.map_err(failed)?;
        Ok(Response::new(token::renewed(&renewed)))
    }

    async fn revoke_jwt(&self, call: Request<v1::RevokeJwtRequest>) -> Answer<v1::RevokeJwtResponse> {
        let context = self.context(&call);
        let token = PlainKey::new(call.into_inner().token);
        let revision = self.tokens.revoke(&token, &context).await.map_err(failed)?;
        Ok(Response::new(v1::RevokeJwtResponse { revision }))
    }

    async fn get_jwks(&self, _call: Request<v1::GetJwksRequest>) -> Answer<v1::GetJwksResponse> {
        Ok(Response::new(v1::GetJwksResponse { jwks: self.tokens.jwks().body.clone() }))
    }
}

#[tonic::async_trait]
impl<L: Limiter + 'static> SigningKeyService for Desk<L> {
    async fn list_signing_keys(
        &self,
        call: Request<v1::ListSigningKeysRequest>,
    ) -> Answer<v1::ListSigningKeysResponse> {
        let (by, _, _) = self.receive(call).await?;
        let keys = self.tokens.signing_keys(&by).await.map_err(failed)?;
        Ok(self.shown(&keys))
    }

    async fn rotate_signing_key(
        &self,
        call: Request<v1::RotateSigningKeyRequest>,
    ) -> Answer<v1::ListSigningKeysResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let lead = duration("lead", ask.lead, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let ask = RotateSigningKey { profile: ask.profile, lead };
        let keys = self.tokens.rotate_signing_key(&by, ask, &context).await.map_err(failed)?;
        Ok(self.shown(&keys))
    }

    async fn withdraw_signing_key(
        &self,
        call: Request<v1::WithdrawSigningKeyRequest>,
    ) -> Answer<v1::ListSigningKeysResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let keys = self.tokens.withdraw_signing_key(&by, &ask.id, &context).await.map_err(failed)?;
        Ok(self.shown(&keys))
    }
}

impl<L: Limiter> Desk<L> {
    fn shown(&self, keys: &[SigningKeyRecord]) -> Response<v1::ListSigningKeysResponse> {
        let keys = keys.iter().map(|key| token::signing_key(key, self.now())).collect();
        Response::new(v1::ListSigningKeysResponse { keys })
    }
}
