//! Change of the master key while calls are decided, and refusal of a start with another one, for every type of
//! sealed value. On both databases; values of a SQLite file are rewrapped while no server runs.

use std::process::{Command, Output, Stdio};

use latchkey_proto::v1::{self, CreateKeyRequest, GetPublishableKeyRequest};
use latchkey_testing::{
    Caller, Database, Latchkey, Setup, Signal, answered, key, on_both, program, with_key,
};
use tonic::Status;

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "//////////////////////////////////////////8=";
const MASTER: &str = "LATCHKEY_MASTER_KEY";
const PREVIOUS: &str = "LATCHKEY_PREVIOUS_MASTER_KEYS";

const SHOP: &str = r#"
name = "shop"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_" }
default_scopes = ["items.read"]
[[kinds]]
name = "publishable"
prefixes = { live = "pk_live_" }
secret = "base62:24"
checksum = true
retrievable = true
scopes = ["items.read"]
[[scopes]]
name = "items.read"
[rate_limits]
default = []
"#;

const JWT: &str = r#"
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
ttl = "1h"
refresh_ttl = "30d"
[[roles]]
name = "clerk"
scopes = ["items.read"]
"#;

on_both!(
    a_start_with_another_key_is_refused_also_without_a_sealed_signing_key,
    a_lost_master_key_is_reported_and_its_values_can_be_discarded,
    a_rewrap_that_was_killed_is_finished_by_the_next,
);

fn settings(setup: Setup) -> Setup {
    setup.environment("LATCHKEY_SHUTDOWN_DELAY", "0s").environment(MASTER, OLD)
}

/// Opens a shop with this document; returns it and the URL of its database.
async fn open(database: Database, document: &str) -> (Latchkey, String) {
    let (latchkey, _) = settings(database.setup()).open("shop", document, &["acme"]).await;
    let url = latchkey.database().to_owned();
    (latchkey, url)
}

/// Restarts the server with these master keys.
fn restart(latchkey: &mut Latchkey, master: &str, previous: &str) {
    latchkey.set(MASTER, master);
    latchkey.set(PREVIOUS, previous);
    latchkey.signal(Signal::TERM);
    assert_eq!(latchkey.wait().code(), Some(0), "{}", latchkey.log());
    latchkey.restart();
}

fn rewrap_command(database: &str, (master, previous): (&str, &str)) -> Command {
    let mut command = Command::new(program());
    command.env_clear().arg("rewrap").env("LATCHKEY_DATABASE_URL", database);
    command.env(MASTER, master).env(PREVIOUS, previous);
    command
}

/// Runs `rewrap`; returns the exit code and the output.
fn rewrap(database: &str, keys: (&str, &str), words: &[&str]) -> (Option<i32>, String) {
    let output: Output = rewrap_command(database, keys).args(words).output().expect("the program starts");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.join("\n");
    assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    (output.status.code(), text)
}

/// Starts a second server on the same database, which must refuse to start.
#[track_caller]
fn refused(database: &str, master: &str, previous: &str) {
    let setup = Setup::default().database(database).environment(MASTER, master);
    let refused = setup.environment(PREVIOUS, previous).launch();
    assert_eq!(refused.wait().code(), Some(2), "{}", refused.log());
    let log = refused.log();
    for words in ["master_key", "previous_master_keys", "latchkey rewrap"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(!log.contains(OLD) && !log.contains(NEW) && !log.contains("panicked"), "{log}");
}

async fn publishable(operator: &Caller) -> (v1::Key, String) {
    operator.key(CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") }).await
}

async fn published(operator: &Caller) -> Result<String, Status> {
    let ask = GetPublishableKeyRequest {
        tenant: "acme".to_owned(),
        environment: "live".to_owned(),
        ..GetPublishableKeyRequest::default()
    };
    Ok(operator.keys().get_publishable_key(ask).await?.into_inner().value)
}

async fn issue(latchkey: &Latchkey, value: &str) -> v1::IssueJwtResponse {
    latchkey.anonymous().tokens().issue_jwt(with_key(value)).await.expect("issued").into_inner()
}

async fn renew(latchkey: &Latchkey, token: &str) -> Result<String, Status> {
    let ask = v1::RefreshJwtRequest { refresh_token: token.to_owned(), ..v1::RefreshJwtRequest::default() };
    Ok(latchkey.anonymous().tokens().refresh_jwt(ask).await?.into_inner().refresh_token)
}

async fn passes(latchkey: &Latchkey, credential: &str) -> bool {
    let ask = v1::CheckRequest {
        credential: credential.to_owned(),
        scopes_only: true,
        ..v1::CheckRequest::default()
    };
    let answer = answered(|| async { latchkey.anonymous().checks().check(ask.clone()).await }).await;
    answer.expect("a check is answered").into_inner().decision() == v1::Decision::Allow
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_changed_while_one_of_two_replicas_serves() {
    let document = format!("{SHOP}{JWT}");
    let (mut one, database) = open(Database::PostgreSql, &document).await;
    let mut two = settings(Setup::default().database(&database)).profile("shop", &document).start();
    let (_, plain) = one.operator().plain_key("acme", "live").await;
    let _ = publishable(&one.operator()).await;
    let issued = issue(&one, &plain).await;
    let renewed = renew(&one, &issued.refresh_token).await.expect("renewed");
    let last = renew(&one, &renewed).await.expect("renewed");

    // First both replicas can open values under the new key; then both seal under it, one after the other.
    for replica in [&mut one, &mut two] {
        restart(replica, OLD, NEW);
    }
    restart(&mut one, NEW, OLD);
    refused(&database, OLD, "");
    let (gone, under_old) = publishable(&two.operator()).await;
    assert_eq!(published(&one.operator()).await.expect("published"), under_old);
    let _ = two.operator().revoke(&gone.id).await;
    let (_, under_new) = publishable(&one.operator()).await;
    assert_eq!(published(&two.operator()).await.expect("published"), under_new);
    assert!(passes(&one, &issued.access_token).await && passes(&two, &issued.access_token).await);
    restart(&mut two, NEW, OLD);
    refused(&database, NEW, "");

    let (code, message) = rewrap(&database, (NEW, OLD), &[]);
    assert!(code == Some(0) && message.contains("all values are encrypted with the master key"), "{message}");
    let (code, message) = rewrap(&database, (NEW, OLD), &[]);
    assert_eq!(code, Some(0), "{message}");
    let events = one.sql("SELECT details FROM audit_events WHERE action = 'master_key.rewrap'");
    assert!(events.lines().count() == 1 && events.contains("\"left\":\"0\""), "{events}");
    for replica in [&mut one, &mut two] {
        restart(replica, NEW, "");
    }
    refused(&database, OLD, "");
    assert!(passes(&one, &issued.access_token).await && passes(&two, &plain).await);
    assert_eq!(published(&two.operator()).await.expect("published"), under_new);
    let all = one.sql("SELECT count(*) FROM keys WHERE sealed IS NOT NULL");
    assert_eq!(all, "2", "that of the revoked key is gone");
    let last = renew(&two, &last).await.expect("renewed");
    // A token that was redeemed under the old key is still recognised, and ends the family.
    let replayed = renew(&one, &issued.refresh_token).await.expect_err("a stolen token");
    assert_eq!(replayed.code(), tonic::Code::Unauthenticated, "{replayed:?}");
    assert!(renew(&one, &last).await.is_err(), "the family has ended");
}

async fn a_start_with_another_key_is_refused_also_without_a_sealed_signing_key(database: Database) {
    let (mut latchkey, database) = open(database, SHOP).await;
    latchkey.kill();
    refused(&database, NEW, "");
    latchkey.restart();
    let (_, value) = publishable(&latchkey.operator()).await;
    latchkey.kill();
    refused(&database, NEW, "");
    let _ = latchkey.sql("DELETE FROM master_key_marks");
    refused(&database, NEW, "");
    latchkey.set(MASTER, NEW);
    latchkey.set(PREVIOUS, OLD);
    latchkey.restart();
    assert_eq!(published(&latchkey.operator()).await.expect("published"), value);
}

async fn a_lost_master_key_is_reported_and_its_values_can_be_discarded(on: Database) {
    let (mut latchkey, database) = open(on, &format!("{SHOP}{JWT}")).await;
    let operator = latchkey.operator();
    let (_, plain) = operator.plain_key("acme", "live").await;
    let (spoiled, _) = publishable(&operator).await;
    let (_, value) = publishable(&operator).await;
    let issued = issue(&latchkey, &plain).await;
    let _ = renew(&latchkey, &issued.refresh_token).await.expect("renewed");
    let one = format!("UPDATE keys SET sealed = hash WHERE hint = '{}'", spoiled.hint);
    let _ = latchkey.sql(&one);
    if on == Database::Embedded {
        latchkey.kill();
    }
    let (code, message) = rewrap(&database, (NEW, OLD), &[]);
    assert!(code == Some(1) && message.contains("none of the given keys decrypts 1 value"), "{message}");
    let (code, message) = rewrap(&database, (NEW, OLD), &["--discard-unreadable"]);
    assert_eq!(code, Some(0), "{message}");
    if on == Database::PostgreSql {
        assert_eq!(
            published(&operator).await.map_err(|s| s.code()),
            Err(tonic::Code::Internal),
            "not its key"
        );
        latchkey.kill();
    }
    let lost = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (code, message) = rewrap(&database, (lost, ""), &[]);
    assert!(code == Some(1) && message.contains("--discard-unreadable"), "{message}");
    refused(&database, lost, "");
    latchkey.set(MASTER, NEW);
    latchkey.restart();
    assert_eq!(published(&latchkey.operator()).await.expect("published"), value);
    latchkey.kill();
    let (code, message) = rewrap(&database, (lost, ""), &["--discard-unreadable"]);
    assert_eq!(code, Some(0), "{message}");
    latchkey.set(MASTER, lost);
    latchkey.restart();
    assert!(passes(&latchkey, &plain).await && !passes(&latchkey, &issued.access_token).await);
    let again = issue(&latchkey, &plain).await;
    assert!(passes(&latchkey, &again.access_token).await, "a fresh key signs");
}

async fn a_rewrap_that_was_killed_is_finished_by_the_next(on: Database) {
    let (mut latchkey, database) = open(on, SHOP).await;
    for _ in 0..301 {
        let _ = publishable(&latchkey.operator()).await;
    }
    restart(&mut latchkey, NEW, OLD);
    let operator = latchkey.operator();
    let mut values = Vec::new();
    for round in 0..8 {
        // A SQLite file belongs to one process at a time.
        let beside = on == Database::PostgreSql;
        if !beside {
            values.push(publishable(&operator).await.1);
            latchkey.kill();
        }
        let mut child = rewrap_command(&database, (NEW, OLD))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        if beside {
            values.push(publishable(&operator).await.1);
        }
        // The sleep is part of the test: each round kills the command at a later moment of its work.
        tokio::time::sleep(std::time::Duration::from_millis(20 * round)).await;
        if beside {
            let _ = operator.revoke(&publishable(&operator).await.0.id).await;
        }
        child.kill().expect("it is killed, or has ended");
        let _ = child.wait().expect("it has ended");
        if !beside {
            latchkey.restart();
            let _ = operator.revoke(&publishable(&operator).await.0.id).await;
        }
        assert_eq!(published(&operator).await.ok().as_ref(), values.last());
    }
    if on == Database::Embedded {
        latchkey.kill();
    }
    let (code, message) = rewrap(&database, (NEW, OLD), &[]);
    assert_eq!(code, Some(0), "{message}");
    let (code, message) = rewrap(&database, (NEW, ""), &[]);
    let row = message.lines().find(|line| line.starts_with("retrievable keys")).expect("a row");
    let numbers: Vec<&str> = row.split_whitespace().skip(2).collect();
    assert_eq!((code, numbers), (Some(0), vec!["0", "0", "309", "0", "0"]), "{message}");
    if on == Database::Embedded {
        latchkey.restart();
    }
    restart(&mut latchkey, NEW, "");
    assert_eq!(published(&latchkey.operator()).await.ok().as_ref(), values.last());
}
