//! Calls a running server: where it is, and who calls.

use std::path::Path;
use std::time::Duration;

use latchkey_proto::v1::audit_service_client::AuditServiceClient;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;
use latchkey_proto::v1::signing_key_service_client::SigningKeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::args::{Globals, Secret};
use crate::exit::Failure;

const CONNECT: Duration = Duration::from_secs(5);
/// Revoking may wait one lease for replicas that are cut off; more than that is no answer.
const ANSWER: Duration = Duration::from_mins(1);
/// For what reads everything there is.
const PATIENCE: Duration = Duration::from_hours(1);

impl Globals {
    /// Who calls, by the command line and the environment.
    pub(crate) fn credential(&self) -> Result<Option<Secret>, Failure> {
        match (&self.api_key, &self.key_file) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(path)) => read_secret(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Puts the caller's credential on every call.
#[derive(Clone)]
pub(crate) struct Credential(Option<MetadataValue<Ascii>>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A server, and who calls it.
pub(crate) struct Server {
    channel: InterceptedService<Channel, Credential>,
}

type Called = InterceptedService<Channel, Credential>;

impl Server {
    /// Connects with what the command line and the environment say.
    pub(crate) async fn of(globals: &Globals) -> Result<Self, Failure> {
        let credential = globals.credential()?;
        Self::connect(&globals.server, credential.as_ref()).await
    }

    /// The same, for a call that may take long.
    pub(crate) async fn patient(globals: &Globals) -> Result<Self, Failure> {
        let credential = globals.credential()?;
        Self::waiting(&globals.server, credential.as_ref(), PATIENCE).await
    }

    /// Connects.
    pub(crate) async fn connect(address: &str, credential: Option<&Secret>) -> Result<Self, Failure> {
        Self::waiting(address, credential, ANSWER).await
    }

    async fn waiting(address: &str, credential: Option<&Secret>, answer: Duration) -> Result<Self, Failure> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        if !url.starts_with("http://") {
            return Err(Failure::Usage(format!("{address:?}: write http://HOST:PORT; TLS is not built yet")));
        }
        let endpoint = Endpoint::from_shared(url).map_err(|_| {
            Failure::Usage(format!("{address:?} is no server's address: write http://HOST:PORT"))
        })?;
        let endpoint = endpoint.connect_timeout(CONNECT).timeout(answer).tcp_nodelay(true);
        let value = credential.map(|key| bearer(&key.0)).transpose()?;
        let channel = endpoint.connect().await.map_err(|_| {
            Failure::Unreachable(format!(
                "no server answers at {address}: start one with `latchkey serve`, or name it with --server (LATCHKEY_SERVER)"
            ))
        })?;
        Ok(Self { channel: InterceptedService::new(channel, Credential(value)) })
    }

    pub(crate) fn keys(&self) -> KeyServiceClient<Called> {
        KeyServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    pub(crate) fn tenants(&self) -> TenantServiceClient<Called> {
        TenantServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    pub(crate) fn profiles(&self) -> ProfileServiceClient<Called> {
        ProfileServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    pub(crate) fn tokens(&self) -> TokenServiceClient<Called> {
        TokenServiceClient::new(self.channel.clone())
    }

    pub(crate) fn signing_keys(&self) -> SigningKeyServiceClient<Called> {
        SigningKeyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<Called> {
        AuditServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    pub(crate) fn check(&self) -> CheckServiceClient<Called> {
        CheckServiceClient::new(self.channel.clone())
    }
}

/// A page of a thousand keys with all their metadata fits.
const LARGEST: usize = 64 * 1024 * 1024;

fn bearer(key: &str) -> Result<MetadataValue<Ascii>, Failure> {
    let bad = |_| Failure::Usage("the credential has characters that can't be sent".to_owned());
    let mut value: MetadataValue<Ascii> = format!("Bearer {key}").parse().map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A secret from a file, or from standard input where that is "-".
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Failure> {
    Ok(Secret(read_text(path)?.trim().to_owned()))
}

/// A password from a file, without the line's end: a blank is a character like any other.
pub(crate) fn read_password(path: &Path) -> Result<String, Failure> {
    Ok(read_text(path)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// A file's text, or standard input's where the path is "-".
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| Failure::Local(format!("{} can't be read: {error}", path.display())))
}
