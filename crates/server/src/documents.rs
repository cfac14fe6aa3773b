//! The profiles that the operator has put beside the program. They are read and compiled before anything is
//! opened: a mistake in one is told with its line, and nothing starts.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use latchkey_core::manage::operators;
use latchkey_profile::Profile;

/// A document that is in order.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Everything that is wrong with the documents, one line each.
#[derive(Debug)]
pub struct BadDocuments(Vec<String>);

impl fmt::Display for BadDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profiles can't be applied:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for BadDocuments {}

/// Reads files, and the `.toml` files of folders in the order of their names.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, BadDocuments> {
    let (mut documents, mut wrong): (Vec<Document>, Vec<String>) = Default::default();
    for path in paths.iter().flat_map(|path| expand(path)) {
        let document =
            path.map_err(|(path, error)| vec![unreadable(&path, &error)]).and_then(|path| one(&path));
        match document {
            Ok((path, document)) if documents.iter().any(|d| d.name == document.name) => {
                wrong.push(format!("{}: another document is named {:?} too", path.display(), document.name));
            }
            Ok((_, document)) => documents.push(document),
            Err(lines) => wrong.extend(lines),
        }
    }
    if wrong.is_empty() { Ok(documents) } else { Err(BadDocuments(wrong)) }
}

type Found = Result<PathBuf, (PathBuf, io::Error)>;

fn expand(path: &Path) -> Vec<Found> {
    if !path.is_dir() {
        return vec![Ok(path.to_owned())];
    }
    let files = path.read_dir().and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = match files {
        Ok(files) => files,
        Err(error) => return vec![Err((path.to_owned(), error))],
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.into_iter().map(Ok).collect()
}

fn one(path: &Path) -> Result<(PathBuf, Document), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![unreadable(path, &error)])?;
    let profile = Profile::compile(&text, 0).map_err(|errors| {
        errors.0.iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>()
    })?;
    if profile.name() == operators::SLUG {
        return Err(vec![format!(
            "{}: the name {:?} is the operators' own",
            path.display(),
            operators::SLUG
        )]);
    }
    Ok((path.to_owned(), Document { name: profile.name().to_owned(), text }))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} can't be read: {error}", path.display())
}
