//! Latchkey without ports, for one example: its tenant, keys and user are created by management calls, and the
//! request goes to the endpoint handler as Envoy would send it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use latchkey_config::{CheckDeadlines, ConfigSources, DatabaseDeadlines};
use latchkey_profile::{
    CaseResponse, EndpointCase, FixtureValues, KeyFixture, RenderedRequest, Sender, UserFixture,
};
use latchkey_proto::v1;
use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::config;
use crate::http_server::EndpointHandler;
use crate::readiness::Stage;
use crate::startup::StartupConflict;
use crate::{random, wiring};

/// Longest time for start-up, on a busy machine.
const STARTUP_TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum size of a response.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Running parts that examples are sent to.
pub(super) struct Sandbox {
    endpoints: EndpointHandler,
    routes: Routes,
    operator: String,
    /// Start-up and background tasks, which end with the sandbox.
    _running: JoinSet<Result<std::convert::Infallible, StartupConflict>>,
}

impl Sandbox {
    /// Opens a sandbox for a document, in a folder that does not exist yet.
    pub(super) async fn open(document: &str, folder: &Path) -> Result<Self, String> {
        let setup_error =
            |error: &dyn std::fmt::Display| format!("the sandbox could not be started: {error}");
        std::fs::create_dir_all(folder).map_err(|error| setup_error(&error))?;
        let file = folder.join("profile.toml");
        std::fs::write(&file, document).map_err(|error| setup_error(&error))?;
        let operator = random::new_root_key().map_err(|error| setup_error(&error))?.reveal().to_owned();
        let flags = [
            ("database_url", format!("sqlite://{}/latchkey.db?mode=rwc", folder.display())),
            ("root_key", operator.clone()),
        ];
        let flags: BTreeMap<String, String> = flags.map(|(key, value)| (key.to_owned(), value)).into();
        let sources = ConfigSources::from_allowed_variables(&[], flags, ("log", "off"));
        let mut settings = config::load(&sources).map_err(|error| setup_error(&error))?;
        settings.profiles = vec![file];
        // Only the author waits here, possibly on a slow machine.
        let check = CheckDeadlines { total: STARTUP_TIMEOUT, ..CheckDeadlines::default() };
        settings.database.deadlines = DatabaseDeadlines { check, management: STARTUP_TIMEOUT };
        let parts = wiring::connect(settings).await.map_err(|error| setup_error(&error))?;
        let mut stage = parts.readiness.watch();
        let mut running = JoinSet::new();
        running.spawn(parts.startup.run());
        let ready = stage.wait_for(|stage| *stage == Stage::Ready);
        tokio::select! {
                    ready = tokio::time::timeout(STARTUP_TIMEOUT, ready) => {
                        drop(ready.map_err(|error| setup_error(&error))?.map_err(|error| setup_error(&error))?);
                    }
                    ended = running.join_next() => {
                        let conflict = ended.and_then(Result::ok).and_then(Result::err);
        return Err(conflict.map_or_else(|| setup_error(&"start-up ended"), |conflict| setup_error(&conflict)));
                    }
                }
        Ok(Self {
            endpoints: parts.http_state.endpoints,
            routes: parts.router.routes.clone(),
            operator,
            _running: running,
        })
    }

    /// Runs an example; returns the response that the client gets.
    pub(super) async fn run(&self, case: &EndpointCase<'_>) -> Result<CaseResponse, String> {
        let values = self.create_fixtures(case).await.map_err(|status| {
            format!("the fixtures could not be created: {} ({})", status.message(), status.code())
        })?;
        let rendered = case.request(&values);
        let mut response = CaseResponse::default();
        for _ in 0..case.repeat() {
            response = self.send(&rendered).await?;
        }
        Ok(response)
    }

    /// Creates the tenant, keys and user of an example.
    async fn create_fixtures(&self, case: &EndpointCase<'_>) -> Result<FixtureValues, tonic::Status> {
        let (slug, plan) = case.tenant();
        let tenant = v1::CreateTenantRequest {
            slug: slug.to_owned(),
            display_name: slug.to_owned(),
            profile: case.profile().to_owned(),
            plan: plan.to_owned(),
            ..v1::CreateTenantRequest::default()
        };
        TenantServiceClient::new(self.routes.clone()).create_tenant(self.operator_request(tenant)?).await?;
        let mut values = FixtureValues::default();
        for (index, other) in case.existing_keys().iter().enumerate() {
            let (id, value) = self.key(slug, other).await?;
            if index == 0 {
                (values.other_id, values.other_key) = (id, value);
            }
        }
        match case.sender() {
            None => {}
            Some(Sender::Key(key)) => (values.key_id, values.key) = self.key(slug, key).await?,
            Some(Sender::User(user)) => (values.token, values.refresh_token) = self.user(slug, user).await?,
        }
        Ok(values)
    }

    async fn key(&self, tenant: &str, fixture: &KeyFixture) -> Result<(String, String), tonic::Status> {
        let request = v1::CreateKeyRequest {
            tenant: tenant.to_owned(),
            name: fixture.name.to_string(),
            kind: fixture.kind.to_string(),
            environment: fixture.environment.to_string(),
            scopes: fixture.scopes.iter().flatten().map(ToString::to_string).collect(),
            bindings: fixture.bindings.clone().into_iter().collect(),
            ..v1::CreateKeyRequest::default()
        };
        let created = KeyServiceClient::new(self.routes.clone())
            .create_key(self.operator_request(request)?)
            .await?
            .into_inner();
        Ok((created.key.map(|key| key.id).unwrap_or_default(), created.secret))
    }

    async fn user(&self, tenant: &str, fixture: &UserFixture) -> Result<(String, String), tonic::Status> {
        let request = v1::CreateUserRequest {
            tenant: tenant.to_owned(),
            email: fixture.email.to_string(),
            password: fixture.password.to_string(),
            role: fixture.role.to_string(),
            bindings: fixture.bindings.clone().into_iter().collect(),
            ..v1::CreateUserRequest::default()
        };
        TenantServiceClient::new(self.routes.clone()).create_user(self.operator_request(request)?).await?;
        let password =
            v1::PasswordGrant { email: fixture.email.to_string(), password: fixture.password.to_string() };
        let request = v1::IssueJwtRequest {
            tenant: tenant.to_owned(),
            grant: Some(Grant::Password(password)),
            ..v1::IssueJwtRequest::default()
        };
        let issued =
            TokenServiceClient::new(self.routes.clone()).issue_jwt(tonic::Request::new(request)).await?;
        let issued = issued.into_inner();
        Ok((issued.access_token, issued.refresh_token))
    }

    /// Makes a request by the operator.
    fn operator_request<T>(&self, message: T) -> Result<tonic::Request<T>, tonic::Status> {
        let mut request = tonic::Request::new(message);
        let value = self
            .operator
            .parse()
            .map_err(|_| tonic::Status::internal("the operator's key is not a valid header value"))?;
        request.metadata_mut().insert("x-api-key", value);
        Ok(request)
    }

    async fn send(&self, rendered: &RenderedRequest) -> Result<CaseResponse, String> {
        let mut request = Request::builder().method(&*rendered.method).uri(&rendered.target);
        request = request.header("host", &rendered.host);
        for (name, value) in &rendered.headers {
            request = request.header(name, value);
        }
        let body = rendered.body.clone().map_or_else(Body::empty, Body::from);
        let request =
            request.body(body).map_err(|error| format!("the example's request is invalid: {error}"))?;
        let response = (self.endpoints)(request, None).await;
        let (head, body) = response.ok_or("no endpoint matches the request")?.into_parts();
        let body = to_bytes(body, MAX_RESPONSE_BYTES).await.map_err(|error| error.to_string())?;
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(CaseResponse {
            status: head.status.as_u16(),
            headers: headers.collect(),
            upstream: Vec::new(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
