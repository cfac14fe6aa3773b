//! Contents of a database for later versions: keys in each state, a user, tokens, and the result of a Check of
//! each.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use latchkey_proto::v1::{
    self, CheckRequest, CreateKeyRequest, IssueJwtRequest, Key, RefreshJwtRequest, RotateKeyRequest,
    SuspendTenantRequest, UpdateKeyRequest, create_key_request,
};
use latchkey_testing::{
    Caller, Database, Latchkey, Setup, dump_database, eventually_async, field_mask, key, scoped, user,
    with_key,
};
use serde::{Deserialize, Serialize};

const PROFILE: &str = include_str!("stored.toml");
pub(crate) const MASTER_KEY: &str = "c3RvcmVkLWRhdGFiYXNlcy1vZi1lYWNoLXZlcnNpb24=";
const PASSWORD: &str = "the lighthouse keeper's, 1851";

/// Values of a stored database, and the expected results of their Checks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredValues {
    /// Time at which the values were created, in seconds since 1970.
    pub(crate) time: i64,
    pub(crate) keys: Vec<StoredKey>,
    /// Refresh token of a family of a key.
    pub(crate) refresh_token: String,
    pub(crate) email: String,
    pub(crate) password: String,
    /// Number of the newest audit event.
    pub(crate) audit_events: u64,
}

/// Key of a stored database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) value: String,
    /// Name of the reason of a Check for `GET /items`.
    pub(crate) reason: String,
}

/// Returns the settings of every server here: the master key is that of the stored databases.
pub(crate) fn on(setup: Setup) -> Setup {
    setup.environment("LATCHKEY_MASTER_KEY", MASTER_KEY).environment("LATCHKEY_SHUTDOWN_DELAY", "0s")
}

/// Returns the present time in seconds since 1970.
pub(crate) fn unix_seconds() -> i64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
    i64::try_from(since.as_secs()).expect("a time of this era")
}

/// Returns the folder of a version.
pub(crate) fn folder(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades").join(version)
}

/// Returns the names of the folders of versions.
pub(crate) fn versions() -> Vec<String> {
    let entries = fs::read_dir(folder("")).expect("the folder of this test");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let versions: Vec<String> = names.filter(|name| folder(name).is_dir()).collect();
    assert!(!versions.is_empty(), "no version is stored");
    versions
}

/// Returns the name of a database's file in the folder of a version.
pub(crate) fn sql_file(database: Database) -> &'static str {
    match database {
        Database::Embedded => "sqlite.sql",
        Database::PostgreSql => "postgres.sql",
    }
}

/// Returns the name of the file with the values of a database.
pub(crate) fn values_file(database: Database) -> &'static str {
    match database {
        Database::Embedded => "sqlite.json",
        Database::PostgreSql => "postgres.json",
    }
}

/// Returns the name of a Check's reason for `GET /items`.
pub(crate) async fn reason(caller: &Caller, value: &str) -> String {
    let ask = CheckRequest {
        credential: value.to_owned(),
        profile: "stored".to_owned(),
        method: "GET".to_owned(),
        path: "/items".to_owned(),
        ..CheckRequest::default()
    };
    caller.check(ask).await.reason().as_str_name().to_owned()
}

fn named(name: &str) -> CreateKeyRequest {
    CreateKeyRequest { name: name.to_owned(), ..scoped("acme", &["items.read"]) }
}

fn with_ttl(name: &str, seconds: i64) -> CreateKeyRequest {
    let ttl = prost_types::Duration { seconds, nanos: 0 };
    CreateKeyRequest { expiry: Some(create_key_request::Expiry::Ttl(ttl)), ..named(name) }
}

async fn disable(operator: &Caller, key: Key) {
    let key = Key { disabled: true, ..key };
    let ask = UpdateKeyRequest { key: Some(key), update_mask: Some(field_mask(&["disabled"])) };
    let _ = operator.keys().update_key(ask).await.expect("it is disabled");
}

/// Creates a key of each state, and returns their names, identifiers and values.
async fn make_keys(operator: &Caller) -> Vec<(Key, String)> {
    let mut made = Vec::new();
    for name in ["plain", "disabled", "revoked", "replaced"] {
        made.push(operator.key(named(name)).await);
    }
    disable(operator, made[1].0.clone()).await;
    let _ = operator.revoke(&made[2].0.id).await;
    let rotate = RotateKeyRequest { id: made[3].0.id.clone(), overlap: None, expiry: None };
    let rotated = operator.keys().rotate_key(rotate).await.expect("it is replaced").into_inner();
    made.push((rotated.key.expect("a successor"), rotated.secret));
    for request in [
        with_ttl("expired", 1),
        CreateKeyRequest { name: "no scope".to_owned(), ..key("acme", "live") },
        CreateKeyRequest { bindings: [("shop".to_owned(), "s_1".to_owned())].into(), ..named("bound") },
        CreateKeyRequest { allowed_networks: vec!["192.0.2.0/24".to_owned()], ..named("confined") },
        CreateKeyRequest {
            name: "limited".to_owned(),
            rate_limits: [("default".into(), "5/min".into())].into(),
            ..named("")
        },
        CreateKeyRequest { kind: "publishable".to_owned(), name: "public".to_owned(), ..key("acme", "live") },
        CreateKeyRequest { tenant: "closed".to_owned(), ..named("of a suspended tenant") },
    ] {
        made.push(operator.key(request).await);
    }
    let closed = SuspendTenantRequest { tenant: "closed".to_owned(), ..SuspendTenantRequest::default() };
    let _ = operator.tenants().suspend_tenant(closed).await.expect("it is suspended");
    made
}

/// Issues a token for a key, and returns the refresh token that follows it.
async fn make_family(operator: &Caller, value: &str) -> String {
    let issued = operator.tokens().issue_jwt(with_key(value)).await.expect("it is issued").into_inner();
    let refresh = RefreshJwtRequest { refresh_token: issued.refresh_token, ..RefreshJwtRequest::default() };
    operator.tokens().refresh_jwt(refresh).await.expect("it is refreshed").into_inner().refresh_token
}

/// Logs in as the stored user.
pub(crate) async fn log_in(caller: &Caller, stored: &StoredValues) -> v1::IssueJwtResponse {
    let password = v1::PasswordGrant { email: stored.email.clone(), password: stored.password.clone() };
    let grant = Some(v1::issue_jwt_request::Grant::Password(password));
    let ask = IssueJwtRequest { grant, tenant: "acme".to_owned(), ..IssueJwtRequest::default() };
    caller.tokens().issue_jwt(ask).await.expect("the user logs in").into_inner()
}

async fn fill(operator: &Caller) -> StoredValues {
    let _ = operator.tenant("acme", "stored", "gold").await;
    let _ = operator.tenant("closed", "stored", "").await;
    let mut stored = StoredValues {
        time: unix_seconds(),
        email: "ada@example.dev".into(),
        password: PASSWORD.into(),
        ..StoredValues::default()
    };
    let _ = operator.user(user("acme", (&stored.email, PASSWORD), "clerk")).await;
    let _ = log_in(operator, &stored).await;
    let made = make_keys(operator).await;
    stored.refresh_token = make_family(operator, &made[0].1).await;
    let expired = &made[5].1;
    eventually_async("the key expires", || async {
        (reason(operator, expired).await == "REASON_EXPIRED").then_some(())
    })
    .await;
    for (key, value) in made {
        let reason = reason(operator, &value).await;
        stored.keys.push(StoredKey { name: key.name, id: key.id, value, reason });
    }
    let verified = operator.audit().verify_audit_log(v1::VerifyAuditLogRequest::default()).await;
    stored.audit_events = verified.expect("an answer").into_inner().events;
    stored
}

async fn store(database: Database) {
    let latchkey: Latchkey = on(database.single_replica()).profile("stored", PROFILE).start();
    let stored = fill(&latchkey.operator()).await;
    latchkey.signal(latchkey_testing::Signal::TERM);
    assert!(latchkey.wait().success());
    let folder = folder(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).expect("a folder");
    let values = serde_json::to_string_pretty(&stored).expect("JSON");
    fs::write(folder.join(values_file(database)), values + "\n").expect("a file");
    fs::write(folder.join(sql_file(database)), dump_database(latchkey.database())).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the databases of the present version, once for a release"]
async fn store_a_database_of_this_version() {
    for database in [Database::Embedded, Database::PostgreSql] {
        tokio::time::timeout(Duration::from_secs(120), store(database)).await.expect("it ends");
    }
}
