//! `latchkey serve`.

use latchkey_server::{ServeError, load_settings, protect_memory, serve, signals, start_log};

use crate::args::SettingsArgs;
use crate::exit::CliError;

pub(super) async fn run(args: &SettingsArgs) -> Result<(), CliError> {
    let ignored = signals::ignore_others();
    let settings = load_settings(&args.sources()).map_err(|e| CliError::Usage(e.to_string()))?;
    let flush = start_log(&settings.log);
    if !settings.core_dumps {
        protect_memory();
    }
    let ended = tokio::select! {
        ended = serve(settings, signals::shutdown()) => ended,
        () = signals::second_signal() => Err(ServeError::SecondSignal),
        never = ignored => match never {},
    };
    drop(flush);
    ended.map_err(|error| {
        let output = error.to_string();
        if error.is_permanent() { CliError::Usage(output) } else { CliError::Local(output) }
    })
}
