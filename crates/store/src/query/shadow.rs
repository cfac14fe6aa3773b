//! Reads denials of shadow mode, summed over hours, with the current names of their tenants and subjects. A
//! deleted subject has no name; its line is kept.

use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowTotal};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use super::tenant::NOT_ENDED;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Query of the sums. `SUM` of integers is no integer on PostgreSQL unless it is cast.
const SUMS: &str = "SELECT profile, tenant_id, subject_id, subject_type, route, reason, detail, \
    CAST(SUM(calls) AS BIGINT) AS all_calls, MAX(last_at) AS last_at FROM shadow_denials";
const BY: &str = " GROUP BY profile, tenant_id, subject_id, subject_type, route, reason, detail \
    ORDER BY all_calls DESC, profile, tenant_id, subject_id, route, reason, detail";
const NAMED: &str = "SELECT s.*, t.slug AS slug, COALESCE(k.name, u.email) AS name FROM (";
const NAMES: &str = ") s LEFT JOIN keys k ON k.id = s.subject_id LEFT JOIN users u ON u.id = s.subject_id \
    LEFT JOIN tenants t ON t.id = s.tenant_id AND ";
const ORDER: &str = " ORDER BY all_calls DESC, profile, tenant_id, subject_id, route, reason, detail";

/// Returns the sums, the most frequent first.
pub(crate) async fn sums(
    connection: &PooledConnection,
    which: &ShadowFilter,
) -> Result<Vec<ShadowTotal>, StoreError> {
    let (sql, values) = statement(which);
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.query_all_raw(statement).await?.iter().map(sum).collect()
}

fn statement(which: &ShadowFilter) -> (String, Vec<Value>) {
    let (mut values, mut chosen): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    let mut bound = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    if let Some(profile) = &which.profile {
        chosen.push(format!("profile = {}", bound((&**profile).into())));
    }
    if let Some(tenant) = which.tenant {
        chosen.push(format!("tenant_id = {}", bound(tenant.into())));
    }
    if let Some(from) = which.from {
        chosen.push(format!("hour >= {}", bound(from.0.into())));
    }
    let page = format!(
        " LIMIT {} OFFSET {}",
        bound(i64::from(which.limit).into()),
        bound(number::to_i64(which.offset).into())
    );
    let chosen = if chosen.is_empty() { String::new() } else { format!(" WHERE {}", chosen.join(" AND ")) };
    (format!("{NAMED}{SUMS}{chosen}{BY}{page}{NAMES}{NOT_ENDED}{ORDER}"), values)
}

fn sum(row: &QueryResult) -> Result<ShadowTotal, StoreError> {
    let text = |column: &str| row.try_get::<String>("", column);
    let subject: Uuid = row.try_get("", "subject_id")?;
    let context = RowContext::new("shadow_denials", &subject);
    let reason = text("reason")?.parse().map_err(|_| context.corrupt("reason"))?;
    let line = ShadowEntry {
        profile: text("profile")?.into(),
        tenant: row.try_get("", "tenant_id")?,
        subject,
        subject_type: text("subject_type")?.into(),
        route: text("route")?.into(),
        reason,
        detail: text("detail")?.into(),
    };
    let calls = number::to_u64(context, "calls", row.try_get("", "all_calls")?)?;
    let seen = ShadowCount { calls, last: Timestamp(row.try_get("", "last_at")?) };
    let name = |column: &str| row.try_get::<Option<String>>("", column).map(Option::unwrap_or_default);
    Ok(ShadowTotal { entry: line, count: seen, tenant_slug: name("slug")?, subject_name: name("name")? })
}
