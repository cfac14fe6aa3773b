//! Check of the schema: its migrations, its tables, and other schemas of the same database.

use latchkey_config::Settings;
use latchkey_migrations::{SchemaStatus, StepState};
use latchkey_store::Store;

use super::finding;
use crate::doctor::{Finding, Severity};

/// Returns findings about the schema, and true if this program can use it all the same.
pub(super) async fn examine(settings: &Settings, store: &Store) -> (Vec<Finding>, bool) {
    // Where the server, the role or a pooler gives few connections, this check needs one of them.
    store.close_idle().await;
    match latchkey_migrations::status(store.connection()).await {
        Ok(schema) => findings(schema, settings.database.migrate),
        Err(error) => {
            let what = format!("its schema can't be read: {}", store.cause_of_migration(&error).await);
            (vec![finding(Severity::Error, what, "correct what is named")], false)
        }
    }
}

fn findings(schema: SchemaStatus, migrates: bool) -> (Vec<Finding>, bool) {
    if let Some(conflict) = schema.conflict {
        let remedy = "correct what is named: until then no replica becomes ready";
        return (vec![finding(Severity::Error, conflict, remedy)], false);
    }
    let mut found = Vec::new();
    if let Some(notice) = &schema.notice {
        let remedy =
            "if it is not intended, correct the role's search_path, or drop the tables that are not used";
        found.push(finding(Severity::Warning, notice, remedy));
    }
    if let Some(newest) = schema.names(StepState::Newer).last() {
        let what = format!("it was migrated to {newest} by a newer version, whose schema this one can use");
        found.push(finding(Severity::Warning, what, "finish the upgrade of all replicas"));
        return (found, true);
    }
    let missing = schema.names(StepState::Missing).count();
    if missing == 0 {
        return (found, true);
    }
    let what = format!("{missing} of {} migrations are not applied to its schema", schema.steps.len());
    let (severity, remedy) = if migrates {
        (Severity::Warning, "the next start applies them")
    } else {
        (Severity::Error, "run `latchkey migrate up`, or serve with --migrate")
    };
    found.push(finding(severity, what, remedy));
    (found, false)
}

#[cfg(test)]
mod tests {
    use latchkey_migrations::Step;

    use super::*;

    fn schema(state: StepState) -> SchemaStatus {
        let steps = vec![Step { name: "m0001_tenants".to_owned(), state }];
        SchemaStatus { steps, conflict: None, notice: None, search_path: None }
    }

    #[test]
    fn a_schema_is_usable_unless_it_conflicts_or_lacks_migrations() {
        assert_eq!(findings(schema(StepState::Applied), true), (Vec::new(), true));
        assert!(findings(schema(StepState::Newer), true).1);
        let (missing, usable) = findings(schema(StepState::Missing), false);
        assert!(missing[0].severity == Severity::Error && !usable, "{missing:?}");
        let damaged = SchemaStatus {
            conflict: Some("the table key_usage is missing".to_owned()),
            ..schema(StepState::Applied)
        };
        let (found, usable) = findings(damaged, true);
        assert!(found[0].message.contains("key_usage") && !usable, "{found:?}");
        let notice = Some("the schema other has them".to_owned());
        let (found, usable) = findings(SchemaStatus { notice, ..schema(StepState::Applied) }, true);
        assert!(found[0].severity == Severity::Warning && usable, "{found:?}");
    }
}
