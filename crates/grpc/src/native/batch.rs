//! `BatchCheck`: several Checks in one call.

use std::pin::pin;

use http::HeaderMap;
use latchkey_core::error::{RequestError, SystemError};
use latchkey_core::ports::Limiter;
use latchkey_proto::v1;
use prost::Message;
use tonic::Status;

use super::NativeCheckHandler;
use crate::deadline;
use crate::status::{request_error_to_status, system_error_to_status};
use crate::wire::frame::GrpcFrame;

/// Largest number of checks in a batch.
const MAX_BATCH_CHECKS: usize = 1_000;

/// Number of checks of a batch after which the batch yields to other calls on the worker.
const YIELD_INTERVAL: usize = 50;

/// `BatchCheckRequest` whose checks are still encoded, so that one that cannot be decoded fails alone.
#[derive(Clone, PartialEq, Eq, Message)]
struct EncodedBatch {
    /// Encoded `CheckRequest`s.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    checks: Vec<prost::bytes::Bytes>,
}

impl<L: Limiter> NativeCheckHandler<L> {
    /// Evaluates the checks one after the other, so that each sees what the earlier ones were charged. A malformed
    /// check is denied alone. A check that could not be decided ends the batch, because the rest would wait for the
    /// same store. Returns an error if the message is not a batch or has too many checks.
    pub(super) async fn respond_batch(
        &self,
        message: prost::bytes::Bytes,
        metadata: &HeaderMap,
    ) -> Result<GrpcFrame, Status> {
        let EncodedBatch { checks } = EncodedBatch::decode(message).map_err(|_| {
            request_error_to_status(&RequestError::field("checks", "the message could not be decoded"))
        })?;
        if checks.len() > MAX_BATCH_CHECKS {
            let text = format!("must have at most {MAX_BATCH_CHECKS} entries, and has {}", checks.len());
            return Err(request_error_to_status(&RequestError::field("checks", text)));
        }
        let limit = || deadline::timeout_for(metadata, deadline::MAX_BATCH_DURATION);
        let results = deadline::with_timeout(limit, pin!(self.check_each(&checks, metadata)))
            .await
            .map_err(system_error_to_status)?;
        Ok(GrpcFrame::encode(&v1::BatchCheckResponse { results }))
    }

    async fn check_each(
        &self,
        checks: &[prost::bytes::Bytes],
        metadata: &HeaderMap,
    ) -> Result<Vec<v1::CheckResponse>, SystemError> {
        let mut results = Vec::with_capacity(checks.len());
        for (n, check) in checks.iter().enumerate() {
            if n % YIELD_INTERVAL == YIELD_INTERVAL - 1 {
                tokio::task::yield_now().await;
            }
            let limit = || self.deadline;
            results.push(self.check(check, metadata, limit, |response| response).await?);
        }
        Ok(results)
    }
}
