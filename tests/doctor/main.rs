//! Tests of `latchkey doctor` with real stores and a real Envoy: each problem is reported with its remedy and by the
//! exit code, and a correct setting is not reported. A start whose settings contradict the database reports that.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use latchkey_testing::{
    Ca, Clocks, Direction, Disk, Folder, Postgres, Proxy, Redis, RedisCluster, Setup, eventually, program,
};
use serde_json::Value;

mod envoy;
mod first_start;
mod redis;
mod settings;

const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "//////////////////////////////////////////8=";

/// Deadlines that a busy machine does not miss.
const PATIENT: [&str; 4] = ["--check-deadline", "5s", "--redis-deadline", "1s"];

/// Returns findings as (area, severity, message), and the exit code.
fn doctor(words: &[&str]) -> (Vec<(String, String, String)>, i32) {
    let folder = Folder::new("doctor");
    let mut command = Command::new(program());
    command.env_clear().env("HOME", folder.path()).current_dir(folder.path());
    let output =
        command.arg("doctor").args(words).args(["--output", "json"]).output().expect("the program starts");
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = json["findings"].as_array().expect("a list of findings");
    let found = findings.iter().map(|f| (text(f, "area"), text(f, "severity"), text(f, "message"))).collect();
    let code = output.status.code().expect("it ends by itself");
    assert_eq!(json["healthy"] == true, code == 0, "{json}");
    (found, code)
}

#[track_caller]
fn has(found: &[(String, String, String)], area: &str, severity: &str, words: &str) {
    let there = found.iter().any(|(a, s, what)| a == area && s == severity && what.contains(words));
    assert!(there, "no {severity} {words:?} of {area} in {found:?}");
}

fn migrate(url: &str, words: &[&str]) {
    let output = Command::new(program()).arg("migrate").args(words).args(["--database-url", url]).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_database_is_checked() {
    let url = Postgres::shared().database();
    let look = |key| doctor(&[&["--database-url", &url, "--master-key", key], &PATIENT[..]].concat());
    let (found, code) = look(MASTER_KEY);
    has(&found, "database", "error", "migrations are not applied");
    assert_eq!(code, 1);
    migrate(&url, &["up"]);
    let (found, code) = look(MASTER_KEY);
    has(&found, "database", "ok", "responds in time");
    has(&found, "settings", "warning", "Redis is not configured");
    assert_eq!(code, 0);
    let latchkey = Setup::default().database(&url).shipped("luxcore").start();
    eventually("a signing key is made", || {
        latchkey.page("/.well-known/jwks.json").body.contains("kid").then_some(())
    });
    latchkey.kill();
    has(&look(MASTER_KEY).0, "database", "ok", "the master key is the right one");
    let (found, code) = look(OTHER_KEY);
    has(&found, "database", "error", "the master key does not decrypt 1 of 1 signing keys");
    assert_eq!(code, 1);
    let refused = Setup::default().database(&url).environment("LATCHKEY_MASTER_KEY", OTHER_KEY).launch();
    assert_eq!(refused.wait().code(), Some(2), "a start with another master key");
    let log = refused.log();
    assert!(
        log.contains("master_key") && log.contains("last used with") && !log.contains("panicked"),
        "{log}"
    );
    assert!(!log.contains(OTHER_KEY) && !log.contains(MASTER_KEY), "{log}");
}

#[test]
fn a_check_that_fails_is_no_silent_success() {
    let url = Postgres::shared().database();
    migrate(&url, &["up"]);
    let row =
        "INSERT INTO profiles (name, document, version, revision, applied_at) VALUES ('shop', '', -1, 1, 1)";
    Postgres::shared().sql(&url, row);
    let look = || doctor(&["--database-url", &url, "--master-key", MASTER_KEY]);
    let (found, code) = look();
    has(&found, "database", "error", "the schedule of signing keys can't be checked: ");
    assert_eq!(code, 1);
    Postgres::shared().sql(&url, "UPDATE head SET revision = -1");
    let (found, code) = look();
    has(&found, "database", "error", "the row 1 of head is corrupt in revision");
    assert_eq!(code, 1);
}

#[test]
fn a_database_that_lags_is_found() {
    let url = Postgres::shared().database();
    migrate(&url, &["up"]);
    let way = Proxy::to(Postgres::shared().port());
    let far = Postgres::shared().through(way.port(), &url);
    let look = || doctor(&["--database-url", &far, "--master-key", MASTER_KEY]);
    // On a busy machine, a single look can be late.
    eventually("the database responds in time", || {
        look().0.iter().any(|(.., what)| what.contains("responds in time")).then_some(())
    });
    way.delay(Direction::Down, Duration::from_millis(150));
    let (found, code) = look();
    has(&found, "database", "error", "a Check gives up after 120ms");
    assert_eq!(code, 1);
}

#[test]
fn an_unreachable_service_is_reported_without_its_password() {
    let words = ["--database-url", "postgres://ada:canary@127.0.0.1:1/db", "--master-key", MASTER_KEY];
    let (found, code) = doctor(&[words.as_slice(), &["--redis-url", "redis://:canary@127.0.0.1:1"]].concat());
    has(&found, "database", "unreachable", "127.0.0.1:1");
    has(&found, "redis", "unreachable", "127.0.0.1:1");
    assert_eq!(code, 6);
    assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    let (found, code) = doctor(&["--cache-lease", "soon", "--tls-cert", "/nowhere.pem"]);
    has(&found, "settings", "error", "cache_lease (--cache-lease)");
    has(&found, "settings", "error", "tls_cert");
    assert_eq!(code, 2);
}

#[test]
fn a_file_that_a_start_cannot_make_is_found() {
    for (words, area, message) in [
        (["--database-url", "sqlite://none.db?mode=ro"], "database", "this mode creates nothing"),
        (["--decision-log", "none/log"], "settings", "decision_log: there is no folder"),
        (["--audit-anchor", "none/anchors"], "settings", "audit_anchor: there is no folder"),
        (["--grpc-addr", "unix:/none/here/grpc.sock"], "settings", "grpc_addr: there is no folder"),
    ] {
        let (found, code) = doctor(&words);
        has(&found, area, "error", message);
        assert_ne!(code, 0, "{found:?}");
    }
    let (found, code) = doctor(&["--root-key-file", "none/key"]);
    has(&found, "settings", "warning", "root_key_file: there is no folder");
    assert_eq!(code, 0, "a start needs it only for the first key");
}

#[test]
fn a_redis_that_evicts_is_found() {
    let redis = Redis::start();
    let url = redis.url();
    let look = || doctor(&[&["--redis-url", &url], &PATIENT[..]].concat());
    has(&look().0, "redis", "ok", "evicts no buckets in use");
    redis.cli(&["CONFIG", "SET", "maxmemory", "64mb"]);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let (found, code) = look();
    has(&found, "redis", "error", "allkeys-lru");
    assert_eq!(code, 1);
}

#[test]
fn a_redis_over_tls_and_a_cluster_are_checked() {
    let redis = Redis::tls();
    let (url, ca) = (redis.url(), redis.ca());
    let words = ["--redis-url", &url, "--redis-ca", ca.to_str().expect("a path")];
    let (found, code) = doctor(&[&words[..], &PATIENT].concat());
    has(&found, "redis", "ok", "evicts no buckets in use");
    assert_eq!(code, 0, "{found:?}");
    let (found, code) = doctor(&["--redis-url", &redis.url()]);
    has(&found, "redis", "error", "can't be used by TLS: invalid peer certificate");
    assert_eq!(code, 1, "{found:?}");
    let cluster = RedisCluster::start();
    let url = cluster.url();
    let (found, code) = doctor(&[&["--redis-url", &url], &PATIENT[..]].concat());
    let ok = found.iter().filter(|(area, severity, _)| area == "redis" && severity == "ok").count();
    assert_eq!((ok, code), (2, 0), "each node that is named: {found:?}");
    let (found, code) = doctor(&["--redis-url", &cluster.nodes()[0].url()]);
    has(&found, "redis", "error", "a node of a cluster");
    assert_eq!(code, 1);
}

#[test]
fn revocation_lists_are_checked() {
    let (folder, ca) = (Folder::new("lists"), Ca::new());
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let pair = ca.issue(&["localhost"]);
    let (cert, key, ca_file) =
        (path("cert.pem", &pair.cert), path("key.pem", &pair.key), path("ca.pem", ca.pem()));
    let look = |list: &str| {
        let list = path("list.pem", list);
        doctor(&[
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca_file,
            "--tls-client-crl",
            &list,
        ])
    };
    let (found, code) = look(&ca.expired_crl(&[]));
    has(&found, "settings", "error", "tls_client_crl (");
    has(&found, "settings", "error", "a revocation list in it has expired");
    assert_eq!(code, 2);
    let (found, _) = look(&ca.crl(&[]));
    assert!(!found.iter().any(|(_, _, what)| what.contains("tls_client_crl")), "{found:?}");
    has(&look("nonsense").0, "settings", "error", "tls_client_crl (");
}

#[test]
fn a_port_that_others_reach_and_that_asks_its_callers_for_nothing_is_reported() {
    let open = ["--grpc-addr", "0.0.0.0:50051", "--insecure"];
    let (found, _) = doctor(&open);
    has(&found, "settings", "warning", "may call Check");
    let key = "k".repeat(32);
    let (found, _) = doctor(&[&open[..], &["--check-auth", "key", "--check-keys", &key]].concat());
    assert!(!found.iter().any(|(.., what)| what.contains("may call Check")), "{found:?}");
    let (found, _) = doctor(&["--max-connections", "1000000"]);
    has(&found, "settings", "warning", "max_connections needs");
}

#[test]
fn a_unix_socket_that_every_user_reaches_is_reported() {
    let (folder, address) =
        (Folder::new("open"), |folder: &Folder| format!("unix:{}/a.sock", folder.path().display()));
    let open = |words: &[&str]| doctor(&[&["--grpc-addr", &address(&folder)], words].concat()).0;
    assert!(!open(&[]).iter().any(|(.., what)| what.contains("every user")), "{:?}", open(&[]));
    has(&open(&["--unix-socket-mode", "0666"]), "settings", "warning", "can connect to the Unix sockets");
    let writable = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), writable).expect("the folder is ours");
    has(&open(&[]), "settings", "warning", "can write to");
}

#[test]
fn a_misspelt_variable_is_refused_with_the_nearest_name() {
    let latchkey = Setup::default().environment("LATCHKEY_DATABSE_URL", "postgres://db/latchkey").launch();
    assert_eq!(latchkey.wait().code(), Some(2));
    assert!(latchkey.log().contains("the nearest is LATCHKEY_DATABASE_URL"), "{}", latchkey.log());
}

#[test]
fn a_database_whose_clock_is_an_hour_off_is_named_by_doctor_the_log_and_a_metric() {
    let clocks = Clocks::new();
    let postgres = Postgres::by_clocks(&clocks);
    let url = postgres.database();
    migrate(&url, &["up"]);
    clocks.set_ahead(3_600);
    let (found, code) = doctor(&["--database-url", &url, "--master-key", MASTER_KEY]);
    has(&found, "database", "error", "1 h ahead of this machine");
    assert_eq!(code, 1);
    let latchkey = Setup::default().database(&url).start();
    eventually("the log and the metric tell", || {
        let log = latchkey.log();
        let page = latchkey.page("/metrics").body;
        let reported = log.contains("the database: its clock") && log.contains("1 h ahead of this machine");
        let metric = "latchkey_database_clock_offset_seconds 3";
        (reported && page.contains("latchkey_findings{check=\"database_clock\"} 1") && page.contains(metric))
            .then_some(())
    });
}

#[test]
fn a_full_disk_is_named_by_doctor_and_at_the_start() {
    let disk = Disk::of(16 * 1024);
    let url = format!("sqlite://{}/latchkey.db?mode=rwc", disk.path().display());
    let latchkey = Setup::default().database(&url).start();
    let look = || doctor(&["--database-url", &url]).0;
    assert!(!look().iter().any(|(_, _, message)| message.contains("is full")), "{:?}", look());
    disk.fill();
    has(&look(), "database", "error", "is full: writes fail");
    latchkey.kill();
    let next = Setup::default().database(&url).launch();
    eventually("the start tells", || next.log().contains("is full: writes fail").then_some(()));
}
