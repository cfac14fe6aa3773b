//! `latchkey profile secret`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_proto::v1;

use crate::args::{Globals, ProfileSecretCommand, SecretEncoding, hexadecimal};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::{Format, print, show};

pub(super) async fn run(globals: &Globals, command: ProfileSecretCommand) -> Result<(), CliError> {
    match command {
        ProfileSecretCommand::List { profile } => {
            let request = v1::ListProfileSecretsRequest { profile };
            let mut profiles = Server::of(globals).await?.profiles();
            show(globals.output, profiles.list_profile_secrets(request).await?.get_ref())
        }
        ProfileSecretCommand::Set { profile, name, file, encoding } => {
            // The file is read before the server is called.
            let secret = decode(&read_text(&file)?, encoding)?;
            let request = v1::SetProfileSecretRequest { profile, name, secret };
            let mut profiles = Server::of(globals).await?.profiles();
            show(globals.output, profiles.set_profile_secret(request).await?.get_ref())
        }
        ProfileSecretCommand::Delete { profile, name } => {
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
