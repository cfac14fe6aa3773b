//! TLS to PostgreSQL: `sslmode` has the same meaning as in libpq, and a certificate that can't be verified is reported
//! with the cause.

use latchkey_testing::{Ca, Folder, Pair, Postgres, Setup, answered, key};

use crate::program::{printed, run, said};

/// A PostgreSQL that accepts connections of the user `tls` only over TLS.
struct Fixture {
    postgres: Postgres,
    folder: Folder,
    ca: Ca,
}

impl Fixture {
    fn start(issue: impl Fn(&Ca) -> Pair, client_ca: bool) -> Self {
        let (postgres, folder, ca) = (Postgres::start(), Folder::new("tls"), Ca::named("databases"));
        postgres.serve_tls(&issue(&ca), client_ca.then(|| ca.pem()));
        let option = if client_ca { "clientcert=verify-ca" } else { "" };
        postgres.set_access(&format!("hostssl all tls all trust {option}\nhostnossl all tls all reject"));
        postgres.sql(&postgres.url("postgres"), "CREATE ROLE tls LOGIN SUPERUSER");
        let _ = folder.write("ca.pem", ca.pem());
        let _ = folder.write("other.pem", Ca::new().pem());
        Self { postgres, folder, ca }
    }

    /// Returns the URL of a database over TLS; a name in braces is a file of the folder.
    fn url(&self, database: &str, query: &str) -> String {
        let query = query.replace('{', &format!("{}/", self.folder.path().display())).replace('}', "");
        format!("postgres://tls@127.0.0.1:{}/{database}?{query}", self.postgres.port())
    }

    #[track_caller]
    fn works(&self, query: &str) {
        let output = run(&["migrate", "up"], &self.url("postgres", query), &[]);
        assert!(output.status.success(), "{query}: {}", printed(&output));
    }

    #[track_caller]
    fn fails(&self, query: &str, words: &str) {
        for text in said(&self.url("postgres", query)) {
            assert!(text.contains(words), "{query}: no {words:?} in {text}");
        }
    }
}

#[test]
fn a_certificate_of_the_right_ca_is_accepted_and_of_another_one_refused() {
    let fixture = Fixture::start(|ca| ca.issue(&["127.0.0.1"]), false);
    for query in ["", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca&sslrootcert={ca.pem}"] {
        fixture.works(query);
    }
    fixture.works("sslmode=verify-full&sslrootcert={ca.pem}");
    fixture.fails("sslmode=disable", "no encryption");
    for mode in ["require", "verify-ca", "verify-full"] {
        let unknown = "TLS failed: invalid peer certificate: UnknownIssuer";
        fixture.fails(&format!("sslmode={mode}&sslrootcert={{other.pem}}"), unknown);
    }
    fixture.fails("sslmode=verify-full", "UnknownIssuer");
    fixture.fails("sslmode=verify-ca", "sslrootcert");
    fixture.fails("sslmode=verify-full&sslrootcert={absent.pem}", "absent.pem: No such file or directory");
}

#[test]
fn the_systems_certificates_are_used_without_a_root_certificate_and_not_beside_one() {
    let fixture = Fixture::start(|ca| ca.issue(&["127.0.0.1"]), false);
    let system = fixture.folder.path().join("ca.pem").display().to_string();
    let up =
        |query: &str| run(&["migrate", "up"], &fixture.url("postgres", query), &[("SSL_CERT_FILE", &system)]);
    for query in ["sslmode=verify-full", "sslrootcert=system"] {
        assert!(up(query).status.success(), "{query}: {}", printed(&up(query)));
    }
    let output = up("sslmode=verify-ca&sslrootcert={other.pem}");
    assert!(!output.status.success() && printed(&output).contains("UnknownIssuer"), "{}", printed(&output));
}

#[test]
fn a_certificate_for_another_name_is_refused_by_verify_full_alone() {
    let fixture = Fixture::start(|ca| ca.issue(&["db.example.test"]), false);
    fixture.works("sslmode=verify-ca&sslrootcert={ca.pem}");
    fixture.fails("sslmode=verify-full&sslrootcert={ca.pem}", "not valid for name");
}

#[test]
fn an_expired_certificate_is_refused() {
    let fixture = Fixture::start(|ca| ca.expired(&["127.0.0.1"]), false);
    fixture.works("sslmode=require");
    fixture.fails("sslmode=verify-full&sslrootcert={ca.pem}", "certificate expired");
}

#[test]
fn a_client_certificate_is_shown_where_the_server_asks_for_one() {
    let fixture = Fixture::start(|ca| ca.issue(&["127.0.0.1"]), true);
    let pair = fixture.ca.issue(&["latchkey"]);
    let _ = fixture.folder.write("client.pem", &pair.cert);
    let _ = fixture.folder.write("client.key", &pair.key);
    fixture.fails("sslmode=require", "connection requires a valid client certificate (SQLSTATE 28000)");
    fixture.works("sslmode=verify-full&sslrootcert={ca.pem}&sslcert={client.pem}&sslkey={client.key}");
    fixture.fails("sslmode=require&sslcert={client.pem}&sslkey={absent.key}", "absent.key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_over_tls_with_its_listener() {
    let fixture = Fixture::start(|ca| ca.issue(&["127.0.0.1"]), false);
    let url = fixture.url("postgres", "sslmode=verify-full&sslrootcert={ca.pem}");
    let document = latchkey_testing::SHOP;
    let latchkey = Setup::default().database(&url).profile("shop", document).start();
    let operator = latchkey.operator();
    let made = answered(|| async { operator.try_tenant("acme", "shop", "").await }).await;
    let _ = made.expect("a tenant is made");
    let made = answered(|| async { operator.try_key(key("acme", "live")).await }).await;
    let _ = made.expect("a key is made");
    let listening = "SELECT count(*) > 0 FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                     WHERE query IN ('SELECT 1', 'LISTEN \"latchkey_changes\"') AND ssl AND usename = 'tls'";
    latchkey_testing::eventually("the listener uses TLS", || {
        (fixture.postgres.sql(&fixture.postgres.url("postgres"), listening) == "t").then_some(())
    });
    let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'tls' AND NOT ssl";
    assert_eq!(fixture.postgres.sql(&fixture.postgres.url("postgres"), plain), "0");
}

#[test]
fn doctor_warns_of_plain_text_to_another_machine() {
    let url = "postgres://u@192.0.2.1:1/d?sslmode=";
    let text = |mode: &str| printed(&run(&["doctor"], &format!("{url}{mode}"), &[]));
    assert!(text("prefer").contains("plain text"), "{}", text("prefer"));
    assert!(text("require").contains("not verified"), "{}", text("require"));
    assert!(!text("verify-full").contains("plain text"), "{}", text("verify-full"));
}
