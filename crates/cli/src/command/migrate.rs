//! `latchkey migrate`.

use latchkey_config::Settings;
use latchkey_server::migrate::{MigrationError, Migrator};
use latchkey_server::{FlushGuard, start_log};

use crate::args::{MigrateAction, SettingsArgs};
use crate::exit::CliError;
use crate::output::{pluralize, print, rows};

pub(super) async fn run(action: MigrateAction) -> Result<(), CliError> {
    match action {
        MigrateAction::Up(settings) => {
            let (migrator, _flush) = open(&settings)?;
            migrator.up().await.map_err(|error| failed(&error))?;
            print("the schema is up to date")
        }
        MigrateAction::Down { steps, settings } => {
            let (migrator, _flush) = open(&settings)?;
            migrator.down(steps).await.map_err(|error| failed(&error))?;
            print(&format!("{} taken back", pluralize(steps as usize, "step")))
        }
        MigrateAction::Status(settings) => {
            let (migrator, _flush) = open(&settings)?;
            let steps = migrator.status().await.map_err(|error| failed(&error))?;
            let row = |(name, applied): (String, bool)| {
                [name, if applied { "applied" } else { "missing" }.to_owned()]
            };
            print(&rows(["STEP", "STATE"], steps.into_iter().map(row)))
        }
    }
}

fn open(args: &SettingsArgs) -> Result<(Migrator, FlushGuard), CliError> {
    let (database, log) =
        Settings::load_database(&args.sources()).map_err(|e| CliError::Usage(e.to_string()))?;
    let flush = start_log(&log);
    let migrator = Migrator::new(&database).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok((migrator, flush))
}

fn failed(error: &MigrationError) -> CliError {
    CliError::Unreachable(error.to_string())
}
