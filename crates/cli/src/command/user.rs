//! `latchkey user`.

use latchkey_proto::v1;

use super::tenant::more;
use crate::args::{Globals, UserCommand};
use crate::call::{Server, read_password};
use crate::exit::Failure;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: UserCommand) -> Result<(), Failure> {
    let format = globals.output;
    match command {
        UserCommand::Create { email, role, tenant, password_file, bindings } => {
            let password = read_password(&password_file)?;
            let bindings = bindings.into_iter().collect();
            let ask = v1::CreateUserRequest { tenant, email, password, role, bindings };
            show(format, Server::of(globals).await?.tenants().create_user(ask).await?.get_ref())
        }
        UserCommand::List { tenant, page } => {
            let ask = v1::ListUsersRequest { tenant, page_size: page.page_size, page_token: page.page_token };
            let list = Server::of(globals).await?.tenants().list_users(ask).await?.into_inner();
            show(format, &list)?;
            more(&list.next_page_token);
            Ok(())
        }
        UserCommand::SetPassword { id, password_file } => {
            let ask = v1::SetUserPasswordRequest { id, password: read_password(&password_file)? };
            show(format, Server::of(globals).await?.tenants().set_user_password(ask).await?.get_ref())
        }
        UserCommand::Disable { id } => {
            let ask = v1::DisableUserRequest { id };
            show(format, Server::of(globals).await?.tenants().disable_user(ask).await?.get_ref())
        }
    }
}
