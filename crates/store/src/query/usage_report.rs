//! Sums of calls over the keys of a tenant, of a profile or of all: by the hour or the minute, or by key, tenant or profile,
//! the most first. Keys that were deleted count for the tenant that they belonged to. A tenant that was deleted has no slug and no
//! profile, also while its keys are being erased.

use std::collections::BTreeMap;

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::usage::{CallCounts, Hour, Minute};
use latchkey_management::ports::usage::{UsageFilter, UsageGroup, UsageLine};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use super::tenant::NOT_ENDED;
use super::usage::add_outcome;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Rows of usage with the tenant that each belongs to; the condition of the last join can go on.
const ROWS: &str = " u JOIN (SELECT id, tenant_id, name, environment FROM keys \
    UNION ALL SELECT id, tenant_id, '', '' FROM deletions WHERE kind = 'key') o ON o.id = u.key_id \
    LEFT JOIN tenants t ON t.id = o.tenant_id";
/// Sum of calls. `SUM` of integers is no integer on PostgreSQL unless it is cast.
const SUM: &str = "CAST(SUM(u.calls) AS BIGINT)";

/// Returns the sums by hour or minute, oldest first, or by another group, the most calls first.
pub(crate) async fn lines(
    connection: &PooledConnection,
    which: &UsageFilter,
    group: UsageGroup,
    limit: u32,
) -> Result<Vec<UsageLine>, StoreError> {
    let table = if which.minutes.is_some() { "key_usage_minutes" } else { "key_usage" };
    let (columns, rows) = (columns(group), format!(" FROM {table}{ROWS} AND {NOT_ENDED}"));
    let (chosen, mut values) = condition(which);
    let top = if is_time(group) {
        String::new()
    } else {
        let key = key_of(group);
        values.push(i64::from(limit).into());
        let limit = values.len();
        let inner =
            format!("SELECT {key}{rows}{chosen} GROUP BY {key} ORDER BY {SUM} DESC, {key} LIMIT ${limit}");
        let and = if chosen.is_empty() { "WHERE" } else { "AND" };
        format!(" {and} {key} IN (SELECT * FROM ({inner}) top)")
    };
    let sql = format!(
        "SELECT {columns}, u.reason AS reason, {SUM} AS calls{rows}{chosen}{top} GROUP BY {}, u.reason",
        grouped(group)
    );
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let mut lines: BTreeMap<(i64, Uuid, String), UsageLine> = BTreeMap::new();
    for row in connection.query_all_raw(statement).await? {
        add(&mut lines, &row)?;
    }
    let mut lines: Vec<UsageLine> = lines.into_values().collect();
    if !is_time(group) {
        lines.sort_by_key(|line| std::cmp::Reverse(line.counts.total()));
    }
    Ok(lines)
}

/// Returns true if a group is a span of time.
fn is_time(group: UsageGroup) -> bool {
    matches!(group, UsageGroup::Hour | UsageGroup::Minute)
}

/// Returns the column that identifies a group.
fn key_of(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Hour => "u.hour",
        UsageGroup::Minute => "u.minute",
        UsageGroup::Key => "o.id",
        UsageGroup::Tenant => "o.tenant_id",
        UsageGroup::Profile => "COALESCE(t.profile, '')",
    }
}

/// Returns the expressions of a group, each with its name: hour, key, tenant, and their names.
fn parts(group: UsageGroup) -> Vec<(&'static str, &'static str)> {
    match group {
        UsageGroup::Hour => vec![("u.hour", "hour")],
        UsageGroup::Minute => vec![("u.minute", "minute")],
        UsageGroup::Key => vec![
            ("o.id", "key_id"),
            ("o.name", "key_name"),
            ("o.tenant_id", "tenant_id"),
            ("COALESCE(t.slug, '')", "slug"),
            ("COALESCE(t.profile, '')", "profile"),
        ],
        UsageGroup::Tenant => vec![
            ("o.tenant_id", "tenant_id"),
            ("COALESCE(t.slug, '')", "slug"),
            ("COALESCE(t.profile, '')", "profile"),
        ],
        UsageGroup::Profile => vec![("COALESCE(t.profile, '')", "profile")],
    }
}

fn columns(group: UsageGroup) -> String {
    let named = parts(group).into_iter().map(|(expression, name)| format!("{expression} AS {name}"));
    named.collect::<Vec<_>>().join(", ")
}

fn grouped(group: UsageGroup) -> String {
    parts(group).into_iter().map(|(expression, _)| expression).collect::<Vec<_>>().join(", ")
}

fn condition(which: &UsageFilter) -> (String, Vec<Value>) {
    let (mut values, mut chosen): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    let mut bound = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    if let Some(key) = which.key {
        chosen.push(format!("u.key_id = {}", bound(key.0.into())));
    }
    if let Some(tenant) = which.tenant {
        chosen.push(format!("o.tenant_id = {}", bound(tenant.0.into())));
    }
    if let Some(profile) = &which.profile {
        chosen.push(format!("t.profile = {}", bound(profile.as_str().into())));
    }
    if !which.environments.is_empty() {
        let names: Vec<String> = which.environments.iter().map(|name| bound(name.as_str().into())).collect();
        chosen.push(format!("o.environment IN ({})", names.join(", ")));
    }
    if let Some(from) = which.span.from {
        chosen.push(format!("u.hour >= {}", bound(from.0.into())));
    }
    if let Some(last) = which.span.last {
        chosen.push(format!("u.hour <= {}", bound(last.0.into())));
    }
    if let Some(first) = which.minutes {
        chosen.push(format!("u.minute >= {}", bound(first.0.into())));
    }
    let chosen = if chosen.is_empty() { String::new() } else { format!(" WHERE {}", chosen.join(" AND ")) };
    (chosen, values)
}

/// Adds a row, which has the calls of one outcome, to the line of its group.
fn add(lines: &mut BTreeMap<(i64, Uuid, String), UsageLine>, row: &QueryResult) -> Result<(), StoreError> {
    let id = |column: &str| row.try_get::<Uuid>("", column).ok();
    let text = |column: &str| row.try_get::<String>("", column).unwrap_or_default();
    let (hour, minute) = (row.try_get::<i64>("", "hour").ok(), row.try_get::<i64>("", "minute").ok());
    let (key, tenant, profile) = (id("key_id"), id("tenant_id"), text("profile"));
    let group = (hour.or(minute).unwrap_or_default(), key.or(tenant).unwrap_or_default(), profile.clone());
    let subject = group.1;
    let context = RowContext::new("key_usage", &subject);
    let count = number::to_u64(context, "calls", row.try_get("", "calls")?)?;
    let line = lines.entry(group).or_insert_with(|| UsageLine {
        hour: hour.map(Hour),
        minute: minute.map(Minute),
        key: key.map(KeyId),
        key_name: text("key_name"),
        tenant: tenant.map(TenantId),
        tenant_slug: text("slug"),
        profile,
        counts: CallCounts::default(),
    });
    add_outcome(&mut line.counts, &text("reason"), count, context)
}
