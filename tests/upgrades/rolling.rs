//! An upgrade of two replicas behind a real Envoy under a steady load: the schema is migrated, and one replica after the
//! other is replaced, so that an earlier program and the present one serve side by side.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use latchkey_proto::v1::RefreshJwtRequest;
use latchkey_testing::{
    Caller, Envoy, EnvoySetup, Latchkey, Postgres, Redis, Request, Setup, Signal, eventually_for, program,
    replace_once, with_key,
};

use crate::stored::reason;

const PROFILE: &str = include_str!("stored.toml");
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Variable with the path of the earlier program.
const EARLIER: &str = "LATCHKEY_TEST_EARLIER_PROGRAM";

/// Sends one request after the other until it is stopped. Returns the number of requests, and the failed ones.
fn client(port: u16, value: String, over: Arc<AtomicBool>) -> JoinHandle<(usize, Vec<String>)> {
    spawn(move || {
        let (mut calls, mut failed) = (0, Vec::new());
        while !over.load(Ordering::SeqCst) {
            let answer = Request::get("stored.test", "/items").header("x-api-key", &value).send(port);
            calls += 1;
            if answer.status != 200 {
                failed.push(format!("{answer:?}"));
            }
            // The rate of the load.
            sleep(Duration::from_millis(20));
        }
        (calls, failed)
    })
}

/// Checks that each replica revokes for all, and refreshes the tokens of the others.
async fn assert_consistent(operators: &[Caller], stage: &str) {
    for (number, through) in operators.iter().enumerate() {
        let (key, value) = through.scoped_key("acme", &["items.read"]).await;
        let issued = through.tokens().issue_jwt(with_key(&value)).await.expect("a token").into_inner();
        let mut refresh_token = issued.refresh_token;
        for operator in operators {
            assert_eq!(reason(operator, &value).await, "REASON_OK", "{stage}, {number}");
            let ask = RefreshJwtRequest { refresh_token, ..RefreshJwtRequest::default() };
            refresh_token = operator.tokens().refresh_jwt(ask).await.expect(stage).into_inner().refresh_token;
        }
        let _ = through.revoke(&key.id).await;
        for operator in operators {
            assert_eq!(reason(operator, &value).await, "REASON_REVOKED", "{stage}, {number}");
            assert_eq!(reason(operator, &issued.access_token).await, "REASON_REVOKED", "{stage}, {number}");
        }
    }
}

fn replace(latchkey: &mut Latchkey) -> Duration {
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success(), "it ends in good order");
    latchkey.upgrade();
    let began = Instant::now();
    latchkey.restart();
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an earlier program: scripts/rolling-upgrade COMMIT"]
async fn no_request_and_no_revocation_is_lost_while_replicas_are_upgraded() {
    let earlier = PathBuf::from(std::env::var_os(EARLIER).expect("scripts/rolling-upgrade sets it"));
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let url = postgres.database();
    let document = replace_once(PROFILE, "\"300/min\"", "\"1000000/min\"");
    let start = |_| {
        let setup = Setup::default().database(&url).environment("LATCHKEY_REDIS_URL", &redis.url());
        let setup = setup.environment("LATCHKEY_CACHE_LEASE", "5s").profile("stored", &document);
        setup.program(&earlier).start()
    };
    let mut replicas: Vec<Latchkey> = (0..2).map(start).collect();
    let operators: Vec<Caller> = replicas.iter().map(Latchkey::operator).collect();
    let _ = operators[0].tenant("acme", "stored", "").await;
    let (_, value) = operators[0].scoped_key("acme", &["items.read"]).await;
    let ports: Vec<u16> = replicas.iter().map(Latchkey::grpc).collect();
    let envoy = Envoy::before(&ports, &EnvoySetup::default().route("/", &[("profile", "stored")]));
    let over = Arc::<AtomicBool>::default();
    let clients: Vec<_> = (0..4).map(|_| client(envoy.port(), value.clone(), Arc::clone(&over))).collect();
    assert_consistent(&operators, "the earlier program").await;
    let began = Instant::now();
    let mut up = Command::new(program());
    let up = up.env_clear().args(["migrate", "up", "--database-url", &url]).output();
    let up = up.expect("the program starts");
    assert!(up.status.success(), "{up:?}");
    println!("migrated in {:?}", began.elapsed());
    assert_consistent(&operators, "the earlier program on the present schema").await;
    for number in 0..2 {
        let ready = replace(&mut replicas[number]);
        println!("replica {number} is ready {ready:?} after its start");
        eventually_for("Envoy's calls reach it", TIME_LIMIT, || (envoy.upstream().seen() > 0).then_some(()));
        assert_consistent(&operators, ["both programs", "the present program"][number]).await;
    }
    println!("upgraded in {:?}", began.elapsed());
    over.store(true, Ordering::SeqCst);
    let mut all = 0;
    for client in clients {
        let (calls, failed) = client.join().expect("a client ends");
        assert!(failed.is_empty(), "{} of {calls}: {}\n{}", failed.len(), failed[0], envoy.log());
        all += calls;
    }
    println!("rolling upgrade: {all} requests through Envoy, none failed");
}
