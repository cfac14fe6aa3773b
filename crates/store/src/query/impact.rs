//! Counts the keys, users or tenants of a profile that a change affects, and reads a few of them. A count ends at a
//! maximum, and the indexes `keys_by_format` and `grants_by_scope` find the rows, so that its cost is bounded.

use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::profile_change::{AffectedKeys, AffectedRecords};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::impact::{Impact, ImpactExample, MAX_COUNT, MAX_EXAMPLES};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, QuerySelect as _, Statement, Value};

use super::padded_in_values;
use super::tenant::NOT_ENDED;
use crate::entity::grant;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Returns the keys, users or tenants of a profile that satisfy a condition at a time.
pub(crate) async fn of(
    connection: &PooledConnection,
    profile: &str,
    affected: &AffectedRecords,
    now: Timestamp,
) -> Result<Impact, StoreError> {
    let few = match affected {
        AffectedRecords::Keys(keys) if !keys.scopes.is_empty() => {
            few_with_scopes(connection, &keys.scopes).await?
        }
        AffectedRecords::Keys(_)
        | AffectedRecords::Users { .. }
        | AffectedRecords::UnconfinedUsers
        | AffectedRecords::Tenants { .. } => None,
    };
    if few.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Impact { affected: affected.clone(), count: 0, more: false, examples: Vec::new() });
    }
    let filter = Filter::new(profile, affected, few.as_deref(), now);
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

/// Most keys with a scope that are named in a statement.
const MOST_NAMED: usize = 1_000;

/// Returns the keys that have one of these scopes, if they are few; the same one may be there several times. PostgreSQL would
/// compare every key of the profile where it expects many of them, and finds none or a few.
async fn few_with_scopes(
    connection: &PooledConnection,
    scopes: &[Box<str>],
) -> Result<Option<Vec<Uuid>>, StoreError> {
    let query = grant::Entity::find().select_only().column(grant::Column::KeyId);
    let query = query.filter(grant::Column::Scope.is_in(padded_in_values(scopes).map(|scope| &**scope)));
    let found: Vec<Uuid> = query.limit(MOST_NAMED as u64 + 1).into_tuple().all(connection).await?;
    Ok((found.len() <= MOST_NAMED).then_some(found))
}

fn example(affected: &AffectedRecords, row: &QueryResult) -> Result<ImpactExample, StoreError> {
    let id: Uuid = row.try_get("", "id")?;
    let id = match affected {
        AffectedRecords::Keys(_) => KeyId(id).to_string(),
        AffectedRecords::Users { .. } | AffectedRecords::UnconfinedUsers => UserId(id).to_string(),
        AffectedRecords::Tenants { .. } => TenantId(id).to_string(),
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
    /// Returns the condition for a profile. `few` are the keys with the scopes, if they are few.
    fn new(profile: &str, affected: &AffectedRecords, few: Option<&[Uuid]>, now: Timestamp) -> Self {
        let (columns, tables) = match affected {
            AffectedRecords::Keys(_) => {
                ("s.id AS id, s.name AS name, t.slug AS slug", "keys s JOIN tenants t ON t.id = s.tenant_id")
            }
            AffectedRecords::Users { .. } | AffectedRecords::UnconfinedUsers => (
                "s.id AS id, s.email AS name, t.slug AS slug",
                "users s JOIN tenants t ON t.id = s.tenant_id",
            ),
            AffectedRecords::Tenants { .. } => {
                ("t.id AS id, t.display_name AS name, t.slug AS slug", "tenants t")
            }
        };
        let mut filter = Self { columns, tables, conditions: Vec::new(), values: Vec::new() };
        let profile = filter.bound(profile);
        filter.conditions.push(format!("t.profile = {profile} AND {NOT_ENDED}"));
        match affected {
            AffectedRecords::Keys(keys) => filter.keys(keys, few, now),
            AffectedRecords::Users { roles, environment } => {
                filter.not_disabled();
                filter.any_of("s.role", roles);
                filter.any_of("s.environment", environment.as_slice());
            }
            AffectedRecords::UnconfinedUsers => {
                filter.not_disabled();
                filter.conditions.push("s.environment IS NULL".to_owned());
            }
            AffectedRecords::Tenants { plan } => filter.any_of("t.plan", std::slice::from_ref(plan)),
        }
        filter
    }

    fn keys(&mut self, keys: &AffectedKeys, few: Option<&[Uuid]>, now: Timestamp) {
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
        if let Some(few) = few {
            let ids: Vec<String> = padded_in_values(few).map(|id| self.bound(*id)).collect();
            self.conditions.push(format!("s.id IN ({})", ids.join(", ")));
        } else if !keys.scopes.is_empty() {
            let scopes: Vec<String> = keys.scopes.iter().map(|scope| self.bound(&**scope)).collect();
            self.conditions
                .push(format!("s.id IN (SELECT key_id FROM grants WHERE scope IN ({}))", scopes.join(", ")));
        }
    }

    /// Requires that a user is not disabled.
    fn not_disabled(&mut self) {
        let disabled = self.bound(false);
        self.conditions.push(format!("s.disabled = {disabled}"));
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
