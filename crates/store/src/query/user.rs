//! Reads users: one by identifier, for management or with everything that Check needs, or a list of users in pages.

use std::collections::HashMap;

use latchkey_core::error::SystemError;
use latchkey_core::id::{TenantId, UserId};
use latchkey_core::ports::LookupResult;
use latchkey_core::record::TenantRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::listing::contains;
use latchkey_management::ports::{ListPart, ListRange, UserFilter, UserOrder};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, JoinType};

use super::head::{from_head, read_head};
use super::walk::{self, PageReader, Walk};
use super::{column_alias, padded_in_values, prefix, profile, select};
use crate::entity::tenant;
use crate::entity::user::{Column, Entity, Model};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row;

const TENANT: &str = "t";
const USER: &str = "u";

/// Returns the users with these identifiers, each with its tenant and the revision at which all of it was read
/// by one statement. Each user is found, absent or corrupt independently of the others.
pub(crate) async fn with_tenant(
    connection: &PooledConnection,
    ids: &[UserId],
) -> Result<Vec<Result<LookupResult<UserRecord>, SystemError>>, StoreError> {
    let rows = connection.query_all(&statement(ids)).await?;
    let read_at = read_head(rows.first())?;
    let mut users = HashMap::with_capacity(ids.len());
    for row in &rows {
        let Some(id) = row.try_get::<Option<Uuid>>("", &column_alias(USER, "id"))? else { continue };
        users.insert(id, read(row, UserId(id)).map_err(SystemError::from));
    }
    let found = |known: Option<_>| LookupResult { entry: known, read_at };
    Ok(ids.iter().map(|id| users.get(&id.0).cloned().transpose().map(found)).collect())
}

/// Returns the users with these identifiers that there are, each with its tenant and the newest version of the tenant's
/// profile. One statement reads all of it. A corrupt row counts as a missing one.
pub(crate) async fn with_profile_version(
    connection: &PooledConnection,
    ids: &[UserId],
) -> Result<Vec<(UserRecord, TenantRecord, Option<u64>)>, StoreError> {
    let mut query = statement(ids);
    profile::select_newest_of(&mut query, TENANT);
    let mut users = Vec::with_capacity(ids.len());
    for row in &connection.query_all(&query).await? {
        let Some(id) = row.try_get::<Option<Uuid>>("", &column_alias(USER, "id"))? else { continue };
        let newest = profile::newest_of(row)?;
        users.extend(read(row, UserId(id)).ok().map(|(user, tenant)| (user, tenant, newest)));
    }
    Ok(users)
}

/// Returns the statement that reads the users with these identifiers, and their tenants.
fn statement(ids: &[UserId]) -> SelectStatement {
    let mut query = Query::select();
    from_head(&mut query);
    let of_id = Expr::col((USER, Column::Id)).is_in(padded_in_values(ids).map(|id| id.0));
    query.join_as(JoinType::LeftJoin, Entity, USER, of_id);
    let of_user = Expr::col((TENANT, tenant::Column::Id)).equals((USER, Column::TenantId));
    query.join_as(JoinType::LeftJoin, tenant::Entity, TENANT, of_user);
    select(&mut query, USER, Column::iter());
    select(&mut query, TENANT, tenant::Column::iter());
    query
}

fn read(row: &QueryResult, id: UserId) -> Result<(UserRecord, TenantRecord), StoreError> {
    let corrupt = |error: DbErr| StoreError::Corrupt(format!("the row {id} of users: {error}"));
    let user = Model::from_query_result(row, &prefix(USER)).map_err(corrupt)?;
    let tenant = tenant::Model::from_query_result(row, &prefix(TENANT)).map_err(corrupt)?;
    Ok((row::user::record(user)?, row::tenant::record(tenant)?))
}

/// Returns the user with this identifier.
pub(crate) async fn by_id(
    connection: &PooledConnection,
    id: UserId,
) -> Result<Option<UserRecord>, StoreError> {
    Entity::find_by_id(id.0).one(connection).await?.map(row::user::record).transpose()
}

/// Returns the users with these identifiers that there are. A corrupt row is logged and left out.
pub(crate) async fn by_ids(
    connection: &PooledConnection,
    ids: &[UserId],
) -> Result<Vec<UserRecord>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = Entity::find().filter(Column::Id.is_in(padded_in_values(ids).map(|id| id.0)));
    let valid_or_logged = |row| {
        let record = row::user::record(row);
        record
            .inspect_err(|error| tracing::error!(target: "latchkey::internal", ?error, "a user's row is corrupt; the list omits the user"))
            .ok()
    };
    Ok(query.all(connection).await?.into_iter().filter_map(valid_or_logged).collect())
}

/// Returns the user with an e-mail address, and the hash of the password.
pub(crate) async fn for_login(
    connection: &PooledConnection,
    tenant: TenantId,
    email: &str,
) -> Result<Option<(UserRecord, PasswordHash)>, StoreError> {
    let query = Entity::find().filter(Column::TenantId.eq(tenant.0)).filter(Column::Email.eq(email));
    let Some(row) = query.one(connection).await? else { return Ok(None) };
    let password = PasswordHash(row.password.clone());
    Ok(Some((row::user::record(row)?, password)))
}

/// Returns a part of a list of users. A corrupt row is logged and left out.
pub(crate) async fn page(
    connection: &PooledConnection,
    filter: &UserFilter,
    range: &ListRange<UserOrder>,
) -> Result<ListPart<UserRecord>, StoreError> {
    let mut base = Query::select();
    base.from_as(Entity, USER);
    base.and_where_option(filter.tenant.map(|tenant| col(Column::TenantId).eq(tenant.0)));
    let value = match range.order {
        UserOrder::Created => None,
        UserOrder::Email => Some(((USER, "email"), true)),
    };
    let walk = Walk { base, id: (USER, "id"), value, descending: range.descending };
    let start = (range.after.clone(), range.limit);
    let mut reading = PageReader::begin(connection, walk, condition(filter), true, start).await?;
    let matches = |user: &UserRecord| filter.email.as_deref().is_none_or(|part| contains(&user.email, part));
    while let Some(ids) = reading.more(connection).await? {
        let ids: Vec<UserId> = ids.into_iter().map(UserId).collect();
        let users = by_ids(connection, &ids).await?.into_iter().filter(matches);
        reading.take(users.map(|user| (user.id.0, user)).collect());
    }
    Ok(reading.finish())
}

fn col(column: Column) -> Expr {
    Expr::col((USER, column))
}

/// Returns the part of the filter that the database applies.
fn condition(filter: &UserFilter) -> Condition {
    let condition = Condition::all()
        .add_option(filter.email.as_deref().map(|part| walk::contains(col(Column::Email), part)))
        .add_option(filter.role.as_deref().map(|role| col(Column::Role).eq(role)))
        .add_option(filter.environment.as_deref().map(|name| col(Column::Environment).eq(name)))
        .add_option(filter.disabled.map(|disabled| col(Column::Disabled).eq(disabled)));
    if filter.created.is_unlimited() {
        return condition;
    }
    condition.add(walk::within(&col(Column::CreatedAt), filter.created))
}
