//! One question to Latchkey, and the patience to ask it again where that can help.

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
    tries: u32,
}

/// As long as Envoy waits.
const DEADLINE: Duration = Duration::from_millis(200);
/// Between two tries: another replica has taken over by then, or won't in time.
const PAUSE: Duration = Duration::from_millis(10);

impl Checker {
    /// Asks over this channel, for 200 ms and three times at most.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { client: CheckServiceClient::new(channel), deadline: DEADLINE, tries: 3 }
    }

    /// How long a question may take in all, tries and pauses included.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often it is asked at most; 1: never again.
    ///
    /// A try whose answer was lost on the way may have been counted: the price of a second one is a token.
    #[must_use]
    pub fn tries(self, tries: u32) -> Self {
        Self { tries: tries.max(1), ..self }
    }

    /// The answer, allowed or denied; an error where there is none.
    pub async fn check(&self, question: CheckRequest) -> Result<CheckResponse, Status> {
        let late = || Status::deadline_exceeded("Latchkey did not answer in time");
        timeout(self.deadline, self.ask(question)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask(&self, question: CheckRequest) -> Result<CheckResponse, Status> {
        let mut client = self.client.clone();
        for tried in 1.. {
            let mut request = Request::new(question.clone());
            // The server gives up when nobody waits any more.
            request.set_timeout(self.deadline);
            match client.check(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if status.code() == Code::Unavailable && tried < self.tries => {}
                Err(status) => return Err(status),
            }
            sleep(PAUSE * tried).await;
        }
        Err(Status::unavailable("nobody was asked"))
    }
}
