//! A client that checks many keys, each once, to fill a cache or to measure how fast an empty one fills. The
//! n-th key is `sk_live_` and n in 64 hexadecimal digits.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_proto::v1;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use v1::check_service_client::CheckServiceClient;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Options of the client.
pub(crate) struct ClientOptions {
    /// Address of the server.
    pub(crate) address: String,
    /// Numbers of the keys.
    pub(crate) keys: Range<u64>,
    /// Keys in one call; one is sent as a `Check`, more as a `BatchCheck`.
    pub(crate) batch: u64,
    /// Number of concurrent calls.
    pub(crate) callers: u64,
    /// Cost of a check; 0 charges nothing.
    pub(crate) cost: u32,
}

/// Number of connections over which the calls are spread.
const CONNECTIONS: usize = 4;

/// Sends the checks, and prints the result as a line of JSON.
pub(crate) async fn run(options: ClientOptions) -> Result<(), BoxError> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(Endpoint::from_shared(format!("http://{}", options.address))?.connect().await?);
    }
    let callers = options.callers;
    let (options, next) = (Arc::new(options), Arc::new(AtomicU64::new(0)));
    next.store(options.keys.start, Ordering::SeqCst);
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for (_, channel) in (0..callers).zip(channels.iter().cycle()) {
        calls.spawn(caller(channel.clone(), Arc::clone(&options), Arc::clone(&next)));
    }
    let stats = calls.join_all().await;
    let seconds = begun.elapsed().as_secs_f64();
    let (allowed, failed) = stats.iter().fold((0, 0), |(a, f), stats| (a + stats.allowed, f + stats.failed));
    let mut times: Vec<Duration> = stats.into_iter().flat_map(|stats| stats.times).collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1_000).map_or(0, Duration::as_micros);
    let (p50, p99) = (at(500), at(990));
    #[expect(clippy::print_stdout, reason = "the program prints its result")]
    {
        println!(
            r#"{{"seconds":{seconds:.4},"allowed":{allowed},"failed":{failed},"p50_us":{p50},"p99_us":{p99}}}"#
        );
    }
    Ok(())
}

#[derive(Default)]
struct CallerStats {
    allowed: u64,
    failed: u64,
    times: Vec<Duration>,
}

async fn caller(channel: Channel, options: Arc<ClientOptions>, next: Arc<AtomicU64>) -> CallerStats {
    let mut client = CheckServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let mut stats = CallerStats::default();
    loop {
        let first = next.fetch_add(options.batch, Ordering::SeqCst);
        let last = options.keys.end.min(first + options.batch);
        if first >= last {
            return stats;
        }
        let mut checks: Vec<_> = (first..last).map(|number| check(number, options.cost)).collect();
        let begun = Instant::now();
        let answers = match checks.pop() {
            Some(only) if options.batch == 1 => {
                client.check(only).await.map(|answer| vec![answer.into_inner()])
            }
            last => {
                checks.extend(last);
                let answer = client.batch_check(v1::BatchCheckRequest { checks }).await;
                answer.map(|answer| answer.into_inner().results)
            }
        };
        stats.times.push(begun.elapsed());
        let yes = |answer: &v1::CheckResponse| answer.decision() == v1::Decision::Allow;
        let allowed = answers.unwrap_or_default().iter().filter(|answer| yes(answer)).count() as u64;
        stats.allowed += allowed;
        stats.failed += last - first - allowed;
    }
}

fn check(number: u64, cost: u32) -> v1::CheckRequest {
    v1::CheckRequest {
        credential: format!("sk_live_{number:064x}"),
        method: "GET".to_owned(),
        path: "/v1/wallets".to_owned(),
        environment: "live".to_owned(),
        cost: Some(cost),
        ..v1::CheckRequest::default()
    }
}
