//! Sources of settings: flags win over the environment, the environment wins over the file, and the file wins over the
//! defaults. A value keeps its origin, so that an error can name the place to correct.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::database_variables::is_used_if_empty;
use super::definitions::{ALL, Name, Setting};
use super::error::{ConfigError, ConfigErrors};
use super::unknown;

/// Value and its origin.
#[derive(Clone)]
pub(crate) struct RawValue {
    /// Value as it was written, or as the file named by `…_FILE` holds it.
    pub(crate) value: String,
    /// Place of the value: `--cache-lease`, `LATCHKEY_CACHE_LEASE` or `cache_lease in latchkey.toml`.
    pub(crate) origin: String,
}

/// Lookup of a setting's value by one of its names in one source; returns the value and its origin.
type Lookup<'a> = &'a dyn Fn(&Name) -> Option<(String, String)>;

/// All values that were given, not parsed yet.
#[derive(Default)]
pub struct ConfigSources {
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    file: Option<(PathBuf, BTreeMap<String, String>)>,
    operators: Option<toml::Table>,
    errors: Vec<ConfigError>,
}

/// Environment variable with the path of the settings file; the flag is `--config`.
pub const CONFIG_VARIABLE: &str = "LATCHKEY_CONFIG";

impl ConfigSources {
    /// Collects flags (by the settings' keys), the process's environment, and the file that either of them names.
    #[must_use]
    pub fn from_process(config: Option<&Path>, flags: BTreeMap<String, String>) -> Self {
        Self::new(config, flags, std::env::vars_os())
    }

    /// Collects flags, the given environment variables only, no file, and one default of the caller.
    #[must_use]
    pub fn from_allowed_variables(
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

    /// Collects flags, a given environment, and the file that either of them names. An empty variable counts as not set,
    /// since Docker Compose passes unset variables as empty ones.
    pub fn new(
        config: Option<&Path>,
        flags: BTreeMap<String, String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let (environment, errors) = variables(environment);
        let config =
            config.map(Path::to_owned).or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        let mut sources = Self { flags, environment, errors, ..Self::default() };
        if let Some(path) = config {
            match super::file::read(&path) {
                Ok(contents) => {
                    sources.file = Some((path, contents.values));
                    sources.operators = contents.operators;
                    sources.errors.extend(contents.errors);
                }
                Err(problem) => sources.errors.push(problem),
            }
        }
        sources
    }

    /// Returns the errors of the file itself.
    pub(crate) fn errors(&self) -> Vec<ConfigError> {
        self.errors.clone()
    }

    /// Returns the path of the file and its table of operators.
    pub(crate) fn operators(&self) -> Option<(String, &toml::Table)> {
        let (path, _) = self.file.as_ref()?;
        Some((path.display().to_string(), self.operators.as_ref()?))
    }

    /// Returns the value of a setting from the place with the highest precedence, without the default. Two names of the
    /// setting at the same place are an error, since they may contradict each other, and so is an empty value.
    pub(crate) fn find(&self, setting: &Setting) -> Result<Option<RawValue>, ConfigError> {
        match self.locate(setting)? {
            None => Ok(None),
            Some((false, found)) if found.value.is_empty() => {
                let remedy = "it is empty: give a value, or leave the setting out";
                Err(ConfigError::new(setting.key, found.origin, remedy))
            }
            Some((false, found)) => Ok(Some(found)),
            Some((true, RawValue { value: path, origin })) => from_file(setting, &path, origin).map(Some),
        }
    }

    /// Returns the file that a setting names and that does not exist. An empty path names none: [`Self::find`] refuses it.
    pub(crate) fn absent_file(&self, setting: &Setting) -> Option<PathBuf> {
        let (_, found) =
            self.locate(setting).ok()?.filter(|(is_file, found)| *is_file && !found.value.is_empty())?;
        let path = PathBuf::from(found.value);
        matches!(path.try_exists(), Ok(false)).then_some(path)
    }

    /// Returns the file that a setting names, with the place that names it.
    pub(crate) fn file_of(&self, setting: &Setting) -> Option<(String, PathBuf)> {
        let (_, found) = self.locate(setting).ok()?.filter(|(is_file, _)| *is_file)?;
        Some((found.origin, PathBuf::from(found.value)))
    }

    /// Returns the value of a setting in the settings file, also if another place has precedence.
    pub(crate) fn line_of(&self, setting: &Setting) -> Option<&str> {
        let (_, values) = self.file.as_ref()?;
        let own = setting.names().into_iter().filter(|name| !name.file);
        own.filter_map(|name| values.get(&name.key)).map(String::as_str).next()
    }

    /// Returns whether a variable is set that is not one of this program.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.environment.contains_key(name)
    }

    /// Returns the path of the settings file.
    pub(crate) fn settings_file(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// Returns the text at the place with the highest precedence and that place, with true if the text is the path of a
    /// file that has the value.
    fn locate(&self, setting: &Setting) -> Result<Option<(bool, RawValue)>, ConfigError> {
        let flag = |name: &Name| Some((self.flags.get(&name.key)?.clone(), format!("--{}", name.flag())));
        let variable =
            |name: &Name| Some((self.environment.get(&name.variable)?.clone(), name.variable.clone()));
        let line = |Name { key, .. }: &Name| {
            let (path, values) = self.file.as_ref()?;
            Some((values.get(key)?.clone(), format!("{key} in {}", path.display())))
        };
        let names = setting.names();
        let places: [Lookup<'_>; 3] = [&flag, &variable, &line];
        for at in places {
            let mut given = names.iter().filter_map(|name| Some((name.file, at(name)?)));
            match (given.next(), given.next()) {
                (None, _) => {}
                (Some((is_file, (value, origin))), None) => {
                    return Ok(Some((is_file, RawValue { value, origin })));
                }
                (Some((_, (_, one))), Some((_, (_, other)))) => {
                    let remedy = format!("{other} is given as well: give only one of the two");
                    return Err(ConfigError::new(setting.key, one, remedy));
                }
            }
        }
        Ok(None)
    }
}

/// Returns the variables that are not empty, and an error for each misspelt or unreadable one of this program.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> (BTreeMap<String, String>, Vec<ConfigError>) {
    let (mut variables, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, value) in environment {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) if value.is_empty() && !is_used_if_empty(&name) => {}
            (Ok(name), Ok(value)) => {
                errors.extend(unknown::variable(&name, &value));
                variables.insert(name, value);
            }
            (Ok(name), Err(_)) => errors.extend(unknown::unreadable_value(&name)),
            (Err(name), _) => errors.extend(unknown::unreadable_name(&name)),
        }
    }
    (variables, errors)
}

/// Checks that no variable of an environment is a misspelt or unreadable one of this program.
pub fn check_variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), ConfigErrors> {
    let (_, errors) = variables(environment);
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

/// Reads a value from a file, without trailing line ends.
fn from_file(setting: &Setting, path: &str, place: String) -> Result<RawValue, ConfigError> {
    match std::fs::read_to_string(path) {
        Err(_) if path.is_empty() => {
            Err(ConfigError::new(setting.key, place, "the path of the file is empty"))
        }
        Ok(text) => Ok(RawValue { value: text.trim_end_matches(['\r', '\n']).to_owned(), origin: place }),
        Err(error) => Err(ConfigError::new(setting.key, place, format!("{path} can't be read: {error}"))),
    }
}

/// Returns every key that the file and the flags may use.
pub(crate) fn known_keys() -> impl Iterator<Item = String> {
    ALL.iter().flat_map(Setting::names).map(|name| name.key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    /// Returns a setting's value when its default is given by these names at each of the three places.
    fn given(setting: &Setting, names: &[Name]) -> Vec<Result<Option<RawValue>, ConfigError>> {
        let value = setting.default.unwrap();
        let flags = names.iter().map(|name| (name.key.clone(), value.to_owned())).collect();
        let variables: Vec<_> =
            names.iter().map(|name| (name.variable.clone().into(), OsString::from(value))).collect();
        let lines: Vec<_> = names.iter().map(|name| format!("{} = '{value}'", name.key)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latchkey.toml");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let nothing = BTreeMap::new;
        let sources = [
            ConfigSources::new(None, flags, []),
            ConfigSources::new(None, nothing(), variables),
            ConfigSources::new(Some(&path), nothing(), []),
        ];
        assert!(sources.iter().all(|sources| sources.errors.is_empty()), "{names:?}");
        sources.iter().map(|sources| sources.find(setting)).collect()
    }

    #[test]
    fn a_renamed_setting_is_read_by_either_name_and_both_at_one_place_are_an_error_that_names_both() {
        let renamed: Vec<_> = ALL.iter().filter(|setting| !setting.aliases.is_empty()).collect();
        assert!(renamed.len() >= 6, "{renamed:?}");
        for setting in renamed {
            let names = setting.names();
            for name in &names {
                for found in given(setting, std::slice::from_ref(name)) {
                    assert_eq!(found.unwrap().unwrap().value, setting.default.unwrap(), "{name:?}");
                }
            }
            for found in given(setting, &names) {
                let problem = found.err().expect("two names at one place are an error").to_string();
                let is_named = |name: &Name| {
                    let flag = format!("--{}", name.flag());
                    [&name.key, &name.variable, &flag].into_iter().any(|word| problem.contains(word.as_str()))
                };
                assert!(names.iter().all(is_named), "{problem}");
            }
        }
    }

    #[test]
    fn a_variable_that_is_not_utf_8_is_an_error_that_names_it_and_not_its_value() {
        let latin = |text: &str| OsString::from_vec(text.bytes().chain([0xe4]).collect());
        for (name, value, named) in [
            (OsString::from("LATCHKEY_DATABASE_URL"), latin("postgres://canary"), "LATCHKEY_DATABASE_URL"),
            (OsString::from("OTEL_SERVICE_NAME"), latin("canary"), "OTEL_SERVICE_NAME"),
            (OsString::from("RUST_LOG"), latin("canary"), "RUST_LOG"),
            (OsString::from(CONFIG_VARIABLE), latin("/canary"), CONFIG_VARIABLE),
            (latin("LATCHKEY_DATABASE_URL"), OsString::from("canary"), "LATCHKEY_DATABASE_URL"),
        ] {
            let error = check_variables([(name, value)]).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("UTF-8"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let others = [(OsString::from("PS1"), latin("x")), (latin("PS1"), OsString::new())];
        assert_eq!(check_variables(others), Ok(()));
    }

    #[test]
    fn no_name_stands_for_two_settings() {
        let mut keys: Vec<String> = known_keys().collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
