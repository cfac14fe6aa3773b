//! `latchkey migrate`.

use latchkey_config::Settings;
use latchkey_server::migrate::{DataLoss, MigrationError, Migrator, Step, StepState};
use latchkey_server::{FlushGuard, start_log};

use crate::args::{MigrateAction, SettingsArgs};
use crate::exit::CliError;
use crate::output::{pluralize, print, rows};

pub(super) async fn run(action: MigrateAction) -> Result<(), CliError> {
    match action {
        MigrateAction::Up(settings) => {
            let (migrator, _flush) = open(&settings)?;
            let newer = migrator.up().await.map_err(|error| failed(&error))?;
            match newer.last() {
                None => print("the schema is up to date"),
                Some(newest) => print(&format!(
                    "the schema was migrated to {newest} by a newer version; this version can use it, and changed nothing"
                )),
            }
        }
        MigrateAction::Down { steps, discard_data, settings } => {
            let (migrator, _flush) = open(&settings)?;
            let loss = if discard_data { DataLoss::Accept } else { DataLoss::Refuse };
            migrator.down(steps, loss).await.map_err(|error| failed(&error))?;
            print(&format!("{} reverted", pluralize(steps as usize, "migration")))
        }
        MigrateAction::Status(settings) => {
            let (migrator, _flush) = open(&settings)?;
            let status = migrator.status().await.map_err(|error| failed(&error))?;
            let row = |step: Step| [step.name, state(step.state).to_owned()];
            print(&rows(["MIGRATION", "STATE"], status.steps.into_iter().map(row)))?;
            status.conflict.map_or(Ok(()), |conflict| Err(CliError::Unreachable(conflict)))
        }
    }
}

/// Returns the word for a state.
fn state(state: StepState) -> &'static str {
    match state {
        StepState::Applied => "applied",
        StepState::Missing => "missing",
        StepState::Newer => "applied by a newer version",
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
    match error {
        MigrationError::Database(_) => CliError::Unreachable(error.to_string()),
        MigrationError::DataLoss(_) => {
            CliError::Local(format!("{error}: make a backup, and add --discard-data to delete it"))
        }
    }
}
