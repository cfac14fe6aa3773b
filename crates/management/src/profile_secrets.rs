//! Calls by which operators set the secrets that profiles name. A secret is sealed under the master key and can't be read
//! again.

use crate::ports::AuditAction;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::imported_hash::HashSecret;
use latchkey_core::operator::OperatorRole;
use latchkey_core::record::ProfileSecretRecord;
use zeroize::Zeroizing;

use super::field_validator::FieldValidator;
use super::missing::ObjectType;
use super::{CallContext, Caller, ManagementService};

/// Secret to set.
#[derive(Clone)]
pub struct SetProfileSecret {
    /// Name of the profile.
    pub profile: String,
    /// Name of the secret in the profile.
    pub name: String,
    /// Bytes of the secret.
    pub secret: Zeroizing<Vec<u8>>,
}

/// Longest secret in bytes.
const LONGEST_SECRET: usize = 1_024;

impl ManagementService {
    /// Sets a secret, in place of an earlier one of its name. Every replica uses it when this returns.
    pub async fn set_profile_secret(
        &self,
        caller: &Caller,
        request: SetProfileSecret,
        call: &CallContext,
    ) -> Result<ProfileSecretRecord, ManagementError> {
        caller.require_operator()?;
        let policy = self.parts.policies.named(&request.profile);
        let policy = policy.ok_or_else(|| self.not_found(ObjectType::Profile, &request.profile))?;
        let declared: Vec<&str> = policy
            .kinds
            .iter()
            .flat_map(|kind| &kind.imports.hashes)
            .map(|scheme| &*scheme.secret_name)
            .filter(|name| !name.is_empty())
            .collect();
        let mut fields = FieldValidator::new("");
        if !declared.contains(&request.name.as_str()) {
            let (name, profile) = (Quoted(&request.name), &request.profile);
            let text = if declared.is_empty() {
                format!(
                    "the profile {profile:?} names no secret: add hashes = [\"hmac-sha256:NAME\"] to one of its kinds"
                )
            } else {
                format!(
                    "{name} is not a secret of the profile {profile:?}, which names {}",
                    declared.join(", ")
                )
            };
            fields.reject("name", text);
        }
        if !(1..=LONGEST_SECRET).contains(&request.secret.len()) {
            let count = request.secret.len();
            fields.reject("secret", format!("must have 1 to {LONGEST_SECRET} bytes, and has {count}"));
        }
        fields.finish()?;
        let mut random = (self.parts.random)();
        let owner = (request.profile.as_str(), request.name.as_str());
        let sealed = HashSecret::seal(&request.secret, owner, &self.parts.sealer, &mut random)
            .map_err(|_| SystemError::Internal("a secret could not be encrypted".into()))?;
        let set = self.parts.clock.now().wall;
        let entry = self.audit_entry(caller, AuditAction::ProfileSetSecret, call).on_target(&request.profile);
        let entry = entry.with_detail("secret", request.name.clone());
        let (profile, name) = (request.profile.into(), request.name.into());
        let record = ProfileSecretRecord { profile, name, sealed, set };
        let written = self.parts.store.set_profile_secret(record, entry).await?;
        Ok(self.wait_until_applied(written, call).await?.value)
    }

    /// Lists the secrets of a profile that are set; of all profiles if `profile` is empty.
    pub async fn list_profile_secrets(
        &self,
        caller: &Caller,
        profile: &str,
        _call: &CallContext,
    ) -> Result<Vec<ProfileSecretRecord>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        if profile.chars().any(char::is_control) {
            return Err(self.not_found(ObjectType::Profile, profile).into());
        }
        let mut secrets = self.parts.store.profile_secrets().await?;
        secrets.retain(|secret| profile.is_empty() || *secret.profile == *profile);
        if secrets.is_empty()
            && !profile.is_empty()
            && self.parts.store.profile(profile, None).await?.is_none()
        {
            return Err(self.not_found(ObjectType::Profile, profile).into());
        }
        Ok(secrets)
    }

    /// Deletes a secret. Keys whose hashes need it are found on no replica when this returns.
    pub async fn delete_profile_secret(
        &self,
        caller: &Caller,
        (profile, name): (&str, &str),
        call: &CallContext,
    ) -> Result<(), ManagementError> {
        caller.require_operator()?;
        if profile.chars().chain(name.chars()).any(char::is_control) {
            return Err(self.not_found(ObjectType::Secret, name).into());
        }
        let entry = self.audit_entry(caller, AuditAction::ProfileDeleteSecret, call).on_target(&profile);
        let entry = entry.with_detail("secret", name.to_owned());
        let written = self.parts.store.delete_profile_secret(profile, name, entry).await?;
        // A repeated call after one that timed out finds no secret, and waits for the same revision first.
        let existed = self.wait_until_applied(written, call).await?.value;
        if existed { Ok(()) } else { Err(self.not_found(ObjectType::Secret, name).into()) }
    }
}
