//! Whom a question is asked again, and for how long, against a server that does as it is told.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]
#![expect(clippy::disallowed_methods, reason = "what is started here ends with the test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latchkey_client::{Checker, Connect};
use latchkey_proto::v1::check_service_server::{CheckService, CheckServiceServer};
use latchkey_proto::v1::{BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, Decision};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// What becomes of one question.
enum Reply {
    Allow,
    Fail(Code),
    /// Nobody ever answers.
    Hang,
}

/// Plays its replies one after the other; a question too many fails.
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
            Some(Reply::Fail(code)) => Err(Status::new(code, "as it was told")),
            Some(Reply::Hang) => std::future::pending().await,
            None => Err(Status::data_loss("asked once too often")),
        }
    }

    async fn batch_check(
        &self,
        _: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }
}

/// Asks once by a checker; what came of it, and how many replies were left.
async fn ask(
    replies: impl IntoIterator<Item = Reply>,
    checker: impl FnOnce(Checker) -> Checker,
) -> (Result<Decision, Code>, usize) {
    let played = ScriptedServer(Arc::new(Mutex::new(replies.into_iter().collect())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = Server::builder().add_service(CheckServiceServer::new(played.clone()));
    tokio::spawn(served.serve_with_incoming(TcpIncoming::from(listener)));
    let asked = checker(
        Checker::new(Connect::to(&address).connect_lazy().unwrap()).deadline(Duration::from_secs(30)),
    );
    let answer = asked.check(CheckRequest::default()).await;
    let left = played.0.lock().unwrap().len();
    (answer.map(|answer| answer.decision()).map_err(|status| status.code()), left)
}

#[tokio::test]
async fn who_is_away_is_asked_again_up_to_three_times() {
    let away = || Reply::Fail(Code::Unavailable);
    assert_eq!(ask([away(), away(), Reply::Allow], |checker| checker).await, (Ok(Decision::Allow), 0));
    let four = [away(), away(), away(), Reply::Allow];
    assert_eq!(ask(four, |checker| checker).await, (Err(Code::Unavailable), 1));
    let once = ask([away(), Reply::Allow], |checker| checker.max_attempts(1)).await;
    assert_eq!(once, (Err(Code::Unavailable), 1));
}

#[tokio::test]
async fn what_asking_again_would_not_mend_is_not_asked_again() {
    for code in [Code::Internal, Code::InvalidArgument, Code::Unauthenticated, Code::ResourceExhausted] {
        let asked = ask([Reply::Fail(code), Reply::Allow], |checker| checker).await;
        assert_eq!(asked, (Err(code), 1), "{code:?}");
    }
}

#[tokio::test]
async fn the_deadline_holds_for_all_tries_together() {
    let soon = |checker: Checker| checker.deadline(Duration::from_millis(100));
    let hung = tokio::time::timeout(Duration::from_secs(20), ask([Reply::Hang, Reply::Allow], soon)).await;
    let (answer, left) = hung.expect("it doesn't wait for ever");
    assert_eq!(left, 1, "it is not asked again");
    assert!(matches!(answer, Err(Code::DeadlineExceeded | Code::Cancelled)), "{answer:?}");
}
