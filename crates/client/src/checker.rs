//! One request to Latchkey, and the patience to ask it again where that can help.

use std::time::Duration;

use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::{CheckRequest, CheckResponse};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Asks. Cheap to clone; clones share a channel.
#[derive(Clone, Debug)]
pub struct Checker {
    client: CheckServiceClient<Channel>,
    deadline: Duration,
    max_attempts: u32,
}

/// As long as Envoy waits.
const DEADLINE: Duration = Duration::from_millis(200);
/// Between two max_attempts: another replica has taken over by then, or won't in time.
const RETRY_DELAY: Duration = Duration::from_millis(10);

impl Checker {
    /// Asks over this channel, for 200 ms and three times at most.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { client: CheckServiceClient::new(channel), deadline: DEADLINE, max_attempts: 3 }
    }

    /// How long a request may take in all, tries and pauses included.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often it is asked at most; 1: never again.
    ///
    /// A try whose answer was lost on the way may have been counted: the price of a second one is a token.
    #[must_use]
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts: max_attempts.max(1), ..self }
    }

    /// The answer, allowed or denied; an error where there is none.
    pub async fn check(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let late = || Status::deadline_exceeded("Latchkey did not answer in time");
        timeout(self.deadline, self.check_with_retries(request)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn check_with_retries(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let mut client = self.client.clone();
        for attempt in 1.. {
            let mut request = Request::new(request.clone());
            // The server gives up when nobody waits any more.
            request.set_timeout(self.deadline);
            match client.check(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if status.code() == Code::Unavailable && attempt < self.max_attempts => {}
                Err(status) => return Err(status),
            }
            sleep(RETRY_DELAY * attempt).await;
        }
        Err(Status::unavailable("nobody was asked"))
    }
}
