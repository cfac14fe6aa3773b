//! `latchkey profile`.

use std::path::{Path, PathBuf};

use latchkey_proto::v1;
use latchkey_server::profile_test::{Errors, Profile, diff_documents};

use super::confirm::confirm;
use super::list::print_next_page;
use super::profile_change::{self, NewVersion};
use super::{profile_document, profile_secret};
use crate::args::{Globals, ProfileCommand};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::{Format, diff_from_server, note, print, show};

pub(super) async fn run(globals: &Globals, command: ProfileCommand) -> Result<(), CliError> {
    match command {
        ProfileCommand::Lint { documents, strict } => {
            profile_document::lint(&documents.files, strict, globals.output)
        }
        ProfileCommand::Test(documents) => profile_document::test(&documents.files, globals.output).await,
        ProfileCommand::Diff { files, against } => diff(globals, &files, against).await,
        ProfileCommand::Show { name, number } => {
            let mut profiles = Server::of(globals).await?.profiles();
            let ask = v1::GetProfileRequest { name, version: number.unwrap_or_default() };
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
        ProfileCommand::Versions { name, page } => {
            let mut profiles = Server::of(globals).await?.profiles();
            let ask = v1::ListProfileVersionsRequest {
                name,
                page_size: page.page_size,
                page_token: page.page_token,
            };
            let list = profiles.list_profile_versions(ask).await?.into_inner();
            show(globals.output, &list)?;
            print_next_page(&list.next_page_token);
            Ok(())
        }
        ProfileCommand::Rollback { name, to, change } => {
            let mut profiles = Server::of(globals).await?.profiles();
            let new = NewVersion::Rollback { name, to: to.unwrap_or_default() };
            profile_change::run(&mut profiles, globals.output, &new, &change).await
        }
        ProfileCommand::Secret(command) => profile_secret::run(globals, command).await,
    }
}

/// Compares a document with a version on the server, or two documents without a server.
async fn diff(globals: &Globals, files: &[PathBuf], against: Option<u64>) -> Result<(), CliError> {
    match files {
        [document] => {
            let document = read_text(document)?;
            let mut profiles = Server::of(globals).await?.profiles();
            let ask = v1::DiffProfileRequest {
                document,
                against_version: against.unwrap_or_default(),
                ..v1::DiffProfileRequest::default()
            };
            let diff = profiles.diff_profile(ask).await?.into_inner();
            match globals.output {
                Format::Json => show(globals.output, &diff),
                Format::Text => print(&diff_from_server(&diff)),
            }
        }
        [_, _] if against.is_some() => Err(CliError::Usage(
            "--against names a version on the server: write one file with it, or two files without it"
                .to_owned(),
        )),
        [old, new] => {
            let (old_text, new_text) = (read_text(old)?, read_text(new)?);
            let (old_name, new_name) = (compiled_name(old, &old_text)?, compiled_name(new, &new_text)?);
            if old_name != new_name {
                return Err(CliError::Usage(format!(
                    "{} is of the profile {old_name}, and {} of the profile {new_name}: two documents of one profile are \
                     compared",
                    old.display(),
                    new.display()
                )));
            }
            show(globals.output, &diff_documents(&old_text, &new_text).map_err(|e| refused(new, &e))?)?;
            note(
                "note: no keys, users or tenants are counted, because two files are compared without a server",
            );
            Ok(())
        }
        _ => Err(CliError::Usage("one or two documents are compared".to_owned())),
    }
}

fn compiled_name(file: &Path, text: &str) -> Result<String, CliError> {
    Ok(Profile::compile(text, 1).map_err(|errors| refused(file, &errors))?.name().to_owned())
}

fn refused(file: &Path, errors: &Errors) -> CliError {
    CliError::Usage(format!("{}:\n{errors}", file.display()))
}
