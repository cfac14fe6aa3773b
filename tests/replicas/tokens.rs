//! Tokens on three replicas: a call that ends a token ends it on every replica before it returns, and a new
//! signing key is known to every replica before it signs.

use latchkey_proto::v1;
use latchkey_proto::v1::issue_jwt_request::Grant;
use latchkey_testing::{Caller, answered, field_mask, user};

use crate::cluster::{Cluster, allows, patient, rounds};

const PROFILE: &str = r#"
name = "mint"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "mint_live_" }
default_scopes = ["read"]
[[scopes]]
name = "read"
[rate_limits]
default = []
[jwt]
issuer = "https://mint.example.dev"
audience = "mint"
issue_rate = "1000000/min"
[[roles]]
name = "clerk"
scopes = ["read"]
[[roles]]
name = "guest"
scopes = []
"#;

const EMAIL: &str = "ada@example.dev";
const PASSWORD: &str = "the sea at night, 1815";

async fn issued(caller: &Caller, grant: &Grant) -> String {
    let ask = v1::IssueJwtRequest {
        grant: Some(grant.clone()),
        tenant: "coiner".to_owned(),
        ..v1::IssueJwtRequest::default()
    };
    let ask = || {
        let (mut tokens, ask) = (caller.tokens(), ask.clone());
        async move { tokens.issue_jwt(ask).await }
    };
    answered(ask).await.expect("issued").into_inner().access_token
}

fn question(token: &str) -> v1::CheckRequest {
    v1::CheckRequest {
        credential: token.to_owned(),
        profile: "mint".to_owned(),
        scopes_only: true,
        ..v1::CheckRequest::default()
    }
}

async fn passes(caller: &Caller, token: &str) -> bool {
    let ask = || async { allows(caller, question(token)).await.map_err(|no_answer| no_answer.0) };
    answered(ask).await.expect("a check is answered")
}

async fn everywhere(cluster: &Cluster, token: &str) -> Vec<bool> {
    let mut all = Vec::new();
    for operator in &cluster.operators {
        all.push(passes(operator, token).await);
    }
    all
}

async fn minting(cluster: &Cluster) -> (Grant, v1::User) {
    let operator = &cluster.operators[0];
    let _ = answered(|| operator.apply(PROFILE)).await.expect("applied");
    let _ = operator.tenant("coiner", "mint", "").await;
    let (_, value) = operator.scoped_key("coiner", &["read"]).await;
    let user = operator.user(user("coiner", (EMAIL, PASSWORD), "clerk")).await;
    (Grant::ApiKey(value), user)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_keys_tokens_are_refused_everywhere_when_the_call_returns() {
    let cluster = Cluster::with(|_| patient()).await;
    let (grant, _) = minting(&cluster).await;
    for round in 0..rounds(3) {
        let caller = &cluster.operators[round % 3];
        let token = issued(caller, &grant).await;
        assert_eq!(everywhere(&cluster, &token).await, [true; 3], "round {round}");
        // Wake-ups are lost in every other round.
        for replica in &cluster.replicas {
            replica.to_database.mute(round % 2 == 1);
        }
        let listed = caller.signing_keys().list_signing_keys(v1::ListSigningKeysRequest {}).await;
        let keys = listed.expect("listed").into_inner().keys;
        let id = keys.iter().find(|key| key.state == "signing").expect("one signs").id.clone();
        let done = caller.signing_keys().withdraw_signing_key(v1::WithdrawSigningKeyRequest { id }).await;
        let _ = done.expect("withdrawn");
        assert_eq!(everywhere(&cluster, &token).await, [false; 3], "round {round}");
        let fresh = issued(caller, &grant).await;
        assert_eq!(everywhere(&cluster, &fresh).await, [true; 3], "round {round}: a successor signs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_signing_key_is_known_everywhere_before_it_signs() {
    let cluster = Cluster::with(|_| patient()).await;
    let (grant, _) = minting(&cluster).await;
    let old = issued(&cluster.operators[0], &grant).await;
    for round in 0..rounds(3).min(50) {
        let caller = &cluster.operators[round % 3];
        let ask = v1::RotateSigningKeyRequest {
            profile: "mint".to_owned(),
            lead: Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }),
        };
        let _ = caller.signing_keys().rotate_signing_key(ask).await.expect("rotated");
        for issuer in &cluster.operators {
            let token = issued(issuer, &grant).await;
            assert_eq!(everywhere(&cluster, &token).await, [true; 3], "round {round}");
        }
        assert_eq!(everywhere(&cluster, &old).await, [true; 3], "round {round}: what was signed before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_user_is_known_everywhere_when_the_call_returns() {
    let cluster = Cluster::with(|_| patient()).await;
    let (_, user) = minting(&cluster).await;
    let grant = Grant::Password(v1::PasswordGrant { email: EMAIL.to_owned(), password: PASSWORD.to_owned() });
    for (round, role) in ["guest", "clerk", "guest"].into_iter().enumerate() {
        let token = issued(&cluster.operators[round], &grant).await;
        assert_eq!(everywhere(&cluster, &token).await, [true; 3], "round {round}");
        let user = v1::User { role: role.to_owned(), ..user.clone() };
        let ask = v1::UpdateUserRequest { user: Some(user), update_mask: Some(field_mask(&["role"])) };
        let changed = cluster.operators[(round + 1) % 3].tenants().update_user(ask).await;
        assert_eq!(changed.expect("changed").into_inner().role, role);
        assert_eq!(everywhere(&cluster, &token).await, [false; 3], "round {round}");
    }
}
