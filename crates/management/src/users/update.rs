//! Changing what a user is: the role, what the user is confined to, whether the user may do anything. A token says
//! all of it to whoever verifies it, so a change ends the tokens that say otherwise.

use std::collections::BTreeMap;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::policy::Policy;
use latchkey_core::user::UserRecord;

use super::{check_covers, environment, role, with_next_generation};
use crate::field_validator::FieldValidator;
use crate::tokens::TokenIssuer;
use crate::{CallContext, Caller};

/// What to change of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateUser {
    /// Which.
    pub id: String,
    /// The fields to change, by the contract's names.
    pub fields: Vec<String>,
    /// `role`.
    pub role: String,
    /// `bindings`.
    pub bindings: BTreeMap<String, String>,
    /// `environment`; empty: every one.
    pub environment: String,
    /// `disabled`.
    pub disabled: bool,
}

impl TokenIssuer {
    /// Changes a user. Every token that says otherwise is over everywhere when this returns.
    pub async fn update_user(
        &self,
        caller: &Caller,
        request: UpdateUser,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let (user, tenant) = self.managed_user(caller, &request.id).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, "user.update", call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let entry = entry.with_detail("fields", request.fields.join(" "));
        let rule = Box::new(|old: &UserRecord| change(old, &request, (caller, &policy)));
        let written = self.parts.store.change_user(user.id, (rule, None), entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }
}

fn change(
    old: &UserRecord,
    request: &UpdateUser,
    (caller, policy): (&Caller, &Policy),
) -> Result<UserRecord, RequestError> {
    let mut fields = FieldValidator::new("");
    let mut new = old.clone();
    if request.fields.is_empty() {
        fields.reject("update_mask", "must name a field");
    }
    for field in &request.fields {
        match field.as_str() {
            "role" => {
                role(&mut fields, ("user.role", &request.role), policy);
                new.role = request.role.as_str().into();
            }
            "bindings" => {
                fields.labels("user.bindings", &request.bindings);
                new.bindings.clone_from(&request.bindings);
            }
            "environment" => {
                new.environment =
                    environment(&mut fields, ("user.environment", &request.environment), policy);
            }
            "disabled" => new.disabled = request.disabled,
            other => fields.reject("update_mask", format!("{other:?} can't be changed")),
        }
    }
    fields.finish()?;
    let only_off = UserRecord { disabled: new.disabled, ..old.clone() } == new && new.disabled;
    // Switching a user off hands nothing on; anything else hands on all that the user may do from then on.
    if !only_off {
        check_covers(caller, policy, &new)?;
    }
    Ok(with_next_generation(old, new))
}
