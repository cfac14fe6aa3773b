//! Options of the command that runs, by the fields of the API that they set. The server's errors name fields.

use std::collections::{BTreeMap, BTreeSet};

use clap::{ArgMatches, Command};

/// Fields whose option has another name.
const RENAMED: [(&str, &str); 10] = [
    ("expire_time", "expires"),
    ("allowed_networks", "network"),
    ("key_id", "id"),
    ("user_id", "id"),
    ("tenant_id", "tenant"),
    ("document", "file"),
    ("start_time", "since"),
    ("end_time", "until"),
    ("action_prefix", "action"),
    ("recent_minutes", "minutes"),
];

/// Options and arguments of one command.
#[derive(Debug, Default)]
pub(crate) struct OptionNames {
    options: BTreeSet<String>,
    /// Words that `--help` shows for arguments without a flag, by the arguments' names.
    arguments: BTreeMap<String, String>,
}

impl OptionNames {
    /// Returns the names of the command that was given.
    pub(super) fn of(command: &Command, matches: &ArgMatches) -> Self {
        if let Some((name, inner)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            return Self::of(command, inner);
        }
        let options = command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned).collect();
        let shown = |argument: &clap::Arg| {
            let word = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            word.unwrap_or_else(|| argument.get_id().as_str().to_uppercase())
        };
        let arguments = command.get_positionals();
        let arguments = arguments.map(|argument| (argument.get_id().to_string(), shown(argument))).collect();
        Self { options, arguments }
    }

    /// Returns how the command line gives a field, if it does so by another name: `--expires` for `key.expire_time`,
    /// `--scope` for `scopes[1]`.
    pub(crate) fn of_field(&self, field: &str) -> Option<String> {
        field.rsplit('.').find_map(|part| self.of_part(part.split('[').next().unwrap_or_default(), field))
    }

    fn of_part(&self, name: &str, field: &str) -> Option<String> {
        let renamed = RENAMED.iter().find(|(of, _)| *of == name).map(|(_, option)| (*option).to_owned());
        let same = name.replace('_', "-");
        let singular = same.strip_suffix('s').map(str::to_owned);
        let names: Vec<String> = renamed.into_iter().chain(singular).chain([same]).collect();
        if let Some(option) = names.iter().find(|name| self.options.contains(*name)) {
            return (*option != field).then(|| format!("--{option}"));
        }
        let argument = names.iter().find(|name| self.arguments.contains_key(*name))?;
        let shown = self.arguments.get(argument)?;
        (*argument != field).then(|| format!("<{shown}>"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    fn names(line: &str) -> OptionNames {
        let command = Cli::command();
        let matches = command.clone().try_get_matches_from(line.split(' ')).unwrap();
        OptionNames::of(&command, &matches)
    }

    #[test]
    fn a_field_leads_to_the_option_that_sets_it() {
        let create = names("latchkey key create --name a");
        for (field, option) in [
            ("tenant.name", Some("--name")),
            ("expire_time", Some("--expires")),
            ("key.expire_time", Some("--expires")),
            ("scopes[1]", Some("--scope")),
            ("allowed_networks[0]", Some("--network")),
            ("rate_limits[\"default\"].per_key", Some("--rate-limit")),
            ("idempotency_key", Some("--idempotency-key")),
            ("bindings.merchant", Some("--binding")),
            ("name", None),
            ("page_size", None),
        ] {
            assert_eq!(create.of_field(field).as_deref(), option, "{field}");
        }
        let list = names("latchkey key list");
        assert_eq!(list.of_field("order_by").as_deref(), Some("--order-by"));
        let tenant = names("latchkey tenant create acme --profile shop");
        assert_eq!(tenant.of_field("slug"), None);
        let update = names("latchkey key update k_1 --name a");
        assert_eq!(update.of_field("key_id").as_deref(), Some("<ID>"));
        assert_eq!(update.of_field("environment"), None);
        assert_eq!(names("latchkey key revoke k_1").of_field("ids[0]").as_deref(), Some("<ID>"));
    }
}
