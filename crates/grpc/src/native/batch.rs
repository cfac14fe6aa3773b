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

/// Largest size of a response in bytes: that of a request, and what clients of gRPC receive by default. A response can be
/// many times as large as its request, since it repeats the metadata of a key in each result.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

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
    /// same store. Returns an error if the message is not a batch, has too many checks, or has a response that is too large.
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
        let results = results.ok_or_else(|| {
            let text = "the response would have more than 4 MiB: send fewer checks";
            request_error_to_status(&RequestError::field("checks", text))
        })?;
        Ok(GrpcFrame::encode(&v1::BatchCheckResponse { results }))
    }

    /// Returns the results in the order of the checks; `None` if they do not fit into a response.
    async fn check_each(
        &self,
        checks: &[prost::bytes::Bytes],
        metadata: &HeaderMap,
    ) -> Result<Option<Vec<v1::CheckResponse>>, SystemError> {
        let mut results = Vec::with_capacity(checks.len());
        let mut size = 0;
        for (n, check) in checks.iter().enumerate() {
            if n % YIELD_INTERVAL == YIELD_INTERVAL - 1 {
                tokio::task::yield_now().await;
            }
            let limit = || self.deadline;
            let result = self.check(check, metadata, limit, |response| response).await?;
            size += result.encoded_len();
            if size > MAX_RESPONSE_BYTES {
                return Ok(None);
            }
            results.push(result);
        }
        Ok(Some(results))
    }
}
