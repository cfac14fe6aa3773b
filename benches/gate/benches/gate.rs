//! Benchmarks of a decision without a network: `cargo bench -p latchkey-bench-gate`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use latchkey_bench_gate::{GateFixture, Workload, poll_ready};
use latchkey_core::check_input::{CheckInput, PresentedCredential};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, ChargeOptions, CountingMode,
    Levels, Limit, RuleId,
};
use latchkey_core::route::canonical;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{MonotonicInstant, Timestamp};
use latchkey_profile::{Header, Request, TemplateContext};

const HEADERS: [(&str, &str); 12] = [
    ("accept", "application/json, text/plain, */*"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-US,en;q=0.9"),
    ("cache-control", "no-cache"),
    ("content-type", "application/json"),
    ("cookie", "session=0123456789abcdef; theme=dark; _ga=GA1.2.123456789.987654321"),
    ("origin", "https://app.example.com"),
    ("referer", "https://app.example.com/orders"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-request-id", "4bc5ed4d-404d-4995-b577-b0c9b9da8d66"),
];

fn request<'a>(key: &'a str) -> Request<'a> {
    let mut request = Request {
        method: "GET",
        path: "/v1/orders/42?expand=items&limit=50",
        host: "api.paykore.dev".into(),
        peer: Some([127, 0, 0, 1].into()),
        ..Request::default()
    };
    let header =
        |(name, value): (&'static str, &'a str)| Header { name: name.as_bytes(), value: value.as_bytes() };
    request.headers.extend(HEADERS.into_iter().chain([("x-api-key", key)]).map(header));
    request
}

fn decisions(criterion: &mut Criterion) {
    let keys = 1_000_000;
    let fixture = GateFixture::new(&Workload { keys, ..Workload::default() });
    let values: Vec<String> = (0..keys).map(|number| fixture.key_value(number)).collect();
    let Some(profile) = fixture.catalog.named("paykore") else { panic!("no profile") };
    let check = |value: &str| {
        let access = CheckInput { credential: PresentedCredential::of(value), ..CheckInput::default() };
        poll_ready(fixture.gate.check(Some(&profile.policy), &access))
    };
    let mut group = criterion.benchmark_group("gate, a million cached keys");
    group.bench_function("one key", |b| b.iter(|| check(black_box(&values[7]))));
    let mut at = 0;
    group.bench_function("any key", |b| {
        b.iter(|| {
            at = (at + 611_953) % keys;
            check(black_box(&values[at]))
        });
    });
    let malformed = &values[7][1..];
    group.bench_function("a malformed key", |b| b.iter(|| check(black_box(malformed))));
    group.finish();

    criterion.bench_function("read, decide and render the response", |b| {
        b.iter(|| {
            let request = request(&values[7]);
            let parsed = profile.parse_request(black_box(&request));
            let verdict = poll_ready(fixture.gate.check(Some(&profile.policy), &parsed.access));
            let Ok(verdict) = verdict else { panic!("no decision") };
            let template_context =
                TemplateContext::new(&verdict.context, &request, &parsed, Timestamp(1_800_000_000_000));
            black_box(profile.allow_response(&template_context));
        });
    });
}

fn parts(criterion: &mut Criterion) {
    let key = format!("sk_live_{:064x}", 7);
    criterion.bench_function("SHA-256 of a key", |b| b.iter(|| KeyHash::of(black_box(&key))));
    criterion.bench_function("canonical path, clean", |b| b.iter(|| canonical(black_box("/v1/orders/42"))));
    criterion
        .bench_function("canonical path, dirty", |b| b.iter(|| canonical(black_box("/v1//%6frders/../x"))));
    let limiter = LocalLimiter::new();
    let demand = |per, subject| BucketCharge {
        mode: CountingMode::Exact,
        shard_key: 1,
        bucket: BucketId { per, when: ChargeCondition::Allowed, subject, class_hash: 1, rule: RuleId::ADDED },
        limit: Limit {
            tokens: 1_000_000_000,
            period: std::time::Duration::from_secs(1),
            burst: Some(1_000_000_000),
        },
        algorithm: BucketAlgorithm::TokenBucket,
    };
    let both = [demand(BucketOwner::Key, 1), demand(BucketOwner::Tenant, 2)];
    let (one, mut levels) = (ChargeOptions { cost: 1, dry_run: false }, Levels::new());
    criterion.bench_function("two buckets", |b| {
        b.iter(|| limiter.charge_now(black_box(&both), one, MonotonicInstant(1), &mut levels));
    });
}

criterion_group!(benches, decisions, parts);
criterion_main!(benches);
