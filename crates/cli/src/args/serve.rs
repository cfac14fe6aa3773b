//! Flags of the settings, generated from the table in `latchkey_config::definitions`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use latchkey_config::definitions::{ALL, Name, Setting, ValueKind};
use latchkey_config::{CONFIG_VARIABLE, ConfigSources};

/// Settings as flags, not yet read.
#[derive(Clone, Default)]
pub(crate) struct SettingsArgs {
    config: Option<PathBuf>,
    flags: BTreeMap<String, String>,
}

impl SettingsArgs {
    /// Returns the sources of settings: these flags, the environment, and the settings file.
    pub(crate) fn sources(&self) -> ConfigSources {
        ConfigSources::from_process(self.config.as_deref(), self.flags.clone())
    }
}

impl std::fmt::Debug for SettingsArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.flags.keys()).finish()
    }
}

fn arguments(setting: &'static Setting) -> impl Iterator<Item = Arg> {
    setting.names().into_iter().map(|name| argument(setting, &name))
}

/// Returns the flag for a name. Former names are accepted and not shown.
fn argument(setting: &Setting, name: &Name) -> Arg {
    let argument = Arg::new(name.key.clone()).long(name.flag()).hide(name.alias);
    if name.file {
        return argument
            .value_name("FILE")
            .help(format!("The same, read from a file [env: {}]", name.variable));
    }
    let default = setting.default.map(|value| format!(" [default: {value}]")).unwrap_or_default();
    let argument = argument.help(format!("{}{default} [env: {}]", setting.help, name.variable));
    match setting.kind {
        ValueKind::Text | ValueKind::TextList => argument.value_name("VALUE"),
        ValueKind::Secret | ValueKind::SecretList => argument.value_name("SECRET"),
        ValueKind::List => argument.value_name("PATH").action(ArgAction::Append),
        ValueKind::Switch => argument
            .value_name("true|false")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

impl Args for SettingsArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!(
                "A TOML file of settings, by these names with underscores [env: {CONFIG_VARIABLE}]"
            ));
        let command = command.next_help_heading("Settings").arg(config);
        ALL.iter().flat_map(arguments).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = BTreeMap::new();
        for argument in ALL.iter().flat_map(arguments) {
            let key = argument.get_id().as_str();
            if let Ok(Some(values)) = matches.try_get_many::<String>(key) {
                flags.insert(key.to_owned(), values.map(String::as_str).collect::<Vec<_>>().join(","));
            }
        }
        Ok(Self { config: matches.get_one("config").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
