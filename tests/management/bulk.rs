//! Changes of many keys at a time: the selected keys, their changes, and the response.

use std::collections::{BTreeSet, HashMap};

use latchkey_proto::v1::{
    CreateKeyRequest, DisableKeysRequest, ImportKeysRequest, ImportedKey, KeyState, KeysFilter,
    ListAuditEventsRequest, RevokeKeysRequest, RevokeKeysResponse, imported_key,
};
use latchkey_testing::{Caller, Database, key, on_both, scoped};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::{Shop, refused};

on_both!(
    named_keys_are_revoked_and_a_repeated_call_changes_nothing,
    an_unknown_id_is_named_and_no_key_is_revoked,
    a_filter_selects_by_kind_environment_creator_and_use,
    a_name_that_no_key_can_have_is_refused_with_the_nearest_one,
    a_binding_that_no_key_can_have_is_refused_with_the_nearest_one,
    a_dry_run_counts_and_changes_nothing,
    a_request_that_could_mean_everything_is_refused,
    a_manager_reaches_its_own_keys_alone,
    disabled_keys_can_be_enabled_again,
    each_key_has_an_event_and_the_call_has_one,
    more_keys_than_one_batch_are_revoked_from_the_command_line,
);

fn filter(tenant: &str) -> KeysFilter {
    KeysFilter { tenant: tenant.to_owned(), ..KeysFilter::default() }
}

fn by_ids(ids: &[&str]) -> RevokeKeysRequest {
    let ids = ids.iter().map(|&id| id.to_owned()).collect();
    RevokeKeysRequest { ids, reason: "an incident".to_owned(), ..RevokeKeysRequest::default() }
}

fn by_filter(filter: KeysFilter) -> RevokeKeysRequest {
    RevokeKeysRequest { filter: Some(filter), ..RevokeKeysRequest::default() }
}

async fn revoke(caller: &Caller, ask: RevokeKeysRequest) -> Result<RevokeKeysResponse, Status> {
    Ok(caller.keys().revoke_keys(ask).await?.into_inner())
}

async fn named_keys_are_revoked_and_a_repeated_call_changes_nothing(database: Database) {
    let shop = Shop::open(database).await;
    let (one, first) = shop.operator.plain_key("acme", "live").await;
    let (other, second) = shop.operator.plain_key("bank", "test").await;
    let (_, bystander) = shop.operator.plain_key("acme", "live").await;
    let ask = || by_ids(&[&one.id, &other.id, &one.id]);
    let done = revoke(&shop.operator, ask()).await.expect("revoked");
    assert_eq!((done.matched, done.revoked), (2, 2), "each key once, in every tenant");
    assert!(done.revision > 0 && !shop.admits(&first).await && !shop.admits(&second).await);
    assert!(shop.admits(&bystander).await);
    let again = revoke(&shop.operator, ask()).await.expect("again");
    assert_eq!((again.matched, again.revoked), (2, 0));
    let get = latchkey_proto::v1::GetKeyRequest { id: one.id };
    let key = shop.operator.keys().get_key(get).await.expect("a key").into_inner();
    assert_eq!((key.state(), &*key.revoke_reason), (KeyState::Revoked, "an incident"));
}

async fn an_unknown_id_is_named_and_no_key_is_revoked(database: Database) {
    let shop = Shop::open(database).await;
    let (one, value) = shop.operator.plain_key("acme", "live").await;
    let malformed = "no such key: the text is not the id of a key (key_…)";
    let unknown = "key \"key_00000000000070008000000000000000\" was not found";
    for (wrong, text) in
        [("key_00000000000070008000000000000000", unknown), ("nonsense", malformed), ("", malformed)]
    {
        let status = revoke(&shop.operator, by_ids(&[&one.id, wrong])).await.expect_err("unknown");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(&format!("ids[1]: {text}")), "{status:?}");
    }
    assert!(shop.admits(&value).await);
}

async fn a_filter_selects_by_kind_environment_creator_and_use(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let (_, live) = shop.operator.plain_key("acme", "live").await;
    let (_, test) = shop.operator.plain_key("acme", "test").await;
    let public = CreateKeyRequest { kind: "publishable".to_owned(), ..scoped("acme", &["orders.read"]) };
    let (_, public) = shop.operator.key(public).await;
    let (_, foreign) = shop.operator.plain_key("bank", "test").await;
    let (made, by_manager) = manager.plain_key("", "live").await;
    let gone = async |filter: KeysFilter, values: &[&str]| {
        let done = revoke(&shop.operator, by_filter(filter)).await.expect("revoked");
        assert_eq!(done.revoked, values.len() as u64);
        for value in values {
            assert!(!shop.admits(value).await);
        }
    };
    gone(KeysFilter { environment: "test".to_owned(), ..filter("acme") }, &[&test]).await;
    gone(KeysFilter { kind: "publishable".to_owned(), ..filter("acme") }, &[&public]).await;
    assert!(shop.admits(&live).await && shop.admits(&by_manager).await && shop.admits(&foreign).await);
    gone(KeysFilter { created_by: made.created_by.clone(), ..filter("acme") }, &[&by_manager]).await;
    let long_ago = Some(Timestamp { seconds: 1_000_000_000, nanos: 0 });
    gone(KeysFilter { unused_since: long_ago, ..filter("acme") }, &[]).await;
    let ahead = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let both = KeysFilter { unused_since: ahead, state: KeyState::Active.into(), ..filter("acme") };
    let done = revoke(&shop.operator, by_filter(both)).await.expect("revoked");
    assert_eq!(done.revoked, 2, "the live key and the manager's own");
    assert!(shop.admits(&foreign).await, "the keys of another tenant");
}

async fn a_name_that_no_key_can_have_is_refused_with_the_nearest_one(database: Database) {
    let shop = Shop::open(database).await;
    let (one, value) = shop.operator.plain_key("acme", "live").await;
    let manager = shop.manager("acme", |_| ()).await;
    for (caller, tenant) in [(&shop.operator, "acme"), (&manager, "")] {
        for (field, wrong, text) in [
            ("kind", KeysFilter { kind: "secrt".to_owned(), ..filter(tenant) }, "did you mean secret?"),
            (
                "environment",
                KeysFilter { environment: "Live".to_owned(), ..filter(tenant) },
                "did you mean live?",
            ),
            ("created_by", KeysFilter { created_by: "ada".to_owned(), ..filter(tenant) }, "the id of a key"),
        ] {
            let disable = DisableKeysRequest { filter: Some(wrong.clone()), ..DisableKeysRequest::default() };
            let dry = RevokeKeysRequest { dry_run: true, ..by_filter(wrong.clone()) };
            let refusals = [
                revoke(caller, by_filter(wrong)).await.expect_err(field),
                revoke(caller, dry).await.expect_err(field),
                caller.keys().disable_keys(disable).await.expect_err(field),
            ];
            for status in refusals {
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                let message = status.message();
                assert!(
                    message.starts_with(&format!("filter.{field}: ")) && message.contains(text),
                    "{message}"
                );
            }
        }
    }
    assert!(shop.admits(&value).await);
    let known = KeysFilter { kind: "secret".to_owned(), created_by: one.id, ..filter("acme") };
    let none = revoke(&shop.operator, by_filter(known)).await.expect("names that keys can have");
    assert_eq!((none.matched, none.revoked), (0, 0));
}

async fn a_binding_that_no_key_can_have_is_refused_with_the_nearest_one(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let bound = |name: &str| HashMap::from([(name.to_owned(), "m_1".to_owned())]);
    let active: i32 = KeyState::Active.into();
    for (caller, tenant) in [(&shop.operator, "acme"), (&manager, "")] {
        for (name, text) in [("merchnt", "did you mean merchant?"), ("Merchant", "did you mean merchant?")] {
            let wrong = KeysFilter { bindings: bound(name), state: active, ..filter(tenant) };
            let disable = DisableKeysRequest { filter: Some(wrong.clone()), ..DisableKeysRequest::default() };
            let refusals = [
                revoke(caller, by_filter(wrong)).await.expect_err(name),
                caller.keys().disable_keys(disable).await.expect_err(name),
            ];
            for status in refusals {
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                let message = status.message();
                assert!(
                    message.starts_with(&format!("filter.bindings[{name:?}]: ")) && message.contains(text),
                    "{message}"
                );
            }
        }
    }
    let of = |name: &str| by_filter(KeysFilter { bindings: bound(name), ..filter("acme") });
    let none = revoke(&shop.operator, of("merchant")).await.expect("a name that the profile reads");
    assert_eq!((none.matched, none.revoked), (0, 0));
    let none = revoke(&shop.operator, of("region")).await.expect("a name that services can use");
    assert_eq!((none.matched, none.revoked), (0, 0));
    let ask = CreateKeyRequest { bindings: bound("region"), ..key("acme", "live") };
    let (_, value) = shop.operator.key(ask).await;
    let done = revoke(&shop.operator, of("region")).await.expect("a name that a key has");
    assert!(done.revoked == 1 && !shop.admits(&value).await, "{done:?}");
}

async fn a_dry_run_counts_and_changes_nothing(database: Database) {
    let shop = Shop::open(database).await;
    let (one, value) = shop.operator.plain_key("acme", "live").await;
    let _ = shop.operator.plain_key("acme", "test").await;
    for ask in [by_ids(&[&one.id]), by_filter(filter("acme"))] {
        let many = if ask.ids.is_empty() { 2 } else { 1 };
        let done = revoke(&shop.operator, RevokeKeysRequest { dry_run: true, ..ask }).await.expect("counted");
        assert_eq!((done.matched, done.revoked, done.revision), (many, many, 0));
    }
    assert!(shop.admits(&value).await);
}

async fn a_request_that_could_mean_everything_is_refused(database: Database) {
    let shop = Shop::open(database).await;
    let (one, value) = shop.operator.plain_key("acme", "live").await;
    let both = RevokeKeysRequest { filter: Some(filter("acme")), ..by_ids(&[&one.id]) };
    for (ask, field) in [
        (RevokeKeysRequest::default(), "ids"),
        (both, "filter"),
        (by_filter(KeysFilter::default()), "filter.tenant"),
        (by_filter(KeysFilter { state: 77, ..filter("acme") }), "filter.state"),
    ] {
        let status = revoke(&shop.operator, ask).await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(status.message().starts_with(&format!("{field}: ")), "{status:?}");
    }
    assert_eq!(refused(revoke(&shop.operator, by_filter(filter("nobody"))).await), Code::NotFound);
    assert!(shop.admits(&value).await);
}

async fn a_manager_reaches_its_own_keys_alone(database: Database) {
    let shop = Shop::open(database).await;
    let bound = |merchant: &str| {
        let mut ask = key("acme", "live");
        ask.bindings.insert("merchant".to_owned(), merchant.to_owned());
        ask
    };
    let (_, near) = shop.operator.key(bound("m_1")).await;
    let (far, kept) = shop.operator.key(bound("m_2")).await;
    let (foreign, other) = shop.operator.plain_key("bank", "live").await;
    let manager =
        shop.manager("acme", |ask| drop(ask.bindings.insert("merchant".to_owned(), "m_1".to_owned()))).await;
    for id in [&far.id, &foreign.id] {
        assert_eq!(refused(revoke(&manager, by_ids(&[id])).await), Code::InvalidArgument);
    }
    assert_eq!(refused(revoke(&manager, by_filter(filter("bank"))).await), Code::NotFound);
    let done = revoke(&manager, by_filter(KeysFilter::default())).await.expect("its own tenant");
    assert_eq!(done.matched, 2, "the key of its merchant, and itself");
    assert!(!shop.admits(&near).await && shop.admits(&kept).await && shop.admits(&other).await);
}

async fn disabled_keys_can_be_enabled_again(database: Database) {
    let shop = Shop::open(database).await;
    let (one, value) = shop.operator.plain_key("acme", "live").await;
    let (gone, _) = shop.operator.plain_key("acme", "live").await;
    shop.operator.revoke(&gone.id).await;
    let ask = DisableKeysRequest { filter: Some(filter("acme")), ..DisableKeysRequest::default() };
    let done = shop.operator.keys().disable_keys(ask.clone()).await.expect("disabled").into_inner();
    assert_eq!((done.matched, done.disabled), (2, 1));
    assert!(!shop.admits(&value).await);
    let again = shop.operator.keys().disable_keys(ask).await.expect("again").into_inner();
    assert_eq!(again.disabled, 0);
    let _ = shop.latchkey.cli_text(&["key", "update", &one.id, "--enable"]);
    assert!(shop.admits(&value).await);
    let text = shop.latchkey.cli_text(&["key", "disable", &one.id]);
    assert!(text.contains("1 key selected; 1 disabled") && !shop.admits(&value).await, "{text}");
}

async fn each_key_has_an_event_and_the_call_has_one(database: Database) {
    let shop = Shop::open(database).await;
    let (one, _) = shop.operator.plain_key("acme", "live").await;
    let (other, _) = shop.operator.plain_key("acme", "live").await;
    let ask = RevokeKeysRequest { reason: "an incident".to_owned(), ..by_filter(filter("acme")) };
    let _ = revoke(&shop.operator, ask).await.expect("revoked");
    let list = ListAuditEventsRequest { tenant: "acme".to_owned(), ..ListAuditEventsRequest::default() };
    let events = shop.operator.audit().list_audit_events(list).await.expect("listed").into_inner().events;
    assert_eq!((&*events[0].action, &*events[0].target), ("keys.revoke", "acme"));
    assert_eq!((&*events[0].details["changed"], &*events[0].details["selected_by"]), ("2", "all keys"));
    let of_keys = events.iter().filter(|event| event.action == "key.revoke");
    let targets: BTreeSet<&str> = of_keys.clone().map(|event| &*event.target).collect();
    assert_eq!(targets, BTreeSet::from([&*one.id, &*other.id]));
    assert!(of_keys.into_iter().all(|event| event.details["reason"] == "an incident"));
}

async fn more_keys_than_one_batch_are_revoked_from_the_command_line(database: Database) {
    let shop = Shop::open(database).await;
    let value = |n: u32| format!("shop_live_{n:064x}");
    let imported = |n: u32| ImportedKey {
        secret: Some(imported_key::Secret::Value(value(n))),
        key: Some(CreateKeyRequest { name: format!("key {n}"), ..CreateKeyRequest::default() }),
        ..ImportedKey::default()
    };
    for part in 0..2 {
        let keys = (part * 600..(part + 1) * 600).map(imported).collect();
        let ask = ImportKeysRequest { tenant: "acme".to_owned(), keys, ..ImportKeysRequest::default() };
        shop.operator.keys().import_keys(ask).await.expect("imported");
    }
    let all = ["key", "revoke", "--all", "--tenant", "acme"];
    let dry = shop.latchkey.cli_text(&[&all[..], &["--dry-run"]].concat());
    assert!(dry.contains("1200 keys selected; 1200 would be revoked"), "{dry}");
    let asked = shop.latchkey.cli(&all);
    assert_eq!(asked.status.code(), Some(2));
    let text = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(text.contains("1200 keys") && text.contains("--yes"), "{text}");
    assert!(shop.admits(&value(0)).await);
    let json = shop.latchkey.cli_text(&[&all[..], &["--yes", "--output", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!((&json["matched"], &json["revoked"]), (&"1200".into(), &"1200".into()));
    assert!(!shop.admits(&value(0)).await && !shop.admits(&value(1_199)).await);
}
