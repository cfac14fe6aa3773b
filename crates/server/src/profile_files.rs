//! Profile files of the operator. They are read and compiled before the database is opened: an error is reported with
//! its line, and the process does not start.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use latchkey_core::operator;
use latchkey_profile::{Errors, Profile, profile_conflicts};

/// Valid profile document.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All errors in the documents, one line each.
#[derive(Debug)]
pub struct ProfileFilesError(Vec<String>);

impl fmt::Display for ProfileFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profiles can't be applied:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ProfileFilesError {}

/// Reads files, and the `.toml` files of folders, ordered by name.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, ProfileFilesError> {
    let (mut documents, mut errors): (Vec<Document>, Vec<String>) = Default::default();
    for path in paths.iter().flat_map(|path| expand(path)) {
        let document = path
            .map_err(|(path, error)| vec![read_error(&path, &error)])
            .and_then(|path| read_document(&path));
        match document {
            Ok((path, document)) if documents.iter().any(|d| d.name == document.name) => {
                errors.push(format!("{}: another document is named {:?} too", path.display(), document.name));
            }
            Ok((path, document)) => match check_conflicts(&path, &document, &documents) {
                Ok(()) => documents.push(document),
                Err(lines) => errors.extend(lines),
            },
            Err(lines) => errors.extend(lines),
        }
    }
    if errors.is_empty() { Ok(documents) } else { Err(ProfileFilesError(errors)) }
}

type ListedPath = Result<PathBuf, (PathBuf, io::Error)>;

fn expand(path: &Path) -> Vec<ListedPath> {
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

/// Checks that no other document claims what this one claims: a host with the same kind of keys, or an issuer.
fn check_conflicts(path: &Path, document: &Document, others: &[Document]) -> Result<(), Vec<String>> {
    let others: Vec<Profile> =
        others.iter().filter_map(|other| Profile::compile(&other.text, 0).ok()).collect();
    let lines =
        |errors: Errors| errors.0.iter().map(|error| format!("{}: {error}", path.display())).collect();
    profile_conflicts(&document.text, &others).map_err(lines)
}

fn read_document(path: &Path) -> Result<(PathBuf, Document), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![read_error(path, &error)])?;
    let profile = Profile::compile(&text, 0).map_err(|errors| {
        errors.0.iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>()
    })?;
    if profile.name() == operator::SLUG {
        return Err(vec![format!("{}: the name {:?} is the operators' own", path.display(), operator::SLUG)]);
    }
    Ok((path.to_owned(), Document { name: profile.name().to_owned(), text }))
}

fn read_error(path: &Path, error: &io::Error) -> String {
    format!("{} can't be read: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_means_its_documents_and_nothing_else_in_it() {
        let folder = folder(&[("demo.toml", DEMO), ("README.md", "not TOML")]);
        let documents = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(documents.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["demo"]);
    }

    #[test]
    fn every_error_of_every_document_is_reported_with_its_line() {
        let reserved = "name = \"latchkey\"\n";
        let files = [("a.toml", "nonsense = 1\n"), ("b.toml", DEMO), ("c.toml", DEMO), ("d.toml", reserved)];
        let folder = folder(&files);
        let error = read(&[folder.path().to_owned()]).err().unwrap().to_string();
        assert!(error.contains("a.toml: line 1") && error.contains("d.toml"), "{error}");
        assert!(error.contains("c.toml: another document is named \"demo\""), "{error}");
    }
}
