//! Common set-up of suites: a product that is served on one of the two databases, its tenants, its operator.

use std::time::{Duration, Instant};

use latchkey_proto::v1::{CheckRequest, ListSigningKeysRequest};
use tonic::{Code, Status};

use crate::{Caller, Latchkey, Postgres, Setup, eventually_async};

/// A product with most features, for suites that need no special product.
pub const SHOP: &str = r#"
name = "shop"
[credential]
sources = ["header:x-api-key", "header:authorization Bearer"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
default_scopes = ["items.read", "items.write"]
[[scopes]]
name = "api_keys.manage"
[[scopes]]
name = "items.read"
aliases = ["items.view"]
[[scopes]]
name = "items.write"
[[routes]]
methods = ["GET"]
path = "/v1/items"
scopes = ["items.read"]
[[routes]]
methods = ["POST"]
path = "/v1/items"
scopes = ["items.write"]
[[routes]]
path = "/v1/tried"
enforce = "shadow"
[[routes]]
path = "/health"
public = true
[rate_limits]
default = [{ per = "key", rate = "10000/min" }]
few = [{ per = "key", rate = "1/h" }]
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
ttl = "1h"
refresh_ttl = "30d"
issue_rate = "1000000/min"
[[roles]]
name = "clerk"
scopes = ["items.read"]
[[roles]]
name = "admin"
scopes = ["items.read", "api_keys.manage"]
[upstream_headers]
x-subject = "{{ subject.type }}:{{ subject.id }}"
"#;

/// Database of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// SQLite, in the server's folder.
    Embedded,
    /// Database of its own on the PostgreSQL that all tests share.
    PostgreSql,
}

impl Database {
    /// Returns the settings of a Latchkey on a new database.
    #[must_use]
    pub fn setup(self) -> Setup {
        match self {
            Self::Embedded => Setup::default(),
            Self::PostgreSql => Setup::default().database(&Postgres::shared().database()),
        }
    }

    /// Returns the settings of the only replica of a database: there is no other lease to wait for.
    #[must_use]
    pub fn single_replica(self) -> Setup {
        match self {
            Self::Embedded => self.setup(),
            Self::PostgreSql => self.setup().environment("LATCHKEY_SINGLE_REPLICA", "true"),
        }
    }
}

impl Setup {
    /// Uses the program's own deadlines for the database, which are short, instead of those of tests.
    #[must_use]
    pub fn default_deadlines(self) -> Self {
        self.environment("LATCHKEY_CHECK_DEADLINE", "").environment("LATCHKEY_DATABASE_DEADLINE", "")
    }

    /// Starts a Latchkey with a profile and tenants of it; returns it and a caller with the operators' key.
    pub async fn open(self, profile: &str, document: &str, tenants: &[&str]) -> (Latchkey, Caller) {
        let latchkey = self.profile(profile, document).start();
        let operator = latchkey.operator();
        for slug in tenants {
            let made = answered(|| async { operator.try_tenant(slug, profile, "").await }).await;
            // A call that is repeated finds what an earlier one created without a response.
            let exists = made.as_ref().is_err_and(|status| status.code() == Code::AlreadyExists);
            assert!(made.is_ok() || exists, "no tenant {slug}: {made:?}");
        }
        if document.contains("[jwt]") {
            wait_for_signing_key(&operator, profile).await;
        }
        (latchkey, operator)
    }
}

/// Waits until a profile has a signing key. The server creates it in the background once it is ready; afterwards, only the
/// test's own calls add audit events, writes and revisions.
async fn wait_for_signing_key(operator: &Caller, profile: &str) {
    eventually_async("the profile has a signing key", async || {
        let listed = operator.signing_keys().list_signing_keys(ListSigningKeysRequest {}).await.ok()?;
        listed.into_inner().keys.iter().any(|key| key.profile == profile).then_some(())
    })
    .await;
}

/// Returns a Check of a call to the items of [`SHOP`].
#[must_use]
pub fn call(value: &str, method: &str) -> CheckRequest {
    CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        method: method.to_owned(),
        path: "/v1/items".to_owned(),
        ..CheckRequest::default()
    }
}

/// Pause before a call is repeated.
const PAUSE: Duration = Duration::from_millis(10);

/// Repeats a call until there is a response, for three minutes. On a machine that is busy with other tests, a call may miss
/// its deadline.
pub async fn answered<T, A>(mut ask: impl FnMut() -> A) -> Result<T, Status>
where
    A: Future<Output = Result<T, Status>>,
{
    let start = Instant::now();
    loop {
        let answer = ask().await;
        if !answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_mins(3), "no response: {:?}", answer.err());
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs each test on the embedded database and on PostgreSQL: with the [`Database`], or with the fixture that the
/// suite opens on it, `on_both!(crate::Shop::open; one_test, another_test)`.
#[macro_export]
macro_rules! on_both {
    ($open:path; $($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($open($crate::Database::Embedded).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($open($crate::Database::PostgreSql).await).await;
            })*
        }
    };
    ($($test:ident),* $(,)?) => {
        $crate::on_both!(::std::future::ready; $($test),*);
    };
}

/// Runs each test with each of the two ways in which Envoy sends headers: `headers` (the test gets `false`) and
/// `encode_raw_headers` (`true`).
#[macro_export]
macro_rules! both_ways {
    ($($test:ident),* $(,)?) => {
        mod joined_headers {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(false).await;
            })*
        }
        mod raw_headers {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(true).await;
            })*
        }
    };
}
