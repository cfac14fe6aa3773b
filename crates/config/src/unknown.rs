//! Errors for names that are not settings, with the nearest known name.

use std::ffi::OsStr;

use latchkey_core::choices::distance;

use super::definitions::{ALL, Setting};
use super::error::ConfigError;
use super::sources::CONFIG_VARIABLE;

const PREFIX: &str = "LATCHKEY_";

/// Variables of the program besides those of settings: the command line reads them.
const OTHER_VARIABLES: [&str; 8] = [
    CONFIG_VARIABLE,
    "LATCHKEY_SERVER",
    "LATCHKEY_API_KEY",
    "LATCHKEY_API_KEY_FILE",
    "LATCHKEY_CA_FILE",
    "LATCHKEY_CERT_FILE",
    "LATCHKEY_CERT_KEY_FILE",
    "LATCHKEY_ENVOY",
];

/// Returns an error for a variable that has the prefix of this program and is none of its variables, and for one whose name
/// is that of one of its variables in another spelling.
pub(super) fn variable(name: &str, value: &str) -> Option<ConfigError> {
    let Some(rest) = name.strip_prefix(PREFIX) else { return other_spelling(name) };
    if known().any(|known| known == name) || is_service_link(rest, value) {
        return None;
    }
    // A port is a part of an address here.
    let address = name.strip_suffix("_PORT").map(|place| format!("{place}_ADDR"));
    let near = match address.filter(|address| known().any(|known| known == *address)) {
        Some(address) => format!("; the nearest is {address}"),
        None => nearest(name, known()),
    };
    let remedy = format!("there is no such variable{near}");
    Some(ConfigError::new(name, "environment", remedy))
}

/// Returns an error for the name of one of this program's variables with other letter case, underscores or hyphens, such as
/// `latchkey_database_url` or `LATCH_KEY_DATABASE_URL`.
fn other_spelling(name: &str) -> Option<ConfigError> {
    let written = letters(name);
    if !written.starts_with("LATCHKEY") {
        return None;
    }
    let meant = known().find(|known| letters(known) == written)?;
    let remedy = format!("there is no such variable; the nearest is {meant}");
    Some(ConfigError::new(name, "environment", remedy))
}

/// Returns the letters and digits of a name as capital letters.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Returns all variables of the program.
fn known() -> impl Iterator<Item = String> {
    let settings = ALL.iter().flat_map(Setting::names).map(|name| name.variable);
    settings.chain(OTHER_VARIABLES.map(str::to_owned))
}

/// Returns an error for a variable of this program whose value is not UTF-8.
pub(super) fn unreadable_value(name: &str) -> Option<ConfigError> {
    let is_read = name.starts_with(PREFIX) || known().any(|known| known == name);
    let remedy = "its value is not UTF-8, and can't be read: write it in UTF-8, or unset the variable";
    is_read.then(|| ConfigError::new(name, "environment", remedy))
}

/// Returns an error for a name that has the prefix of this program and is not UTF-8.
pub(super) fn unreadable_name(name: &OsStr) -> Option<ConfigError> {
    let name = name.to_string_lossy();
    let remedy = "the name is not UTF-8, and there is no such variable: correct or unset it";
    name.starts_with(PREFIX).then(|| ConfigError::new(&name, "environment", remedy))
}

/// Returns a text with the nearest of the known names; empty if none is near.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    let near = known.min_by_key(|known| distance(name, known));
    near.map(|near| format!("; the nearest is {near}")).unwrap_or_default()
}

/// Returns whether Kubernetes sets a variable for a service whose name begins with `latchkey` (service links).
fn is_service_link(rest: &str, value: &str) -> bool {
    if rest.ends_with("SERVICE_HOST") || rest.contains("SERVICE_PORT") {
        return true;
    }
    // `PORT`, `X_PORT`, `PORT_50051_TCP` and `X_PORT_50051_TCP_ADDR`, where `X` can be any name.
    let words: Vec<&str> = rest.split('_').collect();
    let of_a_port = |words: &[&str]| {
        words[0] == "PORT" && words[1].parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&words[2])
    };
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    (words.last() == Some(&"PORT") && is_address) || words.windows(3).any(of_a_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_refused_with_the_nearest_name() {
        for (name, near) in [
            ("LATCHKEY_DATABSE_URL", "LATCHKEY_DATABASE_URL"),
            ("LATCHKEY_DATABASE_URL_FIEL", "LATCHKEY_DATABASE_URL_FILE"),
            ("LATCHKEY_ROOTKEY", "LATCHKEY_ROOT_KEY"),
            ("LATCHKEY_GRPC_ADR", "LATCHKEY_GRPC_ADDR"),
            ("LATCHKEY_HTTP_PORT", "LATCHKEY_HTTP_ADDR"),
            ("LATCHKEY_GRPC_PORT", "LATCHKEY_GRPC_ADDR"),
            ("LATCHKEY_SERVR", "LATCHKEY_SERVER"),
        ] {
            let error = variable(name, "9999").unwrap().to_string();
            assert!(error.contains(name) && error.ends_with(&format!("the nearest is {near}")), "{error}");
        }
    }

    #[test]
    fn a_name_in_another_spelling_is_refused_with_the_right_one() {
        for name in [
            "latchkey_database_url",
            "Latchkey_Database_Url",
            "LATCH_KEY_DATABASE_URL",
            "LATCHKEYDATABASE_URL",
            "LATCHKEY-DATABASE-URL",
            "latchkey.database.url",
        ] {
            let error = variable(name, "postgres://db/x").unwrap().to_string();
            assert!(
                error.contains(name) && error.ends_with("the nearest is LATCHKEY_DATABASE_URL"),
                "{error}"
            );
        }
        for name in
            ["latchkey", "latchkey_of_mine", "LATCHKEYS", "DATABASE_URL", "MY_LATCHKEY_DATABASE_URL", "PATH"]
        {
            assert!(variable(name, "x").is_none(), "{name}");
        }
    }

    #[test]
    fn variables_of_the_program_and_of_kubernetes_are_known() {
        for name in [
            "LATCHKEY_DATABASE_URL",
            "LATCHKEY_LEASE",
            "LATCHKEY_API_KEY",
            "LATCHKEY_SERVICE_HOST",
            "LATCHKEY_SERVICE_PORT_GRPC",
            "LATCHKEY_PORT",
            "LATCHKEY_PORT_50051_TCP",
            "LATCHKEY_PORT_50051_TCP_ADDR",
            "LATCHKEY_MANAGEMENT_SERVICE_HOST",
            "LATCHKEY_MANAGEMENT_PORT_50052_TCP_PROTO",
            "LATCHKEY_PORT_50051_TCP_PORT",
            "LATCHKEY_EXPORT_PORT",
            "LATCHKEY_EXPORT_PORT_8080_TCP",
            "LATCHKEY_PORT_MAP_PORT_53_UDP_ADDR",
            "LATCHKEY",
            "HOME",
        ] {
            assert!(variable(name, "tcp://10.0.0.1:50051").is_none(), "{name}");
        }
        for name in ["LATCHKEY_EXPORT_X", "LATCHKEY_EXPORT_5", "LATCHKEY_PORT_X", "LATCHKEY_IMPORT"] {
            assert!(variable(name, "tcp://10.0.0.1:50051").is_some(), "{name}");
        }
    }
}
