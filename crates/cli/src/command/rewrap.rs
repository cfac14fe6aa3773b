//! `latchkey rewrap`.

use latchkey_config::RewrapSettings;
use latchkey_server::rewrap::{RewrapCounts, RewrapError, rewrap, table_names};
use latchkey_server::{load_rewrap_settings, start_log};
use serde_json::{Value, json};

use super::migrate::require_database;
use crate::args::RewrapArgs;
use crate::exit::CliError;
use crate::output::{Format, pluralize, print, rows, show_value};

pub(super) async fn run(args: RewrapArgs, format: Format) -> Result<(), CliError> {
    let loaded = load_rewrap_settings(&args.settings.sources());
    let RewrapSettings { database, master_key, previous_master_keys, log } =
        loaded.map_err(|error| CliError::Usage(error.to_string()))?;
    require_database(&database)?;
    let _flush = start_log(&log);
    let done = rewrap(&database, &master_key, &previous_master_keys, args.forget).await;
    let done = done.map_err(|error| failed(&error))?;
    let row = |(name, count): (&str, &RewrapCounts)| {
        let numbers = [count.rewrapped, count.cleared, count.current, count.stale, count.unreadable];
        let [resealed, cleared, current, again, shut] = numbers.map(|number| number.to_string());
        [name.to_owned(), resealed, cleared, current, again, shut]
    };
    let header = ["VALUES", "REWRAPPED", "CLEARED", "CURRENT KEY", "PREVIOUS KEY", "UNREADABLE"];
    let tables = || table_names().into_iter().zip(&done.0);
    show_value(format, &json(tables()), || rows(header, tables().map(row)))?;
    let count = |of: fn(&RewrapCounts) -> u64| {
        usize::try_from(done.0.iter().map(of).sum::<u64>()).unwrap_or(usize::MAX)
    };
    let (again, shut) = (count(|count| count.stale), count(|count| count.unreadable));
    if again > 0 {
        return Err(CliError::Local(format!(
            "a server encrypted {} with a previous master key in the meantime, which it has as master_key: start it \
             with the new one, and run this command again",
            pluralize(again, "value")
        )));
    }
    if shut > 0 {
        return Err(CliError::Local(format!(
            "none of the given keys decrypts {}: add the missing one to previous_master_keys, or, if it is lost or \
             rows are corrupt, stop the servers and delete such values with --discard-unreadable",
            pluralize(shut, "value")
        )));
    }
    match format {
        Format::Json => Ok(()),
        Format::Text => print(
            "all values are encrypted with the master key: previous_master_keys can be removed from the settings",
        ),
    }
}

/// Returns the counts as JSON.
fn json<'a>(tables: impl Iterator<Item = (&'static str, &'a RewrapCounts)>) -> Value {
    let one = |(name, count): (&str, &RewrapCounts)| {
        json!({
            "name": name,
            "rewrapped": count.rewrapped,
            "cleared": count.cleared,
            "current": count.current,
            "previous": count.stale,
            "unreadable": count.unreadable,
        })
    };
    json!({ "values": tables.map(one).collect::<Vec<_>>() })
}

fn failed(error: &RewrapError) -> CliError {
    let text = error.to_string();
    match error {
        RewrapError::Embedded(_) if error.is_in_use() => CliError::Conflict(text),
        RewrapError::SystemError(_) | RewrapError::Embedded(_) => CliError::Unreachable(text),
        RewrapError::MasterKey(_) | RewrapError::MissingKeyFile(_) | RewrapError::Database(_) => {
            CliError::Usage(text)
        }
        RewrapError::WrongKey | RewrapError::Internal(_) | RewrapError::Randomness(_) => {
            CliError::Local(text)
        }
    }
}
