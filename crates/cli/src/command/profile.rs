//! `latchkey profile`.

use latchkey_proto::v1;

use super::confirm::confirm;
use super::profile_document;
use crate::args::{Globals, ProfileCommand};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: ProfileCommand) -> Result<(), CliError> {
    match command {
        ProfileCommand::Lint(documents) => profile_document::lint(&documents.files),
        ProfileCommand::Test(documents) => profile_document::test(&documents.files).await,
        ProfileCommand::Get { name, version_number } => {
            let mut profiles = Server::of(globals).await?.profiles();
            let ask = v1::GetProfileRequest { name, version: version_number };
            show(globals.output, profiles.get_profile(ask).await?.get_ref())
        }
        ProfileCommand::Delete { name, force, yes } => {
            let under = if force { " with all of its tenants, keys and users" } else { "" };
            confirm(yes, &format!("The deletion of the profile {name}{under}"))?;
            let mut profiles = Server::of(globals).await?.profiles();
            let ask = v1::DeleteProfileRequest { name, force };
            show(globals.output, profiles.delete_profile(ask).await?.get_ref())
        }
        ProfileCommand::List => {
            let mut profiles = Server::of(globals).await?.profiles();
            show(globals.output, profiles.list_profiles(v1::ListProfilesRequest {}).await?.get_ref())
        }
    }
}
