//! The schema of a database that has Latchkey's tables, or in which the first migration would create them, and other
//! schemas of the same database that have such tables.
//!
//! A schema that comes earlier in the role's `search_path` than the one with the tables would get a second, empty set of
//! them, and every key would be unknown there.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

/// Place of the tables.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// True if the schema has the table of the applied migrations.
    pub(crate) migrated: bool,
    /// True if the server is PostgreSQL itself, with all of its catalogs.
    pub(crate) is_postgres: bool,
    /// True if the table whose row is locked exists.
    pub(crate) has_lock: bool,
    /// Name of the role.
    pub(crate) role: String,
    /// Name of the schema, quoted where necessary.
    pub(crate) schema: String,
    search_path: String,
    /// Other schemas of the search path that have Latchkey's tables.
    behind: Option<String>,
    /// Schemas outside of the search path that have Latchkey's tables.
    elsewhere: Option<String>,
}

impl Place {
    /// Finds the schema, with one query. Fails if the role can use none.
    pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let backend = db.get_database_backend();
        let sql = match backend {
            DbBackend::Postgres => include_str!("schema/place.sql"),
            _ => "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        };
        let row = db.query_one_raw(Statement::from_string(backend, sql)).await?;
        match row {
            Some(row) if backend == DbBackend::Postgres => of_postgres(&row),
            row => Ok(Self { migrated: row.is_some(), ..Self::default() }),
        }
    }

    /// Returns the search path that keeps a connection in the schema: its name, and then the role's own path, in which triggers
    /// find what they name; `None` in SQLite.
    pub(crate) fn pinned_path(&self) -> Option<String> {
        let Self { schema, search_path, .. } = self;
        if schema.is_empty() {
            return None;
        }
        // Also where a pooler gives the session of an earlier process, so that the path does not become longer each time.
        let is_first = search_path
            .strip_prefix(schema.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(','));
        let parts = [schema.as_str(), search_path.as_str()];
        Some(if is_first { search_path.clone() } else { parts.join(", ") })
    }

    /// Returns why no tables must be created in this schema; `None` if they may, or if they are there.
    pub(crate) fn conflict(&self) -> Option<String> {
        if self.migrated {
            return None;
        }
        let Self { role, schema, search_path, .. } = self;
        let reserved = is_reserved(schema);
        let (path, reason) = match self.behind.as_deref() {
            Some(behind) => {
                let tables = format!("Latchkey's tables are in the schema {behind} behind it");
                (behind, format!("{tables}, so that every key would be unknown"))
            }
            None if reserved => ("public", "this schema is PostgreSQL's own".to_owned()),
            None => return None,
        };
        let drop = if reserved {
            String::new()
        } else {
            format!("; if {schema} is not needed, DROP SCHEMA {schema} also corrects it")
        };
        Some(format!(
            "the role {role} would use the schema {schema}, the first of its search_path ({search_path}), and {reason}: run \
             ALTER ROLE {role} SET search_path = {path}, or add options=-c%20search_path%3D{path} to the query of \
             database_url{drop}"
        ))
    }

    /// Returns what an operator should know about other schemas that have Latchkey's tables.
    pub(crate) fn notice(&self) -> Option<String> {
        let Self { schema, search_path, .. } = self;
        match (&self.behind, &self.elsewhere) {
            (Some(behind), _) => Some(format!(
                "of the schemas in its search_path ({search_path}), {schema} is used, and {behind} has Latchkey's tables \
                 as well"
            )),
            (None, Some(elsewhere)) if !self.migrated => Some(format!(
                "the schema {schema} has none of Latchkey's tables, and the schema {elsewhere} of the same database, which \
                 is not in the search_path ({search_path}), has them"
            )),
            _ => None,
        }
    }
}

/// Returns whether a schema is one of PostgreSQL's own: the catalog, or one of temporary tables, which end with their session.
fn is_reserved(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

fn of_postgres(row: &QueryResult) -> Result<Place, DbErr> {
    let (role, search_path): (String, String) = (row.try_get("", "role")?, row.try_get("", "search_path")?);
    let Some(schema) = row.try_get::<Option<String>>("", "schema")? else {
        return Err(DbErr::Custom(no_schema(&role, &search_path, row.try_get("", "named")?)));
    };
    Ok(Place {
        migrated: row.try_get("", "migrated")?,
        is_postgres: row.try_get("", "is_postgres")?,
        has_lock: row.try_get("", "has_lock")?,
        role,
        schema,
        search_path,
        behind: row.try_get("", "behind")?,
        elsewhere: row.try_get("", "elsewhere")?,
    })
}

/// Returns why a role can use no schema of its search path. `named` are those of them that exist.
fn no_schema(role: &str, search_path: &str, named: Option<String>) -> String {
    match named {
        Some(schemas) => format!(
            "permission denied: the role {role} may use no schema of its search_path ({search_path}); run \
             GRANT USAGE ON SCHEMA {schemas} TO {role}"
        ),
        None => format!(
            "no schema of the search_path of the role {role} ({search_path}) exists: create one of them (CREATE SCHEMA \
             name AUTHORIZATION {role}), or run ALTER ROLE {role} SET search_path = public, and correct \
             options=-c search_path in database_url if it is there"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(migrated: bool, behind: Option<&str>, elsewhere: Option<&str>) -> Place {
        let text = |name: &str| name.to_owned();
        Place {
            migrated,
            role: text("lk"),
            schema: text("lk"),
            search_path: text("\"$user\", public"),
            behind: behind.map(text),
            elsewhere: elsewhere.map(text),
            ..Place::default()
        }
    }

    #[test]
    fn tables_behind_the_schema_are_a_conflict_only_if_it_has_none() {
        let conflict = place(false, Some("public"), None).conflict().unwrap();
        assert!(
            conflict.contains("the schema lk,") && conflict.contains("search_path = public"),
            "{conflict}"
        );
        assert_eq!(place(true, Some("public"), None).conflict(), None);
        assert!(place(true, Some("public"), None).notice().unwrap().contains("lk is used"));
    }

    #[test]
    fn a_schema_of_the_server_itself_is_a_conflict_and_is_not_to_be_dropped() {
        for schema in ["pg_catalog", "pg_temp_8", "information_schema"] {
            for behind in [None, Some("public")] {
                let reserved = Place { schema: schema.to_owned(), ..place(false, behind, None) };
                let conflict = reserved.conflict().unwrap();
                assert!(conflict.contains("SET search_path = public"), "{conflict}");
                assert!(!conflict.contains("DROP SCHEMA"), "{conflict}");
            }
        }
        assert!(place(false, Some("public"), None).conflict().unwrap().contains("DROP SCHEMA lk"));
    }

    #[test]
    fn the_path_that_is_kept_begins_with_the_schema_and_has_the_rest() {
        let kept = |schema: &str, search_path: &str| {
            let (schema, search_path) = (schema.to_owned(), search_path.to_owned());
            Place { schema, search_path, ..Place::default() }.pinned_path()
        };
        for (schema, search_path, path) in [
            ("public", "\"$user\", public", "public, \"$user\", public"),
            ("lk", "lk, public", "lk, public"),
            ("lk", "lk", "lk"),
            ("lk", "lk_old, lk", "lk, lk_old, lk"),
            ("\"my, Lk\"", "nosuch, \"my, Lk\"", "\"my, Lk\", nosuch, \"my, Lk\""),
        ] {
            let pinned = kept(schema, search_path).unwrap();
            assert_eq!(pinned, path);
            assert_eq!(kept(schema, &pinned), Some(pinned.clone()), "no longer at the next start");
        }
        assert_eq!(kept("", ""), None);
    }

    #[test]
    fn tables_in_another_schema_are_reported_before_the_first_migration() {
        let first = place(false, None, Some("other"));
        assert_eq!(first.conflict(), None);
        assert!(first.notice().unwrap().contains("the schema other"));
        assert_eq!(place(true, None, Some("other")).notice(), None);
    }

    #[test]
    fn a_missing_schema_is_distinguished_from_a_forbidden_one() {
        let absent = no_schema("lk", "nosuch", None);
        assert!(absent.contains("exists") && !absent.contains("permission"), "{absent}");
        let forbidden = no_schema("lk", "nosuch, public", Some("public".to_owned()));
        assert!(forbidden.contains("GRANT USAGE ON SCHEMA public TO lk"), "{forbidden}");
    }
}
