//! `latchkey key revoke` and `latchkey key disable`, for one key or many.

use latchkey_proto::v1;
use latchkey_proto::v1::key_service_client::KeyServiceClient;

use super::confirm::{confirm, confirm_effect};
use super::list::key_state;
use crate::args::{DisableKeysArgs, RevokeKeysArgs, SelectionArgs};
use crate::call::AuthenticatedChannel;
use crate::exit::CliError;
use crate::output::{Format, pluralize, show};

type Keys = KeyServiceClient<AuthenticatedChannel>;

pub(super) async fn revoke(format: Format, keys: &mut Keys, args: RevokeKeysArgs) -> Result<(), CliError> {
    let RevokeKeysArgs { selection, reason, yes } = args;
    if let ([id], false, false) = (&*selection.ids, selection.all, selection.dry_run) {
        let ask = v1::RevokeKeyRequest { id: id.clone(), reason };
        return show(format, keys.revoke_key(ask).await?.get_ref());
    }
    let (all, dry_run) = (selection.all, selection.dry_run);
    let ask = v1::RevokeKeysRequest {
        dry_run,
        filter: selection.all.then(|| filter(&selection)),
        ids: selection.ids,
        reason,
    };
    if all && !dry_run && !yes {
        let count = v1::RevokeKeysRequest { dry_run: true, ..ask.clone() };
        let count = keys.revoke_keys(count).await?.into_inner().revoked;
        confirm(false, &format!("The revocation of {}", number_of_keys(count)))?;
    }
    show(format, keys.revoke_keys(ask).await?.get_ref())
}

pub(super) async fn disable(format: Format, keys: &mut Keys, args: DisableKeysArgs) -> Result<(), CliError> {
    let DisableKeysArgs { selection, yes } = args;
    let (all, dry_run) = (selection.all, selection.dry_run);
    let ask = v1::DisableKeysRequest {
        dry_run,
        filter: selection.all.then(|| filter(&selection)),
        ids: selection.ids,
    };
    if all && !dry_run && !yes {
        let count = v1::DisableKeysRequest { dry_run: true, ..ask.clone() };
        let count = number_of_keys(keys.disable_keys(count).await?.into_inner().disabled);
        confirm_effect(
            false,
            &format!("{count} will be disabled until each is enabled by `latchkey key update ID --enable`"),
        )?;
    }
    show(format, keys.disable_keys(ask).await?.get_ref())
}

/// Returns a number of keys with its noun.
fn number_of_keys(count: u64) -> String {
    pluralize(usize::try_from(count).unwrap_or(usize::MAX), "key")
}

fn filter(args: &SelectionArgs) -> v1::KeysFilter {
    v1::KeysFilter {
        tenant: args.tenant.clone(),
        kind: args.kind.clone(),
        environment: args.environment.clone(),
        state: key_state(args.state).into(),
        bindings: args.bindings.iter().cloned().collect(),
        created_by: args.created_by.clone(),
        unused_since: args.unused_since,
    }
}
