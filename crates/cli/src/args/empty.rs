//! Options with an empty value. A script whose variable is unset gives one (`--created-by "$KEY"`). For the server, an
//! empty field is one that is not given, so that a filter would match everything.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use latchkey_config::definitions::{ALL, Setting};

/// Options whose empty value means what it says: texts for people, the token of a first page, and no credential, for which
/// the call has an error of its own.
const PERMITTED: [&str; 5] = ["reason", "comment", "display_name", "page_token", "api_key"];
/// Options of `tenant update` and `user update` that remove a plan or a restriction with an empty value.
const REMOVED_BY_UPDATE: [&str; 2] = ["plan", "environment"];

/// Refuses a command line with an option or an argument whose value is empty.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    for id in matches.ids().map(clap::Id::as_str) {
        if is_permitted(command, id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let Ok(Some(mut values)) = matches.try_get_raw(id) else { continue };
        if values.any(std::ffi::OsStr::is_empty) {
            let message = format!("{} has an empty value: write one, or leave it out", shown(command, id));
            return Err(command.clone().error(ErrorKind::ValueValidation, message));
        }
    }
    let Some((name, inner)) = matches.subcommand() else { return Ok(()) };
    command.find_subcommand(name).map_or(Ok(()), |command| check(command, inner))
}

/// Returns whether an empty value of an argument is left to what reads it. Settings have errors of their own.
fn is_permitted(command: &Command, id: &str) -> bool {
    let removes = command.get_name() == "update" && REMOVED_BY_UPDATE.contains(&id);
    let is_setting = || ALL.iter().flat_map(Setting::names).any(|name| name.key == id);
    PERMITTED.contains(&id) || removes || is_setting()
}

/// Returns an argument as the command line gives it: `--created-by`, or `<ID>`.
fn shown(command: &Command, id: &str) -> String {
    let argument = command.get_arguments().find(|argument| argument.get_id() == id);
    match argument {
        Some(argument) if argument.is_positional() => {
            let word = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            format!("<{}>", word.unwrap_or_else(|| id.to_uppercase()))
        }
        Some(argument) => format!("--{}", argument.get_long().unwrap_or(id)),
        // An option of every command, which the command of the first level declares.
        None => format!("--{}", id.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    fn result(line: &str) -> Result<(), (i32, String)> {
        let command = Cli::command();
        let words = line.split(' ').map(|word| word.replace("''", ""));
        let matches = command.clone().try_get_matches_from(words).unwrap();
        check(&command, &matches).map_err(|error| (error.exit_code(), error.to_string()))
    }

    #[test]
    fn an_empty_value_is_refused_and_its_option_named() {
        for (line, name) in [
            ("key revoke --all --tenant acme --created-by '' --yes", "--created-by"),
            ("key disable --all --tenant acme --kind '' --yes", "--kind"),
            ("key revoke --all --tenant acme --environment= --yes", "--environment"),
            ("key create --name a --environment ''", "--environment"),
            ("key create --name a --scope b,,c", "--scope"),
            ("key import a.csv --tenant ''", "--tenant"),
            ("key list --name ''", "--name"),
            ("user create ada@example.com --role a --environment ''", "--environment"),
            ("tenant create acme --profile a --plan ''", "--plan"),
            ("usage --tenant ''", "--tenant"),
            ("audit list --actor ''", "--actor"),
            ("check '' --path /a", "<CREDENTIAL>"),
            ("key get ''", "<ID>"),
            ("tenant get acme --server ''", "--server"),
            ("--server '' whoami", "--server"),
        ] {
            let (code, text) = result(&format!("latchkey {line}")).unwrap_err();
            let named = format!("{name} has an empty value");
            assert!(code == 2 && text.contains(&named), "{line}: {text}");
        }
    }

    #[test]
    fn an_empty_value_that_means_something_is_permitted() {
        for line in [
            "tenant update acme --plan ''",
            "tenant update acme --display-name ''",
            "user update user_1 --environment ''",
            "key revoke key_1 --reason ''",
            "apply -f a.toml --comment ''",
            "key list --page-token ''",
            "key list --tenant acme",
            "whoami --api-key ''",
            "key update key_1 --metadata a=",
            "serve --redis-url ''",
        ] {
            assert_eq!(result(&format!("latchkey {line}")), Ok(()), "{line}");
        }
    }
}
