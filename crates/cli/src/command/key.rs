//! `latchkey key`.

use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::{self, create_key_request::Expiry};

use super::bulk;
use super::confirm::{confirm, confirm_effect};
use super::key_import;
use super::list;
use super::tenant::mask;
use crate::args::{ClearField, CreateKeyArgs, Globals, KeyCommand, RotateKeyArgs, UpdateKeyArgs};
use crate::call::{AuthenticatedChannel, Server};
use crate::exit::CliError;
use crate::output::{Format, print, refuse_closed_output, replaces, sanitize, show, show_once, still_in_use};

pub(super) async fn run(globals: &Globals, command: KeyCommand) -> Result<(), CliError> {
    let format = globals.output;
    // Arguments are read before the server is called.
    let command = match command {
        KeyCommand::Import(args) => return key_import::run(globals, args).await,
        KeyCommand::List(args) => return list::keys(globals, *args).await,
        other => other,
    };
    prepare(&command)?;
    let mut keys = Server::of(globals).await?.keys();
    match command {
        KeyCommand::Create(args) => {
            let shown = (!args.secret_only).then_some(format);
            let made = keys.create_key(creation(*args)).await?.into_inner();
            show_once(shown, &made, &made.secret, || {
                let id = id_of(made.key.as_ref());
                format!("revoke the key {id}, whose value is lost: `latchkey key revoke {id}`")
            })
        }
        KeyCommand::Get { id } => {
            let key = keys.get_key(v1::GetKeyRequest { id }).await?.into_inner();
            show(format, &key)?;
            if format == Format::Text { relatives(&mut keys, &key).await } else { Ok(()) }
        }
        KeyCommand::Usage { id, since, until, minutes } => {
            let recent_minutes = minutes.unwrap_or_default();
            let ask = v1::GetKeyUsageRequest { id, start_time: since, end_time: until, recent_minutes };
            show(format, keys.get_key_usage(ask).await?.get_ref())
        }
        KeyCommand::Update(args) => show(format, keys.update_key(update(*args)).await?.get_ref()),
        KeyCommand::Rotate(args) => {
            let shown = (!args.secret_only).then_some(format);
            let made = keys.rotate_key(rotation(args)).await?.into_inner();
            show_once(shown, &made, &made.secret, || {
                let id = id_of(made.key.as_ref());
                format!(
                    "the successor is {id}, whose value is lost: rotate it (`latchkey key rotate {id}`) or revoke it \
                     (`latchkey key revoke {id}`)"
                )
            })
        }
        KeyCommand::Revoke(args) => bulk::revoke(format, &mut keys, args).await,
        KeyCommand::Disable(args) => bulk::disable(format, &mut keys, args).await,
        KeyCommand::Delete { id, force, yes } => {
            confirm(yes, &format!("The deletion of the key {id}"))?;
            show(format, keys.delete_key(v1::DeleteKeyRequest { id, force }).await?.get_ref())
        }
        KeyCommand::Publishable { tenant, environment, kind, bindings } => {
            let bindings = bindings.into_iter().collect();
            let ask = v1::GetPublishableKeyRequest { tenant, environment, kind, bindings };
            show(format, keys.get_publishable_key(ask).await?.get_ref())
        }
        KeyCommand::Import(args) => key_import::run(globals, args).await,
        KeyCommand::List(args) => list::keys(globals, *args).await,
    }
}

/// Checks what can be checked without the server, and asks before a rotation without an overlap.
fn prepare(command: &KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(_) => refuse_closed_output(),
        KeyCommand::Update(args) => refuse_contradiction(args),
        KeyCommand::Rotate(args) => {
            refuse_closed_output()?;
            confirm_rotation(args)
        }
        _ => Ok(()),
    }
}

/// Returns the id of a new key.
pub(super) fn id_of(key: Option<&v1::Key>) -> String {
    key.map(|key| sanitize(&key.id)).unwrap_or_default()
}

/// Prints whether the old key of a rotation is still in use; `key` is either of the two keys. The other one may have
/// been deleted.
async fn relatives(keys: &mut KeyServiceClient<AuthenticatedChannel>, key: &v1::Key) -> Result<(), CliError> {
    if let Some(next) = existing(keys, &key.rotated_to).await? {
        print(&format!("\n{}", still_in_use(key, &next)))?;
    }
    if let Some(old) = existing(keys, &key.rotated_from).await? {
        print(&format!("\n{}", replaces(key, &old)))?;
    }
    Ok(())
}

/// Returns the key with this id; `None` if the id is empty or the key was deleted.
pub(super) async fn existing(
    keys: &mut KeyServiceClient<AuthenticatedChannel>,
    id: &str,
) -> Result<Option<v1::Key>, CliError> {
    if id.is_empty() {
        return Ok(None);
    }
    match keys.get_key(v1::GetKeyRequest { id: id.to_owned() }).await {
        Ok(key) => Ok(Some(key.into_inner())),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn creation(args: CreateKeyArgs) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        tenant: args.tenant,
        name: args.name,
        kind: args.kind,
        environment: args.environment,
        scopes: args.scopes,
        all_scopes: args.all_scopes,
        bindings: args.bindings.into_iter().collect(),
        expiry: args.expires.map(Expiry::ExpireTime).or(args.ttl.map(Expiry::Ttl)),
        allowed_networks: args.networks,
        rate_limits: args.rate_limits.into_iter().collect(),
        metadata: args.metadata.into_iter().collect(),
        idempotency_key: args.idempotency_key,
    }
}

/// Asks before a rotation without an overlap, which ends the old value at once.
fn confirm_rotation(args: &RotateKeyArgs) -> Result<(), CliError> {
    if args.overlap.seconds > 0 || args.overlap.nanos > 0 {
        return Ok(());
    }
    let effect = format!(
        "The value of the key {} stops working at once, because --overlap is 0s (--overlap 24h would keep it for a day)",
        args.id
    );
    confirm_effect(args.yes, &effect)
}

fn rotation(args: RotateKeyArgs) -> v1::RotateKeyRequest {
    use v1::rotate_key_request::Expiry;
    let RotateKeyArgs { id, overlap, expires, ttl, secret_only: _, yes: _ } = args;
    let expiry = expires.map(Expiry::ExpireTime).or(ttl.map(Expiry::Ttl));
    v1::RotateKeyRequest { id, overlap: Some(overlap), expiry }
}

/// Refuses a change that sets a field and clears it, since one of the two would be ignored.
fn refuse_contradiction(args: &UpdateKeyArgs) -> Result<(), CliError> {
    match args.change.contradiction() {
        Some((flag, field)) => Err(CliError::Usage(format!(
            "{flag} and --clear {field} contradict each other: give one of them"
        ))),
        None => Ok(()),
    }
}

fn update(args: UpdateKeyArgs) -> v1::UpdateKeyRequest {
    let change = args.change;
    let cleared = |what| change.clear.contains(&what);
    let paths = [
        ("name", change.name.is_some()),
        ("scopes", !change.scopes.is_empty() || cleared(ClearField::Scopes)),
        ("allowed_networks", !change.networks.is_empty() || cleared(ClearField::Networks)),
        ("rate_limits", !change.rate_limits.is_empty() || cleared(ClearField::RateLimits)),
        ("metadata", !change.metadata.is_empty() || cleared(ClearField::Metadata)),
        ("expire_time", change.expires.is_some() || cleared(ClearField::Expires)),
        ("disabled", change.disable || change.enable),
    ];
    let key = v1::Key {
        id: args.id,
        name: change.name.unwrap_or_default(),
        scopes: change.scopes,
        allowed_networks: change.networks,
        rate_limits: change.rate_limits.into_iter().collect(),
        metadata: change.metadata.into_iter().collect(),
        expire_time: change.expires,
        disabled: change.disable,
        ..v1::Key::default()
    };
    v1::UpdateKeyRequest { key: Some(key), update_mask: Some(mask(&paths)) }
}
