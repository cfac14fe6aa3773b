//! Property of all calls that create, list, change, revive, rotate, revoke, disclose or import keys: by none of them can
//! a caller of a tenant get or make more than it could create itself, or see and end a key outside of its bindings and
//! environments.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod store;
mod user_store;
mod users;
mod world;

use std::collections::BTreeMap;

use latchkey_core::record::{KeyLifecycle, KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::{
    CallContext, CreateKey, Expiry, GetPublishableKey, ImportKey, ImportKeys, ImportSecret, ListKeys,
    RevokeKey, RotateKey, UpdateKey,
};
use proptest::prelude::*;

use crate::world::{NOW, Shape, World, limit_texts, shape};

/// Call of the caller about the key at an index.
#[derive(Clone, Debug)]
enum Action {
    Create(Shape),
    Update(usize, Vec<&'static str>, Shape),
    /// Rotation, with the milliseconds until the successor expires if the request names an expiry.
    Rotate(usize, Option<i64>),
    Revoke(usize),
    Disclose(Shape),
    Import(Shape),
    Read(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let fields =
        vec!["name", "scopes", "allowed_networks", "rate_limits", "metadata", "expire_time", "disabled"];
    let some = prop::sample::subsequence(fields, 1..=3);
    let expiry = prop::sample::select(vec![None, Some(-5), Some(500), Some(1_500), Some(3_000)]);
    prop_oneof![
        1 => shape().prop_map(Action::Create),
        4 => (0..3_usize, some, shape()).prop_map(|(key, fields, to)| Action::Update(key, fields, to)),
        2 => (0..3_usize, expiry).prop_map(|(key, expiry)| Action::Rotate(key, expiry)),
        1 => (0..3_usize).prop_map(Action::Revoke),
        2 => shape().prop_map(Action::Disclose),
        1 => shape().prop_map(Action::Import),
        1 => (0..3_usize).prop_map(Action::Read),
    ]
}

/// Request that creates a key like this one.
fn request(key: &KeyRecord) -> CreateKey {
    // A key that has expired is compared with one that is about to.
    let expiry = key.expires.map(|at| Expiry::At(Timestamp(at.0.max(NOW.0 + 1))));
    CreateKey {
        name: "like".to_owned(),
        kind: key.kind.to_string(),
        environment: key.environment.to_string(),
        scopes: key.scopes.iter().map(ToString::to_string).collect(),
        bindings: key.bindings.clone(),
        expiry,
        allowed_networks: key.networks.iter().map(ToString::to_string).collect(),
        rate_limits: limit_texts(&key.limits),
        ..CreateKey::default()
    }
}

/// Returns whether the caller can create a key with the same grants.
async fn can_create(world: &World, key: &KeyRecord) -> bool {
    let call = CallContext::default();
    let Ok(made) = world.service.create_key(&world.caller, request(key), &call).await else { return false };
    let expires = key.expires.map(|at| at.0.max(NOW.0 + 1));
    // Fields that a request leaves open are filled with the caller's own: then it is another key.
    made.key.expires.map(|at| at.0) == expires
        && made.key.networks == key.networks
        // A limit that an operator has set can replace others, and one of the caller holds beside them.
        && made.key.limits.0 == key.limits.0
        && (made.key.scopes == key.scopes || key.scopes.is_empty())
}

fn in_reach(world: &World, key: &KeyRecord) -> bool {
    let own = &world.own;
    let environment = own.environment == key.environment
        || (&*own.kind == "secret" && &*own.environment == "live" && &*key.environment == "test");
    environment && own.bindings.iter().all(|(name, value)| key.bindings.get(name) == Some(value))
}

/// Returns whether a key can do nothing that it could not do before, field by field.
fn narrows(before: &KeyRecord, after: &KeyRecord) -> bool {
    let end = |key: &KeyRecord| key.expires.map_or(i64::MAX, |at| at.0);
    let rank = |key: &KeyRecord| match key.lifecycle {
        KeyLifecycle::Active => 2,
        KeyLifecycle::Disabled => 1,
        KeyLifecycle::Revoked { .. } => 0,
    };
    // Without a limit of its own, a key has 10 a minute.
    let rate =
        |key: &KeyRecord| key.limits.0.values().flatten().map(|(_, limit)| limit.tokens).min().unwrap_or(10);
    let networks = before.networks.is_empty()
        || (!after.networks.is_empty()
            && after.networks.iter().all(|n| before.networks.iter().any(|b| b.contains(n))));
    after.scopes.iter().all(|scope| before.scopes.contains(scope))
        && networks
        && end(after) <= end(before)
        && rank(after) <= rank(before)
        && rate(after) <= rate(before)
        && before.bindings == after.bindings
}

/// Checks that the caller itself has everything that a key is granted.
fn covers(world: &World, key: &KeyRecord) -> bool {
    let own = &world.own;
    let rate =
        |key: &KeyRecord| key.limits.0.values().flatten().map(|(_, limit)| limit.tokens).min().unwrap_or(10);
    let networks = own.networks.is_empty()
        || (!key.networks.is_empty()
            && key.networks.iter().all(|n| own.networks.iter().any(|b| b.contains(n))));
    in_reach(world, key)
        && key.scopes.iter().all(|scope| own.scopes.contains(scope))
        && own.expires.is_none_or(|at| key.expires.is_some_and(|end| end <= at))
        && networks
        && rate(key) <= rate(own)
        && (&*key.kind != "admin" || &*own.kind == "admin")
}

async fn check(world: &World, action: Action) {
    let call = CallContext::default();
    let (service, caller) = (&world.service, &world.caller);
    match action {
        Action::Create(shape) => {
            let wanted = request(&world.key_of(&shape));
            if let Ok(made) = service.create_key(caller, wanted, &call).await {
                assert!(covers(world, &made.key), "{made:?}");
            }
        }
        Action::Update(index, fields, shape) => update(world, index, &fields, &shape).await,
        Action::Rotate(index, expiry) => {
            let old = world.stored(index);
            let expiry = expiry.map(|after| Expiry::At(Timestamp(NOW.0 + after)));
            let overlap = std::time::Duration::from_secs(60);
            let request = RotateKey { id: old.id.to_string(), overlap, expiry, ..RotateKey::default() };
            if let Ok(rotated) = service.rotate_key(caller, request, &call).await {
                assert!(in_reach(world, &old) && narrows(&old, &rotated.replaced));
                assert!(can_create(world, &rotated.key).await, "the successor is wider than the caller");
            }
        }
        Action::Revoke(index) => {
            let old = world.stored(index);
            let request = RevokeKey { id: old.id.to_string(), reason: String::new() };
            let revoked = service.revoke_key(caller, request, &call).await;
            assert_eq!(revoked.is_ok(), in_reach(world, &old), "{revoked:?}");
        }
        Action::Disclose(shape) => {
            let bindings = shape.binding.map(|id| ("merchant".to_owned(), id.to_owned()));
            let request = GetPublishableKey {
                environment: if shape.disabled { String::new() } else { shape.environment.to_owned() },
                bindings: if shape.revive { bindings.into_iter().collect() } else { BTreeMap::new() },
                ..GetPublishableKey::default()
            };
            if let Ok(found) = service.publishable_key(caller, request, &call).await {
                assert_eq!(found.key.state(NOW), KeyState::Active);
                assert!(in_reach(world, &found.key));
                assert!(can_create(world, &found.key).await, "a value that the caller could not grant");
            }
        }
        Action::Import(shape) => {
            let key = CreateKey { idempotency_key: String::new(), ..request(&world.key_of(&shape)) };
            let secret = Some(ImportSecret::Sha256(vec![9; 32]));
            let keys = vec![ImportKey { secret, key, ..ImportKey::default() }];
            let request = ImportKeys { tenant: String::new(), keys, validate_only: false };
            if let Ok(imported) = service.import_keys(caller, request, &call).await {
                assert!(covers(world, &imported.keys[0]));
            }
        }
        Action::Read(index) => {
            let key = world.stored(index);
            let found = service.get_key(caller, &key.id.to_string(), &call).await;
            assert_eq!(found.is_ok(), in_reach(world, &key));
            let page = service.list_keys(caller, ListKeys::default(), &call).await.unwrap();
            for key in world.all() {
                assert_eq!(page.items.iter().any(|listed| listed.id == key.id), in_reach(world, &key));
            }
        }
    }
}

async fn update(world: &World, index: usize, fields: &[&str], shape: &Shape) {
    let (old, to) = (world.stored(index), world.key_of(shape));
    let request = UpdateKey {
        id: old.id.to_string(),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        name: "renamed".to_owned(),
        scopes: to.scopes.iter().map(ToString::to_string).collect(),
        allowed_networks: to.networks.iter().map(ToString::to_string).collect(),
        rate_limits: limit_texts(&to.limits),
        metadata: BTreeMap::new(),
        expires: to.expires,
        disabled: shape.disabled,
        violations: Vec::new(),
    };
    let Ok(new) = world.service.update_key(&world.caller, request, &CallContext::default()).await else {
        return;
    };
    assert!(in_reach(world, &old));
    assert!(narrows(&old, &new) || can_create(world, &new).await, "{fields:?}");
    let expired = |key: &KeyRecord| key.expires.is_some_and(|at| at <= NOW);
    let revived = expired(&old) && !expired(&new);
    assert!(!revived || world.own.scopes.iter().any(|scope| &**scope == "api_keys.revive"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_gives_a_caller_more_than_it_could_create_itself(
        own in shape(),
        keys in prop::collection::vec(shape(), 3),
        actions in prop::collection::vec(action(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&own, &keys);
            for action in actions {
                check(&world, action).await;
            }
        });
    }
}
