//! `latchkey serve`.

use latchkey_server::{load_settings, serve, signals, start_log};

use crate::args::SettingsArgs;
use crate::exit::Failure;

pub(super) async fn run(args: &SettingsArgs) -> Result<(), Failure> {
    let settings = load_settings(&args.sources()).map_err(|e| Failure::Usage(e.to_string()))?;
    let flush = start_log(&settings.log);
    let ended = serve(settings, signals::end()).await;
    drop(flush);
    ended.map_err(|error| {
        let told = error.to_string();
        if error.stays() { Failure::Usage(told) } else { Failure::Local(told) }
    })
}
