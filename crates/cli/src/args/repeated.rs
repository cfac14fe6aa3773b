//! Flags with pairs (`NAME=VALUE`): a name that is given twice is refused, since one of its two values would be ignored.

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

/// Pair of the command line.
type Pair = (String, String);

/// Refuses a command line that gives a name twice in one flag.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    for id in matches.ids() {
        // Other arguments have values of another type.
        let Ok(Some(pairs)) = matches.try_get_many::<Pair>(id.as_str()) else { continue };
        let mut names = BTreeSet::new();
        if let Some((name, _)) = pairs.into_iter().find(|(name, _)| !names.insert(name.as_str())) {
            let argument = command.get_arguments().find(|argument| argument.get_id() == id);
            let flag = argument.and_then(clap::Arg::get_long).unwrap_or(id.as_str());
            let message =
                format!("--{flag} gives {name:?} twice, and has one value for each name: give it once");
            return Err(command.clone().error(ErrorKind::ValueValidation, message));
        }
    }
    let Some((name, inner)) = matches.subcommand() else { return Ok(()) };
    command.find_subcommand(name).map_or(Ok(()), |command| check(command, inner))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_is_refused_and_named() {
        let result = |line: &str| {
            let command = Cli::command();
            let matches = command.clone().try_get_matches_from(line.split(' ')).unwrap();
            check(&command, &matches).map_err(|error| (error.exit_code(), error.to_string()))
        };
        for line in [
            "latchkey key revoke --all --tenant acme --binding merchant=m_1 --binding merchant=m_2 --yes",
            "latchkey key create --name a --binding m=1 --binding m=1",
            "latchkey key create --name a --metadata m=1 --metadata m=2",
            "latchkey key create --name a --rate-limit m=1/s --rate-limit m=2/s",
            "latchkey key update k --metadata m=1 --metadata m=2",
            "latchkey key list --binding m=1 --binding m=2",
            "latchkey key publishable --binding m=1 --binding m=2",
            "latchkey tenant update t --rate-limit m=1/s --rate-limit m=2/s",
            "latchkey check K --resource m=1 --resource n=1 --resource m=2",
        ] {
            let (code, text) = result(line).unwrap_err();
            let name = if line.contains("merchant") { "\"merchant\" twice" } else { "\"m\" twice" };
            assert!(code == 2 && text.contains(name) && text.contains("--"), "{line}: {text}");
        }
        assert!(result("latchkey key create --name a --binding m=1 --binding n=1 --metadata m=1").is_ok());
    }
}
