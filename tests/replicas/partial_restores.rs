//! Tables of PostgreSQL that a person restores without the others, by `pg_dump` and `pg_restore`, while replicas serve: what
//! was taken away since the backup stays away, and is taken away again.

use std::process::Command;
use std::time::Duration;

use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_proto::v1::{self, CheckRequest};
use latchkey_testing::{
    Caller, Folder, answered, eventually, eventually_async, field_mask, postgres_programs, user,
};
use tokio::time::sleep;
use tonic::Code;

use crate::cluster::{Cluster, LEASE, PROFILE, allows, ask};
use crate::figures::now;

const EMAIL: &str = "ada@example.dev";
const PASSWORD: &str = "the sea at night, 1815";

/// A backup of the cluster's database.
struct Backup(Folder);

impl Backup {
    fn of(cluster: &Cluster) -> Self {
        let folder = Folder::new("backup");
        let mut dump = program("pg_dump");
        dump.args(["--format=custom", "--file"]).arg(folder.path().join("dump"));
        run(dump.arg(cluster.postgres.url("test_0")));
        Self(folder)
    }

    /// Replaces the rows of one table by those of the backup, as one transaction.
    fn restore(&self, cluster: &Cluster, table: &str) {
        let rows = self.0.path().join("rows.sql");
        let mut restore = program("pg_restore");
        restore.args(["--data-only", "--table", table, "--file"]).arg(&rows);
        run(restore.arg(self.0.path().join("dump")));
        // Other tables refer to the rows.
        let unchecked = "SET session_replication_role = replica";
        let delete = format!("DELETE FROM {table}");
        let mut psql = program("psql");
        psql.args(["-X", "-1", "-v", "ON_ERROR_STOP=1", "-c", unchecked, "-c", &delete, "-f"]).arg(&rows);
        run(psql.arg(cluster.postgres.url("test_0")));
    }

    /// Restores a part of the backup, whose steps are committed one by one.
    fn restore_part(&self, cluster: &Cluster, part: &[&str]) {
        let mut restore = program("pg_restore");
        restore.args(part).arg("--dbname").arg(cluster.postgres.url("test_0"));
        run(restore.arg(self.0.path().join("dump")));
    }

    /// Writes the list of the rows of all tables but one, for `pg_restore --use-list`. Returns its path.
    fn list_without(&self, table: &str) -> String {
        let mut list = program("pg_restore");
        list.args(["--list", "--section=data"]).arg(self.0.path().join("dump"));
        let output = list.output().expect("pg_restore starts");
        let text = String::from_utf8(output.stdout).expect("a list is text");
        let rows = format!("TABLE DATA public {table} ");
        let others: Vec<_> = text.lines().filter(|line| !line.contains(&rows)).collect();
        assert!(others.len() + 1 == text.lines().count() && output.status.success(), "{text}");
        self.0.write("list", &others.join("\n")).display().to_string()
    }
}

fn program(name: &str) -> Command {
    Command::new(postgres_programs().join(name))
}

fn run(command: &mut Command) {
    let output = command.output().expect("PostgreSQL's programs start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until every replica denies a Check, which none may allow meanwhile.
async fn denied_everywhere(cluster: &Cluster, question: &CheckRequest) {
    for (number, operator) in cluster.operators.iter().enumerate() {
        eventually_async("the Check is denied", async || {
            let answer = allows(operator, question.clone()).await;
            assert_ne!(answer, Ok(true), "replica {number} allows what was taken away");
            (answer == Ok(false)).then_some(())
        })
        .await;
    }
}

/// Waits until every replica allows a Check.
async fn allowed_everywhere(cluster: &Cluster, question: &CheckRequest) {
    for operator in &cluster.operators {
        let allowed = async || (allows(operator, question.clone()).await == Ok(true)).then_some(());
        eventually_async("the Check is allowed", allowed).await;
    }
}

/// Starts a replica again, which then denies the Check as the others do.
async fn denied_after_a_start(cluster: &Cluster, question: &CheckRequest) {
    cluster.replicas[2].latchkey.kill();
    tokio::task::block_in_place(|| cluster.replicas[2].latchkey.restart());
    denied_everywhere(cluster, question).await;
}

async fn rename(caller: &Caller, id: &str, name: &str) {
    let key = v1::Key { id: id.to_owned(), name: name.to_owned(), ..v1::Key::default() };
    let ask = v1::UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&["name"])) };
    let renamed = answered(|| {
        let (mut keys, ask) = (caller.keys(), ask.clone());
        async move { keys.update_key(ask).await }
    });
    renamed.await.expect("the key is renamed");
}

/// Waits until the audit log has an event of this action, and returns the number of them.
fn written_again(cluster: &Cluster, action: &str) -> u64 {
    let count = format!("SELECT count(*) FROM audit_events WHERE action = '{action}'");
    eventually(action, || {
        Some(cluster.sql(&count).parse::<u64>().expect("a count")).filter(|count| *count > 0)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_restored_without_its_revocation_is_revoked_again() {
    let cluster = Cluster::start().await;
    let (revoked, renamed, lasting) = (cluster.key().await, cluster.key().await, cluster.key().await);
    for (_, value) in [&revoked, &renamed, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    let backup = Backup::of(&cluster);
    // The keys are not checked before they are restored, so that no replica has them in memory.
    cluster.revoke(1, &revoked.0).await;
    rename(&cluster.operators[1], &renamed.0, "another").await;
    backup.restore(&cluster, "keys");
    denied_everywhere(&cluster, &ask(&revoked.1)).await;
    let state = format!("SELECT state FROM keys WHERE id = '{}'", revoked.0.replace("key_", ""));
    eventually("the key is revoked in the database", || (cluster.sql(&state) == "revoked").then_some(()));
    assert_eq!(written_again(&cluster, "key.revoke_again"), 1);
    eventually("the repair is in the log", || (cluster.logged("restored alone") >= 1).then_some(()));
    // What else was changed is missing, which no replica passes over, until the key is changed again.
    for operator in &cluster.operators {
        eventually_async("the replica knows that the key lacks a change", async || {
            let refused = allows(operator, ask(&renamed.1)).await.err()?.0;
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
            refused.message().contains("older state").then_some(())
        })
        .await;
    }
    rename(&cluster.operators[0], &renamed.0, "a third one").await;
    for (_, value) in [&renamed, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    denied_after_a_start(&cluster, &ask(&revoked.1)).await;
    cluster.admitted_everywhere(&lasting.1).await;
}

/// Signs a user of the tenant in, and returns a Check by the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_restored_step_by_step_is_trusted_only_when_it_is_complete() {
    let cluster = Cluster::start().await;
    let (revoked, lasting) = (cluster.key().await, cluster.key().await);
    for (_, value) in [&revoked, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    let backup = Backup::of(&cluster);
    let rows = backup.list_without("keys");
    cluster.revoke(1, &revoked.0).await;
    for statement in ["DROP DATABASE test_0 WITH (FORCE)", "CREATE DATABASE test_0"] {
        cluster.postgres.sql(&cluster.postgres.url("postgres"), statement);
    }
    backup.restore_part(&cluster, &["--section=pre-data"]);
    backup.restore_part(&cluster, &["--use-list", &rows]);
    let since = now();
    while since.elapsed() < 5 * LEASE {
        for operator in &cluster.operators {
            let answer = allows(operator, ask(&lasting.1)).await;
            assert_ne!(answer, Ok(false), "a key whose row is not restored yet is no invalid one");
        }
        sleep(Duration::from_millis(50)).await;
    }
    let said = || (cluster.logged("tables have no primary key") >= 1).then_some(());
    eventually("the cause is in the log", said);
    backup.restore_part(&cluster, &["--data-only", "--table", "keys"]);
    backup.restore_part(&cluster, &["--section=post-data"]);
    denied_everywhere(&cluster, &ask(&revoked.1)).await;
    allowed_everywhere(&cluster, &ask(&lasting.1)).await;
    assert_eq!(written_again(&cluster, "key.revoke_again"), 1);
    denied_after_a_start(&cluster, &ask(&revoked.1)).await;
}

async fn signed_in(caller: &Caller) -> CheckRequest {
    let grant = v1::PasswordGrant { email: EMAIL.to_owned(), password: PASSWORD.to_owned() };
    let request = v1::IssueJwtRequest {
        grant: Some(Grant::Password(grant)),
        tenant: "acme".to_owned(),
        ..v1::IssueJwtRequest::default()
    };
    let issued = answered(|| {
        let (mut tokens, request) = (caller.tokens(), request.clone());
        async move { tokens.issue_jwt(request).await }
    });
    ask(&issued.await.expect("signed in").into_inner().access_token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_restored_without_being_disabled_is_disabled_again() {
    let cluster = Cluster::start().await;
    let operator = &cluster.operators[0];
    let document = format!("{PROFILE}\n[[roles]]\nname = \"clerk\"\nscopes = [\"read\"]\n");
    answered(|| operator.apply(&document)).await.expect("the profile has a role");
    let ada = operator.user(user("acme", (EMAIL, PASSWORD), "clerk")).await;
    let question = signed_in(operator).await;
    allowed_everywhere(&cluster, &question).await;
    let backup = Backup::of(&cluster);
    let disable = v1::DisableUserRequest { id: ada.id.clone() };
    let disabled = answered(|| {
        let (mut tenants, disable) = (operator.tenants(), disable.clone());
        async move { tenants.disable_user(disable).await }
    });
    disabled.await.expect("the user is disabled");
    backup.restore(&cluster, "users");
    denied_everywhere(&cluster, &question).await;
    let state = format!("SELECT disabled FROM users WHERE id = '{}'", ada.id.replace("user_", ""));
    eventually("the user is disabled in the database", || (cluster.sql(&state) == "t").then_some(()));
    assert_eq!(written_again(&cluster, "user.disable_again"), 1);
    denied_after_a_start(&cluster, &question).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_is_restored_alone_brings_nothing_back() {
    let cluster = Cluster::start().await;
    let (revoked, later, lasting) = (cluster.key().await, cluster.key().await, cluster.key().await);
    for (_, value) in [&revoked, &later, &lasting] {
        cluster.admitted_everywhere(value).await;
    }
    let backup = Backup::of(&cluster);
    cluster.revoke(1, &revoked.0).await;
    backup.restore(&cluster, "changes");
    for replica in 0..cluster.replicas.len() {
        cluster.wait_for_log(replica, "or it was restored alone", 1);
    }
    cluster.admitted_everywhere(&lasting.1).await;
    denied_everywhere(&cluster, &ask(&revoked.1)).await;
    cluster.revoke(0, &later.0).await;
    denied_everywhere(&cluster, &ask(&later.1)).await;
    denied_after_a_start(&cluster, &ask(&revoked.1)).await;
    cluster.admitted_everywhere(&lasting.1).await;
}
