//! Changing what a user is: the role, what the user is confined to, whether the user may do anything. A token says
//! all of it to whoever verifies it, so a change ends the tokens that say otherwise.

use std::collections::BTreeMap;

use latchkey_core::policy::Policy;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_core::user::UserRecord;

use super::{covers, environment, outdated, role};
use crate::fields::Fields;
use crate::tokens::TokenDesk;
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

impl TokenDesk {
    /// Changes a user. Every token that says otherwise is over everywhere when this returns.
    pub async fn update_user(
        &self,
        by: &Caller,
        ask: UpdateUser,
        call: &CallContext,
    ) -> Result<UserRecord, Failure> {
        let (user, tenant) = self.managed_user(by, &ask.id).await?;
        let policy = self.parts.registrar.policy_of(&tenant)?;
        let entry = self.parts.registrar.entry(by, "user.update", call).of(tenant.id).to(&user.id);
        let entry = entry.with("fields", ask.fields.join(" "));
        let rule = Box::new(|old: &UserRecord| change(old, &ask, (by, &policy)));
        let written = self.parts.ledger.change_user(user.id, (rule, None), entry).await?;
        Ok(self.parts.registrar.spread(written, call).await?.value)
    }
}

fn change(
    old: &UserRecord,
    ask: &UpdateUser,
    (by, policy): (&Caller, &Policy),
) -> Result<UserRecord, Refusal> {
    let mut fields = Fields::within("");
    let mut new = old.clone();
    if ask.fields.is_empty() {
        fields.wrong("update_mask", "must name a field");
    }
    for field in &ask.fields {
        match field.as_str() {
            "role" => {
                role(&mut fields, ("user.role", &ask.role), policy);
                new.role = ask.role.as_str().into();
            }
            "bindings" => {
                fields.labels("user.bindings", &ask.bindings);
                new.bindings.clone_from(&ask.bindings);
            }
            "environment" => {
                new.environment = environment(&mut fields, ("user.environment", &ask.environment), policy);
            }
            "disabled" => new.disabled = ask.disabled,
            other => fields.wrong("update_mask", format!("{other:?} can't be changed")),
        }
    }
    fields.finish()?;
    let only_off = UserRecord { disabled: new.disabled, ..old.clone() } == new && new.disabled;
    // Switching a user off hands nothing on; anything else hands on all that the user may do from then on.
    if !only_off {
        covers(by, policy, &new)?;
    }
    Ok(outdated(old, new))
}
