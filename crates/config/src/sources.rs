//! Where settings come from: flags win over the environment, which wins over the file, which wins over what
//! is built in. A value keeps where it came from, so that an error can name the place to mend.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::catalogue::{ALL, Form, Setting};
use super::problem::Problem;

/// A value, and where it was given.
#[derive(Clone)]
pub(crate) struct Given {
    /// As it was written, or as the file named by `…_FILE` holds it.
    pub(crate) value: String,
    /// `--lease`, `LATCHKEY_LEASE`, `lease in latchkey.toml`.
    pub(crate) place: String,
}

/// Everything that was given, not yet read.
#[derive(Default)]
pub struct Sources {
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    file: Option<(PathBuf, BTreeMap<String, String>)>,
    operators: Option<toml::Table>,
    problems: Vec<Problem>,
}

/// The variable that names the settings' file, beside the flag `--config`.
pub const CONFIG_VARIABLE: &str = "LATCHKEY_CONFIG";

impl Sources {
    /// Flags by the settings' keys, the process's own environment, and the file that either names.
    #[must_use]
    pub fn of_process(config: Option<&Path>, flags: BTreeMap<String, String>) -> Self {
        Self::new(config, flags, std::env::vars_os())
    }

    /// Flags, a few variables of the environment alone, no file, and one default of the caller's own.
    #[must_use]
    pub fn of_few_variables(
        variables: &[&str],
        flags: BTreeMap<String, String>,
        default: (&str, &str),
    ) -> Self {
        let few = std::env::vars_os().filter(|(name, _)| variables.iter().any(|few| name == few));
        let mut sources = Self::new(None, flags, few);
        let values = BTreeMap::from([(default.0.to_owned(), default.1.to_owned())]);
        sources.file = Some((PathBuf::from("the program"), values));
        sources
    }

    /// The same with an environment that is given. A variable that is empty counts as not set, as
    /// composed containers leave them.
    pub fn new(
        config: Option<&Path>,
        flags: BTreeMap<String, String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let environment: BTreeMap<String, String> = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let config =
            config.map(Path::to_owned).or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        let mut sources = Self { flags, environment, ..Self::default() };
        if let Some(path) = config {
            match super::file::read(&path) {
                Ok(contents) => {
                    sources.file = Some((path, contents.values));
                    sources.operators = contents.operators;
                    sources.problems = contents.problems;
                }
                Err(problem) => sources.problems.push(problem),
            }
        }
        sources
    }

    /// What was already wrong with the file itself.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.problems.clone()
    }

    /// The table of operators by certificate, and where it stands.
    pub(crate) fn operators(&self) -> Option<(String, &toml::Table)> {
        let (path, _) = self.file.as_ref()?;
        Some((path.display().to_string(), self.operators.as_ref()?))
    }

    /// The value of a setting from the highest place that gives it; not the default.
    pub(crate) fn find(&self, setting: &Setting) -> Result<Option<Given>, Problem> {
        let flag = |key: &str| Some((self.flags.get(key)?.clone(), format!("--{}", key.replace('_', "-"))));
        let variable = |name: &str| Some((self.environment.get(name)?.clone(), name.to_owned()));
        let line = |key: &str| {
            let (path, values) = self.file.as_ref()?;
            Some((values.get(key)?.clone(), format!("{key} in {}", path.display())))
        };
        let (key, name) = (setting.key, setting.variable);
        let (key_file, name_file) = (format!("{key}_file"), format!("{name}_FILE"));
        let places = [
            (flag(key), flag(&key_file)),
            (variable(name), variable(&name_file)),
            (line(key), line(&key_file)),
        ];
        for (plain, file) in places {
            match (plain, file.filter(|_| setting.form == Form::Secret)) {
                (None, None) => {}
                (Some((value, place)), None) => return Ok(Some(Given { value, place })),
                (None, Some((path, place))) => return from_file(setting, &path, place).map(Some),
                (Some((_, one)), Some((_, other))) => {
                    return Err(Problem::new(
                        key,
                        one,
                        format!("{other} is given as well; give one of the two"),
                    ));
                }
            }
        }
        Ok(None)
    }
}

/// What a file holds, without the line's end that editors leave.
fn from_file(setting: &Setting, path: &str, place: String) -> Result<Given, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Given { value: text.trim_end_matches(['\r', '\n']).to_owned(), place }),
        Err(error) => Err(Problem::new(setting.key, place, format!("{path} can't be read: {error}"))),
    }
}

/// Every key that the file and the flags may use.
pub(crate) fn known_keys() -> impl Iterator<Item = String> {
    ALL.iter().flat_map(|s| {
        let file = (s.form == Form::Secret).then(|| format!("{}_file", s.key));
        [Some(s.key.to_owned()), file].into_iter().flatten()
    })
}
