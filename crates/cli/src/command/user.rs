//! `latchkey user`.

use latchkey_proto::v1;

use super::confirm::confirm;
use super::list;
use super::tenant::mask;
use crate::args::{Globals, UpdateUserArgs, UserCommand};
use crate::call::{Server, read_new_password};
use crate::exit::CliError;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: UserCommand) -> Result<(), CliError> {
    let format = globals.output;
    match command {
        UserCommand::Create { email, role, tenant, password_file, bindings, environment } => {
            let password = read_new_password(&password_file)?;
            let bindings = bindings.into_iter().collect();
            let ask = v1::CreateUserRequest { tenant, email, password, role, bindings, environment };
            show(format, Server::of(globals).await?.tenants().create_user(ask).await?.get_ref())
        }
        UserCommand::Update(args) => {
            let ask = update(args);
            show(format, Server::of(globals).await?.tenants().update_user(ask).await?.get_ref())
        }
        UserCommand::List(args) => list::users(globals, *args).await,
        UserCommand::SetPassword { id, password_file } => {
            let ask = v1::SetUserPasswordRequest { id, password: read_new_password(&password_file)? };
            show(format, Server::of(globals).await?.tenants().set_user_password(ask).await?.get_ref())
        }
        UserCommand::Delete { id, yes } => {
            confirm(yes, &format!("The deletion of the user {id}"))?;
            let ask = v1::DeleteUserRequest { id };
            show(format, Server::of(globals).await?.tenants().delete_user(ask).await?.get_ref())
        }
        UserCommand::Disable { id } => {
            let ask = v1::DisableUserRequest { id };
            show(format, Server::of(globals).await?.tenants().disable_user(ask).await?.get_ref())
        }
    }
}

fn update(args: UpdateUserArgs) -> v1::UpdateUserRequest {
    let change = args.change;
    let bindings = change.no_bindings || !change.bindings.is_empty();
    let paths = [
        ("role", change.role.is_some()),
        ("bindings", bindings),
        ("environment", change.environment.is_some()),
        ("disabled", change.disabled.is_some()),
    ];
    let user = v1::User {
        id: args.id,
        role: change.role.unwrap_or_default(),
        bindings: change.bindings.into_iter().collect(),
        environment: change.environment.unwrap_or_default(),
        disabled: change.disabled.unwrap_or_default(),
        ..v1::User::default()
    };
    v1::UpdateUserRequest { user: Some(user), update_mask: Some(mask(&paths)) }
}
