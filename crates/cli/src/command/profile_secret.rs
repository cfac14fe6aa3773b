//! `latchkey profile secret`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_client::ProfileServiceClient;

use super::confirm::confirm;
use crate::args::{Globals, ProfileSecretCommand, SecretEncoding, hexadecimal};
use crate::call::{AuthenticatedChannel, Server, read_hidden};
use crate::exit::CliError;
use crate::output::{Format, print, show};

pub(super) async fn run(globals: &Globals, command: ProfileSecretCommand) -> Result<(), CliError> {
    match command {
        ProfileSecretCommand::List { profile } => {
            let request = v1::ListProfileSecretsRequest { profile };
            let mut profiles = Server::of(globals).await?.profiles();
            show(globals.output, profiles.list_profile_secrets(request).await?.get_ref())
        }
        ProfileSecretCommand::Set { profile, name, file, encoding, yes } => {
            // The file is read before the server is called.
            let secret = decode(&read_hidden(&file, "Secret")?, encoding)?;
            let mut profiles = Server::of(globals).await?.profiles();
            if !yes && is_set(&mut profiles, &profile, &name).await? {
                confirm(
                    false,
                    &format!(
                        "The replacement of the secret {name} of the profile {profile}, which stops every key that was \
                         imported with HMAC by the present secret,"
                    ),
                )?;
            }
            let request = v1::SetProfileSecretRequest { profile, name, secret };
            show(globals.output, profiles.set_profile_secret(request).await?.get_ref())
        }
        ProfileSecretCommand::Delete { profile, name, yes } => {
            confirm(
                yes,
                &format!(
                    "The deletion of the secret {name} of the profile {profile}, which stops every key that was imported \
                     with HMAC by it,"
                ),
            )?;
            let request = v1::DeleteProfileSecretRequest { profile, name };
            let mut profiles = Server::of(globals).await?.profiles();
            profiles.delete_profile_secret(request).await?;
            match globals.output {
                Format::Json => print("{}"),
                Format::Text => Ok(()),
            }
        }
    }
}

/// Returns whether a profile's secret of this name is set.
async fn is_set(
    profiles: &mut ProfileServiceClient<AuthenticatedChannel>,
    profile: &str,
    name: &str,
) -> Result<bool, CliError> {
    let request = v1::ListProfileSecretsRequest { profile: profile.to_owned() };
    let secrets = profiles.list_profile_secrets(request).await?.into_inner().secrets;
    Ok(secrets.iter().any(|secret| secret.profile == profile && secret.name == name))
}

/// Returns the bytes of a secret in a file. Line ends after it are not part of it.
fn decode(text: &str, encoding: SecretEncoding) -> Result<Vec<u8>, CliError> {
    let text = text.trim_end_matches(['\r', '\n']);
    let wrong = |form: &str| CliError::Usage(format!("the secret in the file is not {form}"));
    match encoding {
        SecretEncoding::Text => Ok(text.as_bytes().to_vec()),
        SecretEncoding::Base64 => STANDARD.decode(text.trim()).map_err(|_| wrong("base64")),
        SecretEncoding::Hex => hexadecimal(text.trim()).ok_or_else(|| wrong("hexadecimal digits")),
    }
}
