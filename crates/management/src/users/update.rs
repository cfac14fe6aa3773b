//! Update of a user: role, bindings, environment, and if the user is disabled. Tokens carry these values to their
//! verifiers, so a change ends the tokens that were issued before it.

use std::collections::BTreeMap;

use latchkey_core::choices::not_one_of;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::policy::Policy;
use latchkey_core::user::UserRecord;

use super::grants::{self, PriorState};
use super::{environment, role, with_next_generation};
use crate::bindings;
use crate::counts;
use crate::field_validator::FieldValidator;
use crate::ports::AuditAction;
use crate::tokens::TokenIssuer;
use crate::{CallContext, Caller};

/// Changes to a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateUser {
    /// Identifier of the user.
    pub id: String,
    /// Names of the fields to change, as in the contract.
    pub fields: Vec<String>,
    /// Role (`role`).
    pub role: String,
    /// Bindings (`bindings`).
    pub bindings: BTreeMap<String, String>,
    /// Environment (`environment`); empty for none.
    pub environment: String,
    /// True to disable the user (`disabled`).
    pub disabled: bool,
}

impl TokenIssuer {
    /// Changes a user. Tokens that the change ends are invalid on every replica when this returns.
    pub async fn update_user(
        &self,
        caller: &Caller,
        request: UpdateUser,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        counts::check_mask(&request.fields)?;
        let (user, tenant) = self.managed_user(caller, &request.id).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::UserUpdate, call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let entry = entry.with_fields(&request.fields);
        let rule = Box::new(|old: &UserRecord| change(old, &request, caller, &policy));
        let written = self.parts.store.change_user(user.id, rule, None, entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }
}

/// Fields that can be changed.
const CHANGEABLE: [&str; 4] = ["role", "bindings", "environment", "disabled"];

fn change(
    old: &UserRecord,
    request: &UpdateUser,
    caller: &Caller,
    policy: &Policy,
) -> Result<UserRecord, RequestError> {
    let mut fields = FieldValidator::new("");
    let mut new = old.clone();
    if request.fields.is_empty() {
        fields.reject("update_mask", format!("must name at least one of {}", CHANGEABLE.join(", ")));
    }
    for field in &request.fields {
        match field.as_str() {
            "role" => {
                role(&mut fields, "user.role", &request.role, policy);
                new.role = request.role.as_str().into();
            }
            "bindings" => {
                bindings::check(&mut fields, "user.bindings", &request.bindings, caller.bindings(), policy);
                new.bindings.clone_from(&request.bindings);
            }
            "environment" => {
                new.environment = environment(&mut fields, "user.environment", &request.environment, policy);
            }
            "disabled" => new.disabled = request.disabled,
            other => fields.reject("update_mask", not_one_of(other, CHANGEABLE)),
        }
    }
    fields.finish()?;
    grants::check(caller, policy, PriorState::User(old), &new)?;
    Ok(with_next_generation(old, new))
}
