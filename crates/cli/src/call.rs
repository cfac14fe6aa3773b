//! Connection to a running server, with the caller's credential.

mod diagnosis;
mod secret_files;
mod terminal;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use latchkey_client::{Connect, ConnectError, Credential};
use latchkey_proto::v1::audit_service_client::AuditServiceClient;
use latchkey_proto::v1::caller_service_client::CallerServiceClient;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;
use latchkey_proto::v1::shadow_service_client::ShadowServiceClient;
use latchkey_proto::v1::signing_key_service_client::SigningKeyServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_proto::v1::token_service_client::TokenServiceClient;
use latchkey_proto::v1::usage_service_client::UsageServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::args::{Globals, Secret};
use crate::exit::CliError;
pub(crate) use diagnosis::explained;
use secret_files::warn_if_shared;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for a call. A revocation waits for the lease of a replica that crashed or is cut off, which the settings
/// bound by ten minutes.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(11);
/// Longest time for a call that reads a few rows.
const SHORT_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest time for a call that reads all records of a table.
const LONG_TIMEOUT: Duration = Duration::from_hours(1);

impl Globals {
    /// Returns the caller's credential, from the command line or the environment.
    pub(crate) fn credential(&self) -> Result<Option<Secret>, CliError> {
        match (&self.api_key, &self.key_file) {
            (Some(_), Some(_)) => {
                Err(CliError::Usage("give --api-key or --key-file, and not both".to_owned()))
            }
            (Some(key), None) => Ok(Some(key.clone()).filter(|key| !key.0.is_empty())),
            (None, Some(path)) => match read_key(path)? {
                Secret(key) if key.is_empty() => Err(CliError::Usage(format!(
                    "the file {} of --key-file (LATCHKEY_API_KEY_FILE) is empty: write the key into it",
                    path.display()
                ))),
                key => Ok(Some(key)),
            },
            (None, None) => Ok(None),
        }
    }
}

/// Key of `--key-file -`. Standard input can be read once, and a command may need the key several times.
static KEY_OF_STANDARD_INPUT: OnceLock<Secret> = OnceLock::new();

/// Reads the key of `--key-file`.
fn read_key(path: &Path) -> Result<Secret, CliError> {
    if path.as_os_str() != "-" {
        return read_secret(path);
    }
    let key = KEY_OF_STANDARD_INPUT.get().cloned().map_or_else(|| read_secret(path), Ok)?;
    Ok(KEY_OF_STANDARD_INPUT.get_or_init(|| key).clone())
}

/// Connection to a server, with the caller's credential.
pub(crate) struct Server {
    channel: AuthenticatedChannel,
}

/// Channel to a server, with a credential on every call.
pub(crate) type AuthenticatedChannel = InterceptedService<Channel, Credential>;

impl Server {
    /// Connects as the command line and the environment specify.
    pub(crate) async fn of(globals: &Globals) -> Result<Self, CliError> {
        let timeout = if globals.is_short { SHORT_TIMEOUT } else { REQUEST_TIMEOUT };
        Self::with_timeout(globals, timeout).await
    }

    /// Connects with a longer timeout, for a call that may take long.
    pub(crate) async fn with_long_timeout(globals: &Globals) -> Result<Self, CliError> {
        Self::with_timeout(globals, LONG_TIMEOUT).await
    }

    async fn with_timeout(globals: &Globals, answer: Duration) -> Result<Self, CliError> {
        let credential = globals.credential()?;
        let mut options = Connect::to(&globals.server).timeouts(CONNECT_TIMEOUT, answer);
        if let Some(ca) = &globals.ca_file {
            options = options.ca(read_text(ca)?);
        }
        if let Some((cert, key)) = &globals.certificate {
            options = options.identity(read_text(cert)?, read_text(key)?);
            warn_if_shared(key);
        }
        Self::connect_with(&options, credential.as_ref()).await
    }

    /// Connects in plain text.
    pub(crate) async fn connect(address: &str, credential: Option<&Secret>) -> Result<Self, CliError> {
        Self::connect_with(&Connect::to(address), credential).await
    }

    async fn connect_with(options: &Connect, credential: Option<&Secret>) -> Result<Self, CliError> {
        let credential = credential.map(sendable).transpose()?.unwrap_or_default();
        let channel = match options.connect().await {
            Ok(channel) => channel,
            Err(ConnectError::Unreachable(server, cause)) => {
                return Err(CliError::Unreachable(diagnosis::of_failed_connect(&server, &cause).await));
            }
            Err(wrong) => return Err(CliError::Usage(wrong.to_string())),
        };
        Ok(Self { channel: InterceptedService::new(channel, credential) })
    }

    pub(crate) fn shadow(&self) -> ShadowServiceClient<AuthenticatedChannel> {
        ShadowServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn usage(&self) -> UsageServiceClient<AuthenticatedChannel> {
        UsageServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn keys(&self) -> KeyServiceClient<AuthenticatedChannel> {
        KeyServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn tenants(&self) -> TenantServiceClient<AuthenticatedChannel> {
        TenantServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn profiles(&self) -> ProfileServiceClient<AuthenticatedChannel> {
        ProfileServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn tokens(&self) -> TokenServiceClient<AuthenticatedChannel> {
        TokenServiceClient::new(self.channel.clone())
    }

    pub(crate) fn signing_keys(&self) -> SigningKeyServiceClient<AuthenticatedChannel> {
        SigningKeyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<AuthenticatedChannel> {
        AuditServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn callers(&self) -> CallerServiceClient<AuthenticatedChannel> {
        CallerServiceClient::new(self.channel.clone())
    }

    pub(crate) fn check(&self) -> CheckServiceClient<AuthenticatedChannel> {
        CheckServiceClient::new(self.channel.clone())
    }
}

/// Most bytes of a credential, by the rule of the server.
const LONGEST_CREDENTIAL: usize = 8 * 1024;

/// Returns the metadata of a credential. A value that is no credential is refused here, so that the error names the
/// reason.
fn sendable(key: &Secret) -> Result<Credential, CliError> {
    const WHERE: &str = "the credential to call with (LATCHKEY_API_KEY, --api-key, --key-file)";
    if starts_with_bearer(&key.0) {
        return Err(CliError::Usage(format!(
            "{WHERE} begins with the word Bearer: give the value after it alone"
        )));
    }
    if key.0.len() > LONGEST_CREDENTIAL {
        return Err(CliError::Usage(format!(
            "{WHERE} is longer than 8 KiB, as no credential is: name the right file"
        )));
    }
    let wrong = key.0.chars().position(|character| !character.is_ascii_graphic());
    if let Some(position) = wrong {
        return Err(CliError::Usage(format!(
            "{WHERE} has a space or another character at position {} that no credential has: give the value alone, on \
             one line",
            position + 1
        )));
    }
    Credential::bearer(&key.0).ok_or_else(|| CliError::Usage(format!("{WHERE} can't be sent")))
}

/// Returns whether a value begins with the scheme of a header, which is no part of the credential.
pub(crate) fn starts_with_bearer(value: &str) -> bool {
    value.split_once([' ', '\t', ':']).is_some_and(|(word, _)| word.eq_ignore_ascii_case("bearer"))
}

/// Maximum size of a response: a page of a thousand keys with all their metadata fits.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Reads a key or a token from a file, or from standard input if the path is "-". Warns about a file that others can read.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, CliError> {
    let text = read_hidden(path, "Key or token")?;
    warn_if_shared(path);
    Ok(Secret(text.trim().to_owned()))
}

/// Reads a password from a file, without the line end. Spaces are part of the password.
pub(crate) fn read_password(path: &Path) -> Result<String, CliError> {
    let text = read_hidden(path, "Password")?;
    warn_if_shared(path);
    Ok(without_line_end(&text))
}

/// Reads a password that is set, as [`read_password`] does. On a terminal it is asked for twice.
pub(crate) fn read_new_password(path: &Path) -> Result<String, CliError> {
    let password = read_password(path)?;
    if is_typed(path) && without_line_end(&read_hidden(path, "The same password again")?) != password {
        return Err(CliError::Usage("the two passwords differ, and nothing was changed".to_owned()));
    }
    Ok(password)
}

fn without_line_end(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).to_owned()
}

/// Reads the text of a file, or a line of the terminal, which does not show it, if the path is "-" and standard input is a
/// terminal.
pub(crate) fn read_hidden(path: &Path, question: &str) -> Result<String, CliError> {
    if !is_typed(path) {
        return read_text(path);
    }
    let typed = terminal::read_hidden(question);
    typed.map_err(|error| CliError::Usage(format!("the terminal can't be read: {error}")))
}

/// Returns whether a text is typed on a terminal.
fn is_typed(path: &Path) -> bool {
    path.as_os_str() == "-" && std::io::stdin().is_terminal()
}

/// Reads the text of a file, or of standard input if the path is "-". A file that can't be read, or that is not UTF-8, is
/// an error of the command line, which names it.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| CliError::Usage(format!("{} can't be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/revocation.md"));
    /// Longest value of `cache_lease` that the settings permit.
    const LONGEST_LEASE: Duration = Duration::from_mins(10);

    #[test]
    fn a_call_outlasts_every_wait_for_a_lease_and_the_page_says_for_how_long() {
        assert!(REQUEST_TIMEOUT > LONGEST_LEASE + LONGEST_LEASE / 64);
        let minutes = REQUEST_TIMEOUT.as_secs() / 60;
        assert!(
            PAGE.contains(&format!("The command line waits for {minutes} minutes")),
            "docs/revocation.md"
        );
        assert!(PAGE.contains("| 10 min (longest) |"), "docs/revocation.md");
    }
}
