//! Counts the keys, users or tenants of a profile that a change affects, and reads a few of them. A count ends at a
//! maximum, and the indexes `keys_by_format` and `grants_by_scope` find the rows, so that its cost is bounded.

use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::profile_change::{Affected, AffectedKeys};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::impact::{Impact, ImpactExample, MAX_COUNT, MAX_EXAMPLES};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use super::tenant::NOT_ENDED;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Returns the keys, users or tenants of a profile that satisfy a condition at a time.
pub(crate) async fn of(
    connection: &PooledConnection,
    profile: &str,
    affected: &Affected,
    now: Timestamp,
) -> Result<Impact, StoreError> {
    let filter = Filter::new(profile, affected, now);
    let all = |sql: String| {
        Statement::from_sql_and_values(connection.get_database_backend(), sql, filter.values.clone())
    };
    let rows = connection.query_all_raw(all(filter.examples())).await?;
    let mut examples = rows.iter().map(|row| example(affected, row)).collect::<Result<Vec<_>, _>>()?;
    examples.sort_unstable();
    let counted = if examples.is_empty() {
        0
    } else {
        let row = connection.query_one_raw(all(filter.count())).await?;
        let count = row.map_or(Ok(0), |row| row.try_get::<i64>("", "counted"))?;
        number::to_u64(RowContext::new("profiles", &profile), "counted", count)?
    };
    let count = counted.min(MAX_COUNT);
    Ok(Impact { affected: affected.clone(), count, more: counted > MAX_COUNT, examples })
}

fn example(affected: &Affected, row: &QueryResult) -> Result<ImpactExample, StoreError> {
    let id: Uuid = row.try_get("", "id")?;
    let id = match affected {
        Affected::Keys(_) => KeyId(id).to_string(),
        Affected::Users { .. } => UserId(id).to_string(),
        Affected::Tenants { .. } => TenantId(id).to_string(),
    };
    Ok(ImpactExample { id, name: row.try_get("", "name")?, tenant: row.try_get("", "slug")? })
}

/// Condition as SQL.
struct Filter {
    /// Columns of an example.
    columns: &'static str,
    /// Tables with their aliases: `t` for tenants, `s` for keys or users.
    tables: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    fn new(profile: &str, affected: &Affected, now: Timestamp) -> Self {
        let (columns, tables) = match affected {
            Affected::Keys(_) => {
                ("s.id AS id, s.name AS name, t.slug AS slug", "keys s JOIN tenants t ON t.id = s.tenant_id")
            }
            Affected::Users { .. } => (
                "s.id AS id, s.email AS name, t.slug AS slug",
                "users s JOIN tenants t ON t.id = s.tenant_id",
            ),
            Affected::Tenants { .. } => ("t.id AS id, t.display_name AS name, t.slug AS slug", "tenants t"),
        };
        let mut filter = Self { columns, tables, conditions: Vec::new(), values: Vec::new() };
        let profile = filter.bound(profile);
        filter.conditions.push(format!("t.profile = {profile} AND {NOT_ENDED}"));
        match affected {
            Affected::Keys(keys) => filter.keys(keys, now),
            Affected::Users { roles, environment } => {
                let disabled = filter.bound(false);
                filter.conditions.push(format!("s.disabled = {disabled}"));
                filter.any_of("s.role", roles);
                filter.any_of("s.environment", environment.as_slice());
            }
            Affected::Tenants { plan } => filter.any_of("t.plan", std::slice::from_ref(plan)),
        }
        filter
    }

    fn keys(&mut self, keys: &AffectedKeys, now: Timestamp) {
        let now = self.bound(now.0);
        self.conditions
            .push(format!("s.state = 'active' AND (s.expires_at IS NULL OR s.expires_at > {now})"));
        self.any_of("s.environment", keys.environment.as_slice());
        self.any_of("s.kind", &keys.kinds);
        if !keys.groups.is_empty() {
            let mut groups = Vec::new();
            for group in &keys.groups {
                let prefix = self.bound(&*group.prefix);
                let kind = self.bound(&*group.kind);
                let environment = self.bound(&*group.environment);
                groups.push(format!(
                    "(s.prefix = {prefix} AND s.kind = {kind} AND s.environment = {environment})"
                ));
            }
            self.conditions.push(format!("({})", groups.join(" OR ")));
        }
        if !keys.scopes.is_empty() {
            let scopes: Vec<String> = keys.scopes.iter().map(|scope| self.bound(&**scope)).collect();
            self.conditions
                .push(format!("s.id IN (SELECT key_id FROM grants WHERE scope IN ({}))", scopes.join(", ")));
        }
    }

    /// Requires one of the values, if there are any.
    fn any_of(&mut self, column: &str, values: &[Box<str>]) {
        if values.is_empty() {
            return;
        }
        let values: Vec<String> = values.iter().map(|value| self.bound(&**value)).collect();
        self.conditions.push(format!("{column} IN ({})", values.join(", ")));
    }

    fn bound(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn examples(&self) -> String {
        let Self { columns, tables, conditions, .. } = self;
        format!("SELECT {columns} FROM {tables} WHERE {} LIMIT {MAX_EXAMPLES}", conditions.join(" AND "))
    }

    fn count(&self) -> String {
        let Self { tables, conditions, .. } = self;
        format!(
            "SELECT COUNT(*) AS counted FROM (SELECT 1 AS one FROM {tables} WHERE {} LIMIT {}) found",
            conditions.join(" AND "),
            MAX_COUNT + 1
        )
    }
}
