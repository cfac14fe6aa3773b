//! `latchkey rewrap`.

use latchkey_config::{RewrapSettings, Settings};
use latchkey_server::rewrap::{RewrapCounts, RewrapError, rewrap, table_names};
use latchkey_server::start_log;
use serde_json::{Value, json};

use crate::args::RewrapArgs;
use crate::exit::CliError;
use crate::output::{Format, pluralize, print, rows, show_value};

pub(super) async fn run(args: RewrapArgs, format: Format) -> Result<(), CliError> {
    let loaded = Settings::load_for_rewrap(&args.settings.sources());
    let RewrapSettings { database, master_key, previous_master_keys, log } =
        loaded.map_err(|error| CliError::Usage(error.to_string()))?;
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
            "{} came to lie under a previous master key meanwhile: a server still has it as master_key. Start it with \
             the new one, and run this again",
            pluralize(again, "value")
        )));
    }
    if shut > 0 {
        return Err(CliError::Local(format!(
            "no key that was given opens {}: give the one that is missing in previous_master_keys, or, where it is \
             lost or rows are corrupt, stop the servers and delete such values with --discard-unreadable",
            pluralize(shut, "value")
        )));
    }
    match format {
        Format::Json => Ok(()),
        Format::Text => print(
            "everything lies under the master key: previous_master_keys can be taken out of the settings",
        ),
    }
}

/// Returns the counts for programs.
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
        RewrapError::SystemError(_) => CliError::Unreachable(text),
        RewrapError::MasterKey(_) | RewrapError::MissingKeyFile(_) | RewrapError::Database(_) => {
            CliError::Usage(text)
        }
        RewrapError::WrongKey
        | RewrapError::Embedded(_)
        | RewrapError::Internal(_)
        | RewrapError::Randomness(_) => CliError::Local(text),
    }
}
