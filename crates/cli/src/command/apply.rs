//! `latchkey apply`: documents go to the server one by one, in the order given. It stops at the first that is refused or
//! not confirmed, and names it. If one of them is invalid, none is applied.

use std::path::{Path, PathBuf};

use super::profile_change::{self, NewVersion};
use crate::args::{ApplyArgs, Globals};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::{note, sanitize};

pub(super) async fn run(globals: &Globals, args: ApplyArgs) -> Result<(), CliError> {
    let mut documents = Vec::new();
    for file in files(&args.files)? {
        documents.push((NewVersion::Document(read_text(&file)?), file));
    }
    let mut profiles = Server::of(globals).await?.profiles();
    let name = |file: &Path| sanitize(&file.display().to_string());
    if documents.len() > 1 && !args.change.dry_run {
        // What a document says together with those before it is checked when it is applied.
        for (new, file) in documents.iter().filter(|(new, _)| new.is_doubtful()) {
            let checked = profile_change::validate(&mut profiles, new, &args.change).await;
            checked.inspect_err(|_| note(&format!("nothing was applied, because of {}:", name(file))))?;
        }
    }
    for (new, file) in documents {
        let done = profile_change::run(&mut profiles, globals.output, &new, &args.change).await;
        done.inspect_err(|_| note(&format!("{}:", name(&file))))?;
    }
    Ok(())
}

/// Returns the given files, and the .toml files of given folders by name.
pub(super) fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let inside =
            inside(path).map_err(|e| CliError::Usage(format!("{} can't be read: {e}", path.display())))?;
        if inside.is_empty() {
            return Err(CliError::Usage(format!("{} holds no .toml file", path.display())));
        }
        files.extend(inside);
    }
    Ok(files)
}

fn inside(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries: std::io::Result<Vec<PathBuf>> = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect();
    let mut files = entries?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}
