//! Retries and deadline of a `Checker`, and the errors that a fail-open guard treats as an outage, against a scripted
//! server.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]
#![expect(clippy::disallowed_methods, reason = "what is started here ends with the test")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use latchkey_client::{Checker, Connect, ConnectError, Guard, OnOutage};
use latchkey_proto::v1::check_service_server::{CheckService, CheckServiceServer};
use latchkey_proto::v1::{BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, Decision};
use latchkey_testing::eventually_async;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tower_layer::Layer as _;
use tower_service::Service;

/// Reaction of the server to one Check.
enum Reply {
    Allow,
    Fail(Code),
    /// Never responds.
    Hang,
}

/// Server that sends its replies in order. A Check after the last reply fails with `DATA_LOSS`.
#[derive(Clone)]
struct ScriptedServer(Arc<Mutex<VecDeque<Reply>>>);

#[tonic::async_trait]
impl CheckService for ScriptedServer {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let reply = self.0.lock().unwrap().pop_front();
        match reply {
            Some(Reply::Allow) => {
                let decision = Decision::Allow.into();
                Ok(Response::new(CheckResponse { decision, ..CheckResponse::default() }))
            }
            Some(Reply::Fail(code)) => Err(Status::new(code, "scripted")),
            Some(Reply::Hang) => std::future::pending().await,
            None => Err(Status::data_loss("the script has no more replies")),
        }
    }

    async fn batch_check(
        &self,
        _: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        Err(Status::unimplemented("not used by this test"))
    }
}

/// Starts a server that sends these replies. Returns it and a checker with a long deadline.
async fn serve(replies: impl IntoIterator<Item = Reply>) -> (ScriptedServer, Checker) {
    let script = ScriptedServer(Arc::new(Mutex::new(replies.into_iter().collect())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(CheckServiceServer::new(script.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let channel = Connect::to(&address).connect_lazy().unwrap();
    (script, Checker::new(channel).deadline(Duration::from_secs(30)))
}

/// Sends one Check with a configured checker. Returns the result and the number of replies that were not used.
async fn check(
    replies: impl IntoIterator<Item = Reply>,
    configure: impl FnOnce(Checker) -> Checker,
) -> (Result<Decision, Code>, usize) {
    let (script, checker) = serve(replies).await;
    let result = configure(checker).check(CheckRequest::default()).await;
    let unused = script.0.lock().unwrap().len();
    (result.map(|response| response.decision()).map_err(|status| status.code()), unused)
}

#[tokio::test]
async fn unavailable_is_retried_up_to_three_attempts() {
    let unavailable = || Reply::Fail(Code::Unavailable);
    assert_eq!(
        check([unavailable(), unavailable(), Reply::Allow], |checker| checker).await,
        (Ok(Decision::Allow), 0)
    );
    let four = [unavailable(), unavailable(), unavailable(), Reply::Allow];
    assert_eq!(check(four, |checker| checker).await, (Err(Code::Unavailable), 1));
    let once = check([unavailable(), Reply::Allow], |checker| checker.max_attempts(1)).await;
    assert_eq!(once, (Err(Code::Unavailable), 1));
}

#[tokio::test]
async fn other_errors_are_not_retried() {
    for code in [Code::Internal, Code::InvalidArgument, Code::Unauthenticated, Code::ResourceExhausted] {
        let result = check([Reply::Fail(code), Reply::Allow], |checker| checker).await;
        assert_eq!(result, (Err(code), 1), "{code:?}");
    }
}

#[tokio::test]
async fn the_deadline_covers_all_attempts_together() {
    let short = |checker: Checker| checker.deadline(Duration::from_millis(100));
    // On a busy machine, the deadline can pass before the server has received the call.
    let (result, unused) = eventually_async("the server receives a call before the deadline", async || {
        let hung = check([Reply::Hang, Reply::Allow], short);
        let hung = tokio::time::timeout(Duration::from_mins(1), hung).await;
        let (result, unused) = hung.expect("the checker returns at its deadline");
        (unused < 2).then_some((result, unused))
    })
    .await;
    assert_eq!(unused, 1, "a hanging attempt is not retried");
    assert_eq!(result, Err(Code::DeadlineExceeded));
}

#[tokio::test]
async fn a_server_that_accepts_connections_and_is_silent_is_unreachable_by_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let second = Duration::from_secs(1);
    let options = Connect::to(&address).ca(latchkey_testing::Ca::new().pem()).timeouts(second, second);
    let connected = tokio::time::timeout(Duration::from_mins(1), options.connect()).await;
    let error = connected.expect("an attempt to connect ends").unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(..)), "{error}");
}

/// Service behind a guard, which responds to every call that reaches it.
#[derive(Clone)]
struct ProtectedService;

impl Service<http::Request<()>> for ProtectedService {
    type Response = http::Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Self::Future {
        ready(Ok(http::Response::new("passed".to_owned())))
    }
}

/// Returns the status of a call through a fail-open guard whose Check gets this reply.
async fn through_open_guard(reply: Reply, configure: impl FnOnce(Checker) -> Checker) -> u16 {
    let (_script, checker) = serve([reply]).await;
    let guard = Guard::new(configure(checker).max_attempts(1)).on_outage(OnOutage::FailOpen);
    let request = http::Request::get("/things").body(()).unwrap();
    guard.layer(ProtectedService).call(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_guard_that_fails_open_takes_only_two_errors_for_an_outage() {
    for number in 1..=16 {
        let code = Code::from_i32(number);
        let outage = matches!(code, Code::Unavailable | Code::DeadlineExceeded);
        let expected = if outage { 200 } else { 503 };
        assert_eq!(through_open_guard(Reply::Fail(code), |checker| checker).await, expected, "{code:?}");
    }
    let short = |checker: Checker| checker.deadline(Duration::from_millis(100));
    assert_eq!(through_open_guard(Reply::Hang, short).await, 200, "no response before the deadline");
}
