//! `latchkey key list`, `tenant list` and `user list`.

use latchkey_proto::v1::key_service_client::KeyServiceClient;
use latchkey_proto::v1::{self, KeyState};

use super::key::existing;
use crate::args::{
    Globals, ListKeysArgs, ListTenantsArgs, ListUsersArgs, PageArgs, State, TenantState, UserState,
};
use crate::call::{AuthenticatedChannel, Server};
use crate::exit::CliError;
use crate::output::{Format, key_table, note, print, show, successor};

/// Prints how to get the next page, if there is one.
pub(super) fn print_next_page(token: &str) {
    if !token.is_empty() {
        note(&format!("There are more: --page-token {}", crate::output::sanitize(token)));
    }
}

/// Reads pages until the requested number of entries is reached, since the server can end a page early.
pub(super) async fn read_page<T>(
    page: PageArgs,
    mut call: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), CliError>,
) -> Result<(Vec<T>, String), CliError> {
    let PageArgs { mut page_size, page_token } = page;
    let (mut all, mut token) = call(page_size, page_token).await?;
    page_size = if page_size == 0 { 100 } else { page_size };
    loop {
        let found = i32::try_from(all.len()).unwrap_or(i32::MAX);
        if token.is_empty() || found >= page_size {
            return Ok((all, token));
        }
        let (more, next) = call(page_size - found, token).await?;
        all.extend(more);
        token = next;
    }
}

pub(super) async fn keys(globals: &Globals, args: ListKeysArgs) -> Result<(), CliError> {
    let mut service = Server::of(globals).await?.keys();
    let (page, all_tenants) = (args.page.clone(), args.all_tenants);
    let ask = key_request(args);
    let (keys, next_page_token) = read_page(page, async |page_size, page_token| {
        let list = service.list_keys(v1::ListKeysRequest { page_size, page_token, ..ask.clone() });
        let list = list.await?.into_inner();
        Ok((list.keys, list.next_page_token))
    })
    .await?;
    let list = v1::ListKeysResponse { keys, next_page_token };
    match globals.output {
        Format::Json => show(globals.output, &list)?,
        Format::Text => {
            print(&key_table(&list.keys, &successors(&mut service, &list.keys).await?, all_tenants))?;
        }
    }
    print_next_page(&list.next_page_token);
    Ok(())
}

/// Returns the successors of the keys in a list that are not in it themselves.
async fn successors(
    keys: &mut KeyServiceClient<AuthenticatedChannel>,
    list: &[v1::Key],
) -> Result<Vec<v1::Key>, CliError> {
    let mut found = Vec::new();
    for id in list.iter().filter_map(successor).filter(|id| list.iter().all(|key| key.id != *id)) {
        found.extend(existing(keys, id).await?);
    }
    Ok(found)
}

/// Returns the state in the API; unspecified for keys in any state.
pub(super) fn key_state(state: Option<State>) -> KeyState {
    match state {
        None => KeyState::Unspecified,
        Some(State::Active) => KeyState::Active,
        Some(State::Expired) => KeyState::Expired,
        Some(State::Revoked) => KeyState::Revoked,
        Some(State::Disabled) => KeyState::Disabled,
    }
}

fn key_request(args: ListKeysArgs) -> v1::ListKeysRequest {
    let state = |state: &State| i32::from(key_state(Some(*state)));
    v1::ListKeysRequest {
        tenant: args.tenant,
        all_tenants: args.all_tenants,
        kind: args.kind,
        environment: args.environment,
        states: args.states.iter().map(state).collect(),
        bindings: args.bindings.into_iter().collect(),
        name_contains: args.name_contains,
        hint: args.hint,
        created_by: args.created_by,
        last_used_after: args.last_used_after,
        last_used_before: args.last_used_before,
        never_used: args.never_used,
        expires_after: args.expires_after,
        expires_before: args.expires_before,
        never_expires: args.never_expires,
        created_after: args.created.after,
        created_before: args.created.before,
        scopes: args.scopes,
        order_by: args.order_by,
        ..v1::ListKeysRequest::default()
    }
}

pub(super) async fn tenants(globals: &Globals, args: ListTenantsArgs) -> Result<(), CliError> {
    let mut service = Server::of(globals).await?.tenants();
    let state = match args.state {
        None => v1::TenantState::Unspecified,
        Some(TenantState::Active) => v1::TenantState::Active,
        Some(TenantState::Suspended) => v1::TenantState::Suspended,
    };
    let ask = v1::ListTenantsRequest {
        name_contains: args.name_contains,
        state: state.into(),
        profile: args.profile,
        plan: args.plan,
        created_after: args.created.after,
        created_before: args.created.before,
        order_by: args.order_by,
        ..v1::ListTenantsRequest::default()
    };
    let (tenants, next_page_token) = read_page(args.page, async |page_size, page_token| {
        let list = service.list_tenants(v1::ListTenantsRequest { page_size, page_token, ..ask.clone() });
        let list = list.await?.into_inner();
        Ok((list.tenants, list.next_page_token))
    })
    .await?;
    let list = v1::ListTenantsResponse { tenants, next_page_token };
    show(globals.output, &list)?;
    print_next_page(&list.next_page_token);
    Ok(())
}

pub(super) async fn users(globals: &Globals, args: ListUsersArgs) -> Result<(), CliError> {
    let mut service = Server::of(globals).await?.tenants();
    let state = match args.state {
        None => v1::UserState::Unspecified,
        Some(UserState::Active) => v1::UserState::Active,
        Some(UserState::Disabled) => v1::UserState::Disabled,
    };
    let ask = v1::ListUsersRequest {
        tenant: args.tenant,
        all_tenants: args.all_tenants,
        email_contains: args.email_contains,
        role: args.role,
        environment: args.environment,
        state: state.into(),
        created_after: args.created.after,
        created_before: args.created.before,
        order_by: args.order_by,
        ..v1::ListUsersRequest::default()
    };
    let (users, next_page_token) = read_page(args.page, async |page_size, page_token| {
        let list = service.list_users(v1::ListUsersRequest { page_size, page_token, ..ask.clone() });
        let list = list.await?.into_inner();
        Ok((list.users, list.next_page_token))
    })
    .await?;
    let list = v1::ListUsersResponse { users, next_page_token };
    show(globals.output, &list)?;
    print_next_page(&list.next_page_token);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pages of a fake server that returns these. Returns the items, the next token, and the requests.
    async fn read(size: i32, pages: &[(&[u8], &str)]) -> (Vec<u8>, String, Vec<(i32, String)>) {
        let (mut left, mut asked) = (pages.iter(), Vec::new());
        let page = PageArgs { page_size: size, page_token: "start".to_owned() };
        let read = read_page(page, async |size, token| {
            asked.push((size, token));
            let (items, next) = left.next().unwrap();
            Ok((items.to_vec(), (*next).to_owned()))
        });
        let (items, token) = read.await.unwrap_or_else(|_| panic!("no call fails"));
        (items, token, asked)
    }

    #[tokio::test]
    async fn a_page_that_the_server_ends_early_is_completed() {
        let (items, token, asked) = read(3, &[(&[1], "a"), (&[], "b"), (&[2, 3], "c")]).await;
        assert_eq!((items, token.as_str()), (vec![1, 2, 3], "c"));
        assert_eq!(asked, [(3, "start".to_owned()), (2, "a".to_owned()), (2, "b".to_owned())]);
        let (items, token, _) = read(3, &[(&[1], "a"), (&[2], "")]).await;
        assert_eq!((items, token.as_str()), (vec![1, 2], ""));
        assert_eq!(read(1, &[(&[1], "a")]).await.1, "a");
    }
}
