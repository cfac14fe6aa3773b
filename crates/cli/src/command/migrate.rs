//! `latchkey migrate`.

use latchkey_config::Settings;
use latchkey_server::schema::{Schema, SchemaError};
use latchkey_server::{Flush, start_log};

use crate::args::{MigrateAction, SettingsArgs};
use crate::exit::Failure;
use crate::output::{amount, print, rows};

pub(super) async fn run(action: MigrateAction) -> Result<(), Failure> {
    match action {
        MigrateAction::Up(settings) => {
            let (schema, _flush) = open(&settings)?;
            schema.up().await.map_err(|error| failed(&error))?;
            print("the schema is up to date")
        }
        MigrateAction::Down { steps, settings } => {
            let (schema, _flush) = open(&settings)?;
            schema.down(steps).await.map_err(|error| failed(&error))?;
            print(&format!("{} taken back", amount(steps as usize, "step")))
        }
        MigrateAction::Status(settings) => {
            let (schema, _flush) = open(&settings)?;
            let steps = schema.status().await.map_err(|error| failed(&error))?;
            let row = |(name, applied): (String, bool)| {
                [name, if applied { "applied" } else { "missing" }.to_owned()]
            };
            print(&rows(["STEP", "STATE"], steps.into_iter().map(row)))
        }
    }
}

fn open(args: &SettingsArgs) -> Result<(Schema, Flush), Failure> {
    let (database, log) =
        Settings::load_database(&args.sources()).map_err(|e| Failure::Usage(e.to_string()))?;
    let flush = start_log(&log);
    let schema = Schema::of(&database).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok((schema, flush))
}

fn failed(error: &SchemaError) -> Failure {
    Failure::Unreachable(error.to_string())
}
