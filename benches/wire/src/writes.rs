//! A client that sends writes of one kind, each caller the next one as soon as it has an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_proto::v1;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use v1::key_service_client::KeyServiceClient;
use v1::token_service_client::TokenServiceClient;

use crate::client::BoxError;

/// Options of the client.
pub(crate) struct WriteOptions {
    /// Addresses of the servers; callers are spread over them.
    pub(crate) addresses: Vec<String>,
    /// Call that is measured.
    pub(crate) call: WriteCall,
    /// Number of concurrent calls.
    pub(crate) callers: usize,
    /// Duration of the measurement.
    pub(crate) duration: Duration,
    /// Key of an operator.
    pub(crate) operator: String,
}

/// A call that writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteCall {
    CreateKey,
    RevokeKey,
    IssueJwt,
    RefreshJwt,
}

impl WriteCall {
    /// Returns the call of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "CreateKey" => Some(Self::CreateKey),
            "RevokeKey" => Some(Self::RevokeKey),
            "IssueJwt" => Some(Self::IssueJwt),
            "RefreshJwt" => Some(Self::RefreshJwt),
            _ => None,
        }
    }
}

/// Tenant of the benchmark.
const TENANT: &str = "bench";
/// Connections to each server.
const CONNECTIONS: usize = 2;

/// Sends the writes, and prints the result as a line of JSON.
pub(crate) async fn run(options: WriteOptions) -> Result<(), BoxError> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        for address in &options.addresses {
            channels.push(Endpoint::from_shared(format!("http://{address}"))?.connect().await?);
        }
    }
    let bearer: MetadataValue<Ascii> = format!("Bearer {}", options.operator).parse()?;
    let prepared = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for channel in channels.iter().cycle().take(options.callers) {
        let writer = Writer { channel: channel.clone(), bearer: bearer.clone() };
        let (prepared, call, duration) = (Arc::clone(&prepared), options.call, options.duration);
        let all = options.callers as u64;
        callers.spawn(async move { writer.write(call, &prepared, all, duration).await });
    }
    let mut times = Vec::new();
    while let Some(written) = callers.join_next().await {
        times.extend(written??);
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1_000).map_or(0, Duration::as_micros);
    let rate = f64::from(u32::try_from(times.len())?) / options.duration.as_secs_f64();
    let (p50, p99) = (at(500), at(990));
    #[expect(clippy::print_stdout, reason = "the program prints its result")]
    {
        println!(r#"{{"rate":{rate:.1},"p50_us":{p50},"p99_us":{p99}}}"#);
    }
    Ok(())
}

/// A caller.
struct Writer {
    channel: Channel,
    bearer: MetadataValue<Ascii>,
}

/// Credential that a caller needs before each call.
enum Prepared {
    Nothing,
    /// Value of an API key.
    ApiKey(String),
    RefreshToken(String),
}

impl Writer {
    /// Writes until the time is over, from the moment when every caller is ready; returns the time of each call.
    async fn write(
        self,
        call: WriteCall,
        ready: &AtomicU64,
        callers: u64,
        duration: Duration,
    ) -> Result<Vec<Duration>, BoxError> {
        let mut prepared = match call {
            WriteCall::CreateKey | WriteCall::RevokeKey => Prepared::Nothing,
            WriteCall::IssueJwt => Prepared::ApiKey(self.create_key().await?.secret),
            WriteCall::RefreshJwt => {
                let key = self.create_key().await?.secret;
                Prepared::RefreshToken(self.issue(&key).await?)
            }
        };
        ready.fetch_add(1, Ordering::SeqCst);
        while ready.load(Ordering::SeqCst) < callers {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (end, mut times) = (Instant::now() + duration, Vec::new());
        loop {
            let revoked = if call == WriteCall::RevokeKey { self.create_key().await?.key } else { None };
            let begun = Instant::now();
            match &prepared {
                Prepared::Nothing if call == WriteCall::RevokeKey => {
                    self.revoke(revoked.unwrap_or_default().id).await?;
                }
                Prepared::Nothing => drop(self.create_key().await?),
                Prepared::ApiKey(value) => drop(self.issue(value).await?),
                Prepared::RefreshToken(token) => {
                    let request =
                        v1::RefreshJwtRequest { refresh_token: token.clone(), ..Default::default() };
                    let answer = TokenServiceClient::new(self.channel.clone()).refresh_jwt(request).await?;
                    prepared = Prepared::RefreshToken(answer.into_inner().refresh_token);
                }
            }
            if Instant::now() > end {
                return Ok(times);
            }
            times.push(begun.elapsed());
        }
    }

    fn as_operator<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    async fn create_key(&self) -> Result<v1::CreateKeyResponse, BoxError> {
        let request = v1::CreateKeyRequest {
            tenant: TENANT.to_owned(),
            name: "bench".to_owned(),
            scopes: vec!["transactions.read".to_owned()],
            ..v1::CreateKeyRequest::default()
        };
        let mut client = KeyServiceClient::new(self.channel.clone());
        Ok(client.create_key(self.as_operator(request)).await?.into_inner())
    }

    async fn revoke(&self, id: String) -> Result<(), BoxError> {
        let request = v1::RevokeKeyRequest { id, reason: String::new() };
        KeyServiceClient::new(self.channel.clone()).revoke_key(self.as_operator(request)).await?;
        Ok(())
    }

    async fn issue(&self, key: &str) -> Result<String, BoxError> {
        let grant = Some(v1::issue_jwt_request::Grant::ApiKey(key.to_owned()));
        let request = v1::IssueJwtRequest { grant, ..v1::IssueJwtRequest::default() };
        let answer = TokenServiceClient::new(self.channel.clone()).issue_jwt(request).await?;
        Ok(answer.into_inner().refresh_token)
    }
}
