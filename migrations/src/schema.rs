//! Check that the tables of a database are those that the migrations make, and that nothing changes, hides or loses
//! their rows.
//!
//! What the migrations make is in `schema/postgres.txt` and `schema/sqlite.txt`, one fact in a line: tables, columns with
//! their types, columns that every row must name, unique indexes and foreign keys. A test writes these files from new
//! databases. A database may have more columns, tables and indexes: operators add indexes, and newer versions columns.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::place::Place;

/// Tables of the newest schema.
pub(crate) const TABLES: [&str; 25] = [
    "seaql_migrations",
    "audit_events",
    "changes",
    "deletions",
    "fleet",
    "grants",
    "head",
    "key_last_uses",
    "key_scope_uses",
    "key_usage",
    "key_usage_minutes",
    "keys",
    "login_histories",
    "master_key_marks",
    "profile_secrets",
    "profiles",
    "refresh_tokens",
    "replicas",
    "schema_requirement",
    "shadow_denials",
    "signing_keys",
    "tenants",
    "token_families",
    "usage_recorders",
    "users",
];

/// Number of differences that an error names.
const NAMED: usize = 6;
/// Beginning of the fact that every row must have a value of a column.
const NEEDS: &str = "needs a value of ";

/// Part of the schema that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All parts.
    Whole,
    /// Tables and columns, since later migrations may drop indexes and foreign keys.
    Columns,
}

/// Catalogs of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Catalog {
    Postgres,
    Sqlite,
    /// Catalogs of the SQL standard, in which types have other names.
    Portable,
}

impl Catalog {
    fn of(db: &impl ConnectionTrait, place: &Place) -> Self {
        match db.get_database_backend() {
            DbBackend::Postgres if place.is_postgres => Self::Postgres,
            DbBackend::Postgres => Self::Portable,
            _ => Self::Sqlite,
        }
    }

    fn sql(self) -> String {
        let sql = match self {
            Self::Postgres => include_str!("schema/postgres.sql"),
            Self::Sqlite => include_str!("schema/sqlite.sql"),
            Self::Portable => include_str!("schema/portable.sql"),
        };
        sql.replace("{tables}", &TABLES.map(|table| format!("'{table}'")).join(", "))
    }

    /// Returns the facts that the migrations make true.
    fn expected(self) -> BTreeSet<Fact> {
        let lines = match self {
            Self::Postgres | Self::Portable => include_str!("schema/postgres.txt"),
            Self::Sqlite => include_str!("schema/sqlite.txt"),
        };
        let facts = lines.lines().filter_map(|line| line.split_once(": "));
        facts.map(|(table, words)| (table.to_owned(), words.to_owned())).collect()
    }
}

/// A table and what is true of it.
type Fact = (String, String);

/// Facts of a database's tables.
#[derive(Debug, Default)]
struct FoundSchema {
    facts: BTreeSet<Fact>,
    /// Triggers, rules and the like that change, hide or lose rows, each with what to do.
    harms: Vec<Fact>,
}

impl FoundSchema {
    async fn read(db: &impl ConnectionTrait, catalog: Catalog) -> Result<Self, DbErr> {
        let mut found = Self::default();
        for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), catalog.sql())).await? {
            found.add(&row)?;
        }
        Ok(found)
    }

    fn add(&mut self, row: &QueryResult) -> Result<(), DbErr> {
        let kind: String = row.try_get("", "kind")?;
        let fact = (row.try_get("", "of_table")?, row.try_get("", "words")?);
        if kind == "harm" {
            self.harms.push(fact);
        } else {
            self.facts.insert(fact);
        }
        Ok(())
    }

    /// Returns the differences, each in words.
    fn differences(&self, expected: &BTreeSet<Fact>, extent: Extent) -> Vec<String> {
        let has_table = |table: &str| self.facts.iter().any(|(of, words)| of == table && words == "table");
        let mut found = Vec::new();
        for (table, words) in expected.difference(&self.facts) {
            let is_replaced = self.harms.iter().any(|(of, _)| of == table);
            let is_compared = match words.as_str() {
                "table" => !is_replaced,
                words if words.starts_with(NEEDS) || !has_table(table) => false,
                words => extent == Extent::Whole || words.starts_with("column "),
            };
            if is_compared {
                found.push(self.lacks(table, words));
            }
        }
        let needs = self.facts.difference(expected).filter(|(_, words)| words.starts_with(NEEDS));
        found.extend(needs.map(|(table, words)| {
            format!("the table {table} {words}, which Latchkey does not always give: drop NOT NULL, or set a default")
        }));
        found.extend(self.harms.iter().map(|(table, words)| format!("the table {table} {words}")));
        found
    }

    /// Returns a fact that is not true in words, with the type that a column has in place of its own.
    fn lacks(&self, table: &str, words: &str) -> String {
        if words == "table" {
            return format!("the table {table} is missing");
        }
        if let Some(columns) = words.strip_prefix("unique ") {
            return format!("a unique index on {table} {columns} is missing or invalid");
        }
        let Some(column) = words.strip_prefix("column ") else {
            return format!("on the table {table}, the constraint {words} is missing or not valid");
        };
        let name = column.split(' ').next().unwrap_or(column);
        let start = format!("column {name} ");
        let actual =
            self.facts.iter().filter(|(of, _)| of == table).find_map(|(_, words)| words.strip_prefix(&start));
        match actual {
            Some(actual) => format!("the column {table}.{column} has the type {actual}"),
            None => format!("the column {table}.{column} is missing"),
        }
    }
}

/// Returns what is wrong with the tables, with what to do; `None` if they are complete. One query.
pub(crate) async fn damage(
    db: &impl ConnectionTrait,
    place: &Place,
    extent: Extent,
) -> Result<Option<String>, DbErr> {
    let catalog = Catalog::of(db, place);
    let (mut expected, mut extent) = (catalog.expected(), extent);
    if catalog == Catalog::Portable {
        expected = expected.into_iter().map(|(table, words)| (table, without_type(&words))).collect();
        extent = Extent::Columns;
    }
    Ok(describe(&FoundSchema::read(db, catalog).await?.differences(&expected, extent)))
}

/// Returns a fact about a column without its type, and any other as it is.
fn without_type(words: &str) -> String {
    let name = words.strip_prefix("column ").and_then(|column| column.split(' ').next());
    name.map_or_else(|| words.to_owned(), |name| format!("column {name}"))
}

fn describe(differences: &[String]) -> Option<String> {
    let more = match differences.len() {
        0 => return None,
        count if count > NAMED => format!("; and {} more", count - NAMED),
        _ => String::new(),
    };
    let named: Vec<_> = differences.iter().take(NAMED).map(String::as_str).collect();
    Some(format!(
        "the database's tables are not those that the migrations make: {}{more}. Correct what is named; what is missing is \
         in a backup, or in a new database after `latchkey migrate up`",
        named.join("; ")
    ))
}

#[cfg(test)]
mod tests;
