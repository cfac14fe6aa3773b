//! Access by port, and the responses there.

use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_testing::{Ca, Caller, ROOT_KEY, Setup, free_port, tool};
use tonic::Code;

use crate::fixture::Fixture;

const HEALTH: &str = "grpc.health.v1.Health/Check";

#[test]
fn grpcurl_connects_by_the_right_ca_alone() {
    let fixture = Fixture::start(false, |setup, _| setup);
    let (ok, message) = fixture.grpcurl(&fixture.path("ca.pem"), &[], &[HEALTH]);
    assert!(ok && message.contains("SERVING"), "{message}");
    let other = fixture.folder.write("other.pem", Ca::new().pem());
    assert!(!fixture.grpcurl(&other, &[], &[HEALTH]).0, "another CA's server");
    let bearer = format!("authorization: Bearer {ROOT_KEY}");
    let (ok, message) = fixture.grpcurl(
        &fixture.path("ca.pem"),
        &[],
        &["-H", &bearer, "latchkey.v1.TenantService/ListTenants"],
    );
    assert!(ok, "a key is a credential as ever: {message}");
}

#[test]
fn a_client_certificate_must_be_there_and_be_good() {
    let fixture = Fixture::mutual();
    let ca = fixture.path("ca.pem");
    let good = fixture.shown("good", &fixture.clients.issue(&["envoy.example"]));
    let (ok, message) = fixture.grpcurl(&ca, &good, &[HEALTH]);
    assert!(ok && message.contains("SERVING"), "{message}");
    let stranger = fixture.shown("stranger", &Ca::new().issue(&["envoy.example"]));
    let ended = fixture.shown("ended", &fixture.clients.expired(&["envoy.example"]));
    for (who, words) in [("nobody", &Vec::new()), ("a stranger", &stranger), ("one that has ended", &ended)] {
        let (ok, message) = fixture.grpcurl(&ca, words, &[HEALTH]);
        assert!(!ok, "{who} got in: {message}");
    }
}

/// Attempts a handshake with one version of TLS; returns whether it succeeded, and the output.
fn shake(fixture: &Fixture, version: &str) -> (bool, String) {
    let mut openssl = std::process::Command::new(tool("openssl"));
    openssl.args(["s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-alpn", "h2", "-verify_return_error"]);
    openssl.arg("-CAfile").arg(fixture.path("ca.pem"));
    openssl.args(["-connect", &format!("localhost:{}", fixture.latchkey.grpc())]);
    let output = openssl.stdin(std::process::Stdio::null()).output().expect("openssl starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn tls_1_2_is_the_oldest_version_that_is_accepted() {
    let fixture = Fixture::start(false, |setup, _| setup);
    for version in ["-tls1_2", "-tls1_3"] {
        let (ok, message) = shake(&fixture, version);
        assert!(ok && message.contains("Verify return code: 0 (ok)"), "{version}: {message}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let (ok, message) = shake(&fixture, version);
        // The alert shows that the server refused the version, and not the client.
        assert!(!ok && message.contains("SSL alert number"), "{version}: {message}");
    }
}

#[tokio::test]
async fn plain_text_is_refused_on_a_port_with_tls() {
    let fixture = Fixture::start(false, |setup, _| setup);
    let mut tenants = Caller::new(fixture.latchkey.grpc(), Some(ROOT_KEY)).tenants();
    let refused = tenants.list_tenants(v1::ListTenantsRequest::default());
    let code = refused.await.unwrap_err().code();
    // The connection can end before or after the request is sent.
    assert!([Code::Unavailable, Code::Internal, Code::Unknown].contains(&code), "{code:?}");
}

#[tokio::test]
async fn checks_and_management_may_have_ports_of_their_own() {
    let management = free_port();
    let address = format!("127.0.0.1:{management}");
    let latchkey = Setup::default().shipped("demo").environment("LATCHKEY_MANAGEMENT_ADDR", &address).start();
    let operator = Caller::new(management, Some(ROOT_KEY));
    operator.tenant("acme", "demo", "").await;
    let (_, key) = operator.plain_key("acme", "").await;
    let question = v1::CheckRequest { credential: key, scopes_only: true, ..v1::CheckRequest::default() };
    assert_eq!(latchkey.anonymous().check(question.clone()).await.decision(), v1::Decision::Allow);
    let there = operator.checks().check(question).await.unwrap_err();
    assert_eq!(there.code(), Code::Unimplemented, "{there:?}");
    let here =
        latchkey.operator().tenants().list_tenants(v1::ListTenantsRequest::default()).await.unwrap_err();
    assert_eq!(here.code(), Code::Unimplemented, "{here:?}");
}

#[tokio::test]
async fn only_the_management_port_may_ask_for_certificates() {
    let management = free_port();
    let clients = Ca::new();
    let fixture = Fixture::start(false, |setup, folder| {
        let ca = folder.write("operators.pem", clients.pem()).display().to_string();
        setup
            .environment("LATCHKEY_MANAGEMENT_ADDR", &format!("127.0.0.1:{management}"))
            .environment("LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", &ca)
    });
    let mut checks = CheckServiceClient::new(Fixture::channel(fixture.latchkey.grpc(), &fixture.ca, None));
    assert!(checks.check(v1::CheckRequest::default()).await.is_ok(), "no certificate is asked for here");
    let list = |pair| {
        let channel = Fixture::channel(management, &fixture.ca, pair);
        async move {
            let mut request = tonic::Request::new(v1::ListTenantsRequest::default());
            request.metadata_mut().insert("x-api-key", ROOT_KEY.parse().unwrap());
            v1::tenant_service_client::TenantServiceClient::new(channel).list_tenants(request).await.is_ok()
        }
    };
    assert!(!list(None).await, "but here");
    let pair = clients.issue(&["ops.example"]);
    assert!(list(Some(&pair)).await);
}

#[test]
fn a_client_ca_without_its_port_prevents_the_start() {
    let scene_ca = Ca::new();
    let folder = latchkey_testing::Folder::new("nobody-asked");
    let pair = scene_ca.issue(&["localhost"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let latchkey = Setup::default()
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key))
        .environment("LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", &path("ca.pem", scene_ca.pem()))
        .launch();
    assert_eq!(latchkey.wait().code(), Some(2));
    let log = latchkey.log();
    assert!(log.contains("management_tls_client_ca (") && log.contains("give management_addr"), "{log}");
}

#[test]
fn a_pair_that_does_not_match_prevents_the_start() {
    let (folder, ca) = (latchkey_testing::Folder::new("mismatch"), Ca::new());
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let latchkey = Setup::default()
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &ca.issue(&["localhost"]).cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &ca.issue(&["localhost"]).key))
        .environment("LATCHKEY_TLS_CLIENT_CA", "/nowhere/ca.pem")
        .launch();
    assert_eq!(latchkey.wait().code(), Some(2));
    let log = latchkey.log();
    for message in ["tls_key (", "not the key of the certificate", "tls_client_ca (/nowhere/ca.pem)"] {
        assert!(log.contains(message), "{message}: {log}");
    }
    assert!(!log.contains("PRIVATE KEY-----\n") && !log.contains("panicked"), "{log}");
}
