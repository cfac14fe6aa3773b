//! Making users, changing one by a rule, and counting attempts to sign in.

use latchkey_core::id::{TenantId, UserId};
use latchkey_core::ports::Changed;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Refusal;
use latchkey_core::user::{Attempts, MOST_FAILURES, UserRecord};
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{Attempt, UserRule};
use latchkey_management::ports::{AuditEntry, Written};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::user::{ActiveModel, Column, Entity};
use crate::entry;
use crate::pool::Lease;
use crate::row;
use crate::stop::Stop;

/// Makes the user, if the tenant has none of that address.
pub(crate) async fn create(
    lease: Lease,
    (mut user, password): (UserRecord, PasswordHash),
    audit: &AuditEntry,
) -> Result<Written<UserRecord>, Stop> {
    let insert = Entity::insert(row::user::row(&user, Some(&password)));
    let insert = insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    if insert.exec_without_returning(&lease).await? == 0 {
        return Err(Refusal::AlreadyExists("a user has this e-mail address already".to_owned()).into());
    }
    user.revision = entry::leave(&lease, &[Changed::User(user.id)], audit).await?;
    write(&lease, &user, None).await?;
    lease.commit().await?;
    Ok(Written { revision: user.revision, value: user })
}

/// Makes the user what the rule says, with a new password where there is one.
pub(crate) async fn change(
    lease: Lease,
    id: UserId,
    (rule, password): (UserRule<'_>, Option<PasswordHash>),
    audit: &AuditEntry,
) -> Result<Written<UserRecord>, Stop> {
    let row = Entity::find_by_id(id.0).lock_exclusive().one(&lease).await?;
    let before = row::user::record(row.ok_or(Refusal::NotFound("user"))?)?;
    let mut after = rule(&before)?;
    if after == before && password.is_none() {
        return Ok(Written { value: before, revision: 0 });
    }
    after.revision = entry::leave(&lease, &[Changed::User(id)], audit).await?;
    write(&lease, &after, password.as_ref()).await?;
    lease.commit().await?;
    Ok(Written { revision: after.revision, value: after })
}

async fn write(lease: &Lease, user: &UserRecord, password: Option<&PasswordHash>) -> Result<(), Stop> {
    let row = ActiveModel { id: Unchanged(user.id.0), ..row::user::row(user, password) };
    Entity::update(row).exec_without_returning(lease).await?;
    Ok(())
}

/// Counts an attempt as failed, if there is room for one. The row is locked meanwhile, so that of any number of
/// attempts at once no more are made than there is room for; the last of them is told of.
pub(crate) async fn attempt(
    lease: Lease,
    (tenant, email): (TenantId, &str),
    mut lock: AuditEntry,
) -> Result<Option<Attempt>, Stop> {
    let of_tenant = Entity::find().filter(Column::TenantId.eq(tenant.0)).filter(Column::Email.eq(email));
    let Some(row) = of_tenant.lock_exclusive().one(&lease).await? else { return Ok(None) };
    let failed = u32::try_from(row.failed).unwrap_or(u32::MAX);
    let next = Attempts { failed, last: Timestamp(row.failed_at) }.next(lock.time);
    if let Some(next) = next {
        let counted = ActiveModel {
            id: Unchanged(row.id),
            failed: Set(i32::try_from(next.failed).unwrap_or(i32::MAX)),
            failed_at: Set(next.last.0),
            ..Default::default()
        };
        Entity::update(counted).exec_without_returning(&lease).await?;
        if next.failed == MOST_FAILURES {
            lock.target = UserId(row.id).to_string();
            entry::note(&lease, &lock).await?;
        }
        lease.commit().await?;
    }
    let password = PasswordHash(row.password.clone());
    Ok(Some(Attempt { user: row::user::record(row)?, password, allowed: next.is_some() }))
}

/// Takes failed attempts back.
pub(crate) async fn forgive(lease: &Lease, id: UserId) -> Result<(), Stop> {
    let forgiven = ActiveModel { id: Unchanged(id.0), failed: Set(0), ..Default::default() };
    Entity::update(forgiven).exec_without_returning(lease).await?;
    Ok(())
}
