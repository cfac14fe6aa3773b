//! A Check that is sent to Latchkey, with retries within one deadline.

use std::time::Duration;

use crate::Credential;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::{CheckRequest, CheckResponse};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Sends Checks. A clone is cheap and shares the channel.
///
/// ```
/// use latchkey_client::v1::{CheckRequest, Decision};
/// use latchkey_client::{Checker, Connect};
///
/// async fn may_read(api_key: &str) -> Result<bool, Box<dyn std::error::Error>> {
///     let checker = Checker::new(Connect::to("http://127.0.0.1:50051").connect_lazy()?);
///     let request = CheckRequest {
///         credential: api_key.to_owned(),
///         scopes: vec!["things.read".to_owned()],
///         scopes_only: true,
///         ..CheckRequest::default()
///     };
///     Ok(checker.check(request).await?.decision() == Decision::Allow)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Checker {
    client: CheckServiceClient<Channel>,
    deadline: Duration,
    max_attempts: u32,
    caller: Credential,
}

/// Default deadline of a Check: Envoy's default timeout for external authorization.
const DEADLINE: Duration = Duration::from_millis(200);
/// Pause before the second attempt; the pause before attempt `n` + 1 is `n` times as long. Another replica has taken
/// over by then, or will not do so before the deadline.
const RETRY_DELAY: Duration = Duration::from_millis(10);

impl Checker {
    /// Creates a checker that uses this channel, with a deadline of 200 ms and at most three attempts.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            client: CheckServiceClient::new(channel),
            deadline: DEADLINE,
            max_attempts: 3,
            caller: Credential::default(),
        }
    }

    /// Sets the credential of the caller of Check, for a server whose `check_auth` is `key`: one of its `check_keys`.
    #[must_use]
    pub fn caller(self, caller: Credential) -> Self {
        Self { caller, ..self }
    }

    /// Sets the longest duration of a Check, including all attempts and the pauses between them.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the largest number of attempts. The value 1 (or 0) turns retries off.
    ///
    /// An attempt whose response was lost may have been charged, so that a retry can charge the rate limits twice.
    #[must_use]
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts: max_attempts.max(1), ..self }
    }

    /// Returns the decision, which is a permit or a denial.
    ///
    /// An error means that there is no decision. Only `UNAVAILABLE` is retried; `DEADLINE_EXCEEDED` is returned when
    /// the deadline has passed.
    pub async fn check(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let deadline_exceeded = || Status::deadline_exceeded("Latchkey did not respond before the deadline");
        let started = Instant::now();
        match timeout(self.deadline, self.check_with_retries(request)).await {
            // The channel ends a call at its deadline with this code.
            Ok(Err(error)) if error.code() == Code::Cancelled && started.elapsed() >= self.deadline => {
                Err(deadline_exceeded())
            }
            Ok(result) => result,
            Err(_) => Err(deadline_exceeded()),
        }
    }

    async fn check_with_retries(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let mut client = self.client.clone();
        for attempt in 1.. {
            let mut request = Request::new(request.clone());
            // The server stops working on the Check when this time has passed.
            request.set_timeout(self.deadline);
            self.caller.add_to(request.metadata_mut());
            match client.check(request).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if status.code() == Code::Unavailable && attempt < self.max_attempts => {}
                Err(status) => return Err(status),
            }
            sleep(RETRY_DELAY * attempt).await;
        }
        Err(Status::unavailable("no attempt was made"))
    }
}
