//! `latchkey migrate`.

use latchkey_config::DatabaseSettings;
use latchkey_server::migrate::{DataLoss, MigrationError, Migrator, Step, StepState};
use latchkey_server::{FlushGuard, load_database_settings, start_log};
use serde_json::{Value, json};

use crate::args::{MigrateAction, SettingsArgs};
use crate::exit::CliError;
use crate::output::{Format, pluralize, rows, show_value};

pub(super) async fn run(action: MigrateAction, format: Format) -> Result<(), CliError> {
    match action {
        MigrateAction::Up(settings) => {
            let mut place = String::new();
            let name_place = |database: &DatabaseSettings| {
                place = database.url.to_string();
                Ok(())
            };
            let (migrator, _flush) = open(&settings, name_place)?;
            let newer = migrator.up().await.map_err(|error| failed(&error))?;
            let text = newer.last().map_or_else(
                || format!("the schema of {place} is up to date"),
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
            let (migrator, _flush) = open(&settings, require_database)?;
            let before = migrator.status().await.map_err(|error| failed(&error))?;
            let applied = before.steps.iter().filter(|step| step.state == StepState::Applied).count();
            let loss = if discard_data { DataLoss::Accept } else { DataLoss::Refuse };
            migrator.down(steps, loss).await.map_err(|error| failed(&error))?;
            let reverted = applied.min(steps as usize);
            show_value(format, &json!({ "reverted": reverted }), || {
                format!("{} reverted", pluralize(reverted, "migration"))
            })
        }
        MigrateAction::Status(settings) => {
            let (migrator, _flush) = open(&settings, |_| Ok(()))?;
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

/// Returns an error if an embedded database does not exist, for a command that would otherwise create an empty one. A
/// database that is gone while files beside it are there has an error of its own when it is opened.
pub(super) fn require_database(database: &DatabaseSettings) -> Result<(), CliError> {
    if database.url.creates_file() && database.is_absent_or_empty() && database.check_present().is_ok() {
        return Err(CliError::Conflict(format!(
            "{} does not exist, or is empty, and this command creates nothing: correct database_url, or run `latchkey \
             migrate up` first",
            database.url
        )));
    }
    Ok(())
}

fn open(
    args: &SettingsArgs,
    check: impl FnOnce(&DatabaseSettings) -> Result<(), CliError>,
) -> Result<(Migrator, FlushGuard), CliError> {
    let (database, log) =
        load_database_settings(&args.sources()).map_err(|e| CliError::Usage(e.to_string()))?;
    check(&database)?;
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
