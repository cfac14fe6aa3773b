//! RPCs of `latchkey.v1.KeyService` that change many keys at a time.

use latchkey_core::error::ManagementError;
use latchkey_core::ports::Limiter;
use latchkey_management::ports::bulk::BulkChange;
use latchkey_management::{BulkResult, ChangeKeys, KeysFilter};
use latchkey_proto::v1;
use tonic::{Request, Status};

use super::ManagementApi;
use super::tenants::RpcResult;
use crate::convert::{Violations, list, time, to_btree_map};
use crate::status::{error_to_status, request_error_to_status};

impl<L: Limiter> ManagementApi<L> {
    pub(super) async fn handle_revoke_keys(
        &self,
        call: Request<v1::RevokeKeysRequest>,
    ) -> RpcResult<v1::RevokeKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = ChangeKeys {
            ids: request.ids,
            filter: filter(request.filter)?,
            change: BulkChange::Revoke { reason: request.reason },
            dry_run: request.dry_run,
        };
        let result = self.bulk.change(&caller, request, &context).await.map_err(error_to_status)?;
        let BulkResult { matched, changed, revision, .. } = complete(result, "revoked")?;
        Ok(v1::RevokeKeysResponse { matched, revoked: changed, revision }.into())
    }

    pub(super) async fn handle_disable_keys(
        &self,
        call: Request<v1::DisableKeysRequest>,
    ) -> RpcResult<v1::DisableKeysResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = ChangeKeys {
            ids: request.ids,
            filter: filter(request.filter)?,
            change: BulkChange::Disable,
            dry_run: request.dry_run,
        };
        let result = self.bulk.change(&caller, request, &context).await.map_err(error_to_status)?;
        let BulkResult { matched, changed, revision, .. } = complete(result, "disabled")?;
        Ok(v1::DisableKeysResponse { matched, disabled: changed, revision }.into())
    }
}

fn filter(filter: Option<v1::KeysFilter>) -> Result<Option<KeysFilter>, Status> {
    let Some(filter) = filter else { return Ok(None) };
    let mut violations = Violations::default();
    let state = list::key_state("filter.state", filter.state, &mut violations);
    let unused_since =
        time::timestamp_from_proto("filter.unused_since", filter.unused_since, &mut violations);
    violations.finish().map_err(|r| request_error_to_status(&r))?;
    Ok(Some(KeysFilter {
        tenant: filter.tenant,
        kind: filter.kind,
        environment: filter.environment,
        state,
        bindings: to_btree_map(filter.bindings),
        created_by: filter.created_by,
        unused_since,
    }))
}

/// Returns the result of a call that has changed all of its keys. The status of a call that was ended by an error says
/// how many it has changed.
fn complete(mut result: BulkResult, done: &str) -> Result<BulkResult, Status> {
    let Some(error) = result.failed.take() else { return Ok(result) };
    let status = error_to_status(error.clone());
    let remedy = match error {
        ManagementError::System(_) => {
            "repeat the call: it changes the rest, and waits until all of it holds everywhere"
        }
        ManagementError::Request(_) => "correct the request and repeat it",
    };
    let text = format!(
        "{} keys are {done}, and then the call failed: {}; {remedy}",
        result.changed,
        status.message()
    );
    let (details, metadata) = (status.details().to_vec(), status.metadata().clone());
    Err(Status::with_details_and_metadata(status.code(), text, details.into(), metadata))
}
