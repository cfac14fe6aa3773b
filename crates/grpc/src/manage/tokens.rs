//! `latchkey.v1.TokenService`, whose messages contain the caller's credential, and `latchkey.v1.SigningKeyService`,
//! which only operators may call.

use latchkey_core::ports::Limiter;
use latchkey_core::secret::PlainKey;
use latchkey_core::token::SigningKeyRecord;
use latchkey_management::{RefreshJwt, RotateSigningKey};
use latchkey_proto::v1;
use latchkey_proto::v1::signing_key_service_server::SigningKeyService;
use latchkey_proto::v1::token_service_server::TokenService;
use tonic::{Request, Response};

use super::ManagementApi;
use super::tenants::RpcResult;
use crate::convert::time::duration_from_proto;
use crate::convert::{Violations, token};
use crate::status::{error_to_status, request_error_to_status};

#[tonic::async_trait]
impl<L: Limiter + 'static> TokenService for ManagementApi<L> {
    async fn issue_jwt(&self, call: Request<v1::IssueJwtRequest>) -> RpcResult<v1::IssueJwtResponse> {
        let context = self.context(&call);
        let mut violations = Violations::default();
        let mut request = token::issue(call.into_inner(), &mut violations);
        request.violations = violations.into_violations();
        let issued = self.tokens.issue(request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::issue_response(&issued)))
    }

    async fn refresh_jwt(&self, call: Request<v1::RefreshJwtRequest>) -> RpcResult<v1::RefreshJwtResponse> {
        let context = self.context(&call);
        let v1::RefreshJwtRequest { refresh_token, tenant, scopes } = call.into_inner();
        let request = RefreshJwt { token: PlainKey::new(refresh_token), tenant, scopes };
        let renewed = self.tokens.refresh(request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::refresh_response(&renewed)))
    }

    async fn revoke_jwt(&self, call: Request<v1::RevokeJwtRequest>) -> RpcResult<v1::RevokeJwtResponse> {
        let context = self.context(&call);
        let token = PlainKey::new(call.into_inner().token);
        let revision = self.tokens.revoke(&token, &context).await.map_err(error_to_status)?;
        Ok(Response::new(v1::RevokeJwtResponse { revision }))
    }

    async fn get_jwks(&self, call: Request<v1::GetJwksRequest>) -> RpcResult<v1::GetJwksResponse> {
        let set = self.tokens.jwks(&call.into_inner().profile).map_err(|r| request_error_to_status(&r))?;
        Ok(Response::new(v1::GetJwksResponse { jwks: set.body.clone() }))
    }
}

#[tonic::async_trait]
impl<L: Limiter + 'static> SigningKeyService for ManagementApi<L> {
    async fn list_signing_keys(
        &self,
        call: Request<v1::ListSigningKeysRequest>,
    ) -> RpcResult<v1::ListSigningKeysResponse> {
        let (caller, _, _) = self.authenticate(call).await?;
        let keys = self.tokens.signing_keys(&caller).await.map_err(error_to_status)?;
        Ok(self.list_response(&keys))
    }

    async fn rotate_signing_key(
        &self,
        call: Request<v1::RotateSigningKeyRequest>,
    ) -> RpcResult<v1::ListSigningKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let lead = duration_from_proto("lead", request.lead, &mut violations);
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        let request = RotateSigningKey { profile: request.profile, lead };
        let keys =
            self.tokens.rotate_signing_key(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(self.list_response(&keys))
    }

    async fn withdraw_signing_key(
        &self,
        call: Request<v1::WithdrawSigningKeyRequest>,
    ) -> RpcResult<v1::ListSigningKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let keys = self
            .tokens
            .withdraw_signing_key(&caller, &request.id, &context)
            .await
            .map_err(error_to_status)?;
        Ok(self.list_response(&keys))
    }
}

impl<L: Limiter> ManagementApi<L> {
    fn list_response(&self, keys: &[SigningKeyRecord]) -> Response<v1::ListSigningKeysResponse> {
        let keys = keys.iter().map(|key| token::signing_key(key, self.now())).collect();
        Response::new(v1::ListSigningKeysResponse { keys })
    }
}
