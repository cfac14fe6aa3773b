//! The cases of h2spec (RFC 9113, RFC 7541) against the gRPC port, in plain text and by TLS: Latchkey fails none that a
//! default tonic server passes. Nothing is run if scripts/setup found no Go to build h2spec with.

#![expect(clippy::disallowed_methods, reason = "the stock server ends with the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_proto::v1::check_service_server::{CheckService, CheckServiceServer};
use latchkey_proto::v1::{BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse};
use latchkey_testing::{Ca, Folder, Setup, eventually, free_port};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

fn h2spec() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/h2spec");
    own.is_file().then_some(own)
}

/// A service that tonic serves with its default settings.
struct Stock;

#[tonic::async_trait]
impl CheckService for Stock {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse::default()))
    }

    async fn batch_check(
        &self,
        _: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        Ok(Response::new(BatchCheckResponse::default()))
    }
}

/// Serves the default service on a free port. Its limit of streams is Latchkey's, without which a case is
/// skipped.
fn stock(identity: Option<Identity>) -> u16 {
    let port = free_port();
    let mut server = Server::builder().max_concurrent_streams(1_024);
    if let Some(identity) = identity {
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).expect("a usable certificate");
    }
    let serving = server.add_service(CheckServiceServer::new(Stock));
    tokio::spawn(serving.serve(format!("127.0.0.1:{port}").parse().expect("an address")));
    eventually("the stock server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    port
}

/// Case that counts on responses with a body, which a window of zero holds back. A gRPC error has none, so that its
/// stream ends at once, and it depends on the faster side whether 1,025 streams are ever open.
/// tests/floods/streams.rs exceeds the limit with streams that stay open.
const RACE: &str = r#"package="http2/5.1.2""#;

/// Runs all cases, and returns those that fail and the number of all.
fn failing(program: &Path, port: u16, tls: bool) -> (BTreeSet<String>, usize) {
    let folder = Folder::new("h2spec");
    let report = folder.path().join("junit.xml");
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-j"]).arg(&report);
    if tls {
        command.args(["-t", "-k"]);
    }
    let output = command.output().expect("h2spec starts");
    let text = std::fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)));
    let cases =
        || text.split("<testcase ").skip(1).map(|case| case.split("</testcase>").next().unwrap_or(case));
    let name = |case: &str| case.split(" time=").next().unwrap_or(case).to_owned();
    let fails = |case: &&str| (case.contains("<error>") || case.contains("<failure")) && !case.contains(RACE);
    (cases().filter(fails).map(name).collect(), cases().count())
}

/// Compares Latchkey with the default server.
fn compare(program: &Path, latchkey: u16, stock: u16, tls: bool) {
    let ((mut ours, cases), (theirs, _)) = (failing(program, latchkey, tls), failing(program, stock, tls));
    assert!(cases > 140, "only {cases} cases were run");
    // A case waits for two seconds, which a busy machine may exceed. It is repeated, since a real fault fails
    // every time.
    for _ in 0..3 {
        if !ours.is_subset(&theirs) {
            let again = failing(program, latchkey, tls).0;
            ours.retain(|case| again.contains(case));
        }
    }
    let worse: Vec<_> = ours.difference(&theirs).collect();
    assert!(worse.is_empty(), "Latchkey fails, and a stock tonic server does not: {worse:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grpc_port_fails_no_case_that_a_stock_server_passes() {
    let Some(program) = h2spec() else { return };
    let latchkey = Setup::default().shipped("demo").start();
    compare(&program, latchkey.grpc(), stock(None), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grpc_port_by_tls_fails_no_case_that_a_stock_server_passes() {
    let Some(program) = h2spec() else { return };
    let (folder, ca) = (Folder::new("certificates"), Ca::new());
    let pair = ca.issue(&["localhost", "127.0.0.1"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let latchkey = Setup::default()
        .shipped("demo")
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key))
        .start();
    compare(&program, latchkey.grpc(), stock(Some(Identity::from_pem(&pair.cert, &pair.key))), true);
}
