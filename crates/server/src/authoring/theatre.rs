//! A whole Latchkey without ports, for one example: its tenant, keys and user are made by the same calls as
//! anyone's, and the request goes to the counter as Envoy would bring it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use latchkey_config::{Deadlines, Sources};
use latchkey_profile::{Answer, KeyPart, Props, Scene, Staged, UserPart, Who};
use latchkey_proto::v1;
use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::boot::StartRefused;
use crate::readiness::Stage;
use crate::settings;
use crate::side::Counter;
use crate::{random, wiring};

/// The longest that a start takes on a machine with much else to do.
const START: Duration = Duration::from_mins(1);
/// The largest answer.
const LARGEST: usize = 16 * 1024 * 1024;

/// The parts that are played with.
pub(super) struct Theatre {
    counter: Counter,
    routes: Routes,
    operator: String,
    /// Ends with it.
    _running: JoinSet<Result<std::convert::Infallible, StartRefused>>,
}

impl Theatre {
    /// Opens one for a document, in a folder that isn't there yet.
    pub(super) async fn open(document: &str, folder: &Path) -> Result<Self, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("the stage could not be set: {what}");
        std::fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
        let file = folder.join("profile.toml");
        std::fs::write(&file, document).map_err(|error| wrong(&error))?;
        let operator = random::first_key().map_err(|error| wrong(&error))?.reveal().to_owned();
        let flags = [
            ("database_url", format!("sqlite://{}/latchkey.db?mode=rwc", folder.display())),
            ("root_key", operator.clone()),
        ];
        let flags: BTreeMap<String, String> = flags.map(|(key, value)| (key.to_owned(), value)).into();
        let sources = Sources::of_few_variables(&[], flags, ("log", "off"));
        let mut settings = settings::load(&sources).map_err(|error| wrong(&error))?;
        settings.profiles = vec![file];
        // Nobody waits here but an author, whose machine may be slow.
        settings.database.deadlines = Deadlines { check: START, management: START };
        let parts = wiring::connect(settings).await.map_err(|error| wrong(&error))?;
        let mut stage = parts.readiness.watch();
        let mut running = JoinSet::new();
        running.spawn(parts.boot.run());
        let ready = stage.wait_for(|stage| *stage == Stage::Ready);
        tokio::select! {
            ready = tokio::time::timeout(START, ready) => {
                drop(ready.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))?);
            }
            ended = running.join_next() => {
                let refused = ended.and_then(Result::ok).and_then(Result::err);
                return Err(refused.map_or_else(|| wrong(&"it ended"), |refused| wrong(&refused)));
            }
        }
        Ok(Self {
            counter: parts.pages.counter,
            routes: parts.front.routes.clone(),
            operator,
            _running: running,
        })
    }

    /// Plays a scene; answers what the client gets.
    pub(super) async fn play(&self, scene: &Scene<'_>) -> Result<Answer, String> {
        let props = self.cast(scene).await.map_err(|status| {
            format!("nobody could be cast for it: {} ({})", status.message(), status.code())
        })?;
        let staged = scene.request(&props);
        let mut answer = Answer::default();
        for _ in 0..scene.repeat() {
            answer = self.send(&staged).await?;
        }
        Ok(answer)
    }

    /// Makes everyone who takes part.
    async fn cast(&self, scene: &Scene<'_>) -> Result<Props, tonic::Status> {
        let (slug, plan) = scene.tenant();
        let tenant = v1::CreateTenantRequest {
            slug: slug.to_owned(),
            display_name: slug.to_owned(),
            profile: scene.profile().to_owned(),
            plan: plan.to_owned(),
            ..v1::CreateTenantRequest::default()
        };
        TenantServiceClient::new(self.routes.clone()).create_tenant(self.asked(tenant)?).await?;
        let mut props = Props::default();
        for (place, other) in scene.others().iter().enumerate() {
            let (id, value) = self.key(slug, other).await?;
            if place == 0 {
                (props.other_id, props.other) = (id, value);
            }
        }
        match scene.who() {
            None => {}
            Some(Who::Key(key)) => (props.key_id, props.key) = self.key(slug, key).await?,
            Some(Who::User(user)) => (props.token, props.refresh_token) = self.user(slug, user).await?,
        }
        Ok(props)
    }

    async fn key(&self, tenant: &str, part: &KeyPart) -> Result<(String, String), tonic::Status> {
        let ask = v1::CreateKeyRequest {
            tenant: tenant.to_owned(),
            name: part.name.to_string(),
            kind: part.kind.to_string(),
            environment: part.environment.to_string(),
            scopes: part.scopes.iter().flatten().map(ToString::to_string).collect(),
            bindings: part.bindings.clone().into_iter().collect(),
            ..v1::CreateKeyRequest::default()
        };
        let made =
            KeyServiceClient::new(self.routes.clone()).create_key(self.asked(ask)?).await?.into_inner();
        Ok((made.key.map(|key| key.id).unwrap_or_default(), made.secret))
    }

    async fn user(&self, tenant: &str, part: &UserPart) -> Result<(String, String), tonic::Status> {
        let ask = v1::CreateUserRequest {
            tenant: tenant.to_owned(),
            email: part.email.to_string(),
            password: part.password.to_string(),
            role: part.role.to_string(),
            bindings: part.bindings.clone().into_iter().collect(),
            ..v1::CreateUserRequest::default()
        };
        TenantServiceClient::new(self.routes.clone()).create_user(self.asked(ask)?).await?;
        let password =
            v1::PasswordGrant { email: part.email.to_string(), password: part.password.to_string() };
        let ask = v1::IssueJwtRequest {
            tenant: tenant.to_owned(),
            grant: Some(Grant::Password(password)),
            ..v1::IssueJwtRequest::default()
        };
        let issued = TokenServiceClient::new(self.routes.clone()).issue_jwt(tonic::Request::new(ask)).await?;
        let issued = issued.into_inner();
        Ok((issued.access_token, issued.refresh_token))
    }

    /// A call by the operator.
    fn asked<T>(&self, message: T) -> Result<tonic::Request<T>, tonic::Status> {
        let mut request = tonic::Request::new(message);
        let value = self.operator.parse().map_err(|_| tonic::Status::internal("no operator's key"))?;
        request.metadata_mut().insert("x-api-key", value);
        Ok(request)
    }

    async fn send(&self, staged: &Staged) -> Result<Answer, String> {
        let mut request = Request::builder().method(&*staged.method).uri(&staged.target);
        request = request.header("host", &staged.host);
        for (name, value) in &staged.headers {
            request = request.header(name, value);
        }
        let body = staged.body.clone().map_or_else(Body::empty, Body::from);
        let request = request.body(body).map_err(|error| format!("that is no request: {error}"))?;
        let answered = (self.counter)(request, None).await;
        let (head, body) = answered.ok_or("no endpoint answers it")?.into_parts();
        let body = to_bytes(body, LARGEST).await.map_err(|error| error.to_string())?;
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            upstream: Vec::new(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
