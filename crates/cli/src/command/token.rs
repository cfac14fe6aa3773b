//! `latchkey jwt` and `latchkey signing-key`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_proto::v1::{self, issue_jwt_request::Grant};
use latchkey_server::OPERATOR_KEY_PREFIX;
use serde_json::{Value, json};

use super::confirm::confirm;
use crate::args::{Globals, IssueArgs, JwtCommand, SigningKeyCommand};
use crate::call::{Server, read_password, read_secret};
use crate::exit::CliError;
use crate::output::{Format, refuse_closed_output, sanitize, show, show_once, show_value};

pub(super) async fn jwt(globals: &Globals, command: JwtCommand) -> Result<(), CliError> {
    let format = globals.output;
    match command {
        JwtCommand::Issue(args) => {
            refuse_closed_output()?;
            let ask = issue(globals, args)?;
            let made = Server::of(globals).await?.tokens().issue_jwt(ask).await?.into_inner();
            show_once(Some(format), &made, &made.access_token, || {
                "the token is lost: issue another one".to_owned()
            })
        }
        JwtCommand::Refresh { token_file, tenant, scopes } => {
            refuse_closed_output()?;
            let ask = v1::RefreshJwtRequest { refresh_token: read_secret(&token_file)?.0, tenant, scopes };
            let made = Server::of(globals).await?.tokens().refresh_jwt(ask).await?.into_inner();
            show_once(Some(format), &made, &made.access_token, || {
                "the new tokens are lost, and the refresh token is used up: issue another one".to_owned()
            })
        }
        JwtCommand::Revoke { token_file } => {
            let ask = v1::RevokeJwtRequest { token: read_secret(&token_file)?.0 };
            show(format, Server::of(globals).await?.tokens().revoke_jwt(ask).await?.get_ref())
        }
        JwtCommand::Inspect { token_file } => inspect(format, &read_secret(&token_file)?.0),
    }
}

fn issue(globals: &Globals, args: IssueArgs) -> Result<v1::IssueJwtRequest, CliError> {
    let grant = match args.email {
        Some(email) => {
            Grant::Password(v1::PasswordGrant { email, password: read_password(&args.password_file)? })
        }
        None => match globals.credential()? {
            Some(key) if key.0.starts_with(OPERATOR_KEY_PREFIX) => {
                return Err(CliError::Usage(format!(
                    "a key that begins with {OPERATOR_KEY_PREFIX} is an operator's, to which no tokens are issued: give a \
                     tenant's key (--api-key, --key-file, LATCHKEY_API_KEY), or --email"
                )));
            }
            Some(key) => Grant::ApiKey(key.0),
            None => {
                let text = "a key is needed (LATCHKEY_API_KEY, --api-key, --key-file), or --email";
                return Err(CliError::Usage(text.to_owned()));
            }
        },
    };
    let tenant = args.tenant.unwrap_or_default();
    Ok(v1::IssueJwtRequest {
        grant: Some(grant),
        tenant,
        scopes: args.scopes,
        audience: args.audience,
        ttl: args.ttl,
    })
}

/// Prints the header and the claims of a JWT, which is not verified.
fn inspect(format: Format, token: &str) -> Result<(), CliError> {
    let no_token = || CliError::Usage("this is not a JWT, which has three parts in base64url".to_owned());
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, _signature] = parts[..] else { return Err(no_token()) };
    let read = |part: &str| {
        let text = URL_SAFE_NO_PAD.decode(part).map_err(|_| no_token())?;
        serde_json::from_slice::<Value>(&text).map_err(|_| no_token())
    };
    let (header, claims) = (read(head)?, read(body)?);
    let lines = || format!("{header:#}\n{claims:#}").lines().map(sanitize).collect::<Vec<_>>().join("\n");
    show_value(format, &json!({ "header": header, "claims": claims }), lines)
}

pub(super) async fn signing_key(globals: &Globals, command: SigningKeyCommand) -> Result<(), CliError> {
    if let SigningKeyCommand::Withdraw { id, yes } = &command {
        confirm(
            *yes,
            &format!("The withdrawal of the signing key {id}, which ends every JWT that it signed,"),
        )?;
    }
    let mut keys = Server::of(globals).await?.signing_keys();
    let answer = match command {
        SigningKeyCommand::List => keys.list_signing_keys(v1::ListSigningKeysRequest {}).await?,
        SigningKeyCommand::Rotate { profile, lead } => {
            keys.rotate_signing_key(v1::RotateSigningKeyRequest { profile, lead }).await?
        }
        SigningKeyCommand::Withdraw { id, yes: _ } => {
            keys.withdraw_signing_key(v1::WithdrawSigningKeyRequest { id }).await?
        }
    };
    show(globals.output, answer.get_ref())
}
