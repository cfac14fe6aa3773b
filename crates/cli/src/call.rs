//! Calls a running server: where it is, and who calls.

use std::path::Path;
use std::time::Duration;

use latchkey_client::{BadConnection, Connect, Credential};
use latchkey_proto::v1::audit_service_client::AuditServiceClient;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;
use latchkey_proto::v1::shadow_service_client::ShadowServiceClient;
use latchkey_proto::v1::signing_key_service_client::SigningKeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

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

/// A server, and who calls it.
pub(crate) struct Server {
    channel: Called,
}

/// How a server is called: with a credential on every call.
pub(crate) type Called = InterceptedService<Channel, Credential>;

impl Server {
    /// Connects with what the command line and the environment say.
    pub(crate) async fn of(globals: &Globals) -> Result<Self, Failure> {
        Self::waiting(globals, ANSWER).await
    }

    /// The same, for a call that may take long.
    pub(crate) async fn patient(globals: &Globals) -> Result<Self, Failure> {
        Self::waiting(globals, PATIENCE).await
    }

    async fn waiting(globals: &Globals, answer: Duration) -> Result<Self, Failure> {
        let credential = globals.credential()?;
        let mut way = Connect::to(&globals.server).patience(CONNECT, answer);
        if let Some(ca) = &globals.ca_file {
            way = way.ca(read_text(ca)?);
        }
        if let Some((cert, key)) = &globals.certificate {
            way = way.identity(read_text(cert)?, read_text(key)?);
        }
        Self::over(&way, credential.as_ref()).await
    }

    /// Connects in plain text.
    pub(crate) async fn connect(address: &str, credential: Option<&Secret>) -> Result<Self, Failure> {
        Self::over(&Connect::to(address), credential).await
    }

    async fn over(way: &Connect, credential: Option<&Secret>) -> Result<Self, Failure> {
        let unsendable = || Failure::Usage("the credential has characters that can't be sent".to_owned());
        let credential = match credential {
            Some(key) => Credential::bearer(&key.0).ok_or_else(unsendable)?,
            None => Credential::default(),
        };
        let channel = way.connected().await.map_err(|bad| match bad {
            BadConnection::Away(..) => Failure::Unreachable(format!(
                "{bad}: start one with `latchkey serve`, or name it with --server (LATCHKEY_SERVER)"
            )),
            _ => Failure::Usage(bad.to_string()),
        })?;
        Ok(Self { channel: InterceptedService::new(channel, credential) })
    }

    pub(crate) fn shadow(&self) -> ShadowServiceClient<Called> {
        ShadowServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
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
