//! `latchkey serve`.

use latchkey_server::{load_settings, protect_memory, serve, signals, start_log};

use crate::args::SettingsArgs;
use crate::exit::CliError;

pub(super) async fn run(args: &SettingsArgs) -> Result<(), CliError> {
    let settings = load_settings(&args.sources()).map_err(|e| CliError::Usage(e.to_string()))?;
    let flush = start_log(&settings.log);
    if !settings.core_dumps {
        protect_memory();
    }
    let ended = serve(settings, signals::shutdown()).await;
    drop(flush);
    ended.map_err(|error| {
        let output = error.to_string();
        if error.is_permanent() { CliError::Usage(output) } else { CliError::Local(output) }
    })
}
