//! Databases of earlier versions, opened by the present program: nothing that they accepted, refused or kept is lost.

use latchkey_proto::v1::{
    GetPublishableKeyRequest, ListKeysRequest, RefreshJwtRequest, VerifyAuditLogRequest,
};
use latchkey_testing::{Caller, Clocks, Database, Folder, Latchkey, Postgres, Setup, load_database, on_both};

use crate::stored::{
    StoredValues, folder, log_in, on, reason, sql_file, unix_seconds, values_file, versions,
};

on_both!(a_database_of_each_version_opens_with_all_that_it_had, a_revocation_after_the_upgrade_holds,);

/// Loads the database of a version, and returns its URL and its values. The folder keeps the file.
fn load(database: Database, version: &str, at: &Folder) -> (String, StoredValues) {
    let url = match database {
        Database::Embedded => format!("sqlite://{}/latchkey.db?mode=rwc", at.path().display()),
        Database::PostgreSql => Postgres::shared().database(),
    };
    load_database(&url, &folder(version).join(sql_file(database)));
    let values = std::fs::read(folder(version).join(values_file(database))).expect("the values");
    (url, serde_json::from_slice(&values).expect("the values are JSON"))
}

/// Opens the database of a version with the present program, which applies no profile. By its clock, the database was
/// written an hour ago, so that tokens have not expired.
fn open(database: Database, version: &str, (at, clocks): (&Folder, &Clocks)) -> (Latchkey, StoredValues) {
    let (url, stored) = load(database, version, at);
    clocks.set_ahead(stored.time + 3_600 - unix_seconds());
    let setup = on(Setup::default().database(&url)).environment("LATCHKEY_SINGLE_REPLICA", "true");
    let setup =
        clocks.environment().iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
    (setup.start(), stored)
}

async fn assert_reasons(caller: &Caller, stored: &StoredValues, version: &str) {
    for key in &stored.keys {
        assert_eq!(reason(caller, &key.value).await, key.reason, "{version}: {}", key.name);
    }
}

async fn a_database_of_each_version_opens_with_all_that_it_had(database: Database) {
    for version in versions() {
        let (at, clocks) = (Folder::new("stored"), Clocks::new());
        let (latchkey, stored) = open(database, &version, (&at, &clocks));
        let operator = latchkey.operator();
        let allowed = stored.keys.iter().filter(|key| key.reason == "REASON_OK").count();
        assert!(allowed >= 4 && stored.keys.len() >= allowed + 6, "{version}: {stored:?}");
        assert_reasons(&operator, &stored, &version).await;
        let log = operator.audit().verify_audit_log(VerifyAuditLogRequest::default()).await;
        let log = log.expect("an answer").into_inner();
        assert!(log.intact && log.events >= stored.audit_events, "{version}: {log:?}");
        let ask = ListKeysRequest { tenant: "acme".to_owned(), ..ListKeysRequest::default() };
        let listed = operator.keys().list_keys(ask).await.expect("a list").into_inner().keys;
        for key in stored.keys.iter().filter(|key| key.name != "of a suspended tenant") {
            assert!(
                listed.iter().any(|one| one.id == key.id && one.name == key.name),
                "{version}: {}",
                key.name
            );
        }
        let public = stored.keys.iter().find(|key| key.name == "public").expect("a retrievable key");
        let ask =
            GetPublishableKeyRequest { tenant: "acme".to_owned(), ..GetPublishableKeyRequest::default() };
        let key = operator.keys().get_publishable_key(ask).await.expect("it can be read again").into_inner();
        assert_eq!(key.value, public.value, "{version}");
        let access = log_in(&operator, &stored).await.access_token;
        assert_eq!(reason(&operator, &access).await, "REASON_OK", "{version}");
        let ask =
            RefreshJwtRequest { refresh_token: stored.refresh_token.clone(), ..RefreshJwtRequest::default() };
        let access =
            operator.tokens().refresh_jwt(ask).await.expect("a family lives on").into_inner().access_token;
        assert_eq!(reason(&operator, &access).await, "REASON_OK", "{version}");
    }
}

async fn a_revocation_after_the_upgrade_holds(database: Database) {
    for version in versions() {
        let (at, clocks) = (Folder::new("stored"), Clocks::new());
        let (latchkey, stored) = open(database, &version, (&at, &clocks));
        let plain = stored.keys.iter().find(|key| key.name == "plain").expect("a key");
        let _ = latchkey.operator().revoke(&plain.id).await;
        for _ in 0..2 {
            let operator = latchkey.operator();
            assert_eq!(reason(&operator, &plain.value).await, "REASON_REVOKED", "{version}");
            let ask = RefreshJwtRequest {
                refresh_token: stored.refresh_token.clone(),
                ..RefreshJwtRequest::default()
            };
            assert!(operator.tokens().refresh_jwt(ask).await.is_err(), "{version}: its family has ended");
            latchkey.kill();
            latchkey.restart();
        }
    }
}
