//! Variables of libpq, such as `PGHOST`. A connection depends on `database_url` alone: most of them have no effect, and those
//! that the database library uses in any case are refused.

use super::error::ConfigError;
use super::reader::SettingsReader;

/// Variables that have no effect.
const WITHOUT_EFFECT: [&str; 22] = [
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCONNECT_TIMEOUT",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGTARGETSESSIONATTRS",
    "PGUSER",
];

/// Variables that the library adds to each connection, with the parameter of the URL to give instead.
const REFUSED: [(&str, &str); 3] =
    [("PGOPTIONS", "options"), ("PGSSLCERT", "sslcert"), ("PGSSLKEY", "sslkey")];

/// Returns the variables of libpq in the process's environment that have no effect on connections to PostgreSQL.
#[must_use]
pub fn unused_database_variables() -> Vec<&'static str> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    WITHOUT_EFFECT.into_iter().filter(is_set).collect()
}

/// Returns whether an empty variable is used like any other: the library takes it as the path of a file.
pub(super) fn is_used_if_empty(name: &str) -> bool {
    ["PGSSLCERT", "PGSSLKEY"].contains(&name)
}

impl SettingsReader<'_> {
    /// Adds an error for each variable that would change connections to PostgreSQL beside the URL.
    pub(super) fn refuse_database_variables(&mut self) {
        for (name, parameter) in REFUSED {
            if self.sources.has_variable(name) {
                let remedy = format!(
                    "connections depend on database_url alone: unset this variable, and give ?{parameter}=… in database_url"
                );
                self.add_error(ConfigError::new(name, "environment", remedy));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ConfigSources;

    fn refused(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let sources = ConfigSources::new(None, BTreeMap::new(), variables);
        let mut reader = SettingsReader::new(&sources);
        reader.refuse_database_variables();
        reader.finish().into_iter().map(|error| error.setting).collect()
    }

    #[test]
    fn a_variable_that_the_library_would_use_is_refused() {
        assert_eq!(refused(&[("PGOPTIONS", "-c geqo=off"), ("PGHOST", "db")]), ["PGOPTIONS"]);
        assert_eq!(refused(&[("PGSSLCERT", ""), ("PGSSLKEY", "/key.pem")]), ["PGSSLCERT", "PGSSLKEY"]);
        assert!(refused(&[("PGOPTIONS", ""), ("PGSSLMODE", "disable"), ("PGPASSWORD", "canary")]).is_empty());
    }
}
