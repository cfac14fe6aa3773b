//! Names in the filter of a bulk call. A misspelt one would select no key, and the call would look as if it had changed
//! them all.

use latchkey_core::error::ManagementError;
use latchkey_core::record::TenantRecord;

use super::{BulkChanges, KeysFilter};
use crate::Caller;
use crate::field_validator::FieldValidator;
use crate::listing::names::{KeyNames, check_key_names};
use crate::ports::KeyFilter;

impl BulkChanges {
    /// Rejects each name that the profile does not have and that no key has either, whatever its state is.
    pub(super) async fn check_names(
        &self,
        caller: &Caller,
        tenant: &TenantRecord,
        request: &KeysFilter,
    ) -> Result<(), ManagementError> {
        let KeysFilter { kind, environment, created_by, .. } = request;
        // A profile that is not in force must not keep an operator from revoking keys.
        let Ok(policies) = self.management.policies_of(Some(tenant)).await else { return Ok(()) };
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut fields = FieldValidator::new("");
        for names in [
            KeyNames { kind, ..KeyNames::default() },
            KeyNames { environment, ..KeyNames::default() },
            KeyNames { created_by, ..KeyNames::default() },
        ] {
            let mut found = FieldValidator::new("filter.");
            check_key_names(&mut found, names, &policies);
            let checked = found.finish();
            if checked.is_err() {
                let filter = KeyFilter {
                    tenant: Some(tenant.id),
                    kind: some(names.kind),
                    environments: some(names.environment).into_iter().collect(),
                    created_by: some(names.created_by),
                    ..KeyFilter::default()
                };
                if !self.management.selects_key(caller, Some(tenant), filter).await? {
                    fields.collect(checked);
                }
            }
        }
        let mut found = FieldValidator::new("filter.");
        self.management
            .check_binding_names(caller, Some(tenant), &request.bindings, &policies, &mut found)
            .await?;
        fields.collect(found.finish());
        Ok(fields.finish()?)
    }
}
