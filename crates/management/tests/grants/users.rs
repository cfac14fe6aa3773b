//! Property of all calls that create, list, change or disable users, or set their passwords: by none of them can a caller of
//! a tenant make a user, or take over one, that can do more than the caller itself, in any environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::UserId;
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PlainPassword;
use latchkey_management::{CallContext, CreateUser, ListUsers, SetUserPassword, TokenIssuer, UpdateUser};
use proptest::prelude::*;

use crate::user_store::{UserStore, needs_a_hash, token_issuer};
use crate::world::{NOW, Shape, World, generator, shape};

const PASSWORD: &str = "the sea at night, from a window";

/// Properties of a user.
#[derive(Clone, Debug)]
struct UserShape {
    role: &'static str,
    binding: Option<&'static str>,
    environment: Option<&'static str>,
    disabled: bool,
}

/// Call of the caller about the user at an index.
#[derive(Clone, Debug)]
enum Action {
    Create(UserShape),
    Update(usize, Vec<&'static str>, UserShape),
    SetPassword(usize),
    Disable(usize),
    List,
}

fn user_shape() -> impl Strategy<Value = UserShape> {
    let role = prop::sample::select(vec!["reader", "writer", "manager"]);
    let binding = prop::sample::select(vec![None, Some("m_1"), Some("m_2")]);
    let environment = prop::sample::select(vec![None, Some("live"), Some("test")]);
    (role, binding, environment, any::<bool>()).prop_map(|(role, binding, environment, disabled)| UserShape {
        role,
        binding,
        environment,
        disabled,
    })
}

fn action() -> impl Strategy<Value = Action> {
    let fields = vec!["role", "bindings", "environment", "disabled"];
    let some = prop::sample::subsequence(fields, 1..=3);
    prop_oneof![
        3 => user_shape().prop_map(Action::Create),
        4 => (0..2_usize, some, user_shape()).prop_map(|(user, fields, to)| Action::Update(user, fields, to)),
        1 => (0..2_usize).prop_map(Action::SetPassword),
        1 => (0..2_usize).prop_map(Action::Disable),
        1 => Just(Action::List),
    ]
}

/// The users of a world's tenant, and the service that manages them.
struct Users {
    issuer: TokenIssuer,
    store: Arc<UserStore>,
    ids: Vec<UserId>,
}

impl Users {
    fn new(world: &World, shapes: &[UserShape]) -> Self {
        let store = Arc::new(UserStore::default());
        let made: Vec<UserRecord> = shapes.iter().map(|shape| user_of(world, shape)).collect();
        let ids = made.iter().map(|user| user.id).collect();
        *store.users.lock().unwrap() = made;
        Self { issuer: token_issuer(&world.service, &store), store, ids }
    }

    /// Returns the stored user at an index, as it is now.
    fn stored(&self, index: usize) -> UserRecord {
        self.store.find(self.ids[index]).unwrap()
    }
}

/// Returns a user of this shape, which is not stored.
fn user_of(world: &World, shape: &UserShape) -> UserRecord {
    let id = UserId::new(NOW, &mut generator());
    UserRecord {
        id,
        tenant: world.own.tenant,
        email: format!("{id}@example.dev"),
        role: shape.role.into(),
        bindings: bindings_of(shape),
        environment: shape.environment.map(Into::into),
        disabled: shape.disabled,
        generation: 1,
        created: Timestamp(0),
        revision: 0,
    }
}

fn bindings_of(shape: &UserShape) -> BTreeMap<String, String> {
    shape.binding.map(|id| ("merchant".to_owned(), id.to_owned())).into_iter().collect()
}

fn is_bound_alike(own: &KeyRecord, user: &UserRecord) -> bool {
    own.bindings.iter().all(|(name, value)| user.bindings.get(name) == Some(value))
}

fn covers_environment(own: &KeyRecord, user: &UserRecord) -> bool {
    let manages = |environment: &str| {
        &*own.environment == environment
            || (&*own.kind == "secret" && &*own.environment == "live" && environment == "test")
    };
    match user.environment.as_deref() {
        Some(environment) => manages(environment),
        None => manages("live") && manages("test"),
    }
}

fn in_reach(own: &KeyRecord, user: &UserRecord) -> bool {
    is_bound_alike(own, user) && (&*own.environment == "live" || covers_environment(own, user))
}

/// Checks that the caller itself has everything that a user is granted.
fn covers(own: &KeyRecord, user: &UserRecord) -> bool {
    let scopes: &[&str] = match &*user.role {
        "reader" => &["a"],
        "writer" => &["a", "b"],
        _ => &["a", "api_keys.manage"],
    };
    scopes.iter().all(|scope| own.scopes.iter().any(|has| **has == **scope))
        && is_bound_alike(own, user)
        && covers_environment(own, user)
        && own.expires.is_none()
        && own.networks.is_empty()
        && own.limits.0.is_empty()
}

/// Returns whether a user can do nothing that it could not do before, field by field.
fn narrows(before: &UserRecord, after: &UserRecord) -> bool {
    after.role == before.role
        && before.bindings.iter().all(|(name, value)| after.bindings.get(name) == Some(value))
        && (before.environment.is_none() || after.environment == before.environment)
        && (after.disabled || !before.disabled)
}

async fn check(world: &World, users: &Users, action: Action) {
    let (call, own) = (CallContext::default(), &world.own);
    let (issuer, caller) = (&users.issuer, &world.caller);
    match action {
        Action::Create(shape) => {
            let wanted = UserRecord { disabled: false, ..user_of(world, &shape) };
            let request = CreateUser {
                tenant: String::new(),
                email: "ada@example.dev".to_owned(),
                password: PlainPassword::new(PASSWORD.to_owned()),
                role: shape.role.to_owned(),
                bindings: bindings_of(&shape),
                environment: shape.environment.unwrap_or_default().to_owned(),
            };
            let made = issuer.create_user(caller, request, &call).await;
            assert_eq!(needs_a_hash(&made), covers(own, &wanted), "{made:?}");
        }
        Action::Update(index, fields, shape) => update(world, users, index, &fields, &shape).await,
        Action::SetPassword(index) => {
            let user = users.stored(index);
            let password = PlainPassword::new(PASSWORD.to_owned());
            let request = SetUserPassword { id: user.id.to_string(), password };
            let set = issuer.set_user_password(caller, request, &call).await;
            assert_eq!(needs_a_hash(&set), covers(own, &user), "{set:?}");
        }
        Action::Disable(index) => {
            let user = users.stored(index);
            let disabled = issuer.disable_user(caller, &user.id.to_string(), &call).await;
            assert_eq!(disabled.is_ok(), in_reach(own, &user), "{disabled:?}");
        }
        Action::List => {
            let page = issuer.list_users(caller, ListUsers::default(), &call).await.unwrap();
            for index in 0..users.ids.len() {
                let user = users.stored(index);
                assert_eq!(page.items.iter().any(|listed| listed.id == user.id), in_reach(own, &user));
            }
        }
    }
}

async fn update(world: &World, users: &Users, index: usize, fields: &[&str], shape: &UserShape) {
    let (old, to) = (users.stored(index), user_of(world, shape));
    let mut wanted = old.clone();
    for &field in fields {
        match field {
            "role" => wanted.role.clone_from(&to.role),
            "bindings" => wanted.bindings.clone_from(&to.bindings),
            "environment" => wanted.environment.clone_from(&to.environment),
            _ => wanted.disabled = to.disabled,
        }
    }
    let request = UpdateUser {
        id: old.id.to_string(),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        role: to.role.to_string(),
        bindings: to.bindings,
        environment: shape.environment.unwrap_or_default().to_owned(),
        disabled: to.disabled,
    };
    let changed = users.issuer.update_user(&world.caller, request, &CallContext::default()).await;
    let allowed = in_reach(&world.own, &old) && (narrows(&old, &wanted) || covers(&world.own, &wanted));
    assert_eq!(changed.is_ok(), allowed, "{old:?} {wanted:?} {changed:?}");
    if let Ok(new) = changed {
        assert_eq!(UserRecord { generation: old.generation, ..new }, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_about_users_gives_a_caller_more_than_it_has(
        own in shape(),
        users in prop::collection::vec(user_shape(), 2),
        actions in prop::collection::vec(action(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&own, &[]);
            let users = Users::new(&world, &users);
            for action in actions {
                check(&world, &users, action).await;
            }
        });
    }
}

/// Returns a manager of the keys and users of one merchant.
fn bound_manager() -> Shape {
    Shape {
        kind: "secret",
        environment: "live",
        scopes: vec!["a", "b"],
        binding: Some("m_1"),
        expires: None,
        network: None,
        limit: None,
        disabled: false,
        revive: false,
    }
}

#[tokio::test]
async fn a_user_that_leaves_the_callers_reach_during_a_call_is_not_changed() {
    let world = World::new(&bound_manager(), &[]);
    let own = UserShape { role: "reader", binding: Some("m_1"), environment: None, disabled: false };
    for by_update in [true, false] {
        let users = Users::new(&world, std::slice::from_ref(&own));
        let user = users.stored(0);
        let moved = UserRecord { bindings: [("merchant".into(), "m_2".into())].into(), ..user.clone() };
        *users.store.meanwhile.lock().unwrap() = Some(moved.clone());
        let (id, call) = (user.id.to_string(), CallContext::default());
        let refused = if by_update {
            let fields = vec!["disabled".to_owned()];
            let request = UpdateUser { id, fields, disabled: true, ..UpdateUser::default() };
            users.issuer.update_user(&world.caller, request, &call).await
        } else {
            users.issuer.disable_user(&world.caller, &id, &call).await
        };
        let not_found = matches!(refused, Err(ManagementError::Request(RequestError::NotFound { .. })));
        assert!(not_found, "by update: {by_update}, {refused:?}");
        assert_eq!(users.stored(0), moved);
    }
}
