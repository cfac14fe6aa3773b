//! `latchkey operator` and `latchkey whoami`: operators' keys, and the caller itself.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use latchkey_proto::v1::{self, create_key_request::Expiry};

use super::key::id_of;
use super::list::{key_state, print_next_page};
use crate::args::{CreateOperatorArgs, Globals, OperatorCommand};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::{Format, note, operator_table, print, refuse_closed_output, show, show_once};

/// Tenant that operators' keys belong to.
const OPERATORS: &str = "latchkey";

pub(super) async fn run(globals: &Globals, command: OperatorCommand) -> Result<(), CliError> {
    match command {
        OperatorCommand::Create(args) => create(globals, args).await,
        OperatorCommand::List { state, page } => {
            let ask = v1::ListKeysRequest {
                tenant: OPERATORS.to_owned(),
                state: key_state(state).into(),
                page_size: page.page_size,
                page_token: page.page_token,
                ..v1::ListKeysRequest::default()
            };
            let list = Server::of(globals).await?.keys().list_keys(ask).await?.into_inner();
            match globals.output {
                Format::Json => show(globals.output, &list)?,
                Format::Text => print(&operator_table(&list.keys))?,
            }
            print_next_page(&list.next_page_token);
            Ok(())
        }
        OperatorCommand::Revoke { id, reason } => {
            let server = Server::of(globals).await?;
            let key = server.keys().get_key(v1::GetKeyRequest { id: id.clone() }).await?.into_inner();
            let operators = v1::GetTenantRequest { tenant: OPERATORS.to_owned() };
            if key.tenant_id != server.tenants().get_tenant(operators).await?.into_inner().id {
                return Err(CliError::Usage(format!(
                    "{id} is a key of the tenant {}, and no operator's: revoke it with `latchkey key revoke {id}`",
                    key.tenant_id
                )));
            }
            show(
                globals.output,
                server.keys().revoke_key(v1::RevokeKeyRequest { id, reason }).await?.get_ref(),
            )
        }
    }
}

/// Prints who the caller is.
pub(super) async fn whoami(globals: &Globals) -> Result<(), CliError> {
    let who = Server::of(globals).await?.callers().who_am_i(v1::WhoAmIRequest {}).await?;
    show(globals.output, who.get_ref())
}

/// Creates a key. Where its value goes is decided, and a file for it is made, before the key is created.
async fn create(globals: &Globals, args: CreateOperatorArgs) -> Result<(), CliError> {
    let (globals, file) = destination(globals, args.secret_file.as_deref());
    if file.is_none() && !args.secret_only && !args.show_secret && !std::io::stdout().is_terminal() {
        return Err(CliError::Usage(
            "the output is not a terminal, and the key's value would be kept where it goes: write it to a file with \
             --secret-file FILE, or print it with --secret-only or --show-secret"
                .to_owned(),
        ));
    }
    if file.is_none() {
        refuse_closed_output()?;
    }
    let server = Server::of(&globals).await?;
    let file = file.map(SecretFile::create).transpose()?;
    let ask = v1::CreateKeyRequest {
        tenant: OPERATORS.to_owned(),
        name: args.name,
        scopes: vec![args.role.scope().to_owned()],
        expiry: args.expires.map(Expiry::ExpireTime).or(args.ttl.map(Expiry::Ttl)),
        allowed_networks: args.networks,
        ..v1::CreateKeyRequest::default()
    };
    let made = match server.keys().create_key(ask).await {
        Ok(made) => made.into_inner(),
        Err(status) => {
            if let Some(file) = file {
                file.remove();
            }
            return Err(status.into());
        }
    };
    if let Some(file) = file {
        let path = file.write(&made)?;
        note(&format!("The key's value is in {}, which only its owner can read.", path.display()));
        return show(globals.output, &made.key.unwrap_or_default());
    }
    let shown = (!args.secret_only).then_some(globals.output);
    show_once(shown, &made, &made.secret, || {
        let id = id_of(made.key.as_ref());
        format!("revoke the key {id}, whose value is lost: `latchkey operator revoke {id}`")
    })
}

/// Returns the file for the value, and the options to call with. A credential file that does not exist is the file for
/// the value: a file to read a credential from would have to exist.
fn destination(globals: &Globals, named: Option<&Path>) -> (Globals, Option<PathBuf>) {
    let mut globals = globals.clone();
    let absent = globals.key_file.clone().filter(|path| path.as_os_str() != "-" && !path.exists());
    match (named, absent) {
        (Some(path), _) => (globals, Some(path.to_owned())),
        (None, Some(path)) => {
            globals.key_file = None;
            if globals.api_key.is_none() {
                (globals.api_key, globals.key_file) = globals.of_environment.clone();
            }
            (globals, Some(path))
        }
        (None, None) => (globals, None),
    }
}

/// New file for a key's value.
struct SecretFile {
    path: PathBuf,
    file: fs::File,
}

impl SecretFile {
    /// Creates the file with mode 0600. Fails if it exists: its content would be lost, and others may hold it open.
    fn create(path: PathBuf) -> Result<Self, CliError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(CliError::Local(format!(
                "the file {} for the key's value can't be made: {error}; no key was created",
                path.display()
            ))),
        }
    }

    /// Writes the value. If that fails, the error names the key, whose value is then lost.
    fn write(mut self, made: &v1::CreateKeyResponse) -> Result<PathBuf, CliError> {
        let written = self.file.write_all(format!("{}\n", made.secret).as_bytes());
        written.and_then(|()| self.file.sync_all()).map_err(|error| {
            let id = made.key.as_ref().map(|key| key.id.clone()).unwrap_or_default();
            CliError::Local(format!(
                "the key's value can't be written to {}: {error}; revoke the key, whose value is lost: \
                 `latchkey operator revoke {id}`",
                self.path.display()
            ))
        })?;
        Ok(self.path)
    }

    /// Removes the file after a call that created no key.
    fn remove(self) {
        drop(fs::remove_file(self.path));
    }
}
