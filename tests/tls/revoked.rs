//! Certificates that their CA has revoked: new connections are refused, and open ones are closed. Also, revocation
//! lists that are empty, expired or malformed.

use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::tenant_service_client::TenantServiceClient;
use latchkey_testing::{Ca, Folder, Pair, ROOT_KEY, Setup, eventually, free_port};

use tonic::Code;

use crate::fixture::Fixture;

const HEALTH: &str = "grpc.health.v1.Health/Check";

/// Returns true if grpcurl can connect with this certificate.
fn enters(fixture: &Fixture, pair: &Pair) -> bool {
    let shown = fixture.shown(&format!("client-{}", pair.serial), pair);
    let (ok, output) = fixture.grpcurl(&fixture.path("ca.pem"), &shown, &[HEALTH]);
    assert!(!ok || output.contains("SERVING"), "{output}");
    ok
}

/// Returns true if a client can connect with this certificate. This client does not retry for seconds.
fn admitted(fixture: &Fixture, pair: &Pair) -> bool {
    let ask = async {
        let mut checks =
            CheckServiceClient::new(Fixture::channel(fixture.latchkey.grpc(), &fixture.ca, Some(pair)));
        checks.check(v1::CheckRequest::default()).await.is_ok()
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(ask)
}

fn logged(fixture: &Fixture, words: &str) {
    eventually(words, || fixture.latchkey.log().contains(words).then_some(()));
}

/// Replaces the revocation lists, and waits until they are in force.
fn put(fixture: &Fixture, lists: &[String]) {
    let taken = || fixture.latchkey.log().matches("were read again").count();
    let before = taken();
    let _ = fixture.folder.write("lists.pem", &lists.concat());
    eventually("the lists are read again", || (taken() > before).then_some(()));
}

#[test]
fn a_revoked_certificate_is_refused_and_others_pass() {
    let clients = Ca::new();
    let (good, leaked) = (clients.issue(&["envoy.example"]), clients.issue(&["envoy.example"]));
    let list = clients.crl(&[leaked.serial]);
    let fixture = Fixture::listed(clients, &[list]);
    assert!(enters(&fixture, &good));
    assert!(!enters(&fixture, &leaked));
    logged(&fixture, "rejected a connection: the revocation lists do not permit its client certificate");
    assert!(fixture.latchkey.log().contains("Revoked"), "{}", fixture.latchkey.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_list_closes_the_connections_of_its_certificates_alone() {
    let clients = Ca::new();
    let (good, leaked) = (clients.issue(&["good.example"]), clients.issue(&["leaked.example"]));
    let list = clients.crl(&[]);
    let fixture = Fixture::listed(clients, &[list]);
    let (kept, cut) = (fixture.tenants(Some(&good)), fixture.tenants(Some(&leaked)));
    let list = async |mut tenants: TenantServiceClient<_>| {
        let mut request = tonic::Request::new(v1::ListTenantsRequest::default());
        request.metadata_mut().insert("x-api-key", ROOT_KEY.parse().unwrap());
        tenants.list_tenants(request).await.map(drop)
    };
    list(kept.clone()).await.expect("not revoked");
    list(cut.clone()).await.expect("not revoked yet");
    let lists = [fixture.clients.crl(&[leaked.serial])];
    tokio::task::block_in_place(|| put(&fixture, &lists));
    let refused = list(cut).await.expect_err("over the connection that was open, or a new one").code();
    assert!([Code::Cancelled, Code::Unavailable, Code::Unknown].contains(&refused), "no answer: {refused:?}");
    list(kept).await.expect("others go on");
    tokio::task::block_in_place(|| assert!(!enters(&fixture, &leaked) && enters(&fixture, &good)));
    tokio::task::block_in_place(|| {
        logged(&fixture, "closed a connection: its client certificate is no longer accepted");
    });
    let log = fixture.latchkey.log();
    let output: Vec<_> = log
        .lines()
        .filter(|line| line.contains("closed a connection: its client certificate is no longer accepted"))
        .collect();
    assert!(matches!(output[..], [one] if one.contains("leaked.example")), "{output:?}");
}

#[test]
fn a_list_that_does_not_work_changes_nothing() {
    let clients = Ca::new();
    let (good, leaked) = (clients.issue(&["good.example"]), clients.issue(&["leaked.example"]));
    let list = clients.crl(&[leaked.serial]);
    let fixture = Fixture::listed(clients, std::slice::from_ref(&list));
    let cases = [
        (list[..list.len() / 2].to_owned(), "is not the PEM of a revocation list"),
        (Ca::new().crl(&[]), "is not signed by it"),
        (Ca::named("another CA").crl(&[]), "there is no revocation list of "),
        ([list.clone(), fixture.clients.crl(&[])].concat(), "it has two revocation lists of"),
    ];
    for (broken, output) in cases {
        let _ = fixture.folder.write("lists.pem", &broken);
        logged(&fixture, output);
        let log = fixture.latchkey.log();
        let line = log.lines().find(|line| line.contains(output)).expect("it was logged");
        assert!(
            line.contains("tls_client_crl (") && line.contains("the previous ones stay in force"),
            "{line}"
        );
        assert!(admitted(&fixture, &good) && !admitted(&fixture, &leaked), "after {output}");
    }
}

#[test]
fn a_ca_in_between_needs_a_list_of_its_own_and_may_be_revoked_itself() {
    let root = Ca::named("a root");
    let middle = root.subordinate("a CA in between");
    let (good, leaked) = (middle.issue(&["good.example"]), middle.issue(&["leaked.example"]));
    let lists = [root.crl(&[]), middle.crl(&[leaked.serial])];
    let fixture = Fixture::listed(root, &lists);
    assert!(enters(&fixture, &good) && !enters(&fixture, &leaked));
    logged(&fixture, "some revocation lists belong to CAs that are not in tls_client_ca");
    put(&fixture, &[fixture.clients.crl(&[middle.serial()]), middle.crl(&[])]);
    assert!(!admitted(&fixture, &good), "its issuer is revoked");
    put(&fixture, &lists);
    assert!(admitted(&fixture, &good));
    put(&fixture, &lists[..1]);
    assert!(!admitted(&fixture, &good), "its revocation status is unknown");
    logged(&fixture, "UnknownRevocationStatus");
}

#[test]
fn an_expired_list_refuses_every_client_until_there_is_a_new_one() {
    let clients = Ca::new();
    let good = clients.issue(&["good.example"]);
    let list = clients.expired_crl(&[]);
    let fixture = Fixture::listed(clients, &[list]);
    logged(&fixture, "a revocation list has expired");
    assert!(!admitted(&fixture, &good));
    logged(&fixture, "rejected a connection: the revocation lists do not permit its client certificate");
    let metric = |name: &str| {
        let page = fixture.latchkey.page("/metrics").body;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<i64>().ok());
        value.unwrap_or_else(|| panic!("{name}: {page}"))
    };
    assert_eq!(metric("latchkey_crl_expiry_timestamp_seconds "), 978_307_200, "2001-01-01");
    put(&fixture, &[fixture.clients.crl(&[])]);
    assert!(admitted(&fixture, &good));
    assert_eq!(metric("latchkey_crl_expiry_timestamp_seconds "), 64_060_588_800, "4000-01-01");
    assert!(metric("latchkey_crl_due_timestamp_seconds ") < 64_060_588_800);
}

#[test]
fn management_may_have_lists_of_its_own() {
    let management = free_port();
    let operators = Ca::named("the operators' CA");
    let (good, leaked) = (operators.issue(&["good.example"]), operators.issue(&["leaked.example"]));
    let list = operators.crl(&[leaked.serial]);
    let fixture = Fixture::start(false, |setup, folder| {
        let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
        setup
            .environment("LATCHKEY_MANAGEMENT_ADDR", &format!("127.0.0.1:{management}"))
            .environment("LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", &path("operators.pem", operators.pem()))
            .environment("LATCHKEY_MANAGEMENT_TLS_CLIENT_CRL", &path("operators.list.pem", &list))
    });
    let enters = |pair: &Pair| {
        let shown = fixture.shown(&format!("operator-{}", pair.serial), pair);
        Fixture::grpcurl_at(management, &fixture.path("ca.pem"), &shown, &[HEALTH]).0
    };
    assert!(enters(&good) && !enters(&leaked));
    assert!(
        fixture.grpcurl(&fixture.path("ca.pem"), &[], &[HEALTH]).0,
        "the other port asks for no certificate"
    );
}

#[test]
fn an_unusable_revocation_list_prevents_the_start() {
    let (folder, ca) = (Folder::new("lists"), Ca::new());
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let pair = ca.issue(&["localhost"]);
    let (cert, key) = (path("cert.pem", &pair.cert), path("key.pem", &pair.key));
    let start = |list: Option<&str>, ca: Option<&str>| {
        let mut setup =
            Setup::default().environment("LATCHKEY_TLS_CERT", &cert).environment("LATCHKEY_TLS_KEY", &key);
        for (name, path) in [("LATCHKEY_TLS_CLIENT_CRL", list), ("LATCHKEY_TLS_CLIENT_CA", ca)] {
            if let Some(path) = path {
                setup = setup.environment(name, path);
            }
        }
        let latchkey = setup.launch();
        assert_eq!(latchkey.wait().code(), Some(2), "{}", latchkey.log());
        latchkey.log()
    };
    let ca = path("ca.pem", ca.pem());
    let foreign = path("foreign.pem", &Ca::named("another CA").crl(&[]));
    let cases = [
        ("/nowhere/list.pem", Some(&ca), "the file can't be read"),
        (&cert, Some(&ca), "there is no revocation list (-----BEGIN X509 CRL-----) in the file"),
        (&foreign, Some(&ca), "all of its clients would be rejected"),
        (&foreign, None, "give tls_client_ca as well"),
    ];
    for (list, ca, output) in cases {
        let log = start(Some(list), ca.map(String::as_str));
        assert!(log.contains("tls_client_crl (") && log.contains(output), "{output}: {log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}
