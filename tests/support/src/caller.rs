//! Typed gRPC clients that send a credential as callers do.

use std::time::Duration;

use latchkey_proto::envoy::auth::authorization_client::AuthorizationClient;
use latchkey_proto::v1;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use v1::audit_service_client::AuditServiceClient;
use v1::caller_service_client::CallerServiceClient;
use v1::check_service_client::CheckServiceClient;
use v1::key_service_client::KeyServiceClient;
use v1::profile_service_client::ProfileServiceClient;
use v1::shadow_service_client::ShadowServiceClient;
use v1::signing_key_service_client::SigningKeyServiceClient;
use v1::tenant_service_client::TenantServiceClient;
use v1::token_service_client::TokenServiceClient;
use v1::usage_service_client::UsageServiceClient;

/// Longest time until a connection is open, for a machine that is busy with other tests.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest duration of a call, far longer than the server's own limits, so that the response is the server's.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// Sends metadata with every call.
#[derive(Clone, Debug, Default)]
pub struct MetadataInterceptor(Vec<(AsciiMetadataKey, AsciiMetadataValue)>);

impl Interceptor for MetadataInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in &self.0 {
            request.metadata_mut().append(name.clone(), value.clone());
        }
        Ok(request)
    }
}

type AuthenticatedChannel = InterceptedService<Channel, MetadataInterceptor>;

/// gRPC client of Latchkey. It must be created inside of a test's runtime.
#[derive(Clone, Debug)]
pub struct Caller(AuthenticatedChannel);

impl Caller {
    /// Creates a caller that sends `authorization: Bearer CREDENTIAL`, or nothing.
    #[must_use]
    pub fn new(port: u16, credential: Option<&str>) -> Self {
        let bearer = credential.map(|credential| format!("Bearer {credential}"));
        let pair = bearer.as_deref().map(|bearer| ("authorization", bearer));
        Self::sending(port, pair.as_slice())
    }

    /// Creates a caller that sends this metadata.
    #[must_use]
    pub fn sending(port: u16, metadata: &[(&str, &str)]) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT);
        let pairs = metadata.iter().map(|&(name, value)| {
            let name: AsciiMetadataKey = name.parse().expect("a metadata name");
            (name, value.parse().expect("a metadata value"))
        });
        Self(InterceptedService::new(endpoint.connect_lazy(), MetadataInterceptor(pairs.collect())))
    }

    /// Returns a client of `CheckService`.
    #[must_use]
    pub fn checks(&self) -> CheckServiceClient<AuthenticatedChannel> {
        CheckServiceClient::new(self.0.clone())
    }

    /// Returns a client of `KeyService`.
    #[must_use]
    pub fn keys(&self) -> KeyServiceClient<AuthenticatedChannel> {
        KeyServiceClient::new(self.0.clone())
    }

    /// Returns a client of `TenantService`.
    #[must_use]
    pub fn tenants(&self) -> TenantServiceClient<AuthenticatedChannel> {
        TenantServiceClient::new(self.0.clone())
    }

    /// Returns a client of `ProfileService`.
    #[must_use]
    pub fn profiles(&self) -> ProfileServiceClient<AuthenticatedChannel> {
        ProfileServiceClient::new(self.0.clone())
    }

    /// Returns a client of `TokenService`.
    #[must_use]
    pub fn tokens(&self) -> TokenServiceClient<AuthenticatedChannel> {
        TokenServiceClient::new(self.0.clone())
    }

    /// Returns a client of `SigningKeyService`.
    #[must_use]
    pub fn signing_keys(&self) -> SigningKeyServiceClient<AuthenticatedChannel> {
        SigningKeyServiceClient::new(self.0.clone())
    }

    /// Returns a client of `AuditService`.
    #[must_use]
    pub fn audit(&self) -> AuditServiceClient<AuthenticatedChannel> {
        AuditServiceClient::new(self.0.clone())
    }

    /// Returns a client of `CallerService`.
    #[must_use]
    pub fn callers(&self) -> CallerServiceClient<AuthenticatedChannel> {
        CallerServiceClient::new(self.0.clone())
    }

    /// Returns a client of `UsageService`.
    #[must_use]
    pub fn usage(&self) -> UsageServiceClient<AuthenticatedChannel> {
        UsageServiceClient::new(self.0.clone())
    }

    /// Returns a client of `ShadowService`.
    #[must_use]
    pub fn shadow(&self) -> ShadowServiceClient<AuthenticatedChannel> {
        ShadowServiceClient::new(self.0.clone())
    }

    /// Returns a client of Envoy's `Authorization` service.
    #[must_use]
    pub fn envoy(&self) -> AuthorizationClient<AuthenticatedChannel> {
        AuthorizationClient::new(self.0.clone())
    }
}
