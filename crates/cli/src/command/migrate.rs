//! `latchkey migrate`.

use latchkey_server::migrate::{DataLoss, MigrationError, Migrator, Step, StepState};
use latchkey_server::{FlushGuard, load_database_settings, start_log};
use serde_json::{Value, json};

use crate::args::{MigrateAction, SettingsArgs};
use crate::exit::CliError;
use crate::output::{Format, pluralize, rows, show_value};

pub(super) async fn run(action: MigrateAction, format: Format) -> Result<(), CliError> {
    match action {
        MigrateAction::Up(settings) => {
            let (migrator, _flush) = open(&settings)?;
            let newer = migrator.up().await.map_err(|error| failed(&error))?;
            let text = newer.last().map_or_else(
                || "the schema is up to date".to_owned(),
                |newest| {
                    format!(
                        "the schema was migrated to {newest} by a newer version; this version can use it, and changed \
                         nothing"
                    )
                },
            );
            show_value(format, &json!({ "newerMigrations": newer }), || text)
        }
        MigrateAction::Down { steps, discard_data, settings } => {
            let (migrator, _flush) = open(&settings)?;
            let loss = if discard_data { DataLoss::Accept } else { DataLoss::Refuse };
            migrator.down(steps, loss).await.map_err(|error| failed(&error))?;
            show_value(format, &json!({ "reverted": steps }), || {
                format!("{} reverted", pluralize(steps as usize, "migration"))
            })
        }
        MigrateAction::Status(settings) => {
            let (migrator, _flush) = open(&settings)?;
            let status = migrator.status().await.map_err(|error| failed(&error))?;
            let one = |step: &Step| json!({ "name": step.name, "state": state_name(step.state) });
            let steps: Vec<Value> = status.steps.iter().map(one).collect();
            let row = |step: Step| [step.name, state(step.state).to_owned()];
            show_value(format, &json!({ "migrations": steps, "conflict": status.conflict }), || {
                rows(["MIGRATION", "STATE"], status.steps.into_iter().map(row))
            })?;
            status.conflict.map_or(Ok(()), |conflict| Err(CliError::Conflict(conflict)))
        }
    }
}

/// Returns the name of a state in JSON.
fn state_name(state: StepState) -> &'static str {
    match state {
        StepState::Applied => "applied",
        StepState::Missing => "missing",
        StepState::Newer => "newer",
    }
}

/// Returns the description of a state.
fn state(state: StepState) -> &'static str {
    match state {
        StepState::Applied => "applied",
        StepState::Missing => "missing",
        StepState::Newer => "applied by a newer version",
    }
}

fn open(args: &SettingsArgs) -> Result<(Migrator, FlushGuard), CliError> {
    let (database, log) =
        load_database_settings(&args.sources()).map_err(|e| CliError::Usage(e.to_string()))?;
    let flush = start_log(&log);
    let migrator = Migrator::new(&database).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok((migrator, flush))
}

fn failed(error: &MigrationError) -> CliError {
    match error {
        MigrationError::Database(_) => CliError::Unreachable(error.to_string()),
        MigrationError::Conflict(_) => CliError::Conflict(error.to_string()),
        MigrationError::DataLoss(_) => {
            CliError::Local(format!("{error}: make a backup, and add --discard-data to delete it"))
        }
    }
}
