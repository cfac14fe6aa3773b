//! Profile files of the operator. They are read and compiled before the database is opened: an error is reported with
//! its line, and the process does not start.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use latchkey_core::operator;
use latchkey_profile::{Errors, Profile, profile_conflicts};

/// Most kinds of other files that are named for a folder.
const MOST_KINDS: usize = 5;

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
    let mut files = match entries(path) {
        Ok(files) => files,
        Err(error) => return vec![Err((path.to_owned(), error))],
    };
    files.retain(|file| is_document(file));
    files.sort();
    files.into_iter().map(Ok).collect()
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    folder.read_dir().and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
}

fn is_document(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml")
}

/// Returns a line about each folder that has no document, with the number of its other files by their extensions. A folder
/// that can't be read is an error of [`read`].
pub(crate) fn folders_without_documents(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().filter(|path| path.is_dir()).filter_map(|folder| without_documents(folder)).collect()
}

fn without_documents(folder: &Path) -> Option<String> {
    let files = entries(folder).ok()?;
    if files.iter().any(|file| is_document(file)) {
        return None;
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for file in &files {
        let kind = match file.extension() {
            _ if file.is_dir() => "folders".to_owned(),
            Some(extension) => format!("*.{}", extension.display()),
            None => "without an extension".to_owned(),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let counted: Vec<String> =
        kinds.iter().take(MOST_KINDS).map(|(kind, count)| format!("{kind}: {count}")).collect();
    let others = if counted.is_empty() { "it is empty".to_owned() } else { counted.join(", ") };
    let name = folder.display().to_string();
    Some(format!(
        "profiles: the folder {name:?} has no .toml file ({others}), so that no profile of it is applied"
    ))
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

    #[test]
    fn a_folder_without_a_document_is_named_with_what_is_in_it() {
        let none = folder(&[("a.yaml", ""), ("b.yaml", ""), ("demo.TOML", ""), ("README", "")]);
        std::fs::create_dir(none.path().join("more")).unwrap();
        let (empty, documents) = (folder(&[]), folder(&[("demo.toml", DEMO)]));
        let paths = [&none, &empty, &documents].map(|folder| folder.path().to_owned());
        let lines = folders_without_documents(&paths);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let counts = "(*.TOML: 1, *.yaml: 2, folders: 1, without an extension: 1)";
        assert!(lines[0].contains(counts) && lines[1].contains("(it is empty)"), "{lines:?}");
        assert!(lines[0].contains(&none.path().display().to_string()), "{lines:?}");
        assert!(read(&paths).is_ok_and(|documents| documents.len() == 1));
    }
}
