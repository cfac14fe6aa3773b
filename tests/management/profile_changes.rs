//! Changes of profiles: a document that takes access away is refused, shown with the keys, users and tenants that it
//! affects, and applied where it is forced; versions are kept and can be applied again.

use latchkey_proto::v1::{
    ApplyProfileRequest, DiffProfileRequest, GetProfileRequest, ListAuditEventsRequest,
    ListProfileVersionsRequest, ProfileChange, ProfileChangeEffect, ProfileDiff, RollbackProfileRequest,
};
use latchkey_testing::{Database, on_both, scoped};
use tonic::{Code, Status};

use crate::{SHOP, Shop, refused, with_rate};

on_both!(
    a_document_that_makes_keys_invalid_is_refused_until_it_is_forced,
    a_removed_scope_is_counted_by_the_keys_that_have_it,
    a_removed_plan_is_counted_by_its_tenants,
    a_changed_route_is_counted_by_the_keys_that_have_its_scope,
    a_diff_changes_nothing_and_shows_what_grants_more_first,
    a_diff_against_an_older_version_shows_the_changes_since,
    versions_are_kept_with_author_and_comment,
    a_rollback_applies_an_older_version_as_a_new_one,
    a_change_from_another_version_than_the_expected_one_is_refused,
    a_file_of_the_start_that_takes_keys_away_leaves_the_version_in_force,
    a_file_that_conflicts_with_the_version_that_stays_does_not_prevent_the_start,
);

/// Returns the shop's document with another prefix for live keys.
fn moved() -> String {
    SHOP.replace("shop_live_", "moved_live_")
}

fn apply(document: &str) -> ApplyProfileRequest {
    ApplyProfileRequest { document: document.to_owned(), ..ApplyProfileRequest::default() }
}

async fn diff(shop: &Shop, ask: DiffProfileRequest) -> Result<ProfileDiff, Status> {
    Ok(shop.operator.profiles().diff_profile(ask).await?.into_inner())
}

async fn diff_of(shop: &Shop, document: &str) -> ProfileDiff {
    let ask = DiffProfileRequest { document: document.to_owned(), ..DiffProfileRequest::default() };
    diff(shop, ask).await.expect("a diff")
}

/// Returns the only change of a kind.
#[track_caller]
fn only(diff: &ProfileDiff, effect: ProfileChangeEffect) -> ProfileChange {
    let found: Vec<_> = diff.changes.iter().filter(|change| change.effect() == effect).collect();
    assert_eq!(found.len(), 1, "{diff:#?}");
    found[0].clone()
}

async fn newest(shop: &Shop) -> u64 {
    let ask = GetProfileRequest { name: "shop".to_owned(), version: 0 };
    shop.operator.profiles().get_profile(ask).await.expect("a profile").into_inner().version
}

async fn a_document_that_makes_keys_invalid_is_refused_until_it_is_forced(database: Database) {
    let shop = Shop::open(database).await;
    shop.operator.apply(&moved()).await.expect("without keys, there is nothing to take away");
    shop.operator.apply(SHOP).await.expect("back");
    let (live, value) = shop.operator.plain_key("acme", "live").await;
    let (_, test_value) = shop.operator.plain_key("acme", "test").await;
    let (gone, _) = shop.operator.plain_key("bank", "live").await;
    let _ = shop.operator.revoke(&gone.id).await;
    let status = shop.operator.apply(&moved()).await.expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition);
    for words in ["1 key,", &live.id, "acme", "`shop_live_` to `moved_live_`", "force"] {
        assert!(status.message().contains(words), "{words}: {status:?}");
    }
    assert!(newest(&shop).await == 3 && shop.admits(&value).await);
    let dry = ApplyProfileRequest { validate_only: true, ..apply(&moved()) };
    let dry = shop.operator.profiles().apply_profile(dry).await.expect("a preview").into_inner();
    let change = only(&dry.diff.expect("changes"), ProfileChangeEffect::StopsWorking);
    assert!(change.requires_force && change.impacts[0].count == 1, "{change:#?}");
    let example = &change.impacts[0].examples[0];
    assert_eq!((example.id.as_str(), example.tenant.as_str()), (live.id.as_str(), "acme"));
    let applied = shop.operator.force_apply(&moved()).await.expect("forced");
    assert!(applied.version == 4 && applied.diff.expect("changes").requires_force);
    assert!(!shop.admits(&value).await && shop.admits(&test_value).await);
    let events = shop.operator.audit().list_audit_events(ListAuditEventsRequest::default()).await;
    let events = events.expect("events").into_inner().events;
    let event = events.iter().find(|event| event.action == "profile.apply").expect("the newest");
    assert_eq!(event.details.get("forced").map(String::as_str), Some("true"), "{event:?}");
}

async fn a_removed_scope_is_counted_by_the_keys_that_have_it(database: Database) {
    let shop = Shop::open(database).await;
    let _ = shop.operator.key(scoped("acme", &["orders.write"])).await;
    let _ = shop.operator.key(scoped("bank", &["orders.write", "orders.read"])).await;
    let _ = shop.operator.key(scoped("bank", &["orders.read"])).await;
    let removed = SHOP.replace("[[scopes]]\nname = \"orders.write\"\n", "");
    let change = only(&diff_of(&shop, &removed).await, ProfileChangeEffect::LosesAccess);
    assert!(change.description.contains("`orders.write`") && change.impacts[0].count == 2, "{change:#?}");
    assert_eq!(refused(shop.operator.apply(&removed).await), Code::FailedPrecondition);
    let renamed = SHOP.replace("name = \"orders.write\"", "name = \"orders.edit\"");
    assert_eq!(refused(shop.operator.apply(&renamed).await), Code::FailedPrecondition);
    let alias = "name = \"orders.edit\"\naliases = [\"orders.write\"]";
    let kept = SHOP.replace("name = \"orders.write\"", alias);
    shop.operator.apply(&kept).await.expect("an alias keeps the scope");
}

async fn a_removed_plan_is_counted_by_its_tenants(database: Database) {
    let shop = Shop::open(database).await;
    let without = SHOP.split("[[plans]]").next().expect("a document").to_owned();
    shop.operator.try_tenant("vast", "shop", "big").await.expect("a tenant");
    let change = only(&diff_of(&shop, &without).await, ProfileChangeEffect::LosesAccess);
    assert_eq!((change.impacts[0].subjects.as_str(), change.impacts[0].count), ("tenants", 1), "{change:#?}");
    let status = shop.operator.apply(&without).await.expect_err("refused");
    assert!(status.message().contains("1 tenant,") && status.message().contains("vast"), "{status:?}");
}

async fn a_changed_route_is_counted_by_the_keys_that_have_its_scope(database: Database) {
    let shop = Shop::open(database).await;
    let closed = SHOP.replace("name = \"shop\"\n", "name = \"shop\"\nunmatched_routes = \"deny\"\n");
    shop.operator.apply(&closed).await.expect("applied");
    let _ = shop.operator.key(scoped("acme", &["orders.write"])).await;
    let _ = shop.operator.key(scoped("bank", &["orders.read"])).await;
    let route = "\n[[routes]]\npath = \"/orders\"\nscopes = [\"orders.write\"]\n";
    let change = only(&diff_of(&shop, &format!("{closed}{route}")).await, ProfileChangeEffect::GrantsMore);
    let impacts: Vec<_> = change.impacts.iter().map(|one| (one.subjects.as_str(), one.count)).collect();
    assert_eq!(impacts, [("keys", 1)], "{change:#?}");
}

async fn a_diff_changes_nothing_and_shows_what_grants_more_first(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let open =
        moved().replace("[credential]\n", "[[routes]]\npath = \"/new\"\npublic = true\n[credential]\n");
    let open = open.replace("100/min", "50/min");
    let diff = diff_of(&shop, &open).await;
    let effects: Vec<ProfileChangeEffect> = diff.changes.iter().map(ProfileChange::effect).collect();
    let expected = [
        ProfileChangeEffect::GrantsMore,
        ProfileChangeEffect::StopsWorking,
        ProfileChangeEffect::LimitLowered,
    ];
    assert_eq!(effects, expected, "{diff:#?}");
    assert!(diff.requires_force && (diff.name.as_str(), diff.from_version) == ("shop", 1));
    assert!(newest(&shop).await == 1 && shop.admits(&value).await);
    let bad = DiffProfileRequest { document: "name = 7".to_owned(), ..DiffProfileRequest::default() };
    assert_eq!(refused(self::diff(&shop, bad).await), Code::InvalidArgument);
    let other = DiffProfileRequest {
        document: SHOP.to_owned(),
        name: "x".to_owned(),
        ..DiffProfileRequest::default()
    };
    assert_eq!(refused(self::diff(&shop, other).await), Code::InvalidArgument);
    assert_eq!(refused(self::diff(&shop, DiffProfileRequest::default()).await), Code::InvalidArgument);
}

async fn a_diff_against_an_older_version_shows_the_changes_since(database: Database) {
    let shop = Shop::open(database).await;
    for rate in ["200/min", "300/min"] {
        shop.operator.apply(&with_rate(rate)).await.expect("applied");
    }
    let ask = |name: &str, version, against_version| DiffProfileRequest {
        name: name.to_owned(),
        version,
        against_version,
        ..DiffProfileRequest::default()
    };
    let diff = self::diff(&shop, ask("shop", 0, 1)).await.expect("a diff");
    let change = only(&diff, ProfileChangeEffect::LimitRaised);
    assert_eq!((change.before.as_str(), change.after.as_str()), ("100/min", "300/min"));
    let back = self::diff(&shop, ask("shop", 2, 3)).await.expect("a diff");
    let _ = only(&back, ProfileChangeEffect::LimitLowered);
    assert_eq!(refused(self::diff(&shop, ask("shop", 9, 1)).await), Code::NotFound);
    let status = self::diff(&shop, ask("shop", 0, 9)).await.expect_err("no such version");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "version 9 of the profile \"shop\" was not found: the newest is 3");
}

async fn versions_are_kept_with_author_and_comment(database: Database) {
    let shop = Shop::open(database).await;
    for (rate, comment) in [("200/min", "twice as much"), ("300/min", "")] {
        let ask = ApplyProfileRequest { comment: comment.to_owned(), ..apply(&with_rate(rate)) };
        shop.operator.profiles().apply_profile(ask).await.expect("applied");
    }
    let long = ApplyProfileRequest { comment: "x".repeat(257), ..apply(SHOP) };
    assert_eq!(refused(shop.operator.profiles().apply_profile(long).await), Code::InvalidArgument);
    let list = |page_size, page_token: String| ListProfileVersionsRequest {
        name: "shop".to_owned(),
        page_size,
        page_token,
    };
    let mut profiles = shop.operator.profiles();
    let page = profiles.list_profile_versions(list(2, String::new())).await.expect("a page").into_inner();
    let seen: Vec<_> = page.versions.iter().map(|p| (p.version, p.comment.as_str())).collect();
    assert_eq!(seen, [(3, ""), (2, "twice as much")]);
    assert!(page.versions.iter().all(|p| p.document.is_empty() && !p.applied_by.is_empty()));
    let rest =
        profiles.list_profile_versions(list(2, page.next_page_token)).await.expect("a page").into_inner();
    assert_eq!((rest.versions.len(), rest.next_page_token.as_str()), (1, ""));
    assert_eq!(rest.versions[0].comment, "applied at start-up");
    let none =
        ListProfileVersionsRequest { name: "none".to_owned(), ..ListProfileVersionsRequest::default() };
    assert_eq!(refused(profiles.list_profile_versions(none).await), Code::NotFound);
}

async fn a_rollback_applies_an_older_version_as_a_new_one(database: Database) {
    let shop = Shop::open(database).await;
    let back = |to_version| RollbackProfileRequest {
        name: "shop".to_owned(),
        to_version,
        ..RollbackProfileRequest::default()
    };
    let mut profiles = shop.operator.profiles();
    assert_eq!(refused(profiles.rollback_profile(back(0)).await), Code::FailedPrecondition, "one version");
    shop.operator.apply(&moved()).await.expect("applied");
    for wrong in [2, 9] {
        let status = profiles.rollback_profile(back(wrong)).await.expect_err("refused");
        assert!(
            status.code() == Code::InvalidArgument && status.message().contains("from 1 to 1"),
            "{status:?}"
        );
    }
    let applied = profiles.rollback_profile(back(0)).await.expect("applied").into_inner();
    assert_eq!((applied.version, applied.document.as_str()), (3, SHOP));
    assert_eq!(applied.comment, "rollback to version 1");
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let status = profiles.rollback_profile(back(2)).await.expect_err("a key would be invalid");
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("1 key,"), "{status:?}");
    let dry = RollbackProfileRequest { validate_only: true, ..back(2) };
    let dry = profiles.rollback_profile(dry).await.expect("a preview").into_inner();
    assert!(dry.diff.expect("changes").requires_force && newest(&shop).await == 3);
    let forced = RollbackProfileRequest { force: true, ..back(2) };
    let applied = profiles.rollback_profile(forced).await.expect("forced").into_inner();
    assert!(applied.version == 4 && !shop.admits(&value).await);
}

async fn a_change_from_another_version_than_the_expected_one_is_refused(database: Database) {
    let shop = Shop::open(database).await;
    shop.operator.apply(&with_rate("200/min")).await.expect("applied");
    let late = ApplyProfileRequest { expected_version: 1, ..apply(&with_rate("300/min")) };
    let status = shop.operator.profiles().apply_profile(late).await.expect_err("refused");
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("newest version is 2"));
    let right = ApplyProfileRequest { expected_version: 2, ..apply(&with_rate("300/min")) };
    assert_eq!(shop.operator.profiles().apply_profile(right).await.expect("applied").into_inner().version, 3);
}

async fn a_file_of_the_start_that_takes_keys_away_leaves_the_version_in_force(database: Database) {
    let mut latchkey = database.setup().profile("shop", SHOP).start();
    let operator = latchkey.operator();
    operator.try_tenant("acme", "shop", "").await.expect("a tenant");
    let (_, value) = operator.plain_key("acme", "live").await;
    latchkey.kill();
    let _ = latchkey.folder().write("profiles/shop.toml", &moved());
    latchkey.set("RUST_LOG", "info");
    latchkey.restart();
    let shop = Shop { operator: latchkey.operator(), latchkey };
    assert!(newest(&shop).await == 1 && shop.admits(&value).await, "{}", shop.latchkey.log());
    for words in ["was not applied", "1 key,", "--force", "LATCHKEY_FORCE_PROFILES", "moved_live_"] {
        shop.latchkey.wait_for_log(words);
    }
    let mut latchkey = shop.latchkey;
    latchkey.kill();
    latchkey.set("LATCHKEY_FORCE_PROFILES", "true");
    latchkey.restart();
    let shop = Shop { operator: latchkey.operator(), latchkey };
    assert!(newest(&shop).await == 2 && !shop.admits(&value).await, "{}", shop.latchkey.log());
    shop.latchkey.wait_for_log("profile changed: the prefix");
}

async fn a_file_that_conflicts_with_the_version_that_stays_does_not_prevent_the_start(database: Database) {
    let host = |name: &str| format!("\n[[hosts]]\nhost = \"{name}\"\n");
    let served = format!("{SHOP}{}", host("api.shop.dev"));
    let latchkey = database.setup().profile("shop", &served).start();
    let operator = latchkey.operator();
    operator.try_tenant("acme", "shop", "").await.expect("a tenant");
    let (_, value) = operator.plain_key("acme", "live").await;
    latchkey.kill();
    // The shop releases its host to the market and makes its keys invalid, so that its file is not applied.
    let _ = latchkey.folder().write("profiles/shop.toml", &format!("{}{}", moved(), host("new.shop.dev")));
    let market = SHOP.replace("name = \"shop\"", "name = \"market\"").replace("\"pub_", "\"market_pub_");
    let _ = latchkey.folder().write("profiles/market.toml", &format!("{market}{}", host("api.shop.dev")));
    latchkey.restart();
    let shop = Shop { operator: latchkey.operator(), latchkey };
    assert!(newest(&shop).await == 1 && shop.admits(&value).await, "{}", shop.latchkey.log());
    let ask = GetProfileRequest { name: "market".to_owned(), version: 0 };
    let status = shop.operator.profiles().get_profile(ask.clone()).await.expect_err("not applied");
    assert_eq!(status.code(), Code::NotFound);
    for words in ["takes access away", "conflicts with the version in force", "api.shop.dev"] {
        shop.latchkey.wait_for_log(words);
    }
    let mut latchkey = shop.latchkey;
    latchkey.kill();
    latchkey.set("LATCHKEY_FORCE_PROFILES", "true");
    latchkey.restart();
    let applied = latchkey.operator().profiles().get_profile(ask).await.expect("applied").into_inner();
    assert_eq!(applied.version, 1, "both files are applied in the order that they permit");
}
